import { closeSync, fstatSync, openSync, readSync, statSync } from "node:fs";
import { GemlensError } from "../errors/gemlens-error.js";
import { refuse, unreadable } from "./refuse.js";

// readSync refuses more than 2^31 - 1 bytes per call.
const largestRead = 1 << 30;

/** An open regular file. Every read is checked against its length at opening. */
export interface FileReader {
  readonly path: string;
  readonly size: number;
  /** Reads bytes `[offset, offset + length)`. Throws CHECKPOINT if the file ends earlier. */
  read(offset: number, length: number, field: string): Buffer;
}

function open(path: string): { fd: number; size: number } {
  try {
    // Check before opening, because opening a named pipe waits for a writer.
    const stat = statSync(path);
    if (!stat.isFile()) {
      refuse(path, "file", "a regular file", stat.isDirectory() ? "a folder" : "something else");
    }
    const fd = openSync(path, "r");
    return { fd, size: fstatSync(fd).size };
  } catch (error) {
    if (GemlensError.is(error)) throw error;
    return unreadable(path, error);
  }
}

/** Opens `path`, passes it to `use`, and always closes it. */
export function withFile<T>(path: string, use: (reader: FileReader) => T): T {
  const { fd, size } = open(path);
  try {
    return use({
      path,
      size,
      read(offset, length, field) {
        if (offset < 0 || length < 0 || offset + length > size) {
          refuse(path, field, `${length} bytes at offset ${offset}`, `a file of ${size} bytes`);
        }
        const bytes = Buffer.allocUnsafe(length);
        let done = 0;
        while (done < length) {
          const count = readSync(
            fd,
            bytes,
            done,
            Math.min(length - done, largestRead),
            offset + done,
          );
          if (count === 0) refuse(path, field, `${length} bytes`, `${done} (file cut short)`);
          done += count;
        }
        return bytes;
      },
    });
  } finally {
    closeSync(fd);
  }
}
