import { createWriteStream, existsSync, statSync } from "node:fs";
import { rename } from "node:fs/promises";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { GemlensError } from "../errors/index.js";
import type { OnBytes } from "./pip-download.js";

/**
 * Downloads `url` to `path` by way of `path.part`, continuing a part that an earlier attempt left.
 *
 * @throws GemlensError `DOWNLOAD`.
 */
export async function httpDownload(url: string, path: string, onBytes?: OnBytes): Promise<void> {
  const part = `${path}.part`;
  let done = existsSync(part) ? statSync(part).size : 0;
  let total: number | undefined;
  try {
    const response = await fetch(url, done > 0 ? { headers: { range: `bytes=${done}-` } } : {});
    // 416: the part is already the whole, or longer than what is there now.
    if (response.status === 416 && response.headers.get("content-range") === `bytes */${done}`) {
      await response.body?.cancel();
      return await rename(part, path);
    }
    if (!response.ok || response.body === null) {
      await response.body?.cancel();
      throw new GemlensError("DOWNLOAD", `setup: ${url} answered ${response.status}`, {
        url,
        status: response.status,
      });
    }
    if (response.status !== 206) done = 0;
    const length = Number(response.headers.get("content-length") ?? Number.NaN);
    total = Number.isNaN(length) ? undefined : done + length;
    const body = Readable.fromWeb(response.body as Parameters<typeof Readable.fromWeb>[0]);
    let count = done;
    body.on("data", (chunk: Uint8Array) => {
      count += chunk.length;
      onBytes?.(count, total);
    });
    await pipeline(body, createWriteStream(part, { flags: done > 0 ? "a" : "w" }));
  } catch (error) {
    if (GemlensError.is(error)) throw error;
    throw explain(url, error);
  }
  const size = statSync(part).size;
  if (total !== undefined && size !== total) {
    throw new GemlensError("DOWNLOAD", `setup: expected ${total} bytes of ${url}, got ${size}`, {
      url,
    });
  }
  await rename(part, path);
}

function explain(url: string, error: unknown): GemlensError {
  const code = (error as NodeJS.ErrnoException).code ?? causeCode(error);
  if (code === "ENOSPC") {
    return new GemlensError("DOWNLOAD", `setup: the disk is full while fetching ${url}`, {}, error);
  }
  const proxy = process.env["HTTPS_PROXY"] ?? process.env["https_proxy"];
  // fetch reads the proxy variables only where NODE_USE_ENV_PROXY is known and set.
  const hint =
    proxy === undefined
      ? "check the network"
      : "a proxy is set, which Node's fetch ignores: install pip, or run with NODE_USE_ENV_PROXY=1 on Node 24";
  const message = `setup: ${url} cannot be fetched (${code ?? String(error)}): ${hint}; running it again continues`;
  return new GemlensError("DOWNLOAD", message, { url }, error);
}

function causeCode(error: unknown): string | undefined {
  const cause = error instanceof Error ? error.cause : undefined;
  return (cause as NodeJS.ErrnoException | undefined)?.code;
}
