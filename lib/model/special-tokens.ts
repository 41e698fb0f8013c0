import { GemlensError } from "../errors/index.js";
import type { SpecialTokens } from "../tensor/row-cells.js";
import type { ModelCore } from "./model-core.js";

const known = new WeakMap<ModelCore, SpecialTokens>();

/**
 * The model's tokens that are not text, whoever leaves them out: those that its tokenizer marks as
 * special (where it has one), and the BOS, EOS and padding that config.json names. One function for
 * each model; the set is made at its first call.
 */
export function specialTokensOf(core: ModelCore): SpecialTokens {
  const found = known.get(core);
  if (found !== undefined) return found;
  let tokens: ReadonlySet<number> | undefined;
  const special = () => (tokens ??= collect(core));
  known.set(core, special);
  return special;
}

function collect(core: ModelCore): ReadonlySet<number> {
  const { bosTokenId, eosTokenIds, padTokenId } = core.cfg;
  const named = [bosTokenId, ...eosTokenIds, padTokenId].filter((id) => id !== null);
  return new Set([...ofTokenizer(core), ...named]);
}

function ofTokenizer({ tokenizer }: ModelCore): Iterable<number> {
  try {
    return tokenizer.specialTokenIds;
  } catch (error) {
    if (!GemlensError.is(error)) throw error;
    return [];
  }
}
