import type { Budget } from "./budget.js";
import { bind } from "./call-arguments.js";
import { filterNames, testNames } from "./known-names.js";
import { binary, compare } from "./operators.js";
import { textOf } from "./print.js";
import type { CompareOperator } from "./syntax.js";
import { TemplateError } from "./template-error.js";
import { TemplateUnsupported } from "./template-unsupported.js";
import { type Given, isNumber, isTrue, isUndefined, keyOf, type Value } from "./value.js";

type Test = (value: Value, given: Given, budget: Budget) => boolean;

const typeOf = (value: Value): string | undefined =>
  typeof value === "object" && value !== null ? value.type : undefined;

/** A test without arguments. */
const plain =
  (run: (value: Value, budget: Budget) => boolean): Test =>
  (value, given, budget) => {
    bind("test", "", given);
    return run(value, budget);
  };

const comparing =
  (operator: CompareOperator): Test =>
  (value, given, budget) =>
    compare(operator, value, bind("test", "other /", given)["other"] as Value, budget);

const remainder = (value: Value, by: Value, budget: Budget): boolean =>
  compare("==", binary("%", value, by, budget), 0n, budget);

const isText = (value: Value): boolean => typeof value === "string" || typeOf(value) === "markup";
const isIterable = (value: Value): boolean =>
  isText(value) ||
  ["list", "tuple", "dict", "view", "range", "generator", "undefined", "loop"].includes(
    typeOf(value) ?? "",
  );

const eq = comparing("==");
const ne = comparing("!=");
const lt = comparing("<");
const le = comparing("<=");
const gt = comparing(">");
const ge = comparing(">=");

const tests: Readonly<Record<string, Test>> = {
  eq,
  equalto: eq,
  "==": eq,
  ne,
  "!=": ne,
  lt,
  lessthan: lt,
  "<": lt,
  le,
  "<=": le,
  gt,
  greaterthan: gt,
  ">": gt,
  ge,
  ">=": ge,
  in: comparing("in"),
  defined: plain((value) => !isUndefined(value)),
  undefined: plain((value) => isUndefined(value)),
  none: plain((value) => value === null),
  boolean: plain((value) => typeof value === "boolean"),
  true: plain((value) => value === true),
  false: plain((value) => value === false),
  integer: plain((value) => typeof value === "bigint"),
  float: plain((value) => typeof value === "number"),
  number: plain((value) => isNumber(value)),
  string: plain(isText),
  mapping: plain((value) => typeOf(value) === "dict"),
  iterable: plain(isIterable),
  sequence: plain(
    (value) =>
      isText(value) ||
      ["list", "tuple", "dict", "range", "undefined"].includes(typeOf(value) ?? ""),
  ),
  callable: plain((value) => ["callable", "loop", "undefined"].includes(typeOf(value) ?? "")),
  escaped: plain((value) => typeOf(value) === "markup"),
  even: plain((value, budget) => remainder(value, 2n, budget)),
  odd: plain((value, budget) => compare("==", binary("%", value, 2n, budget), 1n, budget)),
  divisibleby: (value, given, budget) =>
    remainder(value, bind("divisibleby", "num", given)["num"] as Value, budget),
  lower: plain((value, budget) => {
    const text = textOf(value, budget);
    return /\p{Lowercase}/u.test(text) && !/[\p{Uppercase}\p{Lt}]/u.test(text);
  }),
  upper: plain((value, budget) => {
    const text = textOf(value, budget);
    return /\p{Uppercase}/u.test(text) && !/[\p{Lowercase}\p{Lt}]/u.test(text);
  }),
  filter: plain((value) => filterNames.has(nameIn(value))),
  test: plain((value) => testNames.has(nameIn(value)) || Object.hasOwn(tests, nameIn(value))),
  sameas: (value, given) => {
    const { other } = bind("sameas", "other", given);
    const [a, b] = [value, other as Value];
    if ([a, b].some((one) => one === null || typeof one === "boolean")) return a === b;
    throw new TemplateUnsupported("sameas of values other than true, false and none");
  },
};

/** Checks a name to look up; Python refuses a list or a dict. */
function nameIn(value: Value): string {
  if (typeof value === "object" && value !== null && "type" in value) {
    if (value.type === "list" || value.type === "dict") keyOf(value);
  }
  return typeof value === "string" ? value : "";
}

/** Evaluates the test `value is name`. */
export function runTest(name: string, value: Value, given: Given, budget: Budget): boolean {
  const test = Object.hasOwn(tests, name) ? tests[name] : undefined;
  if (test === undefined) throw new TemplateError(`No test named '${name}'.`);
  budget.spend(1);
  return isTrue(test(value, given, budget));
}
