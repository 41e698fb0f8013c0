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

/** Bytes so far, and the whole when it is known. */
export type OnBytes = (done: number, total: number | undefined) => void;

/** Attempts in a row that may end without a byte, whatever ends them. */
const barrenAttempts = 3;
const pauseMs = 500;

/**
 * Downloads `url` to `path` by way of `path.part`. A connection that breaks is taken up again where it
 * broke, and so is a part that an earlier process left, if the server says that it still has the same
 * file; one that says nothing of a file's version starts anew.
 *
 * @throws GemlensError `DOWNLOAD`.
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

/** undefined when the whole is there; what broke off when it may be taken up again. */
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
    // Without a code it is the URL that is wrong, not the network.
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
    // A server that has too much to do may have less in a second.
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
    // What a socket says has a system call too; only these come from the disk.
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
    : new Error(`${size} bytes of ${total} came`);
}

async function ask(url: string, part: string): Promise<Response> {
  const done = sizeOf(part);
  // A compressed answer would have another length, and other bytes at the same place.
  const headers: Record<string, string> = { "accept-encoding": "identity" };
  if (done > 0 && existsSync(tagOf(part))) {
    headers["range"] = `bytes=${done}-`;
    headers["if-range"] = readFileSync(tagOf(part), "utf8");
  }
  return await fetch(url, { headers });
}

/** What tells this version of the file from a later one; a part goes on with the same one only. */
function rememberTag(part: string, response: Response): void {
  const etag = response.headers.get("etag");
  // A weak one promises no equal bytes, and If-Range may not name it.
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
  // fetch reads the proxy variables only where NODE_USE_ENV_PROXY is known and set.
  if (process.env["NODE_USE_ENV_PROXY"]) {
    // A proxy that asks for a password comes out of fetch without a word of its own.
    return `check the proxy that ${name} names, and the user and password that it may want`;
  }
  const way = insteadOfFetch === undefined ? "" : `${insteadOfFetch}, or `;
  return `${name} is set, which Node's fetch ignores: ${way}run with NODE_USE_ENV_PROXY=1 on Node 22.21 or 24`;
}

function errorCode(error: unknown): string | undefined {
  const { code, cause } = error as NodeJS.ErrnoException;
  return code ?? (cause as NodeJS.ErrnoException | undefined)?.code;
}
