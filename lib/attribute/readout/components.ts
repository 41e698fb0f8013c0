import { argument } from "../../errors/check-options.js";
import type { CanonicalHookName } from "../../hooks/names.js";
import type { HookedTransformer } from "../../model/hooked-transformer.js";
import { ModelClient } from "../../model/model-client.js";
import type { LoadedModelConfig } from "../../model/model-core.js";

/** The granularity of a decomposition of the residual stream. */
export type DecomposeBy = "component" | "head" | "neuron";

/** One of the parts that add up to the residual stream. */
export interface Component {
  /** TransformerLens' label: "embed", "3_attn_out", "3_mlp_out", "L3H0", "L3N512". */
  readonly label: string;
  /** The layer; null for the embedding. */
  readonly layer: number | null;
  /** The attention head, with `by: "head"`. */
  readonly head?: number;
  /** The MLP neuron, with `by: "neuron"`. */
  readonly neuron?: number;
}

/** Components that are computed together: those of one sublayer. */
export interface ComponentGroup {
  readonly kind: "embed" | "attn_out" | "mlp_out" | "heads" | "neurons";
  readonly layer: number;
  readonly components: readonly Component[];
}

/** The groups whose parts add up to the input of block `end`, in order of the forward pass. */
export function groupsOf(
  { nHeads, dMlp }: LoadedModelConfig,
  by: DecomposeBy,
  end: number,
): ComponentGroup[] {
  const groups: ComponentGroup[] = [
    { kind: "embed", layer: 0, components: [{ label: "embed", layer: null }] },
  ];
  const whole = (kind: "attn_out" | "mlp_out", layer: number): ComponentGroup => ({
    kind,
    layer,
    components: [{ label: `${layer}_${kind}`, layer }],
  });
  for (let layer = 0; layer < end; layer++) {
    if (by === "head") {
      const components = Array.from({ length: nHeads }, (_, head) => ({
        label: `L${layer}H${head}`,
        layer,
        head,
      }));
      groups.push({ kind: "heads", layer, components });
    } else groups.push(whole("attn_out", layer));
    if (by === "neuron") {
      const components = Array.from({ length: dMlp }, (_, neuron) => ({
        label: `L${layer}N${neuron}`,
        layer,
        neuron,
      }));
      groups.push({ kind: "neurons", layer, components });
    } else groups.push(whole("mlp_out", layer));
  }
  return groups;
}

/** The hooks from which a group is computed. */
export function namesOf({ kind, layer }: Pick<ComponentGroup, "kind" | "layer">) {
  const names: Record<ComponentGroup["kind"], CanonicalHookName[]> = {
    embed: ["hook_embed"],
    attn_out: [`blocks.${layer}.hook_attn_out`],
    mlp_out: [`blocks.${layer}.hook_mlp_out`],
    heads: [`blocks.${layer}.attn.hook_z`, `blocks.${layer}.ln1_post.hook_scale`],
    neurons: [`blocks.${layer}.mlp.hook_post`, `blocks.${layer}.ln2_post.hook_scale`],
  };
  return names[kind];
}

/**
 * The hooks that a cache must hold for `decomposeResidual` and `directLogitAttribution`.
 *
 * @param layer the block whose input is decomposed. Default: the final residual stream, with the
 *   final norm's scale, which attribution to logits needs
 *
 * @example
 * const names = decompositionNames(model, "head", 2);
 * console.log(names[1], names.length); // blocks.0.attn.hook_z 7
 *
 * @throws ARGUMENT if `by` is invalid or `layer` is out of range
 */
export function decompositionNames(
  model: HookedTransformer,
  by: DecomposeBy = "component",
  layer?: number,
): CanonicalHookName[] {
  const caller = "decompositionNames";
  const { cfg } = new ModelClient(caller, model);
  const groups = groupsOf(cfg, checkBy(caller, by), checkEnd(caller, cfg, layer));
  const names = groups.flatMap(namesOf);
  return layer === undefined ? [...names, "ln_final.hook_scale"] : names;
}

export function checkBy(caller: string, by: DecomposeBy): DecomposeBy {
  if (by === "component" || by === "head" || by === "neuron") return by;
  throw argument(caller, '"component", "head" or "neuron"', "by", JSON.stringify(by));
}

/**
 * Resolves the block whose input is decomposed, negative from the end. Default: the number of
 * blocks.
 */
export function checkEnd(
  caller: string,
  { nLayers }: LoadedModelConfig,
  layer: number | undefined,
): number {
  if (layer === undefined) return nLayers;
  const end = layer < 0 ? layer + nLayers : layer;
  if (Number.isInteger(end) && end >= 0 && end <= nLayers) return end;
  throw argument(caller, `an integer in [-${nLayers}, ${nLayers}]`, "layer", layer, { nLayers });
}
