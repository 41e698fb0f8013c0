import type { HookedTransformer } from "../../model/hooked-transformer.js";
import type { CoderSet } from "../options/coder-set.js";
import type { FeatureSpec } from "../options/feature-spec.js";
import { type Chosen, chosenInterventions, firstPosition } from "../options/interventions.js";
import { excludes, type SpecialTokensFlag } from "../options/special-tokens.js";
import { activeAt } from "./active.js";
import { mostChanged, type NextToken, nextTokens } from "./next-tokens.js";
import { type ListedToken, listedTokens } from "./shown-tokens.js";

/** Where a feature fires in the text. */
export interface Fired {
  readonly position: number;
  readonly value: number;
}

/** How probable a next token is, with the features and without. */
export interface Change extends ListedToken {
  readonly before: number;
  readonly after: number;
  /** Of the logit. */
  readonly logitChange: number;
}

/** The loss of one token of the text. */
export interface TokenLoss {
  readonly position: number;
  readonly before: number;
  readonly after: number;
}

/** A text with features and without them. */
export interface Ablated {
  readonly features: readonly (Chosen & { readonly fires: readonly Fired[] })[];
  readonly tokens: readonly (ListedToken & { readonly position: number })[];
  readonly loss: { readonly before: number; readonly after: number } | null;
  readonly rose: readonly Change[];
  readonly fell: readonly Change[];
  readonly perToken: readonly TokenLoss[];
}

/** What is shown of it. */
interface Shown extends SpecialTokensFlag {
  readonly position: number;
  /** Of the tokens that rose, and of those that fell, so many. */
  readonly top: number;
}

/** Runs the text as it is and with the features taken out. */
export async function ablated(
  model: HookedTransformer,
  text: string,
  specs: readonly FeatureSpec[],
  coders: CoderSet,
  options: Shown,
): Promise<Ablated> {
  const { includeSpecialTokens } = options;
  const asked = { ablate: specs, includeSpecialTokens };
  const chosen = await chosenInterventions(asked, coders, firstPosition(model, text, options));
  const { ids } = model.toTokens(text);
  const features = [];
  for (const one of chosen)
    features.push({ ...one, fires: await firesAt(model, one, ids, options) });
  const perToken = ids.length < 2 ? [] : await losses(model, text, chosen);
  const mean = (of: "before" | "after") =>
    perToken.reduce((sum, token) => sum + token[of], 0) / perToken.length;
  return {
    features,
    tokens: listedTokens(model.tokenizer, ids),
    loss: perToken.length === 0 ? null : { before: mean("before"), after: mean("after") },
    ...(await changes(model, text, chosen, options)),
    perToken,
  };
}

/** Where the feature is active by itself, the strongest first; special tokens that are left out aside. */
async function firesAt(
  model: HookedTransformer,
  { ref: { coder, feature: wanted }, told: { from } }: Chosen,
  ids: Int32Array,
  options: SpecialTokensFlag,
): Promise<Fired[]> {
  const features = [{ coder, ...excludes(options) }];
  using run = await model.runWithCache(ids, { names: [], features, logits: false });
  const acts = await run.features(coder).read();
  const first = from < 0 ? from + ids.length : from;
  return [...ids.keys()]
    .flatMap((position) =>
      activeAt(acts, position)
        .filter(({ feature }) => feature === wanted && position >= first)
        .map(({ value }) => ({ position, value })),
    )
    .sort((a, b) => b.value - a.value);
}

/** The next tokens whose probability rose and fell most: the text with and without, in one batch. */
async function changes(
  model: HookedTransformer,
  text: string,
  chosen: readonly Chosen[],
  { position, top }: Shown,
): Promise<{ rose: Change[]; fell: Change[] }> {
  const interventions = chosen.map(({ intervention }) => ({ ...intervention, batch: 1 }));
  using logits = await model.forward([text, text], { interventions, positions: [position] });
  const { up, down } = await mostChanged(logits, { from: 0, to: 1, count: top });
  const [before, after] = await nextTokens(model, logits, 0, [...up, ...down]);
  const all = (before?.asked ?? []).map((token, i) =>
    changeOf(token, after?.asked[i] as NextToken),
  );
  return {
    rose: all.slice(0, up.length).filter(({ before, after }) => after > before),
    fell: all.slice(up.length).filter(({ before, after }) => after < before),
  };
}

function changeOf({ probability: before, logit, ...token }: NextToken, other: NextToken): Change {
  return { ...token, before, after: other.probability, logitChange: other.logit - logit };
}

/** Each token's own loss, given those before it. */
async function losses(
  model: HookedTransformer,
  text: string,
  chosen: readonly Chosen[],
): Promise<TokenLoss[]> {
  const interventions = chosen.map(({ intervention }) => ({ ...intervention, batch: 1 }));
  using perToken = await model.loss([text, text], { interventions, perToken: true });
  const values = await perToken.read("float32");
  const length = values.length / 2;
  return Array.from({ length }, (_, i) => ({
    position: i + 1,
    before: values[i] as number,
    after: values[length + i] as number,
  }));
}
