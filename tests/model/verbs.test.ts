import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { attribute, HookedTransformer, SAE } from "../../lib/index.js";
import { device, failure } from "../support/compare.js";
import { fixture } from "../support/fixtures.js";

const hookName = "blocks.2.hook_resid_post";

describe("every way to run a model refuses the same mistakes", () => {
  let model: HookedTransformer;
  let sae: SAE;
  let gone: SAE;
  beforeAll(async () => {
    model = await HookedTransformer.fromPretrained(fixture("tiny-gemma2"), { device });
    const path = fixture("tiny-gemma2/gs1/res/params.npz");
    sae = await SAE.fromFile(path, { hookName, device });
    gone = await SAE.fromFile(path, { hookName, device });
    gone.dispose();
  });
  afterAll(async () => {
    sae.dispose();
    await model.dispose();
  });

  const input = [2, 3, 4];
  const verbs: Record<string, (options: object) => Promise<unknown>> = {
    forward: (options) => model.forward(input, options),
    loss: (options) => model.loss(input, options),
    runWithCache: (options) => model.runWithCache(input, { names: [], ...options }),
    runWithGradients: (options) =>
      model.runWithGradients(input, { target: { logit: 5 }, ...options }),
    generate: (options) => model.generate(input, options).text(),
  };
  const act = () => undefined;
  const cases: [what: string, options: () => object, code: string, rest: RegExp][] = [
    ["a misspelt option", () => ({ hook: [] }), "ARGUMENT", /expected one of .*, got hook$/],
    [
      "hooks that are not a list",
      () => ({ hooks: 7 }),
      "ARGUMENT",
      /an array of .* for hooks, got num/,
    ],
    [
      "a hook without a function",
      () => ({ hooks: [[hookName, 3]] }),
      "ARGUMENT",
      /expected a hook as .* for hooks\[0\], got object/,
    ],
    [
      "a hook with an unknown name",
      () => ({ hooks: [["blocks.2.hook_resid_pots", act]] }),
      "NOT_FOUND",
      /did you mean "blocks.2.hook_resid_post"/,
    ],
    [
      "coders that are not a list",
      () => ({ coders: sae }),
      "ARGUMENT",
      /array of coders for coders/,
    ],
    [
      "a value that is not a coder",
      () => ({ coders: [null] }),
      "ARGUMENT",
      /expected a coder \(SAE or Transcoder\) for coders\[0\], got null/,
    ],
    [
      "a repeated coder",
      () => ({ coders: [sae, sae] }),
      "ARGUMENT",
      /each coder once for coders\[1\]/,
    ],
    ["a disposed coder", () => ({ coders: [gone] }), "DISPOSED", /coders\[0\] was disposed/],
    [
      "interventions that are not a list",
      () => ({ interventions: 7 }),
      "ARGUMENT",
      /array of interventions for interventions/,
    ],
    [
      "an intervention of an unknown type",
      () => ({ interventions: [{ type: "boost" }] }),
      "ARGUMENT",
      /with the type ablate, .* for interventions\[0\], got "boost"/,
    ],
    [
      "prependBos that is not a boolean",
      () => ({ prependBos: 1 }),
      "ARGUMENT",
      /expected true or false for prependBos, got 1$/,
    ],
    [
      "an unknown side to truncate",
      () => ({ truncate: "middle" }),
      "ARGUMENT",
      /for truncate, got "middle"$/,
    ],
  ];

  test.each(cases)("%s", async (_, options, code, rest) => {
    const found = new Set<string>();
    for (const [verb, run] of Object.entries(verbs)) {
      const error = await failure(() => run(options()));
      expect(error.code, `${verb}: ${error.message}`).toBe(code);
      expect(error.message.startsWith(`${verb}: `), error.message).toBe(true);
      // Each function lists its own options.
      found.add(error.message.slice(verb.length).replace(/one of .*, got/, "one of its own, got"));
      expect(error.message).toMatch(rest);
    }
    expect([...found], "one sentence for all").toHaveLength(1);
  });

  test("attribute refuses them under its own name", async () => {
    const target = { logit: 5 } as const;
    for (const [what, options, code, rest] of cases) {
      const given = options();
      if (!("coders" in given || "interventions" in given)) continue;
      const attributed = { target, through: [sae], ...(given as object) };
      const error = await failure(() => attribute(model, input, attributed));
      expect(error.code, what).toBe(code);
      expect(error.message).toMatch(/^attribute: /);
      expect(error.message).toMatch(rest);
    }
  });
});
