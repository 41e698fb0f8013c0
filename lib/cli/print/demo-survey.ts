import type { SAE } from "../../coder/sae.js";
import type { HookedTransformer } from "../../model/hooked-transformer.js";
import { activeAt } from "./active.js";

/** Gives at most `count` tokens that a feature fires on in a corpus, strongest first. */
export type Survey = (sae: SAE, feature: number, count: number) => string[];

const textsPerRun = 32;

/** Encodes `texts` with the coders. The begin-of-text token is left out, as in their training. */
export async function survey(
  model: HookedTransformer,
  saes: readonly SAE[],
  texts: readonly string[],
): Promise<Survey> {
  // coder → feature → token id → largest activation
  const seen = new Map(saes.map((sae) => [sae, new Map<number, Map<number, number>>()]));
  for (let begin = 0; begin < texts.length; begin += textsPerRun) {
    const tokens = model.toTokens(texts.slice(begin, begin + textsPerRun));
    using run = await model.runWithCache(tokens, { names: [], features: saes, logits: false });
    for (const [sae, ofCoder] of seen) {
      const acts = await run.features(sae).read();
      for (const [row, id] of tokens.ids.entries()) {
        if (id === model.tokenizer.bosTokenId) continue;
        for (const { feature, value } of activeAt(acts, row)) {
          const tokensOf = ofCoder.get(feature) ?? new Map<number, number>();
          ofCoder.set(feature, tokensOf.set(id, Math.max(tokensOf.get(id) ?? 0, value)));
        }
      }
    }
  }
  return (sae, feature, count) => {
    const tokensOf = [...(seen.get(sae)?.get(feature) ?? [])].sort((a, b) => b[1] - a[1]);
    return model.tokenizer.toStrTokens(tokensOf.slice(0, count).map(([id]) => id));
  };
}
