// Runs `gemlens setup` under failures: each case ends in a working cache or in a typed error.
import { createHash } from "node:crypto";
import { once } from "node:events";
import {
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeSync,
} from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { ended, isTrue, said } from "../expect.mjs";
import { run, start } from "../sandbox.mjs";
import { serve } from "../server.mjs";

/** The command line of the installed package with a separate cache folder. */
export async function setupIn(context, name, cache) {
  const sandbox = await context.installed();
  const folder = cache ?? sandbox.at(`cache-${name}`);
  const env = { ...sandbox.env, GEMLENS_CACHE: folder };
  const main = sandbox.at("app/node_modules/gemlens/dist/cli/main.js");
  const args = (...more) => [main, ...more];
  const options = { cwd: sandbox.at("app"), env };
  const libtorch = join(folder, "libtorch");
  const { version } = context.libtorch;
  return {
    libtorch,
    torch: join(libtorch, version, "torch"),
    files: join(libtorch, `${version}.partial/files`),
    gemlens: (...more) => run("node", args(...more), options),
    start: (...more) => start("node", args(...more), options),
    withEnv: (more, ...rest) =>
      run("node", args(...rest), { ...options, env: { ...env, ...more } }),
  };
}

export async function works(setup, what) {
  const doctor = await setup.gemlens("doctor");
  ended(doctor, 0, `${what}: doctor`);
  said(doctor, "ok         the addon loads", what);
  said(doctor, `${setup.torch}: `, what);
  const left = readdirSync(setup.libtorch).filter((name) => name.endsWith(".partial"));
  isTrue(left.length === 0, `${what}: left over: ${left}`);
}

export function failed(result, text, what) {
  ended(result, 1, what);
  said(result, "gemlens: DOWNLOAD: ", what);
  said(result, text, what);
}

async function twice(context) {
  const server = await serve(await context.archive());
  const setup = await setupIn(context, "twice");
  const both = await Promise.all(
    [1, 2].map(() => setup.gemlens("setup", "--archive", server.url, "--json")),
  );
  server.close();
  for (const result of both) ended(result, 0, "two at once");
  const answers = both.map((result) => JSON.parse(result.stdout).libtorch);
  isTrue(new Set(answers).size === 1, `two answers: ${answers}`);
  isTrue(server.state.sent === server.size, `${server.state.sent} bytes of ${server.size} sent`);
  isTrue(
    both.some((result) => result.stderr.includes("waiting for another setup")),
    "neither waited",
  );
  await works(setup, "two at once");
  return "one fetched, one waited, both ended with 0";
}

async function cut(context) {
  const cutting = await serve(await context.archive(), { cutAfter: 150e6 });
  const first = await setupIn(context, "cut-often");
  ended(await first.gemlens("setup", "--archive", cutting.url), 0, "cut again and again");
  cutting.close();
  const { requests, sent } = cutting.state;
  isTrue(requests.length > 2, `${requests.length} requests`);
  await works(first, "cut again and again");

  // The server truncates, then refuses: setup fails; the next one resumes with the partial file.
  const dying = await serve(await context.archive(), { cutAfter: 200e6, refuseOnce: 2 });
  const second = await setupIn(context, "cut");
  const broken = await second.gemlens("setup", "--archive", dying.url);
  failed(broken, "answered 403", "cut, then refused");
  ended(await second.gemlens("setup", "--archive", dying.url), 0, "after it was cut");
  dying.close();
  isTrue(/^bytes=[1-9]/.test(dying.state.requests[2] ?? ""), "the part was not gone on with");
  await works(second, "after it was cut");
  return `resumed ${requests.length - 1} times (${(sent / 1e6).toFixed(0)} MB sent of ${(cutting.size / 1e6).toFixed(0)})`;
}

async function changedByte(context) {
  const file = await context.archive();
  const bad = await serve(file, { changedByte: Math.floor(statSync(file).size / 2) });
  const setup = await setupIn(context, "changed-byte");
  failed(await setup.gemlens("setup", "--archive", bad.url), "wrong checksum", "a changed byte");
  bad.close();
  const left = readdirSync(setup.files);
  isTrue(left.length === 0, `kept: ${left}`);
  const good = await serve(file);
  ended(await setup.gemlens("setup", "--archive", good.url), 0, "after a changed byte");
  good.close();
  await works(setup, "after a changed byte");
  return "found, not kept, and fetched anew by the next setup";
}

async function checksum(context) {
  const file = await context.archive();
  const sum = createHash("sha256").update(readFileSync(file)).digest("hex");
  const server = await serve(file);
  const setup = await setupIn(context, "checksum");
  const alone = await setup.gemlens("setup", "--sha256", sum);
  ended(alone, 2, "--sha256 alone");
  said(alone, "ARGUMENT: setup: expected --archive beside --sha256");
  const wrong = sum.replace(/^./, (digit) => (digit === "0" ? "1" : "0"));
  const refused = await setup.gemlens("setup", "--archive", server.url, "--sha256", wrong);
  failed(refused, `expected SHA-256 ${wrong}`, "a wrong sum");
  const right = await setup.gemlens("setup", "--archive", server.url, "--sha256", sum);
  ended(right, 0, "the right sum");
  server.close();
  await works(setup, "the right sum");
  return "a wrong one is refused, the right one accepted, one without an archive is ARGUMENT";
}

async function killed(context) {
  const server = await serve(await context.archive(), { pauseAt: 200e6 });
  const setup = await setupIn(context, "killed");
  const loading = setup.start("setup", "--archive", server.url);
  await server.paused;
  loading.child.kill("SIGKILL");
  isTrue((await loading.ended).signal === "SIGKILL", "it was not killed while fetching");
  server.resume();
  const unpacking = setup.start("setup", "--archive", server.url);
  await unpacking.prints("unpacking");
  unpacking.child.kill("SIGKILL");
  isTrue((await unpacking.ended).signal === "SIGKILL", "it was not killed while unpacking");
  isTrue(!existsSync(setup.torch), "half a libtorch took its sandbox");
  const asked = server.state.requests.length;
  ended(await setup.gemlens("setup", "--archive", server.url), 0, "after two kills");
  isTrue(server.state.requests.length === asked, "it fetched the same file again");
  isTrue(
    /^bytes=[1-9]/.test(server.state.requests[1] ?? ""),
    "the first part was not gone on with",
  );
  server.close();
  await works(setup, "after two kills");
  return "killed while fetching and while unpacking; the third went on and ended with 0";
}

async function damaged(context) {
  const server = await serve(await context.archive());
  const setup = await setupIn(context, "damaged");
  const again = () => setup.gemlens("setup", "--archive", server.url);
  ended(await again(), 0, "setup");
  const library = join(setup.torch, "lib/libtorch_cpu.so");
  const flip = () => {
    const sandbox = 100e6;
    const byte = readFileSync(library)[sandbox];
    const file = openSync(library, "r+");
    writeSync(file, Buffer.from([byte ^ 1]), 0, 1, sandbox);
    closeSync(file);
  };
  const damages = { "has changed": flip, "is missing": () => rmSync(library) };
  for (const [said_, damage] of Object.entries(damages)) {
    damage();
    const repaired = await again();
    ended(repaired, 0, said_);
    said(repaired, new RegExp(`the cache is damaged, .* ${said_}: fetching it again`));
    await works(setup, said_);
  }
  truncateSync(library, 1e8);
  const demo = await setup.gemlens("demo");
  ended(demo, 1, "demo with a cut library");
  said(demo, "NATIVE_LOAD");
  said(demo, "lib/libtorch_cpu.so is cut short");
  said(demo, "npx gemlens setup");
  ended(await again(), 0, "a cut library");
  await works(setup, "a cut library");
  server.close();
  return "a changed byte, a missing and a cut library are found and fetched again";
}

async function closedPort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

async function proxy(context) {
  const setup = await setupIn(context, "proxy");
  // A port without a listener, and not one that fetch itself forbids.
  const nowhere = `http://127.0.0.1:${await closedPort()}`;
  const pip = await setup.withEnv({ HTTPS_PROXY: nowhere, https_proxy: nowhere }, "setup");
  failed(pip, /proxy/i, "pip with a dead proxy");
  const env = { HTTP_PROXY: nowhere, PIP_RETRIES: "0" };
  const own = await setup.withEnv(env, "setup", "--archive", `${nowhere}/libtorch.zip`);
  failed(own, "HTTP_PROXY is set, which Node's fetch ignores", "fetch with a proxy");
  said(own, "(ECONNREFUSED)", "fetch with a proxy");
  return "a dead proxy is named, by pip and by our own fetch";
}

export const setupCases = { twice, cut, changedByte, checksum, killed, damaged, proxy };
