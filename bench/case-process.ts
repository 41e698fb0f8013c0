import { spawn } from "node:child_process";
import { once } from "node:events";

/** The output of a script that runs one case in its own process. spawnSync would block signals. */
export async function outputOf(what: string, args: readonly string[]): Promise<string> {
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  const kill = () => child.kill();
  process.once("exit", kill);
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  const [code, signal] = await once(child, "close");
  process.off("exit", kill);
  if (code !== 0) throw new Error(`${what}: ended with ${signal ?? code}`);
  return output;
}
