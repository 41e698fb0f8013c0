import type { RowLayout } from "../../coder/row-layout.js";
import { checkOptions } from "../../errors/check-options.js";
import type { HookedTransformer } from "../../model/hooked-transformer.js";
import { ModelClient } from "../../model/model-client.js";
import { task } from "../../native/call.js";
import { tidy } from "../../native/scope.js";
import { cat } from "../../tensor/factories.js";
import { adopt, handleOf } from "../../tensor/internal.js";
import type { Tensor } from "../../tensor/tensor.js";
import { type AnyCache, cached, layoutOf } from "../cache-rows.js";
import {
  type Component,
  type ComponentGroup,
  checkBy,
  checkEnd,
  type DecomposeBy,
  groupsOf,
} from "./components.js";

/** Options for `decomposeResidual`. */
export interface DecomposeOptions {
  /**
   * The block whose input is decomposed, negative from the end. Default: the final residual stream.
   */
  readonly layer?: number | undefined;
  /**
   * The granularity. Default "component": the embedding, and each layer's attention and MLP output.
   */
  readonly by?: DecomposeBy | undefined;
  /** Counted in each row's real tokens, negative from its end. Default: every column. */
  readonly positions?: readonly number[] | undefined;
}

/** The parts of a residual stream, with their labels. */
export interface ResidualParts {
  /** The labels of the parts, in the order of `stack`. */
  readonly components: readonly Component[];
  /**
   * The parts: [component, batch, pos, d_model] (with `positions` [component, batch, n, d_model]),
   * float32, or float64 for a float64 model. You must dispose it.
   */
  readonly stack: Tensor<["component", "batch", "pos", "d_model"]>;
}

/**
 * Decomposes the residual stream into parts that add up to `blocks.{layer}.hook_resid_pre`, or at
 * the end to the last block's `hook_resid_post`. Parts of heads and neurons include the post-norm
 * of their sublayer, its gain and its scale (frozen, from the cache), so they add up to
 * `hook_attn_out` and `hook_mlp_out`. The cache must hold `decompositionNames(model, by, layer)`.
 *
 * The stack takes components · batch · pos · d_model · 4 bytes. With "neuron" that is large: give
 * `positions`.
 *
 * @example
 * using run = await model.runWithCache(text, { names: decompositionNames(model), logits: false });
 * const { components, stack } = await decomposeResidual(model, run.cache, { positions: [-1] });
 * console.log(components.at(-1)?.label, stack.shape); // 3_mlp_out [9, 1, 1, 128]
 * stack.dispose();
 *
 * @throws NOT_FOUND if the cache lacks a hook, which the message names
 * @throws ARGUMENT if a layer or position is out of range; DISPOSED, OUT_OF_MEMORY
 */
export async function decomposeResidual(
  model: HookedTransformer,
  cache: AnyCache,
  options: DecomposeOptions = {},
): Promise<ResidualParts> {
  const caller = "decomposeResidual";
  const { cfg } = new ModelClient(caller, model);
  checkOptions(caller, options, ["layer", "by", "positions"]);
  const by = checkBy(caller, options.by ?? "component");
  const groups = groupsOf(cfg, by, checkEnd(caller, cfg, options.layer));
  const layout = layoutOf(cached(caller, cache, "hook_embed"));
  const cells = cellsOf(caller, layout, options.positions);
  const parts: Tensor[] = [];
  try {
    for (const group of groups) {
      const read = (name: string) => pick(cached(caller, cache, name), layout, cells);
      parts.push(await tidy(() => partsOf(model, group, read)));
    }
    const stack = cat(parts, 0) as ResidualParts["stack"];
    return { components: groups.flatMap(({ components }) => components), stack };
  } finally {
    for (const part of parts) part.dispose();
  }
}

/** The parts of one group, [components, batch, n, d_model]. */
async function partsOf(
  model: HookedTransformer,
  { kind, layer }: ComponentGroup,
  read: (name: string) => Tensor,
): Promise<Tensor> {
  const dtype = workType(model);
  const block = `blocks.${layer}`;
  const whole = (name: string) => read(name).to(dtype).unsqueeze(0).clone();
  if (kind === "embed") return whole("hook_embed");
  if (kind === "attn_out" || kind === "mlp_out") return whole(`${block}.hook_${kind}`);
  const caller = "decomposeResidual";
  const [act, weight, norm] =
    kind === "heads"
      ? ["attn.hook_z", "attn.W_O", "ln1_post"]
      : ["mlp.hook_post", "mlp.W_out", "ln2_post"];
  const parts = await task(caller, (addon, ctx) =>
    addon.residualParts(
      kind,
      handleOf(read(`${block}.${act}`), caller),
      handleOf(model.weight(`${block}.${weight}`), caller),
      handleOf(model.weight(`${block}.${norm}.w`), caller),
      handleOf(read(`${block}.${norm}.hook_scale`), caller),
      dtype,
      ctx,
    ),
  );
  return adopt(parts);
}

/** The dtype in which parts are added. */
export function workType(model: HookedTransformer): "float32" | "float64" {
  return model.cfg.dtype === "float64" ? "float64" : "float32";
}

/**
 * The flattened rows (row · pos + column) of positions in every row of the batch; undefined for
 * all.
 */
function cellsOf(
  caller: string,
  layout: RowLayout,
  positions: readonly number[] | undefined,
): number[] | undefined {
  if (positions === undefined) return undefined;
  const columns = layout.columns(caller, positions);
  const n = columns.length / layout.batch;
  return Array.from(columns, (column, i) => Math.floor(i / n) * layout.pos + column);
}

/** Gathers the chosen cells of an activation [batch, pos, ..] into [batch, n, ..]. */
function pick(activation: Tensor, layout: RowLayout, cells: number[] | undefined): Tensor {
  if (cells === undefined) return activation;
  const [batch = 0, pos = 0, ...rest] = activation.shape;
  const rows = activation.reshape([batch * pos, ...rest]).index(0, cells);
  return rows.reshape([layout.batch, cells.length / layout.batch, ...rest]);
}
