import { GemlensError } from "../errors/gemlens-error.js";
import { sentence } from "../errors/sentence.js";
import { parseHookName } from "../hooks/parse-hook-name.js";
import { foreignHook } from "../hooks/spaces.js";
import { originOf, setOrigin } from "../tensor/internal.js";
import { knownRows } from "../tensor/known-rows.js";
import { type CellData, RowCells, sizeOf } from "../tensor/row-cells.js";
import type { Tensor } from "../tensor/tensor.js";
import type { CoderConfig } from "./coder-config.js";
import { maskOf, type RowMask } from "./row-mask.js";
import { checkExcluded, type ExcludedTokens, excludedCells, without } from "./special-tokens.js";

/** The rows of a coder's input, which is [..sizes, width] or [..sizes, heads, d_head]. */
export interface InputRows {
  readonly sizes: readonly number[];
  readonly data: CellData;
  /** 1 for the rows that are encoded; null if all are. */
  readonly encoded: Uint8Array | null;
  /** Real rows that are not encoded. */
  readonly excluded: Int32Array;
}

/** Finds which rows of `x` are real and which are encoded, from the options or the origin of x. */
export function inputRows(
  caller: string,
  x: Tensor,
  width: number,
  options: {
    readonly mask?: RowMask | false | undefined;
    readonly excludeSpecialTokens?: ExcludedTokens | undefined;
  },
): InputRows {
  const { shape } = x;
  const sizes = shape.slice(0, shape.at(-1) === width ? -1 : -2);
  const known = knownRows(x, sizes.length);
  const { mask: given } = options;
  const mask = maskOf(caller, given, known.mask, sizes);
  const data = { ...known, mask };
  const excluded = excludedCells(caller, checkExcluded(caller, options.excludeSpecialTokens), data);
  const encoded = without(excluded, mask, sizeOf(sizes)) ?? null;
  return { sizes, data, encoded, excluded };
}

/** Records the rows of a coder's result, which has no hook. */
export function rememberRows(
  result: Tensor,
  { sizes, data }: Pick<InputRows, "sizes" | "data">,
  { modelName = "" }: CoderConfig,
): void {
  if (data.mask === undefined && data.ids === undefined) return;
  setOrigin(result, { hook: undefined, model: modelName, rows: new RowCells(sizes, data) });
}

/**
 * Checks that `x` is [.., width], or at an attention hook [.., heads, d_head] with that product.
 */
export function checkWidth(
  caller: string,
  x: Tensor,
  subject: string,
  width: number,
  hookName: string,
): void {
  const shape = x.shape;
  const last = shape.at(-1);
  if (last === width) return;
  const before = shape.at(-2);
  if (isHeads(hookName) && last !== undefined && before !== undefined && before * last === width) {
    return;
  }
  throw new GemlensError(
    "SHAPE",
    sentence(caller, `[.., ${width}]`, subject, `[${shape.join(", ")}]`),
    { expected: width, got: shape, hook: hookName },
  );
}

function isHeads(hookName: string): boolean {
  return hookName.endsWith(".attn.hook_z");
}

/**
 * Refuses a tensor that is known to come from another hook than the coder's: its features, or its
 * error, would be meaningless.
 */
export function checkOrigin(
  caller: string,
  x: Tensor,
  subject: "input" | "output",
  hook: string,
  cfg: CoderConfig,
): void {
  const { hook: known, model } = originOf(x) ?? {};
  const got = known ?? foreignHook(x, hook);
  if (got === undefined || sameTensor(got, hook)) return;
  throw new GemlensError(
    "HOOK",
    sentence(
      caller,
      `a tensor of ${hook}`,
      subject,
      `one of ${got}`,
      `: ${why(got, hook)} ({unchecked: true} accepts it)`,
    ),
    {
      expected: hook,
      got,
      why: why(got, hook),
      model,
      coder: cfg.path,
    },
  );
}

function why(got: string, expected: string): string {
  const names = new Set([parseHookName(got).point, parseHookName(expected).point]);
  if (names.has("ln2.hook_normalized") && names.has("mlp.hook_in")) {
    return "they differ by the norm's gain";
  }
  return "the coder was trained on the former";
}

/** A block's input is the output of the block before it. */
function sameTensor(a: string, b: string): boolean {
  return asOutput(a) === asOutput(b);
}

function asOutput(name: string): string {
  const { layer, point } = parseHookName(name);
  if (layer === null || point !== "hook_resid_pre") return name;
  return layer === 0 ? "hook_embed" : `blocks.${layer - 1}.hook_resid_post`;
}
