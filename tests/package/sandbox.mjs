// A sandbox isolated from this machine: an empty HOME and no compiler. Its PATH holds Node,
// npm, the basics and a Python with pip but without torch.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";

const basics =
  "sh env uname cat ls cp mv rm mkdir ln tar gzip sed grep dirname basename readlink which".split(
    " ",
  );
const compilers = "cc gcc c++ g++ clang clang++ cmake make ninja nvcc".split(" ");

// It keeps only this machine's settings for its package indexes.
const networkVariable =
  /^(pip_|npm_config_(registry|cafile|proxy|https_proxy)|(https?|no|all)_proxy$|ssl_cert|requests_ca|node_extra_ca)/i;

function which(command) {
  const folders = (process.env.PATH ?? "").split(delimiter);
  return folders.map((folder) => join(folder, command)).find((path) => existsSync(path));
}

// Resolves a shim to its Python, because the shim's own tool is not on the narrow PATH.
function pythonWithPip() {
  const ask = `
import importlib.util, sys, pip
if importlib.util.find_spec("torch") is None: print(sys.executable)`;
  for (const command of ["python3", "python"]) {
    const run = spawnSync(command, ["-c", ask], { encoding: "utf8" });
    if (run.status === 0 && run.stdout !== "") return run.stdout.trim();
  }
  throw new Error("no Python on PATH has pip and no torch");
}

// Leftovers of a failed case.
const roots = [];
const children = new Set();
const servers = new Set();

/**
 * @returns {{ root: string, home: string, env: Record<string, string>, at: (...names) => string }}
 */
export function makeSandbox({ python = true, compiler = false } = {}) {
  const root = mkdtempSync(join(tmpdir(), "gemlens-package-"));
  roots.push(root);
  const at = (...names) => join(root, ...names);
  for (const folder of ["home", "bin", "tmp", "app"]) mkdirSync(at(folder));
  const link = (name, path) => path && symlinkSync(path, at("bin", name));
  link("node", realpathSync(process.execPath));
  for (const name of ["npm", "npx"]) link(name, join(dirname(process.execPath), name));
  for (const name of basics) link(name, which(name));
  if (python) link("python3", pythonWithPip());
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => networkVariable.test(name)),
  );
  Object.assign(env, {
    HOME: at("home"),
    TMPDIR: at("tmp"),
    PATH: compiler ? `${at("bin")}${delimiter}${process.env.PATH}` : at("bin"),
    npm_config_update_notifier: "false",
    npm_config_audit: "false",
    npm_config_fund: "false",
  });
  const found = compilers.filter((name) => existsSync(at("bin", name)));
  if (found.length > 0) throw new Error(`a compiler is on the narrow PATH: ${found}`);
  return { root, home: at("home"), env, at };
}

/** Runs after each case: ends the running processes and closes the servers. */
export function cleanUp() {
  // Kills the whole group, as npx and sh have children.
  for (const { pid } of children) process.kill(-pid, "SIGKILL");
  for (const close of servers) close();
}

export function removeSandboxes() {
  cleanUp();
  for (const root of roots.splice(0)) rmSync(root, { recursive: true, force: true });
}

/** Remembers how to close a server. */
export function closeLater(close) {
  servers.add(close);
}

/** Starts a command; `ended` gives { status, signal, stdout, stderr, output }. */
export function start(command, args, options) {
  const stdio = ["ignore", "pipe", "pipe"];
  const child = spawn(command, args, { stdio, detached: true, ...options });
  children.add(child);
  child.on("close", () => children.delete(child));
  const seen = { stdout: "", stderr: "", output: "" };
  const listeners = new Set();
  for (const name of ["stdout", "stderr"]) {
    child[name].setEncoding("utf8").on("data", (text) => {
      seen[name] += text;
      seen.output += text;
      for (const look of listeners) look();
    });
  }
  const ended = new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (status, signal) => resolve({ status, signal, ...seen }));
  });
  /** Resolves when `text` has been printed; rejects if the command ends without it. */
  const prints = (text) =>
    new Promise((resolve, reject) => {
      const look = () => {
        if (!seen.output.includes(text)) return;
        listeners.delete(look);
        resolve();
      };
      listeners.add(look);
      look();
      ended.then(() => reject(new Error(`ended without printing "${text}":\n${seen.output}`)));
    });
  return { child, ended, prints };
}

/** Runs a command to its end. */
export function run(command, args, options) {
  return start(command, args, options).ended;
}
