import { argument, checkOptions } from "../../errors/check-options.js";
import type { LogitDiffTarget, LogitTarget } from "../../model/gradient-target.js";
import type { HookedTransformer } from "../../model/hooked-transformer.js";
import { ModelClient } from "../../model/model-client.js";
import { tidy } from "../../native/scope.js";
import type { Tensor } from "../../tensor/tensor.js";
import { type AnyCache, cached, layoutOf } from "../cache-rows.js";
import { notFinite } from "../not-finite.js";
import {
  type Component,
  type ComponentGroup,
  checkBy,
  type DecomposeBy,
  groupsOf,
} from "./components.js";
import { workType } from "./decompose.js";

/** A logit, or the difference of two, at one position. */
export type DirectLogitTarget = (Omit<LogitTarget, "batch"> | Omit<LogitDiffTarget, "batch">) & {
  /** The row of the batch; required if there is more than one. */
  readonly batch?: number | undefined;
};

/** Options for `directLogitAttribution`. */
export interface DirectLogitOptions {
  /** The logit, or the difference of two, to decompose. */
  readonly target: DirectLogitTarget;
  /** The granularity. Default "component". */
  readonly by?: DecomposeBy | undefined;
}

/** The direct contribution of one part of the residual stream to a logit. */
export interface DirectLogitEffect extends Component {
  /** The contribution in logits, before the soft cap. */
  readonly effect: number;
}

/**
 * Direct logit attribution (Elhage et al. 2021, "A Mathematical Framework for Transformer
 * Circuits"): the contribution of each part of the final residual stream to a logit, with the scale
 * of the final norm frozen. The effects add up to the logit before the soft cap
 * (`unembed.hook_out`). Parts include post-norms as in `decomposeResidual`. The cache must hold
 * `decompositionNames(model, by)`.
 *
 * @returns one effect for each part, in order of the forward pass
 *
 * @example
 * const names = decompositionNames(model, "head");
 * using run = await model.runWithCache(text, { names, logits: false });
 * const target = { logitDiff: [" Japanese", " German"] } as const;
 * const effects = await directLogitAttribution(model, run.cache, { target, by: "head" });
 * console.log(effects.sort((a, b) => b.effect - a.effect).slice(0, 3));
 *
 * @throws NOT_FOUND if the cache lacks a hook, which the message names
 * @throws ARGUMENT if a token, row or position is out of range, or an effect is not finite;
 *   DISPOSED
 */
export async function directLogitAttribution(
  model: HookedTransformer,
  cache: AnyCache,
  options: DirectLogitOptions,
): Promise<DirectLogitEffect[]> {
  const caller = "directLogitAttribution";
  const client = new ModelClient(caller, model);
  checkOptions(caller, options, ["target", "by"]);
  const { target } = options ?? {};
  client.targetKind(target, ["logit", "logitDiff"]);
  const by = checkBy(caller, options.by ?? "component");
  const signed = client.signedTokens(target);
  const scale = cached(caller, cache, "ln_final.hook_scale");
  const layout = layoutOf(scale);
  if (target.batch === undefined && layout.batch > 1) {
    throw argument(caller, `a row in [0, ${layout.batch})`, "target.batch", "none");
  }
  const row = layout.row(caller, target.batch ?? 0);
  const column = layout.column(caller, row, target.position ?? -1);
  const read = (name: string) => cached(caller, cache, name).select(0, row).select(0, column);
  return tidy(() => {
    const dtype = workType(model);
    const unembedding = model.weight("W_U");
    const columns = signed.map(({ token: id, sign }) =>
      unembedding.select(1, id).to(dtype).mul(sign),
    );
    const direction = columns
      .reduce((sum, next) => sum.add(next))
      .mul(model.weight("ln_final.w").to(dtype))
      .div(read("ln_final.hook_scale").to(dtype));
    return groupsOf(client.cfg, by, client.cfg.nLayers).flatMap((group) => {
      const effects = tidy(() => effectsOf(model, group, read, direction).readSync("float64"));
      if (!effects.every(Number.isFinite)) {
        const of = group.kind === "embed" ? "embed" : `${group.kind} of layer ${group.layer}`;
        throw notFinite(caller, `effects of ${of}`);
      }
      return group.components.map((component, i) => ({
        ...component,
        effect: effects[i] as number,
      }));
    });
  });
}

/** ⟨part, direction⟩ of each part of a group, computed without building the parts. */
function effectsOf(
  model: HookedTransformer,
  { kind, layer }: ComponentGroup,
  read: (name: string) => Tensor,
  direction: Tensor,
): Tensor {
  const dtype = workType(model);
  const block = `blocks.${layer}`;
  if (kind === "embed") return read("hook_embed").to(dtype).mul(direction).sum();
  if (kind === "attn_out" || kind === "mlp_out") {
    return read(`${block}.hook_${kind}`).to(dtype).mul(direction).sum();
  }
  const norm = kind === "heads" ? "ln1_post" : "ln2_post";
  const gain = model.weight(`${block}.${norm}.w`).to(dtype);
  const beforeNorm = direction.mul(gain).div(read(`${block}.${norm}.hook_scale`).to(dtype));
  if (kind === "heads") {
    const reads = model.weight(`${block}.attn.W_O`).to(dtype).matmul(beforeNorm);
    return read(`${block}.attn.hook_z`).to(dtype).mul(reads).sum({ dim: -1 });
  }
  const reads = model.weight(`${block}.mlp.W_out`).to(dtype).matmul(beforeNorm);
  return read(`${block}.mlp.hook_post`).to(dtype).mul(reads);
}
