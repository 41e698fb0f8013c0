import type { Tensor } from "../tensor/tensor.js";
import type { AxesOf, CheckedName, HookKey, NameOfKey } from "./names.js";

/** The point and position of a hook's call. */
export interface HookPointInfo {
  /** The hook point's name in the cache, also if an alias was requested. */
  readonly name: string;
  /** The block, null for points outside the blocks. */
  readonly layer: number | null;
  /** 0 in a forward pass and for the prompt of `generate`; then the number of generated tokens. */
  readonly step: number;
  /** The column of the first position in `act`; greater than 0 in `generate` after the prompt. */
  readonly positionOffset: number;
}

/** The result of a hook: nothing (keeps `act`, with in-place edits) or a replacement, also as a promise. */
export type HookResult<Axes extends readonly string[]> =
  | Tensor<Axes>
  | null
  | void
  | Promise<Tensor<Axes> | null | void>;

/**
 * Observes the activation at a hook point and may replace it. `act` is borrowed: it is disposed when the
 * hook returns, unless you call `act.keep()`. Tensors created inside are disposed too, unless they are
 * returned or kept.
 */
export type HookFunction<Axes extends readonly string[] = readonly string[]> = (
  act: Tensor<Axes>,
  point: HookPointInfo,
) => HookResult<Axes>;

/** A hook point's name or short key, and the function to call there. */
export type Hook = readonly [name: HookKey, fn: HookFunction];

/** Hooks of a run: pairs made by {@link hook}, or plain pairs, whose names are also checked. */
export type CheckedHooks<Keys extends readonly unknown[]> = {
  readonly [I in keyof Keys]: readonly [
    name: CheckedName<Keys[I]>,
    fn: HookFunction<AxesOf<NameOfKey<Keys[I]>>>,
  ];
};

/**
 * Pairs a hook with its point: `act` gets the point's axes, and a misspelt name does not compile.
 * The point is named in full or by a short key, as `cache.get` takes them: `["resid_post", 20]`.
 *
 * @example
 * const quiet = [0, 1].map((layer) => hook(["mlp_out", layer], (act) => act.mul(0.5)));
 * console.log(await model.loss(text), await model.loss(text, { hooks: quiet }));
 */
export function hook<const Key extends HookKey>(
  name: CheckedName<Key>,
  fn: HookFunction<AxesOf<NameOfKey<Key>>>,
): Hook {
  return [name as HookKey, fn as HookFunction];
}
