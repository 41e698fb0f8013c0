import type { SAE } from "../coder/index.js";
import type { HookedTransformer } from "../model/index.js";

/** What a coder's features do in a corpus. */
export interface Survey {
  /** Largest activation of each feature; 0 where it never fired. */
  readonly largest: Float64Array;
  /** The tokens that a feature fires on most strongly, the strongest first. */
  strongestTokens(feature: number, count: number): string[];
}

const textsPerRun = 32;

/** Reads `texts` through the coder; the begin-of-text token is left out, as in its training. */
export async function survey(
  model: HookedTransformer,
  sae: SAE,
  texts: readonly string[],
): Promise<Survey> {
  const largest = new Float64Array(sae.cfg.dSae);
  const perToken = new Map<number, Map<number, number>>();
  for (let begin = 0; begin < texts.length; begin += textsPerRun) {
    const tokens = model.toTokens(texts.slice(begin, begin + textsPerRun));
    using run = await model.runWithCache(tokens, { names: [], features: [sae], logits: false });
    const { indptr, indices, values } = await run.features(sae).read();
    for (const [cell, id] of tokens.ids.entries()) {
      if (id === model.tokenizer.bosTokenId) continue;
      for (let i = indptr[cell] ?? 0; i < (indptr[cell + 1] ?? 0); i++) {
        const feature = indices[i] as number;
        const value = values[i] as number;
        largest[feature] = Math.max(largest[feature] as number, value);
        const seen = perToken.get(feature) ?? new Map<number, number>();
        perToken.set(feature, seen.set(id, Math.max(seen.get(id) ?? 0, value)));
      }
    }
  }
  const strongestTokens = (feature: number, count: number): string[] => {
    const seen = [...(perToken.get(feature) ?? [])].sort((a, b) => b[1] - a[1]);
    return model.tokenizer.toStrTokens(seen.slice(0, count).map(([id]) => id));
  };
  return { largest, strongestTokens };
}
