import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { join } from "node:path";

export const root = join(import.meta.dirname, "../..");

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A `node` process with all of `input` on its standard input. */
export function runNode(
  args: readonly string[],
  options: {
    readonly input?: string;
    readonly env?: Readonly<Record<string, string>>;
    /** Closes the process's standard output after this many bytes, as `head` does. */
    readonly closeAfter?: number;
    /** Files that receive standard output and standard error. */
    readonly stdout?: string;
    readonly stderr?: string;
  } = {},
): Promise<Finished> {
  const files: number[] = [];
  const output = (path: string | undefined) => {
    if (path === undefined) return "pipe" as const;
    files.push(openSync(path, "w"));
    return files.at(-1) as number;
  };
  const child = spawn(process.execPath, args, {
    cwd: root,
    env: { ...process.env, ...options.env },
    stdio: ["pipe", output(options.stdout), output(options.stderr)],
  });
  for (const file of files) closeSync(file);
  let stdout = "";
  let stderr = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
    if (options.closeAfter !== undefined && stdout.length >= options.closeAfter) {
      child.stdout?.destroy();
    }
  });
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  // A command with its text in the arguments ends without reading standard input.
  child.stdin?.on("error", () => {});
  child.stdin?.end(options.input ?? "");
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, stdout, stderr }));
  });
}

/** Runs the compiled `gemlens …`; scripts/test.mjs updates dist. */
export function gemlens(
  args: readonly string[],
  options?: Parameters<typeof runNode>[1],
): Promise<Finished> {
  return runNode([join(root, "dist/cli/main.js"), ...args], options);
}
