import type { Coder, FeatureRef } from "../../coder/coder.js";
import { hooksOf } from "../../coder/site.js";
import type { HookedTransformer } from "../../model/hooked-transformer.js";
import { columnGroups } from "../../report/text-table.js";
import { quoteToken } from "../../report/token-text.js";
import type { CoderSet } from "../options/coder-set.js";
import { type FeatureSpec, showFeature } from "../options/feature-spec.js";
import { excludes, type SpecialTokensFlag, specialIds } from "../options/special-tokens.js";
import { activeAt } from "./active.js";
import { say, sayColumns, sayJson } from "./output.js";
import { listedTokens } from "./shown-tokens.js";
import { lineWidth, note } from "./terminal.js";

/** Prints chosen features token by token, with a row for each token and a column for each feature. */
export async function showFeatureValues(
  model: HookedTransformer,
  text: string,
  specs: readonly FeatureSpec[],
  set: CoderSet,
  options: SpecialTokensFlag & { readonly model: string; readonly json?: boolean },
): Promise<void> {
  const refs: FeatureRef[] = [];
  for (const spec of specs) refs.push(await set.find(spec));
  const { ids } = model.toTokens(text);
  const coders: Coder[] = [...new Set(refs.map(({ coder }) => coder))];
  using run = await model.runWithCache(ids, { names: [], features: coders, logits: false });
  const excluded = excludes(options).excludeSpecialTokens ? specialIds(model) : new Set<number>();
  const acts = new Map<Coder, (Map<number, number> | null)[]>();
  for (const coder of coders) {
    const sparse = await run.features(coder).read();
    const rows = Array.from(ids, (id, position) => {
      if (excluded.has(id)) return null;
      return new Map(activeAt(sparse, position).map(({ feature, value }) => [feature, value]));
    });
    acts.set(coder, rows);
  }
  /** The activation, 0 if the feature is inactive; null if the token is an excluded special token. */
  const value = (ref: FeatureRef, position: number): number | null => {
    const active = acts.get(ref.coder)?.[position];
    return active ? (active.get(ref.feature) ?? 0) : null;
  };
  const tokens = listedTokens(model.tokenizer, ids);
  if (options.json) {
    const features = refs.map((ref) => {
      const { path, dSae } = ref.coder.cfg;
      const name = set.name(ref);
      const named = name !== undefined && { name };
      return { path, ...hooksOf(ref.coder.cfg), dSae, feature: ref.feature, ...named };
    });
    const listed = tokens.map((token) => {
      return { ...token, values: refs.map((ref) => value(ref, token.position)) };
    });
    sayJson({ model: options.model, features, tokens: listed });
    return;
  }
  const titles = refs.map((ref) => showFeature(ref.coder.cfg, ref.feature));
  for (const [i, ref] of refs.entries()) {
    const name = set.name(ref);
    note(`${titles[i]}${name ? ` (${name})` : ""} at ${hooksOf(ref.coder.cfg).hookName}`);
  }
  const left = [
    ["position", ...tokens.map(({ position }) => `${position}`)],
    ["token", ...tokens.map(quoteToken)],
  ];
  const columns = refs.map((ref, i) => {
    return [titles[i] ?? "", ...tokens.map(({ position }) => show(value(ref, position)))];
  });
  for (const [i, group] of columnGroups(left, columns, lineWidth()).entries()) {
    if (i > 0) say();
    sayColumns([...left, ...group], ["right", "left", ...group.map(() => "right" as const)]);
  }
}

function show(value: number | null): string {
  return value === null ? "-" : value.toFixed(value === 0 ? 0 : 2);
}
