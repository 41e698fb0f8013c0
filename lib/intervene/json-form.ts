import { z } from "zod";
import { argument } from "../errors/check-options.js";
import { shortly } from "../errors/show-value.js";

/** How a coder is named where it may be loaded anew: as published, or by its hook and file. */
export type CoderJson =
  | {
      /** Such as `gemma-scope-2b-pt-res`. */
      readonly release: string;
      /** Such as `layer_20/width_16k/average_l0_71`. */
      readonly id: string;
    }
  | {
      /** The hook that it reads; of several the first. */
      readonly hook: string;
      /** Of the bytes of its file, or of its files one after the other, in hexadecimal. */
      readonly sha256: string;
    };

/** Base64 of little-endian float32, and how many there are. */
export interface VectorJson {
  /** How many numbers. */
  readonly length: number;
  /** 4 bytes each. */
  readonly base64: string;
}

/** A feature by its coder's name and its index. */
export interface FeatureJson {
  /** Its coder's name. */
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
// No z.enum: its declaration would have a computed key, [-Infinity], which does not compile.
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
 * What `Intervention.toJSON` gives: plain data for `JSON.stringify`. `version` is 1; each of
 * `interventions` has the fields of the intervention that it was made of, a coder as
 * {@link CoderJson}, a vector as the base64 of its little-endian float32 and its `length`, and an
 * infinite coefficient as "Infinity".
 */
export type InterventionsJson = z.infer<typeof form>;

/** Checks data from outside. ARGUMENT names the place of what is wrong. */
export function parseInterventions(caller: string, json: unknown): InterventionsJson {
  const parsed = form.safeParse(json);
  if (parsed.success) return parsed.data;
  const issue = deepest(parsed.error.issues[0] as z.core.$ZodIssue);
  const place = pathOf(issue.path);
  const [expected, got] =
    issue.code === "unrecognized_keys"
      ? ["no other key", issue.keys.join(", ")]
      : [expectedIn(issue.message), shortly(valueAt(json, issue.path))];
  throw argument(caller, expected, place, got, { path: place });
}

/** Of a union that fits in no way, the complaint of the alternative that came furthest. */
function deepest(issue: z.core.$ZodIssue): z.core.$ZodIssue {
  if (issue.code !== "invalid_union" || issue.errors.length === 0) return issue;
  return issue.errors
    .flatMap((issues) => issues.slice(0, 1))
    .map((inner) => deepest({ ...inner, path: [...issue.path, ...inner.path] }))
    .reduce((best, other) => (other.path.length > best.path.length ? other : best));
}

/** "number" of "Invalid input: expected number, received string". */
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
