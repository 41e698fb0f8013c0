/** A file that is not complete: bytes are appended, its checksum grows with it, another process may resume it. */

import { createHash, type Hash } from "node:crypto";
import { constants, createReadStream, rmSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import type { FileInfo } from "./file-info.js";
import { journalMatches, writeJournal } from "./journal.js";
import type { CheckedFile } from "./repo-file.js";

// One write for many chunks of a connection.
const writeBytes = 1 << 20;

export class PartFile {
  readonly path: string;
  readonly #journal: string;
  readonly #info: FileInfo;
  readonly #handle: FileHandle;
  #hash: Hash;
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  #written = 0;
  #resumed = 0;

  private constructor(path: string, journal: string, info: FileInfo, handle: FileHandle) {
    this.path = path;
    this.#journal = journal;
    this.#info = info;
    this.#handle = handle;
    this.#hash = hashOf(info);
  }

  /** Opens `{base}.part`, and keeps what it holds if `{base}.json` says that it is of the same file. */
  static async open(
    base: string,
    file: CheckedFile,
    info: FileInfo,
    signal?: AbortSignal,
  ): Promise<PartFile> {
    const path = `${base}.part`;
    const journal = `${base}.json`;
    const flags = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW;
    const keep = journalMatches(journal, info);
    const handle = await open(path, flags, 0o666);
    const part = new PartFile(path, journal, info, handle);
    try {
      const { size } = await handle.stat();
      if (keep && size <= info.size) {
        await part.#readBack(size, signal);
      } else {
        await handle.truncate(0);
        writeJournal(journal, file, info);
      }
    } catch (error) {
      await handle.close();
      throw error;
    }
    return part;
  }

  /** Bytes so far, written or not. */
  get size(): number {
    return this.#written + this.#pendingBytes;
  }

  /** Bytes of an earlier process among them. */
  get resumed(): number {
    return this.#resumed;
  }

  async append(chunk: Uint8Array): Promise<void> {
    this.#hash.update(chunk);
    this.#pending.push(chunk);
    this.#pendingBytes += chunk.length;
    if (this.#pendingBytes >= writeBytes) await this.flush();
  }

  /** Writes what has come, so that it survives the process. */
  async flush(): Promise<void> {
    const bytes = Buffer.concat(this.#pending);
    for (let at = 0; at < bytes.length; ) {
      const position = this.#written;
      const { bytesWritten } = await this.#handle.write(bytes, at, undefined, position);
      at += bytesWritten;
      this.#written += bytesWritten;
      // Bytes that reached the disk count even if the disk fills up after them.
      this.#pending = [bytes.subarray(at)];
      this.#pendingBytes = bytes.length - at;
    }
    this.#pending = [];
  }

  /** Starts again from the first byte. */
  async reset(): Promise<void> {
    this.#pending = [];
    this.#pendingBytes = 0;
    this.#written = 0;
    this.#resumed = 0;
    this.#hash = hashOf(this.#info);
    await this.#handle.truncate(0);
  }

  /** The checksum in the form that the hub names the file by: sha256, or a git blob's sha1. */
  digest(): string {
    return this.#hash.copy().digest("hex");
  }

  /** On the disk for good: a power cut after the rename must not leave a hole in a blob. */
  async sync(): Promise<void> {
    await this.flush();
    await this.#handle.datasync();
  }

  async close(): Promise<void> {
    try {
      await this.flush();
    } finally {
      await this.#handle.close();
    }
  }

  /** Removes the journal; the part as well, unless it was renamed. */
  remove(): void {
    rmSync(this.path, { force: true });
    rmSync(this.#journal, { force: true });
  }

  async #readBack(size: number, signal: AbortSignal | undefined): Promise<void> {
    const options = { start: 0, end: size - 1, highWaterMark: writeBytes };
    if (size > 0) {
      for await (const chunk of createReadStream(this.path, options)) {
        signal?.throwIfAborted();
        this.#hash.update(chunk as Buffer);
      }
    }
    this.#written = size;
    this.#resumed = size;
  }
}

function hashOf({ etag, size }: FileInfo): Hash {
  if (etag.length === 64) return createHash("sha256");
  return createHash("sha1").update(`blob ${size}\0`);
}
