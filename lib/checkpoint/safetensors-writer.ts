import { appendBytes, writeAtomically } from "./atomic-file.js";
import { safetensorsNames } from "./safetensors.js";
import { type FileDtype, itemSize } from "./tensor-source.js";

/** One tensor to write. */
export interface SafetensorsEntry {
  readonly name: string;
  readonly dtype: FileDtype;
  readonly shape: readonly number[];
  /**
   * Returns its elements, little-endian and in C order, whole or in pieces; called when the file
   * reaches it.
   */
  bytes(): Promise<Uint8Array> | AsyncIterable<Uint8Array>;
}

/**
 * Writes a safetensors file, with one tensor in memory at a time. As in the reference writer, larger
 * element types come first, so that every tensor is aligned. All coders and tensors are saved through it.
 *
 * @throws the file system's own error if it refuses
 */
export async function writeSafetensors(
  path: string,
  entries: readonly SafetensorsEntry[],
  metadata?: Readonly<Record<string, string>>,
): Promise<void> {
  const sorted = [...entries].sort((a, b) => itemSize[b.dtype] - itemSize[a.dtype]);
  let end = 0;
  const spans = sorted.map(({ name, dtype, shape }): [string, object] => {
    const begin = end;
    end += itemSize[dtype] * shape.reduce((product, size) => product * size, 1);
    return [name, { dtype: safetensorsNames[dtype], shape, data_offsets: [begin, end] }];
  });
  const described: [string, object][] =
    metadata === undefined ? spans : [["__metadata__", metadata], ...spans];
  const json = Buffer.from(JSON.stringify(Object.fromEntries(described)));
  const header = Buffer.alloc(8 + Math.ceil(json.length / 8) * 8, " ");
  header.writeBigUInt64LE(BigInt(header.length - 8));
  header.set(json, 8);
  await writeAtomically(path, async (file) => {
    await appendBytes(file, header);
    for (const entry of sorted) {
      const bytes = entry.bytes();
      if (!(Symbol.asyncIterator in bytes)) await appendBytes(file, await bytes);
      else for await (const part of bytes) await appendBytes(file, part);
    }
  });
}
