import { createHash } from "node:crypto";
import { createWriteStream, mkdirSync } from "node:fs";
import { dirname, join, normalize, sep } from "node:path";
import { type Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { promisify } from "node:util";
import { crc32 } from "node:zlib";
import yauzl from "yauzl";
import { GemlensError } from "../errors/gemlens-error.js";
import { isSystemError } from "../fetch/disk-space.js";

/** Lists the files of a zip file with their unpacked sizes, from its directory. */
export async function zipSizes(path: string): Promise<Map<string, number>> {
  const zip = await openZip(path);
  try {
    const all = await entries(zip);
    return new Map(all.map((entry) => [entry.fileName, entry.uncompressedSize]));
  } catch (error) {
    throw explain(path, error);
  } finally {
    zip.close();
  }
}

/**
 * Unpacks the entries for which `rename` returns a path below `folder`, and returns their SHA-256 sums.
 * Each entry is checked against the wheel's RECORD if there is one, else against the zip's CRC.
 *
 * @throws GemlensError `DOWNLOAD` if the zip is damaged; the file system's own error if it refuses
 */
export async function unpack(
  path: string,
  folder: string,
  rename: (name: string) => string | undefined,
): Promise<Map<string, string>> {
  const sums = new Map<string, string>();
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
      const check = checksum(path, entry, hashes.get(entry.fileName), (sum) => sums.set(safe, sum));
      await pipeline(await openEntry(zip, entry), check, createWriteStream(file));
    }
    return sums;
  } catch (error) {
    throw explain(path, error);
  } finally {
    zip.close();
  }
}

/** Blames the zip file, unless the error comes from the file system. */
function explain(path: string, error: unknown): unknown {
  if (GemlensError.is(error) || isSystemError(error)) return error;
  return new GemlensError("DOWNLOAD", `unpack: ${path} is damaged`, { path }, error);
}

async function openZip(path: string): Promise<yauzl.ZipFile> {
  try {
    return await promisify<string, yauzl.Options, yauzl.ZipFile>(yauzl.open)(path, {
      autoClose: false,
      lazyEntries: true,
    });
  } catch (error) {
    if (isSystemError(error)) throw error;
    throw new GemlensError(
      "DOWNLOAD",
      `unpack: ${path} is not a complete zip file`,
      { path },
      error,
    );
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

/** Parses RECORD, which has one `path,sha256=<base64url>,size` a line. */
function parseRecord(text: string): Map<string, string> {
  const hashes = new Map<string, string>();
  for (const line of text.split(/\r?\n/)) {
    const match = line.match(/^"?(.*?)"?,sha256=([\w-]+),\d+$/);
    if (match?.[1] !== undefined && match[2] !== undefined) hashes.set(match[1], match[2]);
  }
  return hashes;
}

function checksum(
  path: string,
  entry: yauzl.Entry,
  expected: string | undefined,
  found: (sum: string) => void,
): Transform {
  const sha = createHash("sha256");
  let crc = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      sha.update(chunk);
      if (expected === undefined) crc = crc32(chunk, crc);
      done(null, chunk);
    },
    flush(done) {
      const digest = sha.digest();
      found(digest.toString("hex"));
      const intact =
        expected === undefined ? crc === entry.crc32 : digest.toString("base64url") === expected;
      if (intact) return done();
      const message = `unpack: ${entry.fileName} in ${path} has the wrong checksum`;
      done(new GemlensError("DOWNLOAD", message, { path, entry: entry.fileName }));
    },
  });
}
