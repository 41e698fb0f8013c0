import { describe, expect, test } from "vitest";
import {
  nonNegativeInteger,
  positiveInteger,
  positiveNumber,
  share,
} from "../../bench/number-options.js";
import { runChild } from "../native/fixtures/run-child.js";

describe("a number among a script's options", () => {
  test("accepts a valid number", () => {
    expect(positiveNumber("0.5")).toBe(0.5);
    expect(positiveInteger("10000")).toBe(10_000);
    expect(nonNegativeInteger("0")).toBe(0);
    expect([share("0"), share("0.05"), share("1")]).toEqual([0, 0.05, 1]);
  });

  test.each([
    [positiveNumber, "a positive number", ["abc", "", " ", "0", "-1", "NaN", "Infinity", "3x"]],
    [positiveInteger, "a positive integer", ["abc", "", "0", "-1", "1.5", "1e400"]],
    [nonNegativeInteger, "an integer from 0", ["abc", "", "-1", "0.5"]],
    [share, "a number from 0 to 1", ["abc", "", "-0.1", "1.1"]],
  ] as const)("refuses an invalid number: %o", (parse, expected, texts) => {
    for (const text of texts) {
      expect(() => parse(text), text).toThrow(`Expected ${expected}, got ${text || "nothing"}.`);
    }
  });

  test.each([
    ["fuzz", "--inputs", "abc"],
    ["fuzz", "--minutes", "abc"],
    ["fuzz", "--native", "2"],
    ["stress", "--minutes", "abc"],
    ["stress", "--seed", "-1"],
  ])("tests/%s/main.ts %s %s fails before anything runs", async (script, option, value) => {
    const end = await runChild(`../../${script}/main.ts`, [option, value]);
    expect(end).toMatchObject({ code: 1, stdout: "" });
    expect(end.stderr).toContain(`argument '${value}' is invalid. Expected`);
  });
});
