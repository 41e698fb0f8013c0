import { attribute, type Coder, type HookedTransformer } from "../../lib/index.js";
import { heldOut } from "./corpus.js";

/** One prompt, and the two likeliest next tokens. */
export interface Prompt {
  readonly ids: Int32Array;
  readonly target: { readonly logitDiff: readonly [number, number] };
}

/** The agreement of gradient and ablation on one prompt. */
export interface Agreement {
  /** Active features, over all positions. */
  readonly features: number;
  /** Rank correlation of their effects. */
  readonly spearman: number;
  /** The share of the ten strongest by ablation that are among the ten strongest by gradient. */
  readonly shared: number;
}

const length = 20;

/** The first tokens of held-out documents, spread over the file. */
export async function heldOutPrompts(
  model: HookedTransformer,
  folder: string,
  count: number,
): Promise<Prompt[]> {
  const texts = heldOut(folder);
  const every = Math.floor(texts.length / count);
  const prompts: Prompt[] = [];
  for (let i = 0; i < count; i++) {
    const ids = model.toTokens(texts[i * every] as string).ids.slice(0, length);
    using logits = await model.forward(ids, { positions: [-1] });
    const { values, indices } = logits.topk(2);
    const [first = 0, second = 0] = Array.from(indices.readSync(), Number);
    values.dispose();
    indices.dispose();
    prompts.push({ ids, target: { logitDiff: [first, second] } });
  }
  return prompts;
}

/** Both methods over all of a coder's active features. */
export async function agreement(
  model: HookedTransformer,
  coder: Coder,
  { ids, target }: Prompt,
): Promise<Agreement> {
  const options = { target, through: [coder] };
  const gradient = await attribute(model, ids, options);
  const ablation = await attribute(model, ids, { ...options, method: "ablation" });
  const name = (entry: { feature: number; position: number }) =>
    `${entry.position} ${entry.feature}`;
  const byName = new Map(gradient.map((entry) => [name(entry), entry.effect]));
  const exact = ablation.map(({ effect }) => effect);
  const estimated = ablation.map((entry) => byName.get(name(entry)) as number);
  const strongest = new Set(gradient.slice(0, 10).map(name));
  return {
    features: exact.length,
    spearman: correlation(ranks(exact), ranks(estimated)),
    shared: ablation.slice(0, 10).filter((entry) => strongest.has(name(entry))).length,
  };
}

/** Medians. */
export function summary(all: readonly Agreement[]): Agreement {
  const middle = (key: keyof Agreement) => {
    const sorted = all.map((entry) => entry[key]).sort((a, b) => a - b);
    const half = (sorted.length - 1) / 2;
    return ((sorted[Math.floor(half)] as number) + (sorted[Math.ceil(half)] as number)) / 2;
  };
  return { features: middle("features"), spearman: middle("spearman"), shared: middle("shared") };
}

/** Ranks in ascending order; equal values share their mean rank. */
function ranks(values: readonly number[]): Float64Array {
  const order = [...values.keys()].sort((a, b) => (values[a] as number) - (values[b] as number));
  const out = new Float64Array(values.length);
  for (let at = 0; at < order.length; ) {
    let end = at + 1;
    while (end < order.length && values[order[end] as number] === values[order[at] as number])
      end++;
    for (let i = at; i < end; i++) out[order[i] as number] = (at + end - 1) / 2;
    at = end;
  }
  return out;
}

function correlation(a: Float64Array, b: Float64Array): number {
  const mean = (x: Float64Array) => x.reduce((sum, value) => sum + value, 0) / x.length;
  const [ma, mb] = [mean(a), mean(b)];
  let [both, aa, bb] = [0, 0, 0];
  for (const [i, x] of a.entries()) {
    const y = b[i] as number;
    both += (x - ma) * (y - mb);
    aa += (x - ma) ** 2;
    bb += (y - mb) ** 2;
  }
  return both / Math.sqrt(aa * bb);
}
