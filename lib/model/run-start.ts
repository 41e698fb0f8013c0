import { RowLayout } from "../coder/row-layout.js";
import { maskOf, type RowMask } from "../coder/row-mask.js";
import { argument } from "../errors/check-options.js";
import { lastResidualAlias } from "../hooks/points.js";
import { checkSpace } from "../intervene/vector-space.js";
import { isTensor } from "../tensor/internal.js";
import { knownRows } from "../tensor/known-rows.js";
import type { Tensor } from "../tensor/tensor.js";
import { startLayer } from "./layer-range.js";
import type { ModelCore } from "./model-core.js";
import {
  type CheckedTokens,
  checkMask,
  type Input,
  type TokenInput,
  type TokenOptions,
  tokenizeInput,
} from "./model-input.js";
import { checkResidual } from "./residual-input.js";

/** The start of a run: tokens, or the residual stream that enters a block. */
export interface RunStart {
  readonly batch: number;
  readonly pos: number;
  readonly tokens: Int32Array | undefined;
  /** The token ids of its rows, [batch · pos]; undefined if they are unknown. */
  readonly ids: Int32Array | undefined;
  readonly resid: Tensor | undefined;
  /** [batch · pos], 1 for a real token; undefined if all are real. */
  readonly padding: Uint8Array | undefined;
  readonly rows: RowLayout;
  readonly layer: number;
}

/** Options for the input of a run. */
export interface StartOptions extends TokenOptions {
  /** The block that a residual stream given as input enters; negative counts from the end. */
  readonly startAtLayer?: number | undefined;
  /**
   * Which tokens of a residual stream are real: 1 or true for a real one, or `false` if all are.
   * Default: the padding of the run that it comes from.
   */
  readonly mask?: RowMask | false | undefined;
  /** Accept a residual stream that is known to be a vector of another space. Default false. */
  readonly unchecked?: boolean | undefined;
}

/** Resolves and checks the input of a run. */
export function resolveStart(
  caller: string,
  core: ModelCore,
  input: Input,
  options: StartOptions,
): RunStart {
  if (isTensor(input)) return fromResidual(caller, core, input, options);
  if (options.startAtLayer !== undefined) {
    const got = typeof input === "string" ? "text" : "tokens";
    throw argument(caller, "a Tensor [batch, pos, d_model] (startAtLayer is given)", "input", got);
  }
  if (options.mask !== undefined) {
    throw argument(caller, "no mask (Tokens have their own)", "mask", "one beside tokens");
  }
  return tokenStart(tokenizeInput(caller, input as TokenInput, core, options));
}

/** The start of a run over tokens. */
export function tokenStart({ ids, padding, rows }: CheckedTokens): RunStart {
  const { batch, pos } = rows;
  return { batch, pos, tokens: ids, ids, resid: undefined, padding, rows, layer: 0 };
}

function fromResidual(
  caller: string,
  core: ModelCore,
  resid: Tensor,
  options: StartOptions,
): RunStart {
  if (options.startAtLayer === undefined) {
    throw argument(caller, "the block that the Tensor enters", "startAtLayer", "none");
  }
  const layer = startLayer(caller, options.startAtLayer, core.cfg.nLayers);
  const { batch, pos } = checkResidual(caller, resid, core.cfg);
  if (options.unchecked !== true) {
    const last = layer === core.cfg.nLayers;
    checkSpace(caller, "input", resid, last ? lastResidualAlias : `blocks.${layer}.hook_resid_pre`);
  }
  if (pos > core.cfg.nCtx) {
    throw argument(caller, `at most ${core.cfg.nCtx} positions`, "input", pos);
  }
  const { mask: known, ids } = knownRows(resid, 2);
  const mask = maskOf(caller, options.mask, known, [batch, pos]);
  const { rows, padding } =
    mask === undefined
      ? { rows: new RowLayout(batch, pos), padding: undefined }
      : checkMask(caller, mask, batch, pos);
  return { batch, pos, tokens: undefined, ids, resid, padding, rows, layer };
}

/**
 * The start of a generation's next step over the drawn tokens, including those of rows that ended.
 */
export function nextStart(tokens: Int32Array): RunStart {
  const rows = new RowLayout(tokens.length, 1);
  return {
    batch: tokens.length,
    pos: 1,
    tokens,
    ids: tokens,
    resid: undefined,
    padding: undefined,
    rows,
    layer: 0,
  };
}

/** The number of predicted tokens: all but the first of each row. */
export function predictedTokens({ batch, rows }: Pick<RunStart, "batch" | "rows">): number {
  let predicted = 0;
  for (let row = 0; row < batch; row++) predicted += rows.length(row) - 1;
  return predicted;
}
