import { argument } from "../errors/check-options.js";
import { GemlensError } from "../errors/gemlens-error.js";
import { sentence } from "../errors/sentence.js";
import { ActivationCache } from "../hooks/activation-cache.js";
import { isTensor } from "../tensor/internal.js";
import type { Tensor } from "../tensor/tensor.js";
import type { Site } from "./site.js";

/**
 * The tensors of a coder's sites: a run or its cache, a record by hook name, or an array in the
 * order of `cfg.reads` (of `cfg.writes` for outputs).
 */
export type SiteTensors =
  // biome-ignore lint/suspicious/noExplicitAny: a cache of any names
  | ActivationCache<any>
  | {
      /** The run's cache. */
      // biome-ignore lint/suspicious/noExplicitAny: a cache of any names
      readonly cache: ActivationCache<any>;
    }
  | Readonly<Record<string, Tensor>>
  | readonly Tensor[];

/** The tensor of each site. NOT_FOUND if one is missing. */
export function tensorsAt(
  caller: string,
  given: SiteTensors | Tensor,
  sites: readonly Site[],
  subject: string,
): readonly Tensor[] {
  if (isTensor(given)) return checkNumber(caller, [given], sites, subject);
  if (Array.isArray(given)) return checkNumber(caller, given, sites, subject);
  if (typeof given !== "object" || given === null) {
    throw argument(
      caller,
      "a run, a cache, a record or an array of tensors",
      subject,
      typeof given,
    );
  }
  const cache = cacheOf(given);
  if (cache !== undefined) return sites.map(({ hookName }) => cache.get(hookName as never));
  return sites.map(({ hookName }) => {
    const tensor = (given as Readonly<Record<string, Tensor>>)[hookName];
    if (tensor !== undefined) return tensor;
    const names = Object.keys(given);
    throw new GemlensError(
      "NOT_FOUND",
      sentence(caller, `the tensor of ${hookName} in ${subject}`, null, names.join(", ") || "none"),
      { name: hookName, names },
    );
  });
}

function cacheOf(given: object): ActivationCache | undefined {
  if (given instanceof ActivationCache) return given;
  const cache = "cache" in given ? given.cache : undefined;
  return cache instanceof ActivationCache ? cache : undefined;
}

function checkNumber(
  caller: string,
  tensors: readonly Tensor[],
  sites: readonly Site[],
  subject: string,
): readonly Tensor[] {
  if (tensors.length === sites.length) return tensors;
  const expected = `one tensor for each of ${sites.length} hooks`;
  throw argument(caller, expected, subject, `${tensors.length} of them`);
}
