/** Xet's bytes: chunks with their headers, and answers of one range or several. */

import type { Answer } from "./loopback-server.js";
import { lz4Frame } from "./lz4.js";

export type Scheme = "none" | "lz4" | "bg4";

const schemes: Readonly<Record<Scheme, number>> = { none: 0, lz4: 1, bg4: 2 };

export interface Part {
  readonly start: number;
  readonly end: number;
  readonly bytes: Uint8Array;
}

/** A 206 of one range. */
export function single([part]: readonly Part[], total: number): Answer {
  const { start, end, bytes } = part as Part;
  const headers = { "content-range": `bytes ${start}-${end}/${total}` };
  return { status: 206, headers, body: bytes };
}

/** A 206 of several ranges. */
export function multipart(parts: readonly Part[], total: number): Answer {
  const boundary = "xet-boundary";
  const pieces = parts.flatMap(({ start, end, bytes }) => [
    Buffer.from(
      `\r\n--${boundary}\r\nContent-Type: application/octet-stream\r\nContent-Range: bytes ${start}-${end}/${total}\r\n\r\n`,
    ),
    bytes,
  ]);
  const body = Buffer.concat([...pieces, Buffer.from(`\r\n--${boundary}--\r\n`)]);
  const headers = { "content-type": `multipart/byteranges; boundary=${boundary}` };
  return { status: 206, headers, body };
}

/** Version, compressed length, scheme, raw length; then the bytes. */
export function encodeChunk(raw: Uint8Array, scheme: Scheme): Buffer {
  const grouped = scheme === "bg4" ? groupBytes(raw) : raw;
  const stored = scheme === "none" ? Buffer.from(raw) : lz4Frame(grouped);
  const head = Buffer.alloc(8);
  head.writeUIntLE(stored.length, 1, 3);
  head[4] = schemes[scheme];
  head.writeUIntLE(raw.length, 5, 3);
  return Buffer.concat([head, stored]);
}

/** The bytes at places 0, 1, 2 and 3 modulo 4, as four runs. */
function groupBytes(raw: Uint8Array): Uint8Array {
  const runs = new Uint8Array(raw.length);
  let at = 0;
  for (let rest = 0; rest < 4; rest++) {
    for (let i = rest; i < raw.length; i += 4) runs[at++] = raw[i] as number;
  }
  return runs;
}
