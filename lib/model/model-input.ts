import type { ModelConfig } from "../checkpoint/model-config.js";
import { RowLayout } from "../coder/row-layout.js";
import { argument } from "../errors/check-options.js";
import type { Tensor } from "../tensor/tensor.js";
import { plainJson, withJson } from "../tensor/tensor-json.js";
import type { Tokenizer } from "../tokenizer/tokenizer.js";
import { type Truncate, truncatedSide, truncateRow } from "./truncate.js";

/** A batch of token ids, padded to the longest row. */
export interface Tokens {
  /** batch · pos ids, row by row. */
  readonly ids: Int32Array;
  /** Rows, and the length of the longest. */
  readonly shape: readonly [batch: number, pos: number];
  /** batch · pos: 1 for a real token, 0 for padding (before or after a row's tokens). */
  readonly mask: Uint8Array;
}

/**
 * Input that becomes tokens: one or several texts, ids, rows of ids (shorter ones are padded),
 * `Tokens`.
 */
export type TokenInput =
  | string
  | readonly string[]
  | Int32Array
  | readonly number[]
  | readonly (readonly number[])[]
  | Tokens;

/** The input of a run: tokens, or with `startAtLayer` the residual stream that enters a block. */
export type Input = TokenInput | Tensor<["batch", "pos", "d_model"]>;

/** Options for converting text to tokens. */
export interface TokenOptions {
  /** Put a BOS before texts that do not begin with one. Default true. */
  readonly prependBos?: boolean | undefined;
  /** The side on which shorter rows are padded. Default "right". */
  readonly paddingSide?: "left" | "right" | undefined;
  /**
   * Truncate rows that are longer than the model's context instead of refusing them: true or
   * "right" keeps the beginning, "left" the end, with the BOS before it if the row has one. Default
   * false.
   */
  readonly truncate?: Truncate | undefined;
}

interface Unchecked {
  readonly ids: ArrayLike<number>;
  readonly shape: readonly [batch: number, pos: number];
  readonly mask: Uint8Array;
}

/** The parts of a model that tokenizing an input needs. */
export interface InputContext {
  readonly cfg: Pick<ModelConfig, "dVocab" | "nCtx" | "padTokenId" | "bosTokenId">;
  readonly tokenizer: Tokenizer;
}

/** Tokens, checked against a model. */
export interface CheckedTokens extends Tokens {
  readonly rows: RowLayout;
  /** The mask; undefined if every token is real. */
  readonly padding: Uint8Array | undefined;
}

/**
 * Tokenizes an input and checks it on the host: on a GPU an id out of range would end the process.
 * ARGUMENT names the invalid value and its position.
 */
export function tokenizeInput(
  caller: string,
  input: TokenInput,
  context: InputContext,
  options: TokenOptions = {},
): CheckedTokens {
  const { prependBos, paddingSide = "right" } = options;
  if (paddingSide !== "left" && paddingSide !== "right") {
    throw argument(caller, '"left" or "right"', "paddingSide", JSON.stringify(paddingSide));
  }
  if (prependBos !== undefined && typeof prependBos !== "boolean") {
    throw argument(caller, "true or false", "prependBos", JSON.stringify(prependBos));
  }
  const { cfg } = context;
  const side = truncatedSide(caller, options.truncate);
  if (isTokens(input)) {
    const tokens = checkShape(caller, input);
    if (side === undefined) return checkTokens(caller, tokens, cfg);
    const all = checkTokens(caller, tokens, { ...cfg, nCtx: Number.POSITIVE_INFINITY });
    if (!isTooLong(all.rows, cfg.nCtx)) return all;
    const cut = tokenRows(all).map((row) => truncateRow(row, side, cfg.nCtx, cfg.bosTokenId));
    return checkTokens(caller, padRows(cut, paddingSide), cfg);
  }
  const rows = rowsOf(caller, input, context, prependBos ?? true);
  const fitting = side ? rows.map((row) => truncateRow(row, side, cfg.nCtx, cfg.bosTokenId)) : rows;
  return checkTokens(caller, padRows(fitting, paddingSide), cfg);
}

function isTooLong(rows: RowLayout, nCtx: number): boolean {
  return Array.from({ length: rows.batch }, (_, row) => rows.length(row)).some((n) => n > nCtx);
}

function rowsOf(
  caller: string,
  input: Exclude<TokenInput, Tokens>,
  context: InputContext,
  prependBos: boolean,
): ArrayLike<number>[] {
  const encode = (text: string): Int32Array => {
    const ids = context.tokenizer.encode(text, { prependBos });
    if (ids.length > 0) return ids;
    throw argument(caller, "at least one token", "input", "an empty text without a BOS");
  };
  if (typeof input === "string") return [encode(input)];
  if (input instanceof Int32Array) return [needTokens(caller, input, 0)];
  if (!Array.isArray(input)) {
    const expected = "text, token ids, Tokens or a Tensor (with startAtLayer)";
    throw argument(caller, expected, "input", input === null ? "null" : typeof input);
  }
  if (input.length === 0) throw argument(caller, "at least one token", "input", "an empty array");
  if (input.every((item) => typeof item === "string")) return (input as string[]).map(encode);
  if (input.every((item) => typeof item === "number")) return [input as number[]];
  if (input.every((item) => Array.isArray(item) || item instanceof Int32Array)) {
    return (input as number[][]).map((row, i) => needTokens(caller, row, i));
  }
  throw argument(caller, "texts, ids, or rows of ids", "input", "an array of several kinds");
}

function needTokens<T extends ArrayLike<number>>(caller: string, row: T, index: number): T {
  if (row.length > 0) return row;
  throw argument(caller, "at least one token", `row ${index} of input`, "none");
}

/** Pads rows to one width. */
function padRows(rows: readonly ArrayLike<number>[], side: "left" | "right"): Unchecked {
  const width = Math.max(...rows.map((row) => row.length));
  // An Int32Array would wrap an invalid id into a valid one before the check.
  const ids = new Float64Array(rows.length * width);
  const mask = new Uint8Array(rows.length * width);
  for (const [i, row] of rows.entries()) {
    const start = i * width + (side === "left" ? width - row.length : 0);
    ids.set(row, start);
    mask.fill(1, start, start + row.length);
  }
  return { ids, shape: [rows.length, width], mask };
}

/** The public form of tokens; in JSON its typed arrays are arrays. */
export function tokensOf({ ids, shape, mask }: CheckedTokens): Tokens {
  const tokens = { ids, shape, mask };
  return withJson(tokens, () => plainJson({ ...tokens }));
}

/** The rows without their padding. */
export function tokenRows({ ids, rows }: CheckedTokens): Int32Array[] {
  return Array.from({ length: rows.batch }, (_, row) => {
    const start = row * rows.pos + rows.column("input", row, 0);
    return ids.slice(start, start + rows.length(row));
  });
}

/** Moves all padding to the left, so that all rows end in the same column. */
export function alignRight(tokens: CheckedTokens, cfg: InputContext["cfg"]): CheckedTokens {
  if (tokens.padding === undefined) return tokens;
  return checkTokens("generate", padRows(tokenRows(tokens), "left"), cfg);
}

function isTokens(input: unknown): input is Tokens {
  return typeof input === "object" && input !== null && "ids" in input && "shape" in input;
}

function checkShape(caller: string, tokens: Tokens): Tokens {
  const { ids, shape, mask } = tokens;
  const [batch, pos] = shape;
  const cells = batch * pos;
  if (!(ids instanceof Int32Array) || shape.length !== 2 || ids.length !== cells || cells === 0) {
    const got = `[${shape.join(", ")}] with ${ids?.length} ids`;
    throw argument(caller, "[batch, pos] ids in an Int32Array", "input", got);
  }
  if (!(mask instanceof Uint8Array) || mask.length !== cells) {
    throw argument(caller, `a Uint8Array of ${cells}`, "input.mask", `one of ${mask?.length}`);
  }
  return tokens;
}

/** Checks a mask: each row has at least one real token, and no padding between tokens. */
export function checkMask(
  caller: string,
  mask: Uint8Array,
  batch: number,
  pos: number,
): { rows: RowLayout; padding: Uint8Array | undefined } {
  const rows = new RowLayout(batch, pos, mask);
  for (let row = 0; row < batch; row++) {
    if (rows.length(row) === 0) {
      throw argument(caller, "at least one real token", `row ${row} of input`, "only padding", {
        batch: row,
      });
    }
    if (rows.hasGaps(row)) {
      throw argument(
        caller,
        "padding only before or after the tokens",
        `row ${row} of input`,
        "a gap",
      );
    }
  }
  return { rows, padding: mask.includes(0) ? mask : undefined };
}

function checkTokens(caller: string, tokens: Unchecked, cfg: InputContext["cfg"]): CheckedTokens {
  const [batch, pos] = tokens.shape;
  const { rows, padding } = checkMask(caller, tokens.mask, batch, pos);
  for (let row = 0; row < batch; row++) {
    const length = rows.length(row);
    if (length > cfg.nCtx) {
      const remedy = `${length} ({truncate: true} keeps the first ${cfg.nCtx})`;
      throw argument(caller, `at most ${cfg.nCtx} tokens`, `row ${row} of input`, remedy, {
        nCtx: cfg.nCtx,
        length,
      });
    }
    const start = row * pos + rows.column(caller, row, 0);
    for (let i = 0; i < length; i++) {
      const id = tokens.ids[start + i] as number;
      if (Number.isInteger(id) && id >= 0 && id < cfg.dVocab) continue;
      throw argument(
        caller,
        `an id in [0, ${cfg.dVocab})`,
        `token ${i} of row ${row} of input`,
        String(id),
        { id, batch: row, position: i, dVocab: cfg.dVocab },
      );
    }
  }
  // A copy, because the caller may change the array while the run is queued. The ids of padding are
  // never read, but must be valid.
  const mask = tokens.mask;
  const ids = Int32Array.from(tokens.ids, (id, i) => (mask[i] === 1 ? id : (cfg.padTokenId ?? 0)));
  return { ids, shape: [batch, pos], mask: Uint8Array.from(mask), rows, padding };
}
