import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { GemlensError } from "../errors/gemlens-error.js";
import type { OnBytes } from "../fetch/http-download.js";

// pip takes each tag literally, so wheels for older glibc versions have to be listed too.
const platforms = [28, 27, 26, 25, 24, 17, 12, 5].map((minor) => `manylinux_2_${minor}_x86_64`);

/** The command that runs pip; undefined if no Python on PATH has it. */
export function findPip(): readonly string[] | undefined {
  const commands = [["python3", "-m", "pip"], ["python", "-m", "pip"], ["pip3"], ["pip"]];
  return commands.find(([program, ...args]) => {
    const run = spawnSync(program as string, [...args, "--version"], { cwd: "/", stdio: "ignore" });
    return run.status === 0;
  });
}

/**
 * Downloads wheels into `folder`. The wheels do not depend on the Python that runs pip. pip uses its own
 * configuration (index, proxy, certificates) and checks the index's hashes.
 *
 * @throws GemlensError `DOWNLOAD` that explains network, proxy, certificate and disk errors
 */
export async function pipDownload(
  pip: readonly string[],
  requirements: readonly string[],
  folder: string,
  options: { index?: string; quick?: boolean; onBytes?: OnBytes } = {},
): Promise<void> {
  // The pip of a killed setup may still write into an older folder, so this one has its own name.
  const temporary = join(folder, `.pip-${process.pid}`);
  for (const name of readdirSync(folder)) {
    if (name.startsWith(".pip-")) rmSync(join(folder, name), { recursive: true, force: true });
  }
  const wheels = join(temporary, "wheels");
  mkdirSync(wheels, { recursive: true });
  const args = [
    ...["download", "--no-deps", "--only-binary=:all:"],
    ...platforms.flatMap((platform) => ["--platform", platform]),
    ...["--python-version", "3.12", "--implementation", "cp", "--progress-bar", "off"],
    ...["--no-input", "--disable-pip-version-check", "--dest", wheels],
    // Give up at once on an index that can't be reached, but retry one that answers.
    ...(options.quick ? ["--retries", "0", "--timeout", "6"] : ["--retries", "4"]),
    ...(options.index === undefined ? [] : ["--index-url", options.index]),
    ...requirements,
  ];
  // Every version of pip downloads into its temporary folder, so progress is measured there.
  const env = { ...process.env, TMPDIR: temporary, PIP_NO_CACHE_DIR: "1", PYTHONUNBUFFERED: "1" };
  const [program, ...first] = pip as [string, ...string[]];
  const child = spawn(program, [...first, ...args], {
    // `python -m pip` searches the working directory first, which may contain an unrelated pip/.
    cwd: temporary,
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  const timer = setInterval(() => {
    if (output.includes("Downloading "))
      options.onBytes?.(bytesIn(temporary), expectedBytes(output));
  }, 300);
  const stop = () => child.kill();
  process.once("exit", stop);
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      child.on("error", reject).on("close", resolve);
    });
    if (code !== 0) throw explain(output, requirements, folder);
    // pip does not move files atomically, so only complete wheels go to `folder`.
    for (const name of readdirSync(wheels)) renameSync(join(wheels, name), join(folder, name));
  } finally {
    clearInterval(timer);
    process.off("exit", stop);
    rmSync(temporary, { recursive: true, force: true });
  }
}

function bytesIn(folder: string): number {
  let bytes = 0;
  try {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name);
      bytes += entry.isDirectory() ? bytesIn(path) : statSync(path).size;
    }
  } catch {
    // pip may remove a file during the count.
  }
  return bytes;
}

/** Parses the last `Downloading torch-….whl (539.3 MB)`. */
function expectedBytes(output: string): number | undefined {
  const sizes = [...output.matchAll(/Downloading \S+ \(([\d.]+) (kB|MB|GB)\)/g)];
  const last = sizes.at(-1);
  if (last === undefined) return undefined;
  return Number(last[1]) * { kB: 1e3, MB: 1e6, GB: 1e9 }[last[2] as "kB" | "MB" | "GB"];
}

const causes: readonly [RegExp, string][] = [
  [
    /No space left on device|ENOSPC|Disk quota exceeded/,
    "the disk is full: make room, or set GEMLENS_CACHE to a larger disk",
  ],
  [
    /ProxyError|Tunnel connection failed|407 Proxy/,
    "the proxy refused: check HTTPS_PROXY, or `pip config set global.proxy http://host:port`",
  ],
  [
    /CERTIFICATE_VERIFY_FAILED|SSLError/,
    "the certificate was not accepted: name your CA with `pip config set global.cert /path/to/ca.pem`",
  ],
  [
    /No matching distribution|Could not find a version/,
    "this index has no such wheel: check the version, or `pip config get global.index-url`",
  ],
  [
    /NewConnectionError|NameResolution|Name or service not known|ConnectTimeout|ReadTimeout|timed out|Connection (refused|reset|aborted|broken)|IncompleteRead/,
    "the package index cannot be reached: check the network; behind a proxy set HTTPS_PROXY",
  ],
];

function explain(output: string, requirements: readonly string[], folder: string): GemlensError {
  const wheels = requirements.join(" ");
  const lines = output.trim().split("\n");
  // For an unreachable index pip also reports "no matching distribution", so test this first.
  const unreachable = causes.at(-1)?.[0].test(output) ? causes.at(-1) : undefined;
  const specific = causes.slice(0, 3).find(([pattern]) => pattern.test(output));
  const known = specific ?? unreachable ?? causes.find(([pattern]) => pattern.test(output));
  const reason = known?.[1] ?? lines.at(-1) ?? "pip failed";
  return new GemlensError("DOWNLOAD", `setup: expected ${wheels} in ${folder}: ${reason}`, {
    requirements,
    started: output.includes("Downloading "),
    unreachable: specific === undefined && unreachable !== undefined,
    output: lines.slice(-12).join("\n"),
  });
}
