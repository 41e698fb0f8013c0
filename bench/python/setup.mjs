// Makes the Python environments for the bench's peers: node bench/python/setup.mjs
//   a   SAELens 6.54.12, TransformerLens 3.9 (HookedTransformer), transformers 5
//   c   TransformerLens 4.3 (its bridge), transformers 5; shares torch and equal packages with `a`
//
//   --python PYTHON    the Python to use: 3.11 or 3.12; default python3
//   --python-a PYTHON  an existing environment `a`: makes only `c`, on top of it
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";

const torch = "torch==2.15.0";
const cpuIndex = "https://download.pytorch.org/whl/cpu";
const here = import.meta.dirname;

async function folderOf(name) {
  const { cacheDir } = await import("../../dist/native/libtorch.js");
  return join(cacheDir(), "bench-python", name);
}

const pythonIn = (folder) => join(folder, "bin/python");

/** The Python of environment "a" or "c" made by this script, if it is complete. */
export async function environmentPython(name) {
  const folder = await folderOf(name);
  const python = pythonIn(folder);
  return existsSync(join(folder, "complete")) && existsSync(python) ? python : undefined;
}

function run(program, args) {
  const { status, error } = spawnSync(program, args, { stdio: ["ignore", 2, 2] });
  if (error) throw error;
  return status === 0;
}

function must(program, args) {
  if (!run(program, args)) throw new Error(`setup: ${program} ${args.join(" ")} failed`);
}

const pip = (python, ...args) => [
  python,
  ["-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-input", ...args],
];

function sitePackages(python) {
  const script = "import sysconfig; print(sysconfig.get_path('purelib'))";
  const { stdout, status } = spawnSync(python, ["-c", script], { encoding: "utf8" });
  if (status !== 0) throw new Error(`setup: ${python} does not run`);
  return stdout.trim();
}

/** A virtual environment in a fresh folder; `fill` installs the packages. */
async function make(name, base, fill) {
  const folder = await folderOf(name);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(join(folder, ".."), { recursive: true });
  console.error(`setup: making ${folder}`);
  must(base, ["-m", "venv", folder]);
  const python = pythonIn(folder);
  fill(python);
  must(...pip(python, "--no-deps", "--requirement", join(here, `requirements-${name}.txt`)));
  // Written last, so that an incomplete environment is not used.
  writeFileSync(join(folder, "complete"), "");
  return python;
}

function makeA(base) {
  return make("a", base, (python) => {
    const quick = ["--index-url", cpuIndex, "--retries", "0", "--timeout", "6"];
    if (!run(...pip(python, "--no-deps", ...quick, torch))) {
      console.error("setup: no CPU wheel of torch to be had; the default index has the CUDA build");
      must(...pip(python, torch));
    }
  });
}

function makeC(a) {
  const shared = sitePackages(a);
  return make("c", a, (python) => {
    // The environment's own packages precede those of `a` on the path.
    writeFileSync(join(sitePackages(python), "shared.pth"), `${shared}\n`);
  });
}

async function main() {
  const options = { python: { type: "string" }, "python-a": { type: "string" } };
  const { values } = parseArgs({ options });
  const a = values["python-a"] ?? (await environmentPython("a")) ?? (await makeA(values.python ?? "python3"));
  const c = (await environmentPython("c")) ?? (await makeC(a));
  console.log(`a  ${a}\nc  ${c}`);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) main();
