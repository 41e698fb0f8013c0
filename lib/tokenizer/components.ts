import {
  checkFlag,
  checkList,
  checkObject,
  checkOneOf,
  checkText,
  inside,
  type JsonField,
  wrong,
} from "./checks.js";

// These are the components of Gemma's and similar tokenizers. They exclude regular expressions, because
// one from a file may take hours on a short text.

type Json = unknown;
type Component = Readonly<Record<string, Json>>;

const mostSteps = 16;
const longestText = 64;

/** Each step may make a text longer; all steps together at most this many times. */
const mostGrowth = 64;

const behaviors = ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"];

/** The steps of a component: itself, or those of a Sequence; none for null. */
function steps(json: Json, field: JsonField, key: string): [step: Component, field: JsonField][] {
  if (json === null || json === undefined) return [];
  const component = checkObject(json, field);
  if (component["type"] !== "Sequence") return [[component, field]];
  const within = inside(field, key);
  const list = checkList(component[key], within, mostSteps);
  return list.map((item, i) => [checkObject(item, inside(within, i)), inside(within, i)]);
}

/** Checks the pattern (a plain text) and the replacement of a step. Returns how much longer texts may get. */
function checkReplace(step: Component, field: JsonField): number {
  const pattern = checkPattern(step, field);
  const content = checkText(step["content"], inside(field, "content"), 0, longestText);
  return Math.max(1, content.length / pattern.length);
}

function checkPattern(step: Component, field: JsonField): string {
  const at = inside(field, "pattern");
  const { String: text, ...others } = checkObject(step["pattern"], at);
  if (Object.keys(others).length > 0) wrong(at, "{String} (no regular expression)", others);
  return checkText(text, inside(at, "String"), 1, longestText);
}

function checkGrowth(growth: number, field: JsonField): void {
  if (growth > mostGrowth)
    wrong(field, `texts that get at most ${mostGrowth} times longer`, growth);
}

/** Checks the changes of a text before it is split. Throws TOKENIZER. */
export function checkNormalizer(json: Json, field: JsonField): void {
  let growth = 1;
  for (const [step, at] of steps(json, field, "normalizers")) {
    const type = checkOneOf(step["type"], inside(at, "type"), ["Replace", "Prepend"]);
    if (type === "Replace") growth *= checkReplace(step, at);
    else checkText(step["prepend"], inside(at, "prepend"), 0, longestText);
    checkGrowth(growth, at);
  }
}

/** Checks the split of a text into words. Throws TOKENIZER. */
export function checkPreTokenizer(json: Json, field: JsonField): void {
  for (const [step, at] of steps(json, field, "pretokenizers")) {
    checkOneOf(step["type"], inside(at, "type"), ["Split"]);
    checkPattern(step, at);
    checkOneOf(step["behavior"], inside(at, "behavior"), behaviors);
    checkFlag(step["invert"], inside(at, "invert"));
  }
}

/** Checks the decoding of tokens to text. Throws TOKENIZER. */
export function checkDecoder(json: Json, field: JsonField): void {
  const types = ["Replace", "ByteFallback", "Fuse", "Strip"] as const;
  let growth = 1;
  for (const [step, at] of steps(json, field, "decoders")) {
    const type = checkOneOf(step["type"], inside(at, "type"), types);
    if (type === "Replace") growth *= checkReplace(step, at);
    if (type === "Strip") checkStrip(step, at);
    checkGrowth(growth, at);
  }
}

function checkStrip(step: Component, field: JsonField): void {
  checkText(step["content"], inside(field, "content"), 1, 1);
  for (const key of ["start", "stop"]) {
    const count = step[key];
    const valid = Number.isInteger(count) && (count as number) >= 0 && (count as number) <= 64;
    if (!valid) wrong(inside(field, key), "0 to 64", count);
  }
}
