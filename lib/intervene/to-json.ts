import type { FeatureRef } from "../coder/coder.js";
import { argument } from "../errors/check-options.js";
import { GemlensError } from "../errors/gemlens-error.js";
import { shortly } from "../errors/show-value.js";
import { isObject } from "./checks.js";
import { identityOf } from "./coder-identity.js";
import type { FeatureJson, InterventionJson, InterventionsJson, VectorJson } from "./json-form.js";
import type {
  Ablation,
  AnyIntervention,
  Clamping,
  Direction,
  InterventionOptions,
  Projection,
  Scaling,
  Steering,
} from "./types.js";

const caller = "Intervention.toJSON";

type WhereJson = Pick<InterventionJson, "positions" | "batch" | "excludeSpecialTokens">;

/**
 * Converts interventions to plain data for `JSON.stringify`. A feature's coder is identified by
 * release and id if it is a published one in the Hugging Face cache, else by its hook and the
 * SHA-256 of its file.
 *
 * @throws UNSUPPORTED if one is a `patch`, which holds a tensor of another run
 * @throws NOT_FOUND if a coder's file no longer exists
 */
export async function toJSON(list: readonly AnyIntervention[]): Promise<InterventionsJson> {
  if (!Array.isArray(list)) {
    throw argument(caller, "an array of interventions", "interventions", shortly(list));
  }
  const interventions: InterventionJson[] = [];
  for (const [i, entry] of (list as readonly AnyIntervention[]).entries()) {
    interventions.push(await entryToJSON(`interventions[${i}]`, entry));
  }
  return { version: 1, interventions };
}

async function entryToJSON(use: string, entry: AnyIntervention): Promise<InterventionJson> {
  switch (isObject(entry) ? entry.type : undefined) {
    case "ablate": {
      const { target, to, ...rest } = entry as Ablation;
      return { type: "ablate", target: await featureToJSON(target), to, ...whereToJSON(rest) };
    }
    case "clamp": {
      const { target, value, ...rest } = entry as Clamping;
      return { type: "clamp", target: await featureToJSON(target), value, ...whereToJSON(rest) };
    }
    case "scale": {
      const { target, factor, ...rest } = entry as Scaling;
      return { type: "scale", target: await featureToJSON(target), factor, ...whereToJSON(rest) };
    }
    case "steer":
      return steeringToJSON(entry as Steering);
    case "project":
      return {
        type: "project",
        ...directionToJSON(entry as Projection),
        ...whereToJSON(entry as Projection),
      };
    case "patch":
      throw new GemlensError(
        "UNSUPPORTED",
        `${caller}: ${use} is a patch: the tensor of another run is not written`,
        { use },
      );
    default:
      throw argument(caller, "an intervention", use, shortly(entry));
  }
}

async function steeringToJSON(entry: Steering): Promise<InterventionJson> {
  const { target, coefficient, cap } = entry;
  return {
    type: "steer",
    target: "vector" in target ? directionToJSON(target) : await featureToJSON(target),
    // JSON can't represent infinity.
    coefficient: Number.isFinite(coefficient)
      ? coefficient
      : coefficient > 0
        ? "Infinity"
        : "-Infinity",
    ...(cap !== undefined && { cap }),
    ...whereToJSON(entry),
  };
}

function whereToJSON(options: InterventionOptions): WhereJson {
  const { positions, batch, excludeSpecialTokens } = options;
  return {
    ...(positions !== undefined && { positions: structuredClone(positions) }),
    ...(batch !== undefined && { batch: structuredClone(batch) }),
    ...(excludeSpecialTokens !== undefined && {
      excludeSpecialTokens: structuredClone(excludeSpecialTokens),
    }),
  };
}

async function featureToJSON({ coder, feature }: FeatureRef): Promise<FeatureJson> {
  return { coder: await identityOf(caller, coder), feature };
}

function directionToJSON({ hook, vector }: Direction): { hook: string; vector: VectorJson } {
  const bytes = Buffer.alloc(vector.length * 4);
  for (const [i, value] of vector.entries()) bytes.writeFloatLE(value, i * 4);
  return { hook, vector: { length: vector.length, base64: bytes.toString("base64") } };
}
