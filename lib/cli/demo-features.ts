import type { SAE } from "../coder/index.js";
import type { HookedTransformer } from "../model/index.js";
import { activeAt } from "./active.js";
import type { NamedFeature } from "./bundled.js";
import type { Survey } from "./demo-survey.js";

/** One feature as the demo shows it. */
export interface ShownFeature {
  readonly feature: number;
  readonly name: string | undefined;
  /** Its largest activation in the text. */
  readonly value: number;
  /** The tokens of the text that it fires on, the strongest first. */
  readonly here: readonly string[];
  /** The tokens that it fires on in other texts, the strongest first. */
  readonly elsewhere: readonly string[];
}

const tokensShown = 5;

/** The features that fire in a text, the strongest first. */
export async function strongestFeatures(
  model: HookedTransformer,
  sae: SAE,
  text: string,
  corpus: Survey,
  names: readonly NamedFeature[],
): Promise<ShownFeature[]> {
  const { ids } = model.toTokens(text);
  using run = await model.runWithCache(ids, { names: [], features: [sae], logits: false });
  const acts = await run.features(sae).read();
  const fired = new Map<number, { id: number; value: number }[]>();
  for (const [cell, id] of ids.entries()) {
    if (id === model.tokenizer.bosTokenId) continue;
    for (const { feature, value } of activeAt(acts, cell)) {
      fired.set(feature, [...(fired.get(feature) ?? []), { id, value }]);
    }
  }
  const shown = [...fired].map(([feature, places]) => {
    places.sort((a, b) => b.value - a.value);
    const distinct = [...new Set(places.map(({ id }) => id))].slice(0, tokensShown);
    return {
      feature,
      name: names.find(({ index }) => index === feature)?.class,
      value: places[0]?.value ?? 0,
      here: model.tokenizer.toStrTokens(distinct),
      elsewhere: corpus.strongestTokens(feature, tokensShown),
    };
  });
  return shown.sort((a, b) => b.value - a.value);
}
