// Tests the messages of the compiler and the completions of an editor for hook names: they show
// sentences and names, not unions.
import { beforeAll, describe, expect, test } from "vitest";
import { TypeScript } from "../support/typescript.js";

const head = `
import { type ActivationCache, type HookedTransformer, hook, patch, type SAE, type Tensor } from "../../lib/index.js";
declare const model: HookedTransformer;
declare const sae: SAE;
declare const layer: number;
declare const pattern: Tensor<["batch", "head_index", "query_pos", "key_pos"]>;
declare const cache: ActivationCache<"blocks.2.hook_resid_post" | "hook_embed">;
const fn = () => {};
const target = { loss: true } as const;
`;

describe("a failed check shows a sentence", () => {
  const cases: [code: string, sentence: string][] = [
    ['hook("blocks.2.hook_resid_pots", fn)', "no such hook point: blocks.2.hook_resid_pots"],
    [`hook(\`blocks.\${layer}.hook_pots\`, fn)`, `no such hook point: blocks.\${number}.hook_pots`],
    ['model.addHook("hook_embde", fn)', "no such hook point: hook_embde"],
    ['hook(["resid_pst", 2], fn)', "no such short name: resid_pst"],
    ['hook(["resid_post"], fn)', "it needs a layer: ['resid_post', 20]"],
    ['hook(["resid_post", "2"], fn)', "its layer is a number: ['resid_post', 20]"],
    ['hook(["embed", 2], fn)', "it takes no layer: ['embed']"],
    ['hook(["scale", 2], fn)', "a layer and a norm belong to it: ['scale', 20, 'ln1']"],
    ['model.forward("x", { hooks: [["hook_embde", fn]] })', "no such hook point: hook_embde"],
    [
      'model.loss("x", { hooks: [[sae.cfg.hookName, fn], ["hook_embde", fn]] })',
      "no such hook point: hook_embde",
    ],
    ['model.generate("x", { hooks: [[["pst", 1], fn]] })', "no such short name: pst"],
    ['model.runWithCache("x", { names: ["hook_embde"] })', "no such hook point: hook_embde"],
    [
      'model.runWithCache("x", { names: [sae.cfg.hookName, "hook_embde"] })',
      "no such hook point: hook_embde",
    ],
    ['model.runWithCache("x", { names: [["pst", 1]] })', "no such short name: pst"],
    [
      'model.runWithGradients("x", { target, names: ["hook_embde"] })',
      "no such hook point: hook_embde",
    ],
    [
      'model.generate("x", { record: { names: ["hook_embde"] } })',
      "no such hook point: hook_embde",
    ],
    ['cache.get("blocks.3.hook_resid_post")', "not asked for in names: blocks.3.hook_resid_post"],
    ['cache.get(["resid_post", 3])', "not asked for in names: blocks.3.hook_resid_post"],
    ['cache.get("blocks.2.hook_resid_pots")', "no such hook point: blocks.2.hook_resid_pots"],
    ['cache.get(["resid_pst", 2])', "no such short name: resid_pst"],
    [
      'patch("blocks.3.hook_resid_post", cache)',
      "not asked for in names: blocks.3.hook_resid_post",
    ],
    ["sae.encode(pattern)", "a coder does not read attention patterns or scores"],
    ["sae.forward(pattern)", "a coder does not read attention patterns or scores"],
  ];
  let errors: { line: number; message: string }[];
  let instantiations: number;

  beforeAll(() => {
    const typescript = new TypeScript(head + cases.map(([code]) => `${code};\n`).join(""));
    errors = typescript.errors();
    instantiations = typescript.instantiations;
  });

  const first = head.split("\n").length;
  test.each(cases.map((one, i) => [...one, first + i] as const))("%s", (_, sentence, line) => {
    const messages = errors.filter((error) => error.line === line).map(({ message }) => message);
    expect(messages).toHaveLength(1);
    expect(messages[0]?.replaceAll("`", '"')).toContain(`Error<"${sentence}">'`);
    // The compiler would truncate a union of names.
    expect(messages[0]).not.toMatch(/ more \.\.\./);
  });

  test("reports no other error", () => {
    expect(errors).toHaveLength(cases.length);
  });

  test("keeps type checks cheap", () => {
    // 24 statements take about 20,000 instantiations; one that compares a name with all names takes
    // 140,000.
    expect(instantiations).toBeLessThan(60_000);
  });
});

describe("an editor offers names", () => {
  const calls = [
    'hook("‸", fn)',
    'hook("blocks.20.hook_res‸")',
    'model.addHook("‸", fn)',
    'model.forward("x", { hooks: [["‸", fn]] })',
    'model.runWithCache("x", { names: ["‸"] })',
    'model.runWithCache("x", { names: ["hook_embed", "‸"], logits: false })',
    'model.runWithGradients("x", { target, names: ["‸"] })',
    'model.generate("x", { record: { names: ["‸"] } })',
    'patch("‸", pattern)',
  ];
  let typescript: TypeScript;

  beforeAll(() => {
    typescript = new TypeScript(`${head}${calls.join(";\n")};\ncache.get("‸");\n`);
  });

  test.each(calls.map((call, i) => [call, i] as const))("%s", (_, caret) => {
    const offered = typescript.completions(caret);
    for (const name of ["hook_embed", "blocks.0.hook_resid_post", "blocks.61.attn.hook_pattern"]) {
      expect(offered).toContain(name);
    }
    expect(offered).not.toContain("blocks.62.hook_resid_post");
  });

  test("offers a cache's own names", () => {
    expect(typescript.completions(calls.length).sort()).toEqual([
      "blocks.2.hook_resid_post",
      "hook_embed",
    ]);
  });
});
