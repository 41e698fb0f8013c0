import { Coder, type FeatureRef } from "../coder/coder.js";
import { siteNames } from "../coder/site.js";
import { argument, checkOptions } from "../errors/check-options.js";
import { GemlensError } from "../errors/gemlens-error.js";
import { sentence } from "../errors/sentence.js";
import { shortly } from "../errors/show-value.js";
import { findCoder } from "./coder-identity.js";
import { project, steer } from "./directions.js";
import { ablate, clamp, scale } from "./features.js";
import {
  type FeatureJson,
  type InterventionJson,
  parseInterventions,
  pathOf,
  type VectorJson,
} from "./json-form.js";
import type { AnyIntervention, InterventionOptions } from "./types.js";

const caller = "Intervention.fromJSON";

/**
 * Parses interventions that `toJSON` made.
 *
 * @param options.coders the candidates for the coders of features, matched by release and id or by
 *   hook and file
 * @throws ARGUMENT naming the path of the invalid value
 * @throws NOT_FOUND if a coder is not among `coders`
 */
export async function fromJSON(
  json: unknown,
  options: { readonly coders?: readonly Coder[] | undefined } = {},
): Promise<AnyIntervention[]> {
  checkOptions(caller, options, ["coders"]);
  const { coders = [] } = options;
  if (!Array.isArray(coders) || !coders.every((coder) => coder instanceof Coder)) {
    throw argument(caller, "an array of coders", "coders", shortly(coders));
  }
  const { interventions } = parseInterventions(caller, json);
  const list: AnyIntervention[] = [];
  for (const [i, entry] of interventions.entries()) {
    const path = ["interventions", i];
    try {
      list.push(await parseEntry(entry, path, coders));
    } catch (error) {
      throw withPath(path, error);
    }
  }
  return list;
}

async function parseEntry(
  entry: InterventionJson,
  path: readonly PropertyKey[],
  coders: readonly Coder[],
): Promise<AnyIntervention> {
  const where: InterventionOptions = {
    ...(entry.positions !== undefined && { positions: entry.positions }),
    ...(entry.batch !== undefined && { batch: entry.batch }),
    ...(entry.excludeSpecialTokens !== undefined && {
      excludeSpecialTokens: entry.excludeSpecialTokens,
    }),
  };
  const feature = (target: FeatureJson) => refOf(target, [...path, "target", "coder"], coders);
  switch (entry.type) {
    case "ablate":
      return ablate(await feature(entry.target), { to: entry.to, ...where });
    case "clamp":
      return clamp(await feature(entry.target), entry.value, where);
    case "scale":
      return scale(await feature(entry.target), entry.factor, where);
    case "steer": {
      const { target, cap } = entry;
      const to =
        "vector" in target
          ? { hook: target.hook, vector: vectorOf(target.vector, [...path, "target", "vector"]) }
          : await feature(target);
      return steer(to, Number(entry.coefficient), { ...(cap !== undefined && { cap }), ...where });
    }
    case "project":
      return project(entry.hook, vectorOf(entry.vector, [...path, "vector"]), where);
  }
}

async function refOf(
  { coder: wanted, feature }: FeatureJson,
  path: readonly PropertyKey[],
  coders: readonly Coder[],
): Promise<FeatureRef> {
  const coder = await findCoder(caller, wanted, coders);
  if (coder !== undefined) return { coder, feature };
  const got = coders.map(({ cfg }) => cfg.saeId ?? siteNames(cfg.reads)).join(", ") || "none";
  throw new GemlensError(
    "NOT_FOUND",
    sentence(
      caller,
      `the coder ${JSON.stringify(wanted)} of ${pathOf(path)} among coders`,
      null,
      got,
    ),
    { path: pathOf(path), coder: wanted },
  );
}

function vectorOf({ length, base64 }: VectorJson, path: readonly PropertyKey[]): Float32Array {
  const bytes = Buffer.from(base64, "base64");
  if (bytes.length !== length * 4) {
    const got = `${bytes.length} of them`;
    throw argument(caller, `${length * 4} bytes`, `${pathOf(path)}.base64`, got, {
      path: pathOf(path),
    });
  }
  return Float32Array.from({ length }, (_, i) => bytes.readFloatLE(i * 4));
}

/** Adds the path in the JSON to an error of the intervention's constructor. */
function withPath(path: readonly PropertyKey[], error: unknown): unknown {
  if (!GemlensError.is(error) || error.message.startsWith(caller)) return error;
  const field = pathOf(path);
  const message = `${caller}: ${field}: ${error.message}`;
  return new GemlensError(error.code, message, { ...error.fields, path: field }, error);
}
