import { createHash } from "node:crypto";
import { createReadStream, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const sumsFile = "SHA256SUMS";

/** The SHA-256 of a file, in hex. */
export async function fileSum(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk);
  return hash.digest("hex");
}

/** Writes the files' sums into their folder, in the format of `sha256sum -c`. */
export function writeSums(folder: string, sums: ReadonlyMap<string, string>): void {
  const lines = [...sums].map(([path, sum]) => `${sum}  ${path}\n`);
  writeFileSync(join(folder, sumsFile), lines.join(""));
}

/** Describes the first change in a folder since `writeSums`; undefined if there is none, or no sums file. */
export async function findChange(folder: string): Promise<string | undefined> {
  const path = join(folder, sumsFile);
  if (!existsSync(path)) return undefined;
  for (const line of readFileSync(path, "utf8").split("\n")) {
    const [, sum, name] = line.match(/^([0-9a-f]{64}) {2}(.+)$/) ?? [];
    if (name === undefined) continue;
    const file = join(folder, name);
    if (!existsSync(file)) return `${file} is missing`;
    if ((await fileSum(file)) !== sum) return `${file} has changed`;
  }
  return undefined;
}
