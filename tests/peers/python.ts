/** Python with a pinned huggingface_hub, in the cache folder; and calls of it. */

import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";

const script = join(import.meta.dirname, "hub.py");

/** The interpreter of a virtual environment that has this version; installs it once. */
export function pythonWith(cache: string, version: string): string {
  const folder = join(cache, "peers-python", version);
  const python = join(folder, "bin/python");
  if (existsSync(join(folder, "complete"))) return python;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(join(cache, "peers-python"), { recursive: true });
  run("python3", ["-m", "venv", folder]);
  run(python, ["-m", "pip", "install", "--quiet", `huggingface_hub==${version}`, "hf_xet"]);
  mkdirSync(join(folder, "complete"));
  return python;
}

/** The result of one call; `error` is the exception's class. */
export interface PythonResult {
  readonly result?: unknown;
  readonly error?: string;
  readonly message?: string;
}

/** Runs one call of hub.py in a separate process, which reads the environment anew. */
export async function callPython(
  python: string,
  request: Readonly<Record<string, unknown>>,
  env: Readonly<Record<string, string>>,
): Promise<PythonResult> {
  const child = spawn(python, [script, JSON.stringify(request)], {
    env: { PATH: process.env["PATH"] ?? "", HF_HUB_DISABLE_PROGRESS_BARS: "1", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const code = await new Promise((resolve) => {
    child.on("close", resolve);
  });
  if (code !== 0) throw new Error(`python ended with ${code}: ${stderr}`);
  return JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as PythonResult;
}

function run(command: string, args: readonly string[]): void {
  const { status } = spawnSync(command, args, { stdio: "inherit" });
  if (status !== 0) throw new Error(`${command} ${args.join(" ")} ended with ${status}`);
}
