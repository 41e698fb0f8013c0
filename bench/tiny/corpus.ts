import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type HookedTransformer, type Tensor, type TokenBatch, tensor } from "../../lib/index.js";

/** Rows of similar length, about 2,000 positions at a time, right-padded. */
export interface Batch {
  readonly tokens: TokenBatch;
  /** Real tokens without `<bos>`, as flattened rows: the tokens that evaluate coders. */
  readonly kept: Int32Array;
  /** The same as booleans, [batch, pos, 1]. */
  readonly keep: Tensor;
  /** Tokens that the loss counts. */
  readonly predicted: number;
}

const positionsPerBatch = 2000;

export function heldOut(folder: string): string[] {
  const lines = readFileSync(join(folder, "heldout.jsonl"), "utf8").trim().split("\n");
  return lines.map((line) => (JSON.parse(line) as { text: string }).text);
}

export function batches(model: HookedTransformer, texts: readonly string[]): Batch[] {
  const length = new Map(texts.map((text) => [text, model.toTokens(text).ids.length]));
  const sorted = [...texts].sort((a, b) => (length.get(a) ?? 0) - (length.get(b) ?? 0));
  const out: Batch[] = [];
  for (let at = 0; at < sorted.length; ) {
    const rows: string[] = [];
    while (at < sorted.length) {
      const next = sorted[at] as string;
      if (rows.length > 0 && (rows.length + 1) * (length.get(next) ?? 0) > positionsPerBatch) break;
      rows.push(next);
      at++;
    }
    out.push(batch(model.toTokens(rows)));
  }
  return out;
}

function batch(tokens: TokenBatch): Batch {
  const [rows, pos] = tokens.shape;
  const flags = tokens.mask.map((real, i) => (i % pos === 0 ? 0 : real));
  const kept = Int32Array.from([...flags.keys()].filter((i) => flags[i] === 1));
  const keep = tensor(flags, { dtype: "bool", shape: [rows, pos, 1] });
  return { tokens, kept, keep, predicted: kept.length };
}

/** The rows of batches without their padding. */
export function* rowsOf(all: readonly Batch[]): Generator<Int32Array> {
  for (const { tokens } of all) {
    const [rows, pos] = tokens.shape;
    for (let row = 0; row < rows; row++) {
      const mask = tokens.mask.subarray(row * pos, (row + 1) * pos);
      yield tokens.ids.slice(row * pos, (row + 1) * pos).filter((_, i) => mask[i] === 1);
    }
  }
}

/** Every n-th batch, so that about `tokens` remain. */
export function sample(all: readonly Batch[], tokens: number): Batch[] {
  const total = all.reduce((sum, { kept }) => sum + kept.length, 0);
  const every = Math.max(1, Math.floor(total / tokens));
  return all.filter((_, i) => i % every === 0);
}
