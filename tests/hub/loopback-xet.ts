/** Xet storage on this machine: tokens, reconstructions of both forms, xorbs by signed ranges. */

import { createHash, randomBytes } from "node:crypto";
import type { ServerOptions } from "node:https";
import {
  type Answer,
  type Asked,
  type Faults,
  type LoopbackServer,
  serve,
} from "./loopback-server.js";
import { encodeChunk, multipart, type Scheme, single } from "./xet-bytes.js";

export interface XetOptions {
  readonly scheme: Scheme;
  /** Default 16 kB; real ones have 64 kB. */
  readonly chunkBytes?: number;
}

interface Chunk {
  readonly raw: Uint8Array;
  /** Where its header begins in the xorb, and where it ends. */
  readonly start: number;
  readonly end: number;
}

interface Xorb {
  readonly bytes: Uint8Array;
  readonly chunks: readonly Chunk[];
}

/** Chunks `[start, end)` of a xorb, one after another in the file. */
interface Term {
  readonly hash: string;
  readonly start: number;
  readonly end: number;
}

const chunksPerXorb = 8;

export class XetStorage {
  origin = "";
  /** Whether the second form is there; older storage has the first alone. */
  hasSecondForm = true;
  readonly #faults: Faults;
  readonly #xorbs = new Map<string, Xorb>();
  readonly #files = new Map<string, () => readonly Term[]>();
  readonly #tokens = new Set<string>();
  readonly #links = new Map<string, string>();
  readonly #issued: string[] = [];

  constructor(faults: Faults) {
    this.#faults = faults;
  }

  async start(tls?: ServerOptions): Promise<LoopbackServer> {
    const placeOf = (_: string, { pathname }: URL) =>
      pathname.includes("/reconstructions/") ? ("reconstruction" as const) : ("xorb" as const);
    const answer = (asked: Asked) => this.#answer(asked);
    const server = await serve(this.#faults, placeOf, answer, "127.0.0.3", tls);
    this.origin = server.origin;
    return server;
  }

  get secrets(): string[] {
    return this.#issued;
  }

  expireLinks(): void {
    this.#links.clear();
  }

  /** Tokens that were given out are refused from now on. */
  revokeTokens(): void {
    this.#tokens.clear();
  }

  tokenAnswer(): Answer {
    const accessToken = `xet_${randomBytes(20).toString("hex")}`;
    this.#issued.push(accessToken);
    this.#tokens.add(accessToken);
    const exp = Math.floor(Date.now() / 1000) + 3600;
    return {
      status: 200,
      headers: {
        "content-type": "application/json",
        // Python's library reads the headers, JavaScript's the body.
        "x-xet-cas-url": this.origin,
        "x-xet-access-token": accessToken,
        "x-xet-token-expiration": `${exp}`,
      },
      body: JSON.stringify({ accessToken, casUrl: this.origin, exp }),
    };
  }

  /** Stores a file and returns its hash. It is cut into xorbs when they are first asked for. */
  add(bytes: Uint8Array, options: XetOptions): string {
    const hash = createHash("sha256").update("file").update(bytes).digest("hex");
    let terms: readonly Term[] | undefined;
    this.#files.set(hash, () => {
      terms ??= this.#cutFile(bytes, options);
      return terms;
    });
    return hash;
  }

  /**
   * The first xorb's first half comes first, its second half last: a reader has to ask for two ranges
   * of it.
   */
  #cutFile(bytes: Uint8Array, { scheme, chunkBytes = 16_384 }: XetOptions): readonly Term[] {
    const parts: Uint8Array[] = [];
    for (let at = 0; at < bytes.length; at += chunkBytes) {
      parts.push(bytes.subarray(at, at + chunkBytes));
    }
    const half = Math.min(chunksPerXorb / 2, parts.length);
    const split = parts.length > chunksPerXorb ? parts.length - half : parts.length;
    const first = this.#addXorb([...parts.slice(0, half), ...parts.slice(split)], scheme);
    const terms: Term[] = [{ hash: first, start: 0, end: half }];
    for (let at = half; at < split; at += chunksPerXorb) {
      const chunks = parts.slice(at, Math.min(at + chunksPerXorb, split));
      terms.push({ hash: this.#addXorb(chunks, scheme), start: 0, end: chunks.length });
    }
    if (split < parts.length) terms.push({ hash: first, start: half, end: 2 * half });
    return terms;
  }

  #addXorb(parts: readonly Uint8Array[], scheme: Scheme): string {
    let at = 0;
    const pieces: Uint8Array[] = [];
    const chunks = parts.map((raw) => {
      const piece = encodeChunk(raw, scheme);
      pieces.push(piece);
      const start = at;
      at += piece.length;
      return { raw, start, end: at };
    });
    const bytes = Buffer.concat(pieces);
    const hash = createHash("sha256").update(bytes).digest("hex");
    this.#xorbs.set(hash, { bytes, chunks });
    return hash;
  }

  #answer(asked: Asked): Answer {
    const { pathname } = asked.url;
    const form = /^\/v([12])\/reconstructions\/([0-9a-f]{64})$/.exec(pathname);
    if (form === null) return this.#xorb(asked);
    const bearer = asked.headers.authorization?.replace("Bearer ", "") ?? "";
    if (!this.#tokens.has(bearer)) return { status: 401, body: "token expired" };
    if (form[1] === "2" && !this.hasSecondForm) return { status: 404, body: "no such route" };
    return this.#reconstruction(asked, form[2] as string, form[1] === "2");
  }

  #reconstruction(asked: Asked, hash: string, second: boolean): Answer {
    const terms = this.#files.get(hash)?.();
    if (terms === undefined) return { status: 404, body: "no such file" };
    const total = terms.reduce((sum, term) => sum + this.#rawLength(term), 0);
    const [, from = "0", to] = /^bytes=(\d+)-(\d+)?$/.exec(asked.headers.range ?? "") ?? [];
    const [start, end] = [Number(from), Math.min(Number(to ?? total - 1) + 1, total)];
    if (start >= total) return { status: 416 };
    const { cut, offset } = this.#cut(terms, start, end);
    const body = {
      offset_into_first_range: offset,
      terms: cut.map((term) => ({
        hash: term.hash,
        unpacked_length: this.#rawLength(term),
        range: { start: term.start, end: term.end },
      })),
      ...(second ? { xorbs: this.#xorbLinks(cut) } : { fetch_info: this.#fetchInfo(cut) }),
    };
    const headers = { "content-type": "application/json" };
    return { status: 200, headers, body: JSON.stringify(body) };
  }

  /** The terms that hold bytes `[start, end)`, cut to whole chunks. */
  #cut(terms: readonly Term[], start: number, end: number) {
    const cut: Term[] = [];
    let at = 0;
    let offset = 0;
    for (const { hash, start: firstChunk, end: lastChunk } of terms) {
      const wanted: number[] = [];
      for (let i = firstChunk; i < lastChunk; i++) {
        const { length } = this.#chunk(hash, i).raw;
        if (at < end && at + length > start) {
          if (cut.length === 0 && wanted.length === 0) offset = start - at;
          wanted.push(i);
        }
        at += length;
      }
      const [first] = wanted;
      if (first !== undefined) cut.push({ hash, start: first, end: first + wanted.length });
    }
    return { cut, offset };
  }

  #xorbLinks(terms: readonly Term[]) {
    const hashes = [...new Set(terms.map(({ hash }) => hash))];
    return Object.fromEntries(
      hashes.map((hash) => {
        const ranges = terms.filter((term) => term.hash === hash).map((term) => this.#range(term));
        const signed = ranges.map(({ bytes }) => `${bytes.start}-${bytes.end}`).join(",");
        return [hash, [{ url: this.#sign(hash, signed), ranges }]];
      }),
    );
  }

  #fetchInfo(terms: readonly Term[]) {
    const info: Record<string, unknown[]> = {};
    for (const term of terms) {
      const { chunks, bytes } = this.#range(term);
      const url = this.#sign(term.hash, `${bytes.start}-${bytes.end}`);
      info[term.hash] = [...(info[term.hash] ?? []), { range: chunks, url, url_range: bytes }];
    }
    return info;
  }

  #range({ hash, start, end }: Term) {
    return {
      chunks: { start, end },
      bytes: { start: this.#chunk(hash, start).start, end: this.#chunk(hash, end - 1).end - 1 },
    };
  }

  #sign(hash: string, range: string): string {
    const signature = randomBytes(24).toString("hex");
    this.#issued.push(signature);
    this.#links.set(signature, range);
    return `${this.origin}/xorbs/${hash}?X-Xet-Signed-Range=bytes%3D${range}&Signature=${signature}`;
  }

  #xorb(asked: Asked): Answer {
    if (asked.headers.authorization !== undefined) return { status: 400, body: "token leaked" };
    const signed = this.#links.get(asked.url.searchParams.get("Signature") ?? "");
    const range = asked.headers.range?.replace("bytes=", "");
    // Only what was signed: all of it, or one of its ranges.
    const isSigned = range === signed || signed?.split(",").includes(range ?? "");
    const xorb = this.#xorbs.get(asked.url.pathname.split("/").at(-1) ?? "");
    if (xorb === undefined || range === undefined || !isSigned)
      return { status: 403, body: "expired" };
    const parts = range.split(",").map((part) => {
      const [start = 0, end = 0] = part.split("-").map(Number);
      return { start, end, bytes: xorb.bytes.subarray(start, end + 1) };
    });
    return parts.length === 1
      ? single(parts, xorb.bytes.length)
      : multipart(parts, xorb.bytes.length);
  }

  #chunk(hash: string, i: number): Chunk {
    return this.#xorbs.get(hash)?.chunks[i] as Chunk;
  }

  #rawLength({ hash, start, end }: Term): number {
    let length = 0;
    for (let i = start; i < end; i++) length += this.#chunk(hash, i).raw.length;
    return length;
  }
}
