import { createHash } from "node:crypto";
import { createWriteStream, mkdirSync } from "node:fs";
import { dirname, join, normalize, sep } from "node:path";
import { type Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { promisify } from "node:util";
import * as zlib from "node:zlib";
import yauzl from "yauzl";
import { GemlensError } from "../errors/index.js";

// Node 20.15 and 22.2 onwards.
const crc32 = (zlib as { crc32?: (data: Uint8Array, value?: number) => number }).crc32;

/** The names in a zip file, from its directory. */
export async function zipNames(path: string): Promise<string[]> {
  const zip = await openZip(path);
  try {
    return (await entries(zip)).map((entry) => entry.fileName);
  } finally {
    zip.close();
  }
}

/**
 * Unpacks the entries that `rename` keeps (it returns their path below `folder`) and checks each:
 * against the wheel's own RECORD where there is one, else against the zip's CRC.
 */
export async function unpack(
  path: string,
  folder: string,
  rename: (name: string) => string | undefined,
): Promise<void> {
  const zip = await openZip(path);
  try {
    const all = await entries(zip);
    const record = all.find((entry) => /^[^/]+\.dist-info\/RECORD$/.test(entry.fileName));
    const hashes = record === undefined ? new Map() : parseRecord(await readAll(zip, record));
    for (const entry of all) {
      if (entry.fileName.endsWith("/")) continue;
      const target = rename(entry.fileName);
      if (target === undefined) continue;
      const safe = normalize(target);
      if (safe.startsWith("..") || safe.startsWith(sep)) {
        throw new GemlensError(
          "DOWNLOAD",
          `unpack: ${path} names a file outside: ${entry.fileName}`,
        );
      }
      const file = join(folder, safe);
      mkdirSync(dirname(file), { recursive: true });
      const check = checksum(path, entry, hashes.get(entry.fileName));
      await pipeline(await openEntry(zip, entry), check, createWriteStream(file));
    }
  } catch (error) {
    if (GemlensError.is(error) || (error as NodeJS.ErrnoException).code === "ENOSPC") throw error;
    throw new GemlensError("DOWNLOAD", `unpack: ${path} is damaged`, { path }, error);
  } finally {
    zip.close();
  }
}

async function openZip(path: string): Promise<yauzl.ZipFile> {
  try {
    return await promisify<string, yauzl.Options, yauzl.ZipFile>(yauzl.open)(path, {
      autoClose: false,
      lazyEntries: true,
    });
  } catch (error) {
    throw new GemlensError("DOWNLOAD", `unpack: ${path} is no whole zip file`, { path }, error);
  }
}

function entries(zip: yauzl.ZipFile): Promise<yauzl.Entry[]> {
  return new Promise((resolve, reject) => {
    const all: yauzl.Entry[] = [];
    zip.on("entry", (entry: yauzl.Entry) => {
      all.push(entry);
      zip.readEntry();
    });
    zip.on("end", () => resolve(all));
    zip.on("error", reject);
    zip.readEntry();
  });
}

function openEntry(zip: yauzl.ZipFile, entry: yauzl.Entry): Promise<Readable> {
  return new Promise((resolve, reject) => {
    zip.openReadStream(entry, (error, stream) => (error ? reject(error) : resolve(stream)));
  });
}

async function readAll(zip: yauzl.ZipFile, entry: yauzl.Entry): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of await openEntry(zip, entry)) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString("utf8");
}

/** RECORD: one `path,sha256=<base64url>,size` a line. */
function parseRecord(text: string): Map<string, string> {
  const hashes = new Map<string, string>();
  for (const line of text.split(/\r?\n/)) {
    const match = line.match(/^"?(.*?)"?,sha256=([\w-]+),\d+$/);
    if (match?.[1] !== undefined && match[2] !== undefined) hashes.set(match[1], match[2]);
  }
  return hashes;
}

function checksum(path: string, entry: yauzl.Entry, expected: string | undefined): Transform {
  const sha = expected === undefined ? undefined : createHash("sha256");
  let crc = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      if (sha !== undefined) sha.update(chunk);
      else if (crc32 !== undefined) crc = crc32(chunk, crc);
      done(null, chunk);
    },
    flush(done) {
      const intact =
        sha === undefined
          ? crc32 === undefined || crc === entry.crc32
          : sha.digest("base64url") === expected;
      if (intact) return done();
      const message = `unpack: ${entry.fileName} in ${path} has the wrong checksum`;
      done(new GemlensError("DOWNLOAD", message, { path, entry: entry.fileName }));
    },
  });
}
