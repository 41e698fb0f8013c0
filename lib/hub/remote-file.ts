/** Bytes of a file on the hub, without the file: plain Range requests, never Xet. */

import { type FileHandle, open } from "node:fs/promises";
import { argument } from "../errors/check-options.js";
import { hubError, isProblem, refusal } from "./hub-error.js";
import { fetchResolved, hubFetch } from "./hub-fetch.js";
import type { HubReadOptions, RepoFile } from "./hub-options.js";
import { type HubSession, openSession } from "./hub-session.js";
import { locate } from "./locate.js";
import { mergeSpans, type Span } from "./merge-spans.js";
import { type CheckedFile, checkRepoFile, resolveUrl } from "./repo-file.js";
import { withRetries } from "./retry.js";
import { discard, reason } from "./transport.js";

/** Bytes that a file keeps of what it has read: a zip's directory and an array's header are read twice. */
const keptBytes = 1 << 20;

/**
 * A file that is read in pieces. Reads that are asked for together and lie close come by one request.
 * Their checksum can't be verified: the hub's is of the whole file.
 */
export class RemoteFile {
  readonly repo: string;
  readonly path: string;
  readonly commit: string;
  readonly size: number;
  /** The file in the cache, which is read instead if it is there. */
  readonly local: string | undefined;
  readonly #session: HubSession;
  readonly #file: CheckedFile;
  readonly #handle: FileHandle | undefined;
  #signed: URL | undefined;
  #waiting: Waiting[] = [];
  #kept: Piece[] = [];
  #bytesRead = 0;
  #requests = 0;

  /** @internal */
  constructor(session: HubSession, file: CheckedFile, found: Found) {
    this.repo = file.repo;
    this.path = file.path;
    this.commit = found.commit;
    this.size = found.size;
    this.local = found.local?.path;
    this.#session = session;
    this.#file = { ...file, revision: found.commit };
    this.#handle = found.local?.handle;
  }

  /** Bytes that came over the network so far. */
  get bytesRead(): number {
    return this.#bytesRead;
  }

  /** Range requests so far, each of which may have been redirected. */
  get requests(): number {
    return this.#requests;
  }

  /**
   * The bytes `[offset, offset + length)`.
   *
   * @throws ARGUMENT if they are not all in the file; DOWNLOAD
   */
  async read(offset: number, length: number): Promise<Uint8Array> {
    const isRange = [offset, length].every((n) => Number.isSafeInteger(n) && n >= 0);
    if (!isRange || offset + length > this.size) {
      const expected = `bytes of a file of ${this.size}`;
      const got = `${length} at ${offset}`;
      throw argument(this.#session.caller, expected, `${this.repo}/${this.path}`, got);
    }
    if (length === 0) return new Uint8Array();
    const span = { start: offset, end: offset + length };
    return this.#fromKept(span) ?? (await this.#queue(span));
  }

  /** Lets go of the file in the cache, if that is what is read. */
  async close(): Promise<void> {
    await this.#handle?.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** All reads of one turn of the event loop become as few requests as their places allow. */
  #queue(span: Span): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ ...span, resolve, reject });
      if (this.#waiting.length === 1) queueMicrotask(() => this.#readWaiting());
    });
  }

  #readWaiting(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { start, end, members } of mergeSpans(waiting)) {
      this.#fetch({ start, end }).then(
        (bytes) => {
          for (const member of members) {
            member.resolve(bytes.slice(member.start - start, member.end - start));
          }
        },
        (error) => {
          for (const member of members) member.reject(error);
        },
      );
    }
  }

  async #fetch(span: Span): Promise<Uint8Array> {
    const bytes =
      this.#handle === undefined
        ? await withRetries(this.#session, () => this.#request(span))
        : await readLocal(this.#handle, span);
    this.#keep({ ...span, bytes });
    return bytes;
  }

  async #request(span: Span): Promise<Uint8Array> {
    const { start, end } = span;
    const headers = { range: `bytes=${start}-${end - 1}` };
    this.#requests++;
    const { response, url } = await this.#answer(headers);
    if (response.status >= 400) {
      await discard(response);
      throw refusal(this.#session, this.#file, response, url.host);
    }
    const got = response.headers.get("content-range") ?? `the whole file (${response.status})`;
    if (response.status !== 206 || got !== `bytes ${start}-${end - 1}/${this.size}`) {
      await discard(response);
      throw this.#error("no-range", `bytes ${start}-${end - 1}/${this.size}`, got.slice(0, 100));
    }
    const bytes = await this.#body(response, end - start);
    if (url.origin !== this.#session.origin) this.#signed = url;
    return bytes;
  }

  /** By way of the last signed link as long as it is good for it: one request instead of two. */
  async #answer(headers: Record<string, string>) {
    const signed = this.#signed;
    if (signed !== undefined) {
      const answer = await hubFetch(this.#session, this.#file, signed, { headers });
      if (answer.response.status !== 403) return answer;
      await discard(answer.response);
      this.#signed = undefined;
    }
    const url = resolveUrl(this.#session.endpoint, this.#file);
    return await fetchResolved(this.#session, this.#file, url, { headers });
  }

  async #body(response: Response, length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    let at = 0;
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        this.#bytesRead += value.length;
        if (at + value.length > length) throw this.#error("no-range", `${length} bytes`, "more");
        bytes.set(value, at);
        at += value.length;
      }
    } catch (error) {
      this.#session.signal?.throwIfAborted();
      if (isProblem(error, "no-range")) throw error;
      throw this.#error("cut", `${length} bytes`, reason(error));
    } finally {
      await reader.cancel().catch(() => undefined);
    }
    if (at < length) throw this.#error("cut", `${length} bytes`, `${at}`);
    return bytes;
  }

  #error(problem: "no-range" | "cut", expected: string, got: string) {
    const remedy =
      problem === "cut" ? "try again" : "check proxies: Range requests don't get through";
    return hubError(this.#session, this.#file, problem, { expected, got, remedy });
  }

  #keep(piece: Piece): void {
    this.#kept.push(piece);
    let sum = 0;
    // The newest that fit.
    const from = this.#kept.findLastIndex(({ bytes }) => {
      sum += bytes.length;
      return sum > keptBytes;
    });
    this.#kept = this.#kept.slice(from + 1);
  }

  #fromKept({ start, end }: Span): Uint8Array | undefined {
    const piece = this.#kept.find((kept) => kept.start <= start && end <= kept.end);
    return piece?.bytes.slice(start - piece.start, end - piece.start);
  }
}

interface Waiting extends Span {
  resolve(bytes: Uint8Array): void;
  reject(error: unknown): void;
}

interface Piece extends Span {
  readonly bytes: Uint8Array;
}

interface Found {
  readonly commit: string;
  readonly size: number;
  readonly local: { readonly path: string; readonly handle: FileHandle } | undefined;
}

/**
 * Opens a file for reads in pieces; fetches none of its bytes. Reads the cache's copy if there is one.
 *
 * @throws as `hubFile`
 */
export async function openRemote(
  caller: string,
  file: RepoFile,
  options: HubReadOptions = {},
): Promise<RemoteFile> {
  const checked = checkRepoFile(caller, file);
  const session = openSession(caller, options);
  const { commit, cached, info } = await locate(session, checked);
  const local = cached && { path: cached.path, handle: await open(cached.path) };
  const size = (cached ?? info)?.size as number;
  return new RemoteFile(session, checked, { commit, size, local });
}

async function readLocal(handle: FileHandle, { start, end }: Span): Promise<Uint8Array> {
  const bytes = Buffer.alloc(end - start);
  await handle.read(bytes, 0, bytes.length, start);
  return bytes;
}
