import type { SAE } from "../../coder/sae.js";
import type { HookedTransformer } from "../../model/hooked-transformer.js";
import { namesOf } from "../options/feature-names.js";
import { activeAt } from "./active.js";

/** A feature that fires in a text, with its tokens. */
export interface FiredFeature {
  readonly sae: SAE;
  readonly feature: number;
  readonly name: string | undefined;
  /** Its largest activation in the text. */
  readonly value: number;
  /** The tokens that it fires on, strongest first. */
  readonly tokens: readonly string[];
}

/** The features of several coders that fire in a text, strongest first. */
export async function firedFeatures(
  model: HookedTransformer,
  saes: readonly SAE[],
  text: string,
): Promise<FiredFeature[]> {
  const { ids } = model.toTokens(text);
  using run = await model.runWithCache(ids, { names: [], features: saes, logits: false });
  const found: FiredFeature[] = [];
  for (const sae of saes) {
    const acts = await run.features(sae).read();
    const fired = new Map<number, { id: number; value: number }[]>();
    for (const [row, id] of ids.entries()) {
      if (id === model.tokenizer.bosTokenId) continue;
      for (const { feature, value } of activeAt(acts, row)) {
        fired.set(feature, [...(fired.get(feature) ?? []), { id, value }]);
      }
    }
    const names = namesOf(sae.cfg.path);
    for (const [feature, firings] of fired) {
      firings.sort((a, b) => b.value - a.value);
      const tokens = model.tokenizer.toStrTokens([...new Set(firings.map(({ id }) => id))]);
      found.push({ sae, feature, name: names.get(feature), value: firings[0]?.value ?? 0, tokens });
    }
  }
  return found.sort((a, b) => b.value - a.value);
}
