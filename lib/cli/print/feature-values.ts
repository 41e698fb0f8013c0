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

/** Shows chosen features token by token: a row for each token, a column for each feature. */
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
  const left = excludes(options).excludeSpecialTokens ? specialIds(model) : new Set<number>();
  const acts = new Map<Coder, (Map<number, number> | null)[]>();
  for (const coder of coders) {
    const read = await run.features(coder).read();
    const cells = Array.from(ids, (id, cell) => {
      if (left.has(id)) return null;
      return new Map(activeAt(read, cell).map(({ feature, value }) => [feature, value]));
    });
    acts.set(coder, cells);
  }
  /** 0 if the feature is not active; null for a special token that is left out. */
  const value = (ref: FeatureRef, position: number): number | null => {
    const cell = acts.get(ref.coder)?.[position];
    return cell ? (cell.get(ref.feature) ?? 0) : null;
  };
  const tokens = listedTokens(model.tokenizer, ids);
  if (options.json) {
    const features = refs.map((ref) => {
      const { path, dSae } = ref.coder.cfg;
      const name = set.name(ref);
      const named = name !== undefined && { name };
      return { path, ...hooksOf(ref.coder.cfg), dSae, feature: ref.feature, ...named };
    });
    const told = tokens.map((token) => {
      return { ...token, values: refs.map((ref) => value(ref, token.position)) };
    });
    sayJson({ model: options.model, features, tokens: told });
    return;
  }
  const titles = refs.map((ref) => showFeature(ref.coder.cfg, ref.feature));
  for (const [i, ref] of refs.entries()) {
    const name = set.name(ref);
    note(`${titles[i]}${name ? ` (${name})` : ""} at ${hooksOf(ref.coder.cfg).hookName}`);
  }
  const fixed = [
    ["position", ...tokens.map(({ position }) => `${position}`)],
    ["token", ...tokens.map(quoteToken)],
  ];
  const columns = refs.map((ref, i) => {
    return [titles[i] ?? "", ...tokens.map(({ position }) => show(value(ref, position)))];
  });
  for (const [i, group] of columnGroups(fixed, columns, lineWidth()).entries()) {
    if (i > 0) say();
    sayColumns([...fixed, ...group], ["right", "left", ...group.map(() => "right" as const)]);
  }
}

function show(value: number | null): string {
  return value === null ? "-" : value.toFixed(value === 0 ? 0 : 2);
}
