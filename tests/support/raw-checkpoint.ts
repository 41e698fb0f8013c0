/**
 * The tests' own reader and writer of safetensors. They are independent of those in lib/checkpoint on
 * purpose: a defect there must not hide itself.
 */
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fixture } from "./fixtures.js";
import { newFolder } from "./folder.js";

/** A tensor as a safetensors file has it. */
export interface Raw {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

/** Reads a small safetensors file unchanged; independent of the reader under test. */
export function readRaw(file: string): Map<string, Raw> {
  const all = readFileSync(file);
  const start = 8 + Number(all.readBigUInt64LE(0));
  const header = JSON.parse(all.toString("utf8", 8, start)) as Record<
    string,
    { dtype: string; shape: number[]; data_offsets: [number, number] }
  >;
  return new Map(
    Object.entries(header)
      .filter(([name]) => name !== "__metadata__")
      .map(
        ([
          name,
          {
            dtype,
            shape,
            data_offsets: [begin, end],
          },
        ]) => [
          name,
          { dtype, shape, bytes: new Uint8Array(all.subarray(start + begin, start + end)) },
        ],
      ),
  );
}

/** Writes a safetensors file. */
export function writeRaw(file: string, tensors: ReadonlyMap<string, Raw>): string {
  let at = 0;
  const header = Object.fromEntries(
    [...tensors].map(([name, { dtype, shape, bytes }]) => {
      const begin = at;
      at += bytes.length;
      return [name, { dtype, shape, data_offsets: [begin, at] }];
    }),
  );
  const text = JSON.stringify(header);
  const padded = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(padded.length));
  writeFileSync(
    file,
    Buffer.concat([length, padded, ...[...tensors.values()].map((t) => t.bytes)]),
  );
  return file;
}

export function f32(values: ArrayLike<number>, shape: readonly number[]): Raw {
  return { dtype: "F32", shape, bytes: new Uint8Array(Float32Array.from(values).buffer) };
}

export function toF32({ bytes }: Raw): Float32Array {
  return new Float32Array(new Uint8Array(bytes).buffer);
}

/** A copy of a fixture's model with its config.json and its tensors changed; no tokenizer. */
export function modelCopy(
  change: { config?: object; tensors?: (all: Map<string, Raw>) => void } = {},
  from = "tiny-gemma2",
): string {
  const dir = newFolder();
  cpSync(fixture(`${from}/config.json`), join(dir, "config.json"));
  const config = JSON.parse(readFileSync(join(dir, "config.json"), "utf8")) as object;
  writeFileSync(join(dir, "config.json"), JSON.stringify({ ...config, ...change.config }));
  const tensors = readRaw(fixture(`${from}/model.safetensors`));
  change.tensors?.(tensors);
  writeRaw(join(dir, "model.safetensors"), tensors);
  return dir;
}
