import { readFileSync } from "node:fs";
import {
  type AblateOptions,
  type ActivationCache,
  ablate,
  type CoderSplice,
  clamp,
  freeze,
  type HookedTransformer,
  type Intervention,
  type InterventionOptions,
  patch,
  project,
  SAE,
  type SingleSiteCoder,
  scale,
  steer,
  Transcoder,
} from "../../lib/index.js";
import { device } from "./compare.js";
import { fixture, goldensOf } from "./fixtures.js";
import { type Golden, need } from "./safetensors.js";

type Target = { coder: string; feature: number } | { hook: string; vector: string };

interface Entry extends InterventionOptions {
  readonly type: "ablate" | "clamp" | "scale" | "steer" | "project" | "patch" | "freeze";
  readonly target: Target;
  readonly to: number;
  readonly value: number;
  readonly factor: number;
  readonly coefficient: number | string;
  readonly cap?: number;
  readonly hook: string;
  readonly vector: string;
  readonly heads?: number[];
  readonly points: string[];
  readonly source: { prompt: string };
}

export interface Case {
  readonly name: string;
  readonly prompt: string;
  readonly coders?: readonly (
    | string
    | { coder: string; errorTerm?: boolean; excludeSpecialTokens?: boolean }
  )[];
  readonly interventions: readonly Entry[];
  readonly hooks?: Readonly<Record<string, string | string[]>>;
  readonly features?: Readonly<Record<string, string>>;
  readonly logits: string | string[];
}

interface CaseFile {
  readonly coders: Readonly<
    Record<
      string,
      { class: "SAE" | "Transcoder"; path: string; hookName: string; hookNameOut?: string }
    >
  >;
  readonly prompts: Readonly<Record<string, number[][]>>;
  readonly cases: readonly Case[];
}

/** A file of cases on a tiny model, made by tests/goldens, with the expected results. */
export class Cases {
  readonly file: CaseFile;
  readonly #goldens: ReadonlyMap<string, Golden>;
  readonly #coders = new Map<string, SingleSiteCoder>();
  readonly #caches = new Map<string, ActivationCache>();

  constructor(model: string, name: string) {
    const path = fixture(`${model}/${name}.json`);
    this.file = JSON.parse(readFileSync(path, "utf8")) as CaseFile;
    this.#goldens = goldensOf(model, `expected_${name}`);
  }

  /** Loads the coders and the sources of patches. */
  async load(model: HookedTransformer): Promise<void> {
    for (const [key, { class: kind, path, ...hooks }] of Object.entries(this.file.coders)) {
      const kinds = { SAE, Transcoder } as const;
      const coder = kinds[kind].fromFile(fixture(path), { ...hooks, device });
      this.#coders.set(key, await coder);
    }
    const patches = this.file.cases.flatMap(({ interventions }) => interventions);
    const sources = new Set(patches.flatMap(({ source }) => source?.prompt ?? []));
    for (const prompt of sources) {
      const ids = this.file.prompts[prompt] as number[][];
      const run = await model.runWithCache(ids, { names: () => true, logits: false });
      this.#caches.set(prompt, run.cache);
    }
  }

  dispose(): void {
    for (const coder of this.#coders.values()) coder.dispose();
    for (const cache of this.#caches.values()) cache.dispose();
  }

  prompt({ prompt }: Case): number[][] {
    return this.file.prompts[prompt] as number[][];
  }

  golden(key: string): Golden {
    return need(this.#goldens, key);
  }

  /** The expected tensors, one for each row of the prompt. */
  rows(keys: string | string[]): Golden[] {
    return [keys].flat().map((key) => this.golden(key));
  }

  coder(key: string): SingleSiteCoder {
    const coder = this.#coders.get(key);
    if (coder === undefined) throw new Error(`no coder ${key}`);
    return coder;
  }

  splices({ coders = [] }: Case): CoderSplice[] {
    return coders.map((entry) =>
      typeof entry === "string" ? this.coder(entry) : { ...entry, coder: this.coder(entry.coder) },
    );
  }

  interventions({ interventions }: Case): Intervention[] {
    return interventions.flatMap((entry) => this.#intervention(entry));
  }

  #intervention(entry: Entry): Intervention | Intervention[] {
    const { positions, batch } = entry;
    const where: InterventionOptions = {
      ...(positions !== undefined && { positions }),
      ...(batch !== undefined && { batch }),
    };
    switch (entry.type) {
      case "ablate": {
        const options: AblateOptions = entry.to === undefined ? where : { to: entry.to, ...where };
        return ablate(this.#feature(entry.target), options);
      }
      case "clamp":
        return clamp(this.#feature(entry.target), entry.value, where);
      case "scale":
        return scale(this.#feature(entry.target), entry.factor, where);
      case "steer": {
        const { target } = entry;
        const to = "coder" in target ? this.#feature(target) : this.#direction(target);
        const cap = entry.cap === undefined ? {} : { cap: entry.cap };
        return steer(to, Number(entry.coefficient), { ...cap, ...where });
      }
      case "project":
        return project(entry.hook, this.golden(entry.vector).data as Float32Array, where);
      case "patch": {
        const heads = entry.heads === undefined ? {} : { heads: entry.heads };
        return patch(entry.hook, this.#cache(entry), { ...heads, ...where });
      }
      case "freeze":
        return freeze(entry.points, this.#cache(entry));
    }
  }

  #feature(target: Target) {
    if (!("coder" in target)) throw new Error("no feature");
    return this.coder(target.coder).feature(target.feature);
  }

  #direction(target: { hook: string; vector: string }) {
    return { hook: target.hook, vector: this.golden(target.vector).data as Float32Array };
  }

  #cache({ source }: Entry): ActivationCache {
    return this.#caches.get(source.prompt) as ActivationCache;
  }
}
