import { checkExcluded, type ExcludedTokens } from "../coder/special-tokens.js";
import { argument } from "../errors/check-options.js";
import type { HookedTransformer } from "../model/hooked-transformer.js";
import { ModelClient } from "../model/model-client.js";
import type { LoadedModelConfig } from "../model/model-core.js";
import type { Tokens } from "../model/model-input.js";
import type { TokenIds } from "../tokenizer/tokenizer.js";

/** A sequence of texts or rows of token ids; an async one may be larger than memory. */
export type Corpus = Iterable<string | TokenIds> | AsyncIterable<string | TokenIds>;

/** Options for dividing a corpus into runs. */
export interface CorpusOptions {
  /** The number of rows per run. Default 8. */
  readonly batchSize?: number | undefined;
  /**
   * The maximum tokens per row. A longer text continues in further rows, each with its BOS. Default
   * 256, at most the model's context.
   */
  readonly contextSize?: number | undefined;
  /** Stop after the row that reaches this many counted tokens. Default: the whole corpus. */
  readonly maxTokens?: number | undefined;
  /** Do not count BOS and other special tokens, or the tokens with these ids. Default true. */
  readonly excludeSpecialTokens?: ExcludedTokens | undefined;
  /** Put a BOS before texts that do not begin with one. Default true. */
  readonly prependBos?: boolean | undefined;
}

export const corpusKeys = [
  "batchSize",
  "contextSize",
  "maxTokens",
  "excludeSpecialTokens",
  "prependBos",
] as const;

/** The rows of one run, padded on the right: a position is a column. */
export interface CorpusBatch {
  readonly tokens: Tokens;
  /** The flattened rows (row · pos + column) of the counted tokens, ascending. */
  readonly counted: Int32Array;
  /** The flattened rows of counted tokens that have a next token. */
  readonly predicting: Int32Array;
  /**
   * For each of the batch · pos rows: −1 unless it is counted, else the next token (0 at an end).
   */
  readonly next: Int32Array;
}

/** Rows are sorted by length within a pool of this many batches, which reduces padding. */
const batchesPerPool = 16;

/** Iterates over a corpus once in batches, holding a bounded part of it. */
export async function* corpusBatches(
  caller: string,
  model: HookedTransformer,
  corpus: Corpus,
  options: CorpusOptions,
): AsyncGenerator<CorpusBatch, void, undefined> {
  const client = new ModelClient(caller, model);
  const { batchSize, excluded, maxTokens } = checked(caller, model.cfg, corpus, options);
  const special: ReadonlySet<number> =
    excluded === true ? client.specialTokens : new Set(excluded || []);
  const isCounted = (id: number) => !special.has(id);
  let left = maxTokens;
  let pool: Int32Array[] = [];
  for await (const row of rowsOf(caller, model, corpus, options)) {
    pool.push(row);
    left -= row.filter(isCounted).length;
    if (left <= 0) break;
    if (pool.length < batchSize * batchesPerPool) continue;
    yield* batches(pool, batchSize, isCounted, model);
    pool = [];
  }
  yield* batches(pool, batchSize, isCounted, model);
}

function checked(caller: string, cfg: LoadedModelConfig, corpus: Corpus, options: CorpusOptions) {
  const { batchSize = 8, maxTokens = Number.POSITIVE_INFINITY } = options;
  const { excludeSpecialTokens = true } = options;
  const subject = "excludeSpecialTokens";
  const excluded = checkExcluded(caller, excludeSpecialTokens, subject, cfg.dVocab);
  const iterable =
    typeof corpus === "object" &&
    corpus !== null &&
    (Symbol.iterator in corpus || Symbol.asyncIterator in corpus);
  if (!iterable) {
    const got = typeof corpus === "string" ? "one text (give [text])" : typeof corpus;
    throw argument(caller, "an iterable of texts or of rows of token ids", "corpus", got);
  }
  const counts = { batchSize, contextSize: contextOf(cfg, options), maxTokens };
  for (const [option, value] of Object.entries(counts)) {
    const least = option === "contextSize" ? 2 : 1;
    if (value >= least && (Number.isSafeInteger(value) || value === Number.POSITIVE_INFINITY)) {
      continue;
    }
    throw argument(caller, `an integer ≥ ${least}`, option, String(value), { option });
  }
  if (counts.contextSize > cfg.nCtx) {
    throw argument(caller, `at most ${cfg.nCtx}`, "contextSize", counts.contextSize);
  }
  return { batchSize, maxTokens, excluded };
}

function contextOf({ nCtx }: LoadedModelConfig, { contextSize }: CorpusOptions): number {
  return contextSize ?? Math.min(256, nCtx);
}

/** Divides texts and ids into rows of at most `contextSize` tokens. */
async function* rowsOf(
  caller: string,
  model: HookedTransformer,
  corpus: Corpus,
  options: CorpusOptions,
): AsyncGenerator<Int32Array, void, undefined> {
  const size = contextOf(model.cfg, options);
  const { prependBos = true } = options;
  let index = 0;
  for await (const item of corpus) {
    const ids =
      typeof item === "string"
        ? model.tokenizer.encode(item, { prependBos })
        : idsOf(caller, item, index, model.cfg);
    const bos = ids[0] === model.cfg.bosTokenId ? ids.subarray(0, 1) : undefined;
    for (let at = 0; at < ids.length; ) {
      const head = at > 0 && bos !== undefined ? 1 : 0;
      const row = new Int32Array(Math.min(size, ids.length - at + head));
      if (head === 1 && bos !== undefined) row.set(bos);
      row.set(ids.subarray(at, at + row.length - head), head);
      at += row.length - head;
      // A row with only a BOS has no token to count.
      if (row.length > 1 || bos === undefined) yield row;
    }
    index++;
  }
}

function idsOf(
  caller: string,
  item: unknown,
  index: number,
  { dVocab }: LoadedModelConfig,
): Int32Array {
  if (!(item instanceof Int32Array) && !Array.isArray(item)) {
    throw argument(caller, "texts or rows of token ids", `item ${index} of corpus`, typeof item);
  }
  for (const id of item as ArrayLike<number> & Iterable<unknown>) {
    if (typeof id === "number" && Number.isInteger(id) && id >= 0 && id < dVocab) continue;
    throw argument(caller, `ids in [0, ${dVocab})`, `item ${index} of corpus`, String(id));
  }
  return Int32Array.from(item as ArrayLike<number>);
}

function* batches(
  pool: readonly Int32Array[],
  batchSize: number,
  isCounted: (id: number) => boolean,
  { cfg }: HookedTransformer,
): Generator<CorpusBatch, void, undefined> {
  const sorted = [...pool].sort((a, b) => a.length - b.length);
  for (let at = 0; at < sorted.length; at += batchSize) {
    const rows = sorted.slice(at, at + batchSize);
    const pos = Math.max(...rows.map(({ length }) => length));
    const cells = rows.length * pos;
    const ids = new Int32Array(cells).fill(cfg.padTokenId ?? 0);
    const mask = new Uint8Array(cells);
    const next = new Int32Array(cells).fill(-1);
    const counted: number[] = [];
    const predicting: number[] = [];
    for (const [i, row] of rows.entries()) {
      ids.set(row, i * pos);
      mask.fill(1, i * pos, i * pos + row.length);
      for (const [column, id] of row.entries()) {
        if (!isCounted(id)) continue;
        const cell = i * pos + column;
        counted.push(cell);
        next[cell] = row[column + 1] ?? 0;
        if (column + 1 < row.length) predicting.push(cell);
      }
    }
    const tokens: Tokens = { ids, shape: [rows.length, pos], mask };
    yield {
      tokens,
      counted: Int32Array.from(counted),
      predicting: Int32Array.from(predicting),
      next,
    };
  }
}
