import type { HookedTransformer } from "../../model/hooked-transformer.js";
import type { CoderSet } from "../options/coder-set.js";
import type { FeatureSpec } from "../options/feature-spec.js";
import { type Chosen, chosenInterventions, firstPosition } from "../options/interventions.js";
import { excludes, type SpecialTokensFlag } from "../options/special-tokens.js";
import { activeAt } from "./active.js";
import { mostChanged, type NextToken, nextTokens } from "./next-tokens.js";
import { type ListedToken, listedTokens } from "./shown-tokens.js";

/** A position where a feature fires, with its activation. */
export interface Fired {
  readonly position: number;
  readonly value: number;
}

/** A next token's probability with the features and without them. */
export interface Change extends ListedToken {
  readonly before: number;
  readonly after: number;
  /** The logit without the features minus the logit with them. */
  readonly logitChange: number;
}

/** The loss of one token of the text, with the features and without them. */
export interface TokenLoss {
  readonly position: number;
  readonly before: number;
  readonly after: number;
}

/** The comparison of a text's run with features and without them. */
export interface Ablated {
  readonly features: readonly (Chosen & { readonly fires: readonly Fired[] })[];
  readonly tokens: readonly (ListedToken & { readonly position: number })[];
  readonly loss: { readonly before: number; readonly after: number } | null;
  readonly rose: readonly Change[];
  readonly fell: readonly Change[];
  readonly perToken: readonly TokenLoss[];
}

/** Options for `ablated`. */
interface AblatedOptions extends SpecialTokensFlag {
  readonly position: number;
  /** The most tokens to list of those that rose, and of those that fell. */
  readonly top: number;
}

/** Runs the text with the features and with them ablated. */
export async function ablated(
  model: HookedTransformer,
  text: string,
  specs: readonly FeatureSpec[],
  coders: CoderSet,
  options: AblatedOptions,
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

/** Where the feature fires in the unchanged run, strongest first, without excluded special tokens. */
async function firesAt(
  model: HookedTransformer,
  { ref: { coder, feature: wanted }, summary: { from } }: Chosen,
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

/** The next tokens whose probability rose and fell most. Both texts run in one batch. */
async function changes(
  model: HookedTransformer,
  text: string,
  chosen: readonly Chosen[],
  { position, top }: AblatedOptions,
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

/** The loss of each token, given the tokens before it. */
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
