import { readFileSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "../native/package-root.js";

/** A release as assets/gemma-scope.json holds it; scripts/catalogue.mjs makes that file. */
export interface ReleaseRecord {
  readonly repo: string;
  readonly model: string;
  /** Gemma Scope 2: the repository's folder of this release. */
  readonly folder?: string;
  /** Gemma Scope 2: whether the ids begin with the folder. */
  readonly idsHaveFolder?: boolean;
  /** Whether the ids are `layer_L/width_W/canonical`. */
  readonly canonical?: boolean;
  /** L0s by set (`16k`, or `16k small_affine`) and layer (or `embedding`). */
  readonly sets: Readonly<Record<string, Readonly<Record<string, readonly number[]>>>>;
  /** Neuronpedia's ids: a form in {layer}, {width} and {l0}, and the coders that have it. */
  readonly neuronpedia: readonly {
    readonly form: string;
    readonly ids: "all" | readonly string[];
  }[];
}

let records: ReadonlyMap<string, ReleaseRecord> | undefined;

/** The catalogue's releases by name. The file is the package's own and is parsed once. */
export function releaseRecords(): ReadonlyMap<string, ReleaseRecord> {
  if (records === undefined) {
    const text = readFileSync(join(packageRoot, "assets/gemma-scope.json"), "utf8");
    records = new Map(Object.entries(JSON.parse(text) as Record<string, ReleaseRecord>));
  }
  return records;
}
