import {
  checkFlag,
  checkList,
  checkObject,
  checkOneOf,
  checkText,
  inside,
  type Place,
  wrong,
} from "./checks.js";

// Those that the tokenizers of Gemma are made of, and their likes. A regular expression is not among
// them: out of a file, it may take hours over a short text.

type Json = unknown;
type Component = Readonly<Record<string, Json>>;

const mostSteps = 16;
const longestText = 64;

/** A step may make a text longer, and the next one again: texts grow at most so many times. */
const mostGrowth = 64;

const behaviors = ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"];

/** One step, or the steps of a Sequence; null is none. */
function steps(json: Json, place: Place, key: string): [step: Component, place: Place][] {
  if (json === null || json === undefined) return [];
  const component = checkObject(json, place);
  if (component["type"] !== "Sequence") return [[component, place]];
  const within = inside(place, key);
  const list = checkList(component[key], within, mostSteps);
  return list.map((item, i) => [checkObject(item, inside(within, i)), inside(within, i)]);
}

/** The pattern of a step, a plain text, and what it is replaced by: how much longer texts get. */
function checkReplace(step: Component, place: Place): number {
  const pattern = checkPattern(step, place);
  const content = checkText(step["content"], inside(place, "content"), 0, longestText);
  return Math.max(1, content.length / pattern.length);
}

function checkPattern(step: Component, place: Place): string {
  const at = inside(place, "pattern");
  const { String: text, ...others } = checkObject(step["pattern"], at);
  if (Object.keys(others).length > 0) wrong(at, "{String} (no regular expression)", others);
  return checkText(text, inside(at, "String"), 1, longestText);
}

function checkGrowth(growth: number, place: Place): void {
  if (growth > mostGrowth)
    wrong(place, `texts that get at most ${mostGrowth} times longer`, growth);
}

/** What happens to a text before it is split. Throws TOKENIZER. */
export function checkNormalizer(json: Json, place: Place): void {
  let growth = 1;
  for (const [step, at] of steps(json, place, "normalizers")) {
    const type = checkOneOf(step["type"], inside(at, "type"), ["Replace", "Prepend"]);
    if (type === "Replace") growth *= checkReplace(step, at);
    else checkText(step["prepend"], inside(at, "prepend"), 0, longestText);
    checkGrowth(growth, at);
  }
}

/** How a text is split into words. Throws TOKENIZER. */
export function checkPreTokenizer(json: Json, place: Place): void {
  for (const [step, at] of steps(json, place, "pretokenizers")) {
    checkOneOf(step["type"], inside(at, "type"), ["Split"]);
    checkPattern(step, at);
    checkOneOf(step["behavior"], inside(at, "behavior"), behaviors);
    checkFlag(step["invert"], inside(at, "invert"));
  }
}

/** How tokens become a text again. Throws TOKENIZER. */
export function checkDecoder(json: Json, place: Place): void {
  const types = ["Replace", "ByteFallback", "Fuse", "Strip"] as const;
  let growth = 1;
  for (const [step, at] of steps(json, place, "decoders")) {
    const type = checkOneOf(step["type"], inside(at, "type"), types);
    if (type === "Replace") growth *= checkReplace(step, at);
    if (type === "Strip") checkStrip(step, at);
    checkGrowth(growth, at);
  }
}

function checkStrip(step: Component, place: Place): void {
  checkText(step["content"], inside(place, "content"), 1, 1);
  for (const key of ["start", "stop"]) {
    const count = step[key];
    const valid = Number.isInteger(count) && (count as number) >= 0 && (count as number) <= 64;
    if (!valid) wrong(inside(place, key), "0 to 64", count);
  }
}
