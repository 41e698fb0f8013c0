/** A file on the hub as a Blob that can be sliced, by @huggingface/hub: plain Range, or Xet. */

import { createHash } from "node:crypto";
import type { FileInfo } from "./file-info.js";
import { hubError, refusal } from "./hub-error.js";
import { type Answer, expired, fetchResolved, hubFetch } from "./hub-fetch.js";
import type { HubSession } from "./hub-session.js";
import { type CheckedFile, resolveUrl } from "./repo-file.js";
import { discard, reason } from "./transport.js";
import { asSecondForm, firstForm } from "./xet-v1.js";

/** A blob, and why reading it failed. */
export interface RemoteBlob {
  /** Bytes from `start` to the end. */
  stream(start: number): ReadableStream<Uint8Array>;
  /** The typed error for what `stream` broke with: the library's own errors name signed URLs. */
  failure(error: unknown): unknown;
}

type Fetch = typeof globalThis.fetch;

// A Xet token that was refused is asked for anew; the library keeps tokens by the URL that gives them.
let renewals = 0;

/** @param useXet whether to read from Xet storage if the file is there */
export async function openRemoteBlob(
  session: HubSession,
  file: CheckedFile,
  info: FileInfo,
  useXet: boolean,
): Promise<RemoteBlob> {
  const { downloadFile } = await import("@huggingface/hub");
  const fetcher = new BlobFetch(session, file, info);
  const xet = useXet && info.xet !== undefined ? withKey(session, info.xet) : undefined;
  const blob = await downloadFile({
    repo: { type: file.repoType, name: file.repo },
    path: file.path,
    revision: info.commit,
    hubUrl: session.endpoint,
    fetch: fetcher.fetch as Fetch,
    downloadInfo: {
      size: info.size,
      etag: info.etag,
      url: resolveUrl(session.endpoint, file, info.commit).href,
      ...(xet === undefined ? {} : { xet }),
    },
    xet: xet !== undefined,
  });
  if (blob === null) throw new Error("unreachable: downloadInfo was given");
  return {
    stream: (start) => blob.slice(start, info.size).stream() as ReadableStream<Uint8Array>,
    failure: (error) => fetcher.failure ?? cut(session, file, error),
  };
}

/** The requests of one blob: our redirects, our token, our errors. */
class BlobFetch {
  /** The last error that the library was given; it hands on a text of it at most. */
  failure: unknown;
  readonly #refused = new Set<string>();
  readonly #session: HubSession;
  readonly #file: CheckedFile;
  readonly #info: FileInfo;

  constructor(session: HubSession, file: CheckedFile, info: FileInfo) {
    this.#session = session;
    this.#file = file;
    this.#info = info;
  }

  readonly fetch = async (input: string | URL, init: RequestInit = {}): Promise<Response> => {
    try {
      return await this.#answer(new URL(input), init.headers as Record<string, string>);
    } catch (error) {
      this.failure = error;
      throw error;
    }
  };

  async #answer(url: URL, headers: Readonly<Record<string, string>> = {}): Promise<Response> {
    const request = { headers: lowerCase(headers) };
    const isFile = url.pathname.includes("/resolve/") && url.origin === this.#session.origin;
    const answer = isFile
      ? await fetchResolved(this.#session, this.#file, url, request)
      : await hubFetch(this.#session, this.#file, url, request);
    const { response } = answer;
    if (response.ok) {
      if (isFile) await this.#checkRange(answer, request.headers["range"]);
      return response;
    }
    const first = firstForm(url);
    if (first !== undefined && (response.status === 404 || response.status === 501)) {
      await discard(response);
      return await asSecondForm(await this.#answer(first, headers));
    }
    await discard(response);
    const isStorage = answer.url.origin !== this.#session.origin;
    if (response.status === 401 && isStorage) renewals++;
    if (response.status === 403 && isStorage && first === undefined) {
      return this.#refusedLink(answer, request.headers["range"]);
    }
    throw refusal(this.#session, this.#file, response, answer.url.host);
  }

  /** The library asks for new links after the first 403; the answer it sees has no URL to quote. */
  #refusedLink({ url }: Answer, range = ""): Response {
    const link = `${url.host}${url.pathname} ${range}`;
    if (this.#refused.has(link)) throw expired(this.#session, this.#file, url.host);
    this.#refused.add(link);
    return new Response(null, { status: 403 });
  }

  async #checkRange({ response, url }: Answer, range: string | undefined): Promise<void> {
    const [, start, end] = /^bytes=(\d+)-(\d+)$/.exec(range ?? "") ?? [];
    if (start === undefined) return;
    const got = response.headers.get("content-range") ?? `the whole file (${response.status})`;
    if (response.status === 206 && got === `bytes ${start}-${end}/${this.#info.size}`) return;
    await discard(response);
    throw ignoredRange(this.#session, this.#file, url, got);
  }
}

function withKey(
  session: HubSession,
  { hash, refreshUrl, reconstructionUrl }: NonNullable<FileInfo["xet"]>,
) {
  const key = createHash("sha256")
    .update(session.token ?? "")
    .digest("hex");
  const keyed = new URL(refreshUrl);
  // Never sent: keeps the tokens of one account from calls of another.
  keyed.hash = `${key.slice(0, 16)}.${renewals}`;
  return { hash, refreshUrl: keyed, reconstructionUrl };
}

/** The error for a server that sends other bytes than those asked for. */
function ignoredRange(session: HubSession, file: CheckedFile, url: URL, got: string) {
  const sentence = {
    expected: "the bytes asked for",
    got: `${got.slice(0, 100)} from ${url.host}`,
    remedy: "check the proxy: it does not pass Range requests on",
  };
  return hubError(session, file, "no-range", sentence, { host: url.host });
}

function cut(session: HubSession, file: CheckedFile, error: unknown) {
  const got = reason(error, "bytes that do not decode");
  const sentence = { expected: "all bytes", got, remedy: "running it again resumes" };
  return hubError(session, file, "cut", sentence, { reason: got });
}

function lowerCase(headers: Readonly<Record<string, string>>): Record<string, string> {
  const entries = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]);
  return Object.fromEntries(entries) as Record<string, string>;
}
