import { z } from "zod";
import { argument } from "../errors/check-options.js";
import { shortly } from "../errors/show-value.js";

/** A coder's identity across processes: its published name, or its hook and file hash. */
export type CoderJson =
  | {
      /** Such as `gemma-scope-2b-pt-res`. */
      readonly release: string;
      /** Such as `layer_20/width_16k/average_l0_71`. */
      readonly id: string;
    }
  | {
      /** The first hook that it reads. */
      readonly hook: string;
      /** SHA-256 over the bytes of its files in order, in hexadecimal. */
      readonly sha256: string;
    };

/** A vector as base64 of little-endian float32, with its length. */
export interface VectorJson {
  /** The count of numbers. */
  readonly length: number;
  /** The numbers, 4 bytes each. */
  readonly base64: string;
}

/** A feature as its coder's identity and its index. */
export interface FeatureJson {
  /** Its coder's identity. */
  readonly coder: CoderJson;
  /** Its index. */
  readonly feature: number;
}

const integer = z.int();
const many = z.union([integer, z.array(integer).readonly()]);
const where = {
  positions: z.union([many, z.strictObject({ from: integer, to: integer.optional() })]).optional(),
  batch: many.optional(),
  excludeSpecialTokens: z.union([z.boolean(), z.array(integer).readonly()]).optional(),
};
const coder = z.union([
  z.strictObject({ release: z.string(), id: z.string() }),
  z.strictObject({ hook: z.string(), sha256: z.string().regex(/^[0-9a-f]{64}$/) }),
]);
const feature = z.strictObject({ coder, feature: integer });
const vector = z.strictObject({ length: integer, base64: z.base64() });
const direction = z.strictObject({ hook: z.string(), vector });
// z.enum would declare a computed key, [-Infinity], which does not compile.
const coefficient = z.union([z.number(), z.literal(["Infinity", "-Infinity"])]);

const intervention = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("ablate"), target: feature, to: z.number(), ...where }),
  z.strictObject({ type: z.literal("clamp"), target: feature, value: z.number(), ...where }),
  z.strictObject({ type: z.literal("scale"), target: feature, factor: z.number(), ...where }),
  z.strictObject({
    type: z.literal("steer"),
    target: z.union([feature, direction]),
    coefficient,
    cap: z.number().optional(),
    ...where,
  }),
  z.strictObject({ type: z.literal("project"), hook: z.string(), vector, ...where }),
]);

const form = z.strictObject({ version: z.literal(1), interventions: z.array(intervention) });

export type InterventionJson = z.infer<typeof intervention>;

/**
 * The result of `Intervention.toJSON`: plain data for `JSON.stringify`. `version` is 1. Each entry
 * of `interventions` has the fields of its intervention, with a coder as {@link CoderJson}, a
 * vector as the base64 of its little-endian float32 and its `length`, and an infinite coefficient
 * as "Infinity".
 */
export type InterventionsJson = z.infer<typeof form>;

/** Validates untrusted data. ARGUMENT names the path of the invalid value. */
export function parseInterventions(caller: string, json: unknown): InterventionsJson {
  const parsed = form.safeParse(json);
  if (parsed.success) return parsed.data;
  const issue = deepest(parsed.error.issues[0] as z.core.$ZodIssue);
  const field = pathOf(issue.path);
  const [expected, got] =
    issue.code === "unrecognized_keys"
      ? ["no other key", issue.keys.join(", ")]
      : [expectedIn(issue.message), shortly(valueAt(json, issue.path))];
  throw argument(caller, expected, field, got, { path: field });
}

/** If no alternative of a union matches, the issue of the one that matched furthest. */
function deepest(issue: z.core.$ZodIssue): z.core.$ZodIssue {
  if (issue.code !== "invalid_union" || issue.errors.length === 0) return issue;
  return issue.errors
    .flatMap((issues) => issues.slice(0, 1))
    .map((inner) => deepest({ ...inner, path: [...issue.path, ...inner.path] }))
    .reduce((best, other) => (other.path.length > best.path.length ? other : best));
}

/** Extracts "number" from "Invalid input: expected number, received string". */
function expectedIn(message: string): string {
  return /expected (.+?)(?:, received .*)?$/i.exec(message)?.[1] ?? `a valid value (${message})`;
}

function valueAt(json: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce((value, key) => (value as Record<PropertyKey, unknown>)[key], json);
}

export function pathOf(path: readonly PropertyKey[]): string {
  return path.reduce<string>(
    (text, part) => text + (typeof part === "number" ? `[${part}]` : `.${String(part)}`),
    "json",
  );
}
