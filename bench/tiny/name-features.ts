import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { HookedTransformer } from "../../lib/index.js";
import type { Loaded } from "./coders.js";
import type { Batch } from "./corpus.js";
import type { Firing } from "./statistics.js";

/**
 * A feature's relation to a class of words. It fires on the class's tokens ("token") or just before
 * them ("next"), both by F1 over held-out tokens. Or its direct logits W_dec·W_U promote them
 * ("promotes"), by the share of the class among its ten strongest.
 */
export type Relation = "token" | "next" | "promotes";

export interface NamedFeature {
  readonly class: string;
  readonly relation: Relation;
  readonly layer: number;
  readonly index: number;
  readonly score: number;
  /** Largest activation on the held-out text: the unit of steering. */
  readonly maxActivation: number;
  /** The coder's file, relative to the model's folder. */
  readonly coder: string;
}

/** A class with fewer single-token words gives little evidence. */
const fewestTokens = 4;
const leastScore = { token: 0.6, next: 0.6, promotes: 0.5 };

/** Token ids of each class's words that are one token, with or without a space before. */
export function classTokens(model: HookedTransformer, folder: string): Map<string, Set<number>> {
  const classes = JSON.parse(readFileSync(join(folder, "classes.json"), "utf8")) as Record<
    string,
    string[]
  >;
  const out = new Map<string, Set<number>>();
  for (const [name, words] of Object.entries(classes)) {
    const ids = new Set<number>();
    for (const word of words) {
      for (const form of [word, ` ${word}`]) {
        const { ids: tokens } = model.toTokens(form, { prependBos: false });
        if (tokens.length === 1) ids.add(tokens[0] as number);
      }
    }
    if (ids.size >= fewestTokens) out.set(name, ids);
  }
  return out;
}

/** Counts, for residual coders, how often each feature fires on and before each class. */
export class ClassCounter {
  readonly #classes: readonly (readonly [string, Set<number>])[];
  readonly #ofToken: number[][] = [];
  readonly #hits = new Map<Loaded, Record<"token" | "next", Uint32Array[]>>();
  readonly #counted = new WeakSet<Batch>();
  readonly #totals: Record<"token" | "next", Uint32Array>;

  constructor(classes: ReadonlyMap<string, Set<number>>) {
    this.#classes = [...classes];
    this.#classes.forEach(([, ids], c) => {
      for (const id of ids) {
        this.#ofToken[id] ??= [];
        this.#ofToken[id].push(c);
      }
    });
    const empty = () => new Uint32Array(classes.size);
    this.#totals = { token: empty(), next: empty() };
  }

  add(
    batch: Batch,
    loaded: Loaded,
    acts: { readonly indptr: Int32Array; readonly indices: Int32Array },
  ): void {
    const rows = () => this.#classes.map(() => new Uint32Array(loaded.coder.cfg.dSae));
    const hits = this.#hits.get(loaded) ?? { token: rows(), next: rows() };
    this.#hits.set(loaded, hits);
    const first = !this.#counted.has(batch);
    this.#counted.add(batch);
    const { ids, mask, shape } = batch.tokens;
    for (const row of batch.kept) {
      const last = (row + 1) % shape[1] === 0 || mask[row + 1] === 0;
      const classes = {
        token: this.#ofToken[ids[row] as number] ?? [],
        next: last ? [] : (this.#ofToken[ids[row + 1] as number] ?? []),
      };
      const active = acts.indices.subarray(acts.indptr[row], acts.indptr[row + 1]);
      for (const relation of ["token", "next"] as const) {
        for (const c of classes[relation]) {
          if (first) increment(this.#totals[relation], c);
          for (const id of active) increment(hits[relation][c] as Uint32Array, id);
        }
      }
    }
  }

  /** Best feature of each class and relation, over all coders counted. */
  named(firing: ReadonlyMap<Loaded, Firing>): NamedFeature[] {
    const best = new Map<string, NamedFeature>();
    for (const [loaded, hits] of this.#hits) {
      const { fired, largest } = firing.get(loaded) as Firing;
      for (const relation of ["token", "next"] as const) {
        this.#classes.forEach(([name], c) => {
          const total = this.#totals[relation][c] as number;
          (hits[relation][c] as Uint32Array).forEach((hit, index) => {
            const score = (2 * hit) / (total + (fired[index] as number));
            const key = `${name}/${relation}`;
            if (hit === 0 || score <= (best.get(key)?.score ?? leastScore[relation])) return;
            const maxActivation = largest[index] as number;
            const { layer, path: coder } = loaded;
            best.set(key, { class: name, relation, layer, index, score, maxActivation, coder });
          });
        });
      }
    }
    return [...best.values()];
  }
}

function increment(counts: Uint32Array, index: number): void {
  counts[index] = (counts[index] as number) + 1;
}

/**
 * For one residual coder and each class: the feature with the most of the class among its ten
 * strongest direct logits.
 */
export async function promoting(
  model: HookedTransformer,
  loaded: Loaded,
  { fired, largest }: Firing,
  classes: ReadonlyMap<string, Set<number>>,
): Promise<NamedFeature[]> {
  using wide = loaded.coder.W_dec.to("float32");
  using unembedding = model.weight("W_U").to("float32");
  using logits = wide.matmul(unembedding);
  const { values, indices } = logits.topk(10);
  const [tokens, strengths] = [await indices.read(), await values.read()];
  values.dispose();
  indices.dispose();
  const best = new Map<string, NamedFeature & { readonly strength: number }>();
  for (let index = 0; index < loaded.coder.cfg.dSae; index++) {
    if ((fired[index] as number) === 0) continue;
    const top = Array.from(tokens.subarray(index * 10, index * 10 + 10), Number);
    const strength = Number(strengths[index * 10]) * (largest[index] as number);
    for (const [name, ids] of classes) {
      const score = top.filter((id) => ids.has(id)).length / 10;
      const known = best.get(name);
      if (score < leastScore.promotes || score < (known?.score ?? 0)) continue;
      if (score === known?.score && strength <= known.strength) continue;
      const maxActivation = largest[index] as number;
      const { layer, path: coder } = loaded;
      const row = { class: name, layer, index, score, maxActivation, coder, strength };
      best.set(name, { ...row, relation: "promotes" });
    }
  }
  return [...best.values()].map(({ strength: _, ...row }) => row);
}
