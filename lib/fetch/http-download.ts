/**
 * Downloads that resume. They are written by hand over Node's fetch because a later process has to
 * resume the same part, and a full disk needs another message than a broken connection.
 */
import {
  createWriteStream,
  existsSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { GemlensError } from "../errors/gemlens-error.js";
import type { Caller } from "./caller.js";
import { checkSpace, isSystemError, writeProblem } from "./disk-space.js";

/** Receives the bytes so far, and the total if it is known. */
export type OnBytes = (done: number, total: number | undefined) => void;

/** This many attempts in a row may end without a byte, for any reason. */
const barrenAttempts = 3;
const pauseMs = 500;

/**
 * Downloads `url` to `path` through `path.part`. A broken download resumes, also in a later process, if
 * the server confirms that its file is still the same. It restarts if the server sends no version.
 *
 * @throws GemlensError `DOWNLOAD`
 */
export async function httpDownload(
  caller: Caller,
  url: string,
  path: string,
  onBytes?: OnBytes,
): Promise<void> {
  const part = `${path}.part`;
  let barren = 0;
  while (barren < barrenAttempts) {
    const before = sizeOf(part);
    const broken = await attempt(caller, url, part, onBytes);
    if (broken === undefined) {
      renameSync(part, path);
      rmSync(tagOf(part), { force: true });
      return;
    }
    barren = sizeOf(part) > before ? 0 : barren + 1;
    if (barren === barrenAttempts) {
      throw GemlensError.is(broken) ? broken : unreachable(caller, url, broken);
    }
    await sleep(pauseMs * (barren + 1));
  }
}

/** Returns undefined if the file is complete, else the error after which the download can resume. */
async function attempt(
  caller: Caller,
  url: string,
  part: string,
  onBytes?: OnBytes,
): Promise<unknown> {
  let response: Response;
  try {
    response = await ask(url, part);
  } catch (error) {
    // An error without a code means that the URL is wrong, not the network.
    if (errorCode(error) === undefined) throw unreachable(caller, url, error);
    return error;
  }
  const done = response.status === 206 ? sizeOf(part) : 0;
  if (response.status === 416) {
    await response.body?.cancel();
    if (response.headers.get("content-range") === `bytes */${sizeOf(part)}`) return undefined;
    rmSync(part, { force: true });
    return new Error("the part did not fit the file");
  }
  if (!response.ok || response.body === null) {
    await response.body?.cancel();
    const refusal = refused(caller, url, response.status);
    // An overloaded server may answer the next attempt.
    if (response.status === 429 || response.status >= 500) return refusal;
    throw refusal;
  }
  const length = Number(response.headers.get("content-length") ?? Number.NaN);
  const total = Number.isNaN(length) ? undefined : done + length;
  try {
    if (total !== undefined) checkSpace(caller, dirname(part), total - done);
    rememberTag(part, response);
    const body = Readable.fromWeb(response.body as Parameters<typeof Readable.fromWeb>[0]);
    let count = done;
    body.on("data", (chunk: Uint8Array) => {
      count += chunk.length;
      onBytes?.(count, total);
    });
    await pipeline(body, createWriteStream(part, { flags: done > 0 ? "a" : "w" }));
  } catch (error) {
    if (GemlensError.is(error)) throw error;
    // Socket errors name a system call too; only these calls come from the disk.
    if (isSystemError(error) && /^(write|open|close|fsync|ftruncate)$/.test(error.syscall ?? "")) {
      const problem =
        error.code === "EPIPE" ? undefined : writeProblem(caller, dirname(part), error);
      if (problem !== undefined) throw problem;
    }
    return error;
  }
  const size = sizeOf(part);
  return total === undefined || size === total
    ? undefined
    : new Error(`received ${size} of ${total} bytes`);
}

async function ask(url: string, part: string): Promise<Response> {
  const done = sizeOf(part);
  // A compressed answer would have another length and other bytes at the same offset.
  const headers: Record<string, string> = { "accept-encoding": "identity" };
  if (done > 0 && existsSync(tagOf(part))) {
    headers["range"] = `bytes=${done}-`;
    headers["if-range"] = readFileSync(tagOf(part), "utf8");
  }
  return await fetch(url, { headers });
}

/** Remembers the file's version: a part resumes only with the same version. */
function rememberTag(part: string, response: Response): void {
  const etag = response.headers.get("etag");
  // A weak tag does not guarantee equal bytes, and If-Range must not name it.
  const tag = etag?.startsWith("W/") ? null : etag;
  const validator = tag ?? response.headers.get("last-modified");
  if (validator === null) rmSync(tagOf(part), { force: true });
  else writeFileSync(tagOf(part), validator);
}

function tagOf(part: string): string {
  return `${part}.tag`;
}

function sizeOf(path: string): number {
  return existsSync(path) ? statSync(path).size : 0;
}

function refused({ name }: Caller, url: string, status: number): GemlensError {
  return new GemlensError("DOWNLOAD", `${name}: ${url} answered ${status}`, { url, status });
}

function unreachable(caller: Caller, url: string, error: unknown): GemlensError {
  const reason = errorCode(error) ?? (error instanceof Error ? error.message : String(error));
  const message = `${caller.name}: ${url} cannot be fetched (${reason}): ${networkHint(caller, url)}; running it again continues`;
  return new GemlensError("DOWNLOAD", message, { url }, error);
}

function networkHint({ insteadOfFetch }: Caller, url: string): string {
  const name = url.startsWith("https:") ? "HTTPS_PROXY" : "HTTP_PROXY";
  const proxy = process.env[name] ?? process.env[name.toLowerCase()];
  if (!proxy) return `check the network; behind a proxy set ${name}`;
  // fetch reads the proxy variables only if Node supports NODE_USE_ENV_PROXY and it is set.
  if (process.env["NODE_USE_ENV_PROXY"]) {
    // fetch does not report that a proxy asks for a password.
    return `check the proxy that ${name} names, and the user and password that it may want`;
  }
  const way = insteadOfFetch === undefined ? "" : `${insteadOfFetch}, or `;
  return `${name} is set, which Node's fetch ignores: ${way}run with NODE_USE_ENV_PROXY=1 on Node 22.21 or 24`;
}

function errorCode(error: unknown): string | undefined {
  const { code, cause } = error as NodeJS.ErrnoException;
  return code ?? (cause as NodeJS.ErrnoException | undefined)?.code;
}
