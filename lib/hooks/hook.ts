import type { Tensor } from "../tensor/tensor.js";
import type { AxesOf, CheckedName } from "./names.js";

/** Where a hook was called. */
export interface HookPointInfo {
  /** The hook point's name in the cache, whatever alias was asked for. */
  readonly name: string;
  /** The block, null for points outside the blocks. */
  readonly layer: number | null;
  /** 0 in a forward pass and for the prompt of `generate`, then counts the tokens generated. */
  readonly step: number;
  /** The column of the first position in `act`: more than 0 in `generate` after the prompt. */
  readonly positionOffset: number;
}

/** What a hook may return: nothing (keep, with edits in place) or a tensor instead, also as a promise. */
export type HookResult<Axes extends readonly string[]> =
  | Tensor<Axes>
  | null
  | void
  | Promise<Tensor<Axes> | null | void>;

/**
 * Sees the activation at a hook point and may replace it. `act` is lent: it ends with the hook unless
 * `act.keep()` takes it. Tensors created inside and neither returned nor kept are disposed.
 */
export type HookFunction<Axes extends readonly string[] = readonly string[]> = (
  act: Tensor<Axes>,
  point: HookPointInfo,
) => HookResult<Axes>;

/** A hook point's name with the function to call there. */
export type Hook = readonly [name: string, fn: HookFunction];

/**
 * Pairs a hook with its point, so that `act` has the point's axes and a misspelt name does not compile.
 *
 * @example
 * const quiet = [0, 1].map((layer) => hook(`blocks.${layer}.hook_mlp_out`, (act) => act.mul(0.5)));
 * console.log(await model.loss(text), await model.loss(text, { hooks: quiet }));
 */
export function hook<const Name extends string>(
  name: CheckedName<Name>,
  fn: HookFunction<AxesOf<Name>>,
): Hook {
  return [name, fn as HookFunction];
}
