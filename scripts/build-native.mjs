// Builds the three native artefacts into build/Release with cmake-js.
//   --libtorch DIR   builds against this one instead of the first that is found
//   --out DIR        the folder of the artefacts
//   --cuda           builds the CUDA plugin too, and fetches nvcc if there is none
//   --no-cuda        never builds it
//   --sanitize       address and undefined-behaviour sanitizers in the core
//   --old-glibc      binds to glibc 2.28's symbols, for prebuilds (cmake/old_glibc.cmake)
import { spawnSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
} from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { compiledModule, libtorchModule } from "./compiled-module.mjs";
import { fetchNvcc, findNvcc } from "./nvcc.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const require = createRequire(import.meta.url);
const plugin = "libgemlens_cuda.so";

function has(command) {
  return spawnSync(command, ["--version"], { stdio: "ignore" }).status === 0;
}

async function chooseNvcc(options, cuda) {
  if (options["no-cuda"]) return "";
  if (options.cuda) return (await findNvcc()) ?? fetchNvcc();
  return cuda ? ((await findNvcc()) ?? "") : "";
}

// A build tree is tied to its generator and its source folder; another one needs a fresh tree.
function staleTree(tree, generator) {
  const cache = join(tree, "CMakeCache.txt");
  if (!existsSync(cache)) return false;
  const text = readFileSync(cache, "utf8");
  return (
    !text.includes(`CMAKE_GENERATOR:INTERNAL=${generator}\n`) ||
    !text.includes(`CMAKE_HOME_DIRECTORY:INTERNAL=${root}\n`)
  );
}

/** Returns the exit code; 2 if there is no libtorch to build against. */
export async function buildNative(args = []) {
  const { values: options } = parseArgs({
    args,
    options: {
      libtorch: { type: "string" },
      out: { type: "string", default: join(root, "build/Release") },
      cuda: { type: "boolean", default: false },
      "no-cuda": { type: "boolean", default: false },
      sanitize: { type: "boolean", default: false },
      "old-glibc": { type: "boolean", default: false },
    },
  });
  if (!has("cmake")) {
    console.error("gemlens: building needs cmake 3.22 or newer and a C++20 compiler on PATH.");
    return 1;
  }
  const { libtorchForBuild, describeCandidate } = await libtorchModule();
  const env = options.libtorch ? { ...process.env, LIBTORCH: options.libtorch } : process.env;
  const { found, passedOver } = libtorchForBuild(env);
  if (found === undefined) {
    console.error("gemlens: no libtorch to build against. Looked at, in order:");
    for (const candidate of passedOver) console.error(`  - ${describeCandidate(candidate)}`);
    console.error(
      "Set LIBTORCH to a directory that holds include/ and lib/, or run: gemlens setup",
    );
    return 2;
  }
  console.error(`gemlens: building against ${describeCandidate(found)}`);

  const generator = has("ninja") ? "Ninja" : "Unix Makefiles";
  const suffix = `${options.sanitize ? "-sanitize" : ""}${options["old-glibc"] ? "-prebuild" : ""}`;
  const tree = join(root, ".cmake-build", `${found.minor}${suffix}`);
  const out = resolve(options.out);
  const built = join(tree, "artefacts");
  const definitions = {
    LIBTORCH: found.dir,
    GEMLENS_OUT: built,
    GEMLENS_NODE: process.execPath,
    // cmake-js does not pass an empty string on, and the tree would keep its last one.
    GEMLENS_NVCC: (await chooseNvcc(options, found.cuda)) || "OFF",
    GEMLENS_SANITIZE: options.sanitize ? "ON" : "OFF",
    GEMLENS_OLD_GLIBC: options["old-glibc"] ? "ON" : "OFF",
  };
  const common = [
    "--directory",
    root,
    "--out",
    tree,
    "--generator",
    generator,
    "--log-level",
    "warn",
  ];
  const defined = Object.entries(definitions).map(([name, value]) => `--CD${name}=${value}`);
  const build = async () => {
    if (staleTree(tree, generator)) rmSync(tree, { recursive: true, force: true });
    // `compile` keeps the first configuration, and answers an error with a second full build.
    const code = cmakeJs("configure", [...common, ...defined]) || cmakeJs("build", common);
    if (code === 0)
      replaceAll(built, out, (name) => name !== plugin || definitions.GEMLENS_NVCC !== "OFF");
    return code;
  };
  // An installation and a setup may run at the same time, so a lock guards the build tree.
  const { withLock } = await compiledModule("fetch/folder-lock.js");
  const onWait = (holder) => console.error(`gemlens: waiting for another build (${holder})`);
  return withLock("build", join(root, ".cmake-build/locks"), build, { onWait });
}

/** Replaces each file atomically: a process that loads meanwhile finds a whole file, old or new. */
function replaceAll(from, to, isWanted) {
  mkdirSync(to, { recursive: true });
  for (const name of readdirSync(from).filter(isWanted)) {
    const partial = join(to, `.${name}.${process.pid}`);
    try {
      copyFileSync(join(from, name), partial);
      renameSync(partial, join(to, name));
    } finally {
      rmSync(partial, { force: true });
    }
  }
}

function cmakeJs(command, args) {
  // node-gyp runs this under make, whose jobserver is not for this build.
  const { MAKEFLAGS, MAKELEVEL, ...env } = process.env;
  // Progress goes to stderr, because the caller may be a command that prints data on stdout.
  const stdio = ["ignore", 2, 2];
  const entry = require.resolve("cmake-js/bin/cmake-js");
  const run = spawnSync(process.execPath, [entry, command, ...args], { cwd: root, stdio, env });
  return run.status ?? 1;
}

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  buildNative(process.argv.slice(2)).then((code) => {
    process.exitCode = code;
  });
}
