import { argument, checkOptions } from "../errors/check-options.js";
import { releaseRecords } from "./catalogue-file.js";
import { type CoderEntry, entriesOf, suiteOf } from "./coder-entry.js";

/** A published set of coders. */
export interface Release {
  /** SAELens' name, such as `gemma-scope-2b-pt-res`. */
  readonly release: string;
  /** The Hugging Face repository. */
  readonly repo: string;
  /** The Hugging Face model that the coders read, such as `google/gemma-2-2b`. */
  readonly model: string;
  /** 1 for Gemma Scope (Gemma 2), 2 for Gemma Scope 2 (Gemma 3). */
  readonly suite: 1 | 2;
  /** The kinds of its coders. */
  readonly kinds: readonly CoderEntry["kind"][];
  /** The number of its coders. */
  readonly coders: number;
}

/** Options for `listReleases`: each one given narrows the list. */
export interface ListReleasesOptions {
  /** A model with or without its owner: `gemma-2-2b`, `google/gemma-3-4b-it`. */
  readonly model?: string | undefined;
  /** 1 for Gemma Scope, 2 for Gemma Scope 2. */
  readonly suite?: 1 | 2 | undefined;
  /** A kind that the release has coders of. */
  readonly kind?: CoderEntry["kind"] | undefined;
}

/** The kinds that `kind` may ask for. */
export const kinds: readonly CoderEntry["kind"][] = ["sae", "transcoder", "crosscoder", "clt"];

/**
 * The releases of Gemma Scope and Gemma Scope 2 by SAELens' names, with those that match all
 * options. The list comes with the package: no request is made.
 *
 * @example
 * for (const { release, coders } of listReleases({ model: "gemma-2-2b", kind: "transcoder" })) {
 *   console.log(release, coders); // gemma-scope-2b-pt-transcoders 26
 * }
 *
 * @throws ARGUMENT if an option or its value is unknown
 */
export function listReleases(options: ListReleasesOptions = {}): Release[] {
  const caller = "listReleases";
  checkOptions(caller, options, ["model", "suite", "kind"]);
  const { model, suite, kind } = options;
  if (suite !== undefined && suite !== 1 && suite !== 2)
    throw argument(caller, "1 or 2", "suite", suite);
  checkKind(caller, kind);
  return [...releaseRecords()]
    .map(([release, record]): Release => {
      const list = entriesOf(release);
      return {
        release,
        repo: record.repo,
        model: record.model,
        suite: suiteOf(record),
        kinds: [...new Set(list.map((entry) => entry.kind))],
        coders: list.length,
      };
    })
    .filter((release) => model === undefined || isModel(release.model, model))
    .filter((release) => suite === undefined || release.suite === suite)
    .filter((release) => kind === undefined || release.kinds.includes(kind));
}

/** Refuses a kind that no coder has. */
export function checkKind(caller: string, kind: CoderEntry["kind"] | undefined): void {
  if (kind === undefined || kinds.includes(kind)) return;
  throw argument(caller, `one of ${kinds.join(", ")}`, "kind", kind);
}

function isModel(model: string, asked: string): boolean {
  return model === asked || model === `google/${asked}`;
}
