// Installs the package: the user's path, no network, no libtorch, several, and from source.
import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { ended, isTrue, said } from "../expect.mjs";
import { makeSandbox, run } from "../sandbox.mjs";
import { install, npx, packWithout } from "../tarball.mjs";

const project = join(import.meta.dirname, "../../..");
const root = (sandbox) => sandbox.at("app/node_modules/gemlens");

/** The package must have all files for install, setup, build and use, and no others. */
async function contents({ package: { files, bytes }, libtorch: { torch } }) {
  const needed = [
    "binding.gyp",
    "CMakeLists.txt",
    "LICENSE",
    "README.md",
    "cmake/old_glibc.cmake",
    "cmake/torch.cmake",
    "dist/cli/main.js",
    "dist/index.d.ts",
    "dist/index.js",
    "docs/hooks.md",
    "docs/recipes.md",
    "examples/steering.ts",
    "native/binding/js_hook.cc",
    "native/loader.c",
    "prebuilds/linux-x64/gemlens.node",
    "scripts/build-native.mjs",
    "scripts/install.mjs",
    "scripts/compiled-module.mjs",
    "scripts/native-sources.mjs",
    "scripts/nvcc.mjs",
  ];
  const missing = needed.filter((path) => !files.includes(path));
  isTrue(missing.length === 0, `missing: ${missing.join(", ")}`);
  isTrue(
    files.some((path) => path.startsWith("assets/tiny-gemma2/")),
    "no bundled model",
  );
  const own = /^(tests|lib|bench|build|docs\/api|\.c[a-z-]+)\/|tsconfig|\.(mjs|map|tsbuildinfo)$/;
  const wanted = [...needed, "bench/README.md"];
  // A leftover of tsc from a removed module is a stray file, too.
  const isStale = (path) =>
    /^dist\/.*\.js$/.test(path) &&
    !existsSync(path.replace(/^dist(.*)\.js$/, `${project}/lib$1.ts`));
  const stray = files.filter((path) => !wanted.includes(path) && (own.test(path) || isStale(path)));
  isTrue(stray.length === 0, `not wanted: ${stray.join(", ")}`);
  const cores = files.filter((path) => path.includes("/libgemlens_core-"));
  isTrue(cores.length > 0, "no core");
  const native = files.filter((path) => path.startsWith("prebuilds/"));
  const holds = (path, text) => readFileSync(join(project, path)).includes(text);
  const local = native.filter((path) => [torch, `${project}/`].some((text) => holds(path, text)));
  isTrue(local.length === 0, `a path of this machine is in ${local.join(", ")}`);
  const minors = cores.map((path) => path.match(/core-(.*)\.so/)[1]).join(", ");
  return `${files.length} files, ${(bytes / 1e6).toFixed(1)} MB, cores ${minors}`;
}

/** Empty folder, no compiler, no torch: the three commands of the README. */
async function user({ package: { path } }) {
  const sandbox = makeSandbox();
  const seconds = [];
  for (const step of [
    () => install(sandbox, path),
    () => npx(sandbox, "gemlens", "setup"),
    () => npx(sandbox, "gemlens", "demo"),
  ]) {
    const start = Date.now();
    const result = await step();
    ended(result, 0, "user's path");
    seconds.push(((Date.now() - start) / 1000).toFixed(0));
    if (seconds.length === 2) said(result, "ready: libtorch");
  }
  isTrue(!existsSync(join(root(sandbox), "build")), "something was built");
  return `install ${seconds[0]} s, setup ${seconds[1]} s, demo ${seconds[2]} s`;
}

/** With a warm npm cache and no network, because the package itself fetches nothing. */
async function offline({ package: { path } }) {
  if (spawnSync("unshare", ["-rn", "true"]).status !== 0)
    return { skipped: "no network namespaces" };
  const sandbox = makeSandbox();
  ended(await install(sandbox, path), 0, "npm install, to warm the cache");
  rmSync(sandbox.at("app"), { recursive: true });
  mkdirSync(sandbox.at("app"));
  writeFileSync(sandbox.at("app/package.json"), '{ "name": "app", "private": true }\n');
  const registry = spawnSync("npm", ["config", "get", "registry"], { encoding: "utf8" }).stdout;
  const probe = `fetch('${registry.trim()}').then(() => process.exit(3), () => 0)`;
  const script = `node -e "${probe}" && exec npm install --foreground-scripts --offline "$0"`;
  const result = await run("unshare", ["-rn", "sh", "-c", script, path], {
    cwd: sandbox.at("app"),
    env: { ...sandbox.env, PATH: `${sandbox.env.PATH}:${process.env.PATH}` },
  });
  ended(result, 0, "npm install without network");
  const cache = sandbox.at("home/.cache/gemlens");
  isTrue(!existsSync(cache), `${cache} was made`);
  isTrue(existsSync(join(root(sandbox), "dist/cli/main.js")), "nothing was installed");
  return "npm install --offline in a network namespace with no interface";
}

/** Without libtorch and network, the error names the missing part and its command. */
async function missing(context) {
  const sandbox = await context.installed();
  const result = await npx(sandbox, "gemlens", "demo");
  ended(result, 1, "demo without libtorch");
  said(result, "NATIVE_LOAD");
  said(result, "npx gemlens setup");
  const code = `import("gemlens").then((it) => it.memory()).catch((e) => console.log(e.code))`;
  const library = await run("node", ["-e", code], { cwd: sandbox.at("app"), env: sandbox.env });
  said(library, /^NATIVE_LOAD\n/, "the library");
  return "NATIVE_LOAD names `npx gemlens setup`";
}

/** A libtorch folder of links to `torch`, as a Python's site-packages has it. */
function layOutPython(sandbox, torch) {
  const package_ = sandbox.at("site/torch");
  mkdirSync(package_, { recursive: true });
  writeFileSync(join(package_, "__init__.py"), "raise ImportError('must not be imported')\n");
  for (const name of ["lib", "include"]) symlinkSync(join(torch, name), join(package_, name));
  const nvidia = join(torch, "../nvidia");
  if (existsSync(nvidia)) symlinkSync(nvidia, sandbox.at("site/nvidia"));
}

/** A libtorch of a version without a core, by name; one in a Python; two in the cache folder. */
async function candidates(context) {
  const { version, torch } = context.libtorch;
  const sandbox = await context.installed();
  const other = sandbox.at("other");
  mkdirSync(join(other, "lib"), { recursive: true });
  writeFileSync(join(other, "lib/libtorch_cpu.so"), "");
  writeFileSync(join(other, "version.py"), "__version__ = '2.99.0+cpu'\n");
  layOutPython(sandbox, torch);
  const cache = sandbox.at("cache/libtorch");
  mkdirSync(cache, { recursive: true });
  for (const name of [version, "2.98.0"]) symlinkSync(join(torch, ".."), join(cache, name));
  const env = {
    ...sandbox.env,
    LIBTORCH: other,
    PYTHONPATH: sandbox.at("site"),
    GEMLENS_CACHE: sandbox.at("cache"),
  };
  const doctor = (more) =>
    run("npx", ["gemlens", "doctor"], { cwd: sandbox.at("app"), env: { ...env, ...more } });
  const all = await doctor({});
  ended(all, 0, "doctor");
  said(all, /1\. LIBTORCH .*: 2\.99\.0, CPU, no headers: no core is built for 2\.99\n/);
  said(all, new RegExp(`2\\. python .*: ${version}, CPU +<- loaded\\n`));
  said(all, new RegExp(`3\\. cache .*${version}/torch: ${version}`));
  said(all, /4\. cache .*2\.98\.0\/torch/);
  const cached = await doctor({ PYTHONPATH: "" });
  said(cached, new RegExp(`cache .*${version}/torch: ${version}, CPU +<- loaded\\n`));
  const demo = await run("npx", ["gemlens", "demo"], { cwd: sandbox.at("app"), env });
  ended(demo, 0, "demo with several candidates");
  return "passes LIBTORCH's 2.99 over, takes Python's, then the cache's; doctor lists all";
}

/** Python has another torch and there is no compiler: setup fetches the one that has a core. */
async function otherTorch(context) {
  const { torch, version } = context.libtorch;
  const sandbox = makeSandbox();
  layOutPython(sandbox, torch);
  rmSync(sandbox.at("site/torch/include"));
  mkdirSync(sandbox.at("site/torch/include/ATen/core"), { recursive: true });
  writeFileSync(sandbox.at("site/torch/include/ATen/core/Tensor.h"), "");
  writeFileSync(sandbox.at("site/torch/version.py"), "__version__ = '2.12.0+cpu'\n");
  sandbox.env.PYTHONPATH = sandbox.at("site");
  ended(await install(sandbox, context.package.path), 0, "npm install");
  const setup = await npx(sandbox, "gemlens", "setup");
  ended(setup, 0, "setup with a Python with torch 2.12");
  said(setup, new RegExp(`ready: libtorch .*/${version}/torch`));
  ended(await npx(sandbox, "gemlens", "demo"), 0, "demo with a Python with torch 2.12");
  return `a Python with 2.12, no compiler: ${version} is fetched`;
}

/** This machine's ccache, if it has one, with paths that are the same everywhere. */
function compilerCache(sandbox) {
  const folder = spawnSync("ccache", ["--get-config", "cache_dir"], { encoding: "utf8" }).stdout;
  if (!folder) return {};
  return { CCACHE_DIR: folder.trim(), CCACHE_BASEDIR: sandbox.root, CCACHE_NOHASHDIR: "1" };
}

/** If no core fits, it is built: by npm install, and by setup next to the existing cores. */
async function source(context) {
  if (spawnSync("cmake", ["--version"]).status !== 0) return { skipped: "no cmake" };
  const { torch, version } = context.libtorch;
  const minor = version.replace(/\.\d+$/, "");
  const sandbox = makeSandbox({ compiler: true });
  Object.assign(sandbox.env, compilerCache(sandbox), { LIBTORCH: torch });
  const bare = await packWithout(context.package.path, ["prebuilds"], sandbox);
  const start = Date.now();
  ended(await install(sandbox, bare), 0, "npm install without prebuilds");
  const built = join(root(sandbox), "build/Release");
  isTrue(existsSync(join(built, `libgemlens_core-${minor}.so`)), "npm install built no core");
  ended(await npx(sandbox, "gemlens", "demo"), 0, "demo from source");
  const took = ((Date.now() - start) / 1000).toFixed(0);

  const second = makeSandbox({ compiler: true });
  Object.assign(second.env, compilerCache(second), { LIBTORCH: torch });
  const core = `prebuilds/linux-x64/libgemlens_core-${minor}.so`;
  const others = context.package.files.filter(
    (path) => path.includes("/libgemlens_core-") && path !== core,
  );
  isTrue(others.length > 0, "needs prebuilds for another minor too: --torch 2.13,2.15");
  const without = await packWithout(context.package.path, [core], second);
  ended(await install(second, without), 0, "npm install without this core");
  isTrue(!existsSync(join(root(second), core)), "npm install built despite prebuilds");
  ended(await npx(second, "gemlens", "setup"), 0, "setup without this core");
  isTrue(existsSync(join(root(second), core)), "setup built no core");
  ended(await npx(second, "gemlens", "demo"), 0, "demo with the core that setup built");
  const cores = readdirSync(join(root(second), "prebuilds/linux-x64")).filter((name) =>
    name.startsWith("libgemlens_core-"),
  );

  // Two setups find the core damaged: one builds, the other waits.
  writeFileSync(join(root(second), core), "damaged");
  const both = await Promise.all([1, 2].map(() => npx(second, "gemlens", "setup")));
  for (const result of both) ended(result, 0, "two setups with a damaged core");
  said({ output: both.map(({ output }) => output).join("\n") }, "waiting for another build");
  ended(await npx(second, "gemlens", "demo"), 0, "demo with the core that two setups built");
  return `npm install built ${minor} and demo ran (${took} s); setup added it: ${cores.length} cores, and a damaged one again`;
}

export const installCases = { contents, user, offline, missing, candidates, otherTorch, source };
