import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  GemlensError,
  HookError,
  HookedTransformer,
  SAE,
  type Tensor,
  zeros,
} from "../../lib/index.js";
import { device, failure } from "../support/compare.js";
import { fixture } from "../support/fixtures.js";
import { runChild } from "./fixtures/run-child.js";

const PRE = "blocks.0.hook_resid_pre";
const POST = "blocks.2.hook_resid_post";
const prompt = [2, 3, 4];
const shape = [1, 3, 48];

let model: HookedTransformer;
let plain: Tensor;
beforeAll(async () => {
  model = await HookedTransformer.fromPretrained(fixture("tiny-gemma2"), { device });
  plain = await model.forward(prompt);
});
afterAll(async () => {
  plain.dispose();
  await model.dispose();
});

describe("a hook with an invalid return value", () => {
  const wrong: [string, (act: Tensor) => Tensor, object, string][] = [
    [
      "a different shape",
      () => zeros([1, 2, 48], { device }),
      { expected: shape, got: [1, 2, 48] },
      "expected [1, 3, 48] from the hook, got [1, 2, 48]",
    ],
    [
      "a different number of dimensions",
      (act) => act.reshape([3, 48]),
      { expected: shape, got: [3, 48] },
      "expected [1, 3, 48] from the hook, got [3, 48]",
    ],
    [
      "an empty tensor",
      () => zeros([0], { device }),
      { expected: shape, got: [0] },
      "expected [1, 3, 48] from the hook, got [0]",
    ],
    [
      "a different dtype",
      (act) => act.to("bfloat16"),
      { expected: "float32", got: "bfloat16" },
      "expected dtype float32 from the hook, got bfloat16",
    ],
    [
      "integers",
      () => zeros(shape, { dtype: "int64", device }),
      { expected: "float32", got: "int64" },
      "expected dtype float32 from the hook, got int64",
    ],
  ];
  test.each(wrong)("%s: rejects with both", async (_, fn, fields, message) => {
    for (const hook of [fn, async (act: Tensor) => fn(act)]) {
      const error = await failure(() => model.forward(prompt, { hooks: [[POST, hook]] }));
      expect(error).toBeInstanceOf(HookError);
      expect(error).toMatchObject({ code: "HOOK", hook: POST, message: `${POST}: ${message}` });
      expect((error as HookError).fields).toEqual({ hook: POST, ...fields });
    }
    using again = await model.forward(prompt);
    expect(again.allClose(plain)).toBe(true);
  });

  test("in a nested run fails only that run, with the nested run's error", async () => {
    await using other = await HookedTransformer.fromPretrained(fixture("tiny-gemma2"), { device });
    let inner: Error | undefined;
    using got = await model.forward(prompt, {
      hooks: [
        [
          PRE,
          async () => {
            inner = await failure(() =>
              other.forward(prompt, { hooks: [[POST, () => zeros([1], { device })]] }),
            );
          },
        ],
      ],
    });
    expect(inner).toMatchObject({ code: "HOOK", hook: POST });
    expect(got.allClose(plain)).toBe(true);
  });

  test("after another failing hook is not reported", async () => {
    const first = new Error("first");
    const error = await failure(() =>
      model.forward(prompt, {
        hooks: [
          [PRE, () => Promise.reject(first)],
          [POST, () => zeros([1], { device })],
        ],
      }),
    );
    expect(error).toMatchObject({ code: "HOOK", hook: PRE, cause: first });
  });
});

describe("an error", () => {
  const hasAll = (error: Error, code: string, fn: string) => {
    expect(error).toBeInstanceOf(GemlensError);
    expect(GemlensError.is(error, code as "SHAPE")).toBe(true);
    const [first = "", ...frames] = error.stack?.split("\n") ?? [];
    expect(first).toBe(`${error.name}: ${error.message}`);
    expect(frames.join("\n")).toMatch(new RegExp(`at (async )?${fn}`));
    expect(frames.join("\n")).toContain("errors.test.ts");
  };

  test("has the native error as its cause if a call throws", async () => {
    async function scriptOfTheUser() {
      return zeros([2, 3], { device }).matmul(zeros([2, 3], { device }));
    }
    const error = await failure(scriptOfTheUser);
    hasAll(error, "ARGUMENT", "scriptOfTheUser");
    expect(error.cause).toMatchObject({ code: "ARGUMENT", message: error.message });
  });

  test("has the caller's stack and the native error as its cause if the executor throws", async () => {
    async function scriptOfTheUser() {
      using out = await model.forward(prompt, { hooks: [[POST, () => zeros([1], { device })]] });
      return out.shape;
    }
    const error = await failure(scriptOfTheUser);
    hasAll(error, "HOOK", "scriptOfTheUser");
    expect(error.cause).toMatchObject({ code: "HOOK", message: error.message });
    expect((error.cause as { fields: object }).fields).toEqual((error as GemlensError).fields);
  });

  test("names both sides if the executor rejects arguments before it works", async () => {
    using sae = await SAE.fromFile(fixture("tiny-gemma2/gs1/res/params.npz"), {
      hookName: POST,
      device,
    });
    async function scriptOfTheUser() {
      return sae.encode(zeros([1, 3, 47], { device }));
    }
    const error = await failure(scriptOfTheUser);
    hasAll(error, "SHAPE", "scriptOfTheUser");
    expect(error.message).toBe("encode: expected [.., 48] for input, got [1, 3, 47]");
    const nan = await failure(async function scriptWithNaN() {
      return sae.encode(zeros(shape, { device }).add(Number.NaN));
    });
    hasAll(nan, "ARGUMENT", "scriptWithNaN");
    expect(nan.cause).toMatchObject({ code: "ARGUMENT" });
  });

  test("has a hook's error as its cause, unchanged", async () => {
    const cause = new GemlensError("NOT_FOUND", "mine", { mine: 1 });
    async function scriptOfTheUser() {
      return model.forward(prompt, { hooks: [[PRE, () => Promise.reject(cause)]] });
    }
    const error = await failure(scriptOfTheUser);
    hasAll(error, "HOOK", "scriptOfTheUser");
    expect(error.cause).toBe(cause);
    for (const thrown of [undefined, null, "text", 5, Symbol("s"), Object.create(null)]) {
      const odd = await failure(() =>
        model.forward(prompt, {
          hooks: [
            [
              PRE,
              () => {
                throw thrown;
              },
            ],
          ],
        }),
      );
      expect(odd, String(typeof thrown)).toMatchObject({ code: "HOOK", hook: PRE });
    }
  });

  test("reports too little memory before anything is lost", async () => {
    const error = await failure(() => zeros([2 ** 47], { dtype: "uint8", device }));
    expect(error.code).toBe("OUT_OF_MEMORY");
    expect((error as GemlensError).fields["device"]).toBeDefined();
    using again = await model.forward(prompt);
    expect(again.allClose(plain)).toBe(true);
  });

  test("reports too little memory with libtorch's own allocator", async () => {
    const end = await runChild("no-memory.ts");
    expect(end, end.stderr).toMatchObject({ code: 0, signal: null });
    const { code, fields } = JSON.parse(end.stdout) as GemlensError;
    expect(code).toBe("OUT_OF_MEMORY");
    expect(fields).toEqual({ device: "cpu", requested: 2 ** 47 });
  });
});
