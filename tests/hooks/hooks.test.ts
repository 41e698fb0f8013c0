import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import {
  GemlensError,
  HookError,
  HookedTransformer,
  hook,
  SAE,
  type Tensor,
  zeros,
} from "../../lib/index.js";
import { device, expectClose, failure, relativeError } from "../support/compare.js";
import { fixture, hookGoldens, ids } from "../support/fixtures.js";
import { need } from "../support/safetensors.js";

const golden = hookGoldens("tiny-gemma2");
const tokens = ids(golden, "tokens");
const tolerance = 1e-4;

let model: HookedTransformer;
let gemma3: HookedTransformer;
beforeAll(async () => {
  model = await HookedTransformer.fromPretrained(fixture("tiny-gemma2"), { device });
  gemma3 = await HookedTransformer.fromPretrained(fixture("tiny-gemma3"), { device });
});
afterEach(() => model.resetHooks());
afterAll(async () => {
  await model.dispose();
  await gemma3.dispose();
});

describe("hooks that observe", () => {
  test("see the activation and its hook point", async () => {
    const seen: [string, number | null, number, number, readonly number[]][] = [];
    using logits = await model.forward(tokens, {
      hooks: [
        hook(
          "hook_embed",
          (act, at) => void seen.push([at.name, at.layer, at.step, at.positionOffset, act.shape]),
        ),
        hook(
          "blocks.2.attn.hook_pattern",
          (act, at) => void seen.push([at.name, at.layer, at.step, at.positionOffset, act.shape]),
        ),
        hook(
          "blocks.3.hook_out",
          (act, at) => void seen.push([at.name, at.layer, at.step, at.positionOffset, act.shape]),
        ),
      ],
    });
    expect(seen).toEqual([
      ["hook_embed", null, 0, 0, [1, 24, 48]],
      ["blocks.2.attn.hook_pattern", 2, 0, 0, [1, 4, 24, 24]],
      ["blocks.3.hook_resid_post", 3, 0, 0, [1, 24, 48]],
    ]);
    await expectClose("logits", logits, need(golden, "logits"), tolerance);
  });

  test("see the golden value at every point, also asynchronously", async () => {
    const errors: string[] = [];
    const names = model.hookNames.filter((name) => golden.has(name));
    using logits = await model.forward(tokens, {
      hooks: names.map((name) => [
        name,
        async (act: Tensor) => {
          await new Promise((done) => setImmediate(done));
          const got = await act.read("float32");
          const worst = relativeError(got, need(golden, name).data);
          if (!(worst < tolerance)) errors.push(`${name}: ${worst}`);
        },
      ]),
    });
    expect(errors).toEqual([]);
    expect(names.length).toBeGreaterThan(100);
    await expectClose("logits", logits, need(golden, "logits"), tolerance);
  });
});

describe("hooks that change", () => {
  test("replace the activation for the rest of the run", async () => {
    const name = "blocks.1.hook_mlp_out";
    using replaced = await model.runWithCache(tokens, {
      names: [name, "blocks.1.hook_resid_mid", "blocks.1.hook_resid_post"],
      hooks: [hook(name, (act) => act.mul(0))],
    });
    const mid = await replaced.cache.get("blocks.1.hook_resid_mid").read("float32");
    const post = await replaced.cache.get("blocks.1.hook_resid_post").read("float32");
    expect(relativeError(post, mid)).toBe(0);
    expect((await replaced.cache.get(name).read("float32")).every((value) => value === 0)).toBe(
      true,
    );
    const changed = await replaced.logits.read("float32");
    expect(relativeError(changed, need(golden, "logits").data)).toBeGreaterThan(1e-3);
  });

  test("have the same effect in place as by a returned tensor, sync and async", async () => {
    const name = "blocks.2.hook_resid_post";
    using returned = await model.forward(tokens, { hooks: [hook(name, (act) => act.mul(2))] });
    using inPlace = await model.forward(tokens, {
      hooks: [
        hook(name, (act) => {
          act.copy_(act.mul(2));
        }),
      ],
    });
    using later = await model.forward(tokens, {
      hooks: [
        hook(name, async (act) => {
          await null;
          return act.mul(2);
        }),
      ],
    });
    const want = await returned.read("float32");
    expect(relativeError(await inPlace.read("float32"), want)).toBe(0);
    expect(relativeError(await later.read("float32"), want)).toBe(0);
  });

  test("fire in array order, after those of addHook", async () => {
    const order: string[] = [];
    const note = (what: string) => () => void order.push(what);
    using added = model.addHook("blocks.0.hook_resid_post", note("added"));
    using second = model.addHook("blocks.0.hook_out", note("added second"));
    const hooks = ["first", "second"].map((what) => hook("blocks.0.hook_resid_post", note(what)));
    (await model.forward(tokens, { hooks })).dispose();
    expect(order).toEqual(["added", "added second", "first", "second"]);
    order.length = 0;
    added.dispose();
    (await model.forward(tokens)).dispose();
    expect(order).toEqual(["added second"]);
    model.resetHooks();
    (await model.forward(tokens)).dispose();
    expect(order).toEqual(["added second"]);
    expect(second).toBeDefined();
  });

  test("see the changes of earlier hooks", async () => {
    const sums: number[] = [];
    const name = "blocks.0.hook_mlp_out";
    using logits = await model.forward(tokens, {
      hooks: [
        hook(name, (act) => act.mul(0).add(1)),
        hook(name, (act) => void sums.push(Number(act.sum().item()))),
      ],
    });
    expect(sums).toEqual([24 * 48]);
    expect(logits.shape).toEqual([1, 24, 128]);
  });

  test("can average an attention pattern, which averages the values", async () => {
    using run = await model.runWithCache(tokens, {
      names: ["blocks.0.attn.hook_z", "blocks.0.attn.hook_v"],
      hooks: [hook("blocks.0.attn.hook_pattern", (act) => act.mul(0).add(1 / 24))],
    });
    using mean = run.cache.get("blocks.0.attn.hook_v").mean({ dim: 1 });
    const v = await mean.read("float32");
    const z = await run.cache.get("blocks.0.attn.hook_z").read("float32");
    // Heads 0 and 1 use key head 0, heads 2 and 3 key head 1.
    const want = Float32Array.from(
      z,
      (_, i) => v[Math.floor((i % 64) / 32) * 16 + (i % 16)] as number,
    );
    expect(relativeError(z, want)).toBeLessThan(1e-5);
  });

  test("can change the logits before the soft cap", async () => {
    using logits = await model.forward(tokens, {
      hooks: [hook("unembed.hook_out", (act) => act.mul(0).add(3))],
    });
    const values = await logits.read("float32");
    const want = 30 * Math.tanh(3 / 30);
    expect(values.every((value) => Math.abs(value - want) < 1e-5)).toBe(true);
  });
});

describe("hooks that fail", () => {
  test("reject the run with the thrown value, naming the point", async () => {
    const cause = new Error("no good");
    for (const fn of [
      () => {
        throw cause;
      },
      async () => {
        await null;
        throw cause;
      },
    ]) {
      const error = await failure(() =>
        model.forward(tokens, { hooks: [["blocks.1.hook_resid_pre", fn]] }),
      );
      expect(error).toBeInstanceOf(HookError);
      expect((error as HookError).hook).toBe("blocks.1.hook_resid_pre");
      expect(error.cause).toBe(cause);
    }
    using logits = await model.forward(tokens);
    await expectClose("logits", logits, need(golden, "logits"), tolerance);
  });

  test("reject the run if they return another shape or dtype, or no tensor", async () => {
    const name = "blocks.1.hook_resid_pre";
    const wrong: [(act: Tensor) => unknown, RegExp][] = [
      [(act) => act.slice(1, 0, 3), /\[1, 24, 48\].*\[1, 3, 48\]/],
      [(act) => act.to("bfloat16"), /float32.*bfloat16/],
      [() => 7, /expected a tensor/],
      [() => "text", /expected a tensor/],
    ];
    for (const [fn, message] of wrong) {
      const error = await failure(() => model.forward(tokens, { hooks: [[name, fn as never]] }));
      expect(GemlensError.is(error, "HOOK"), String(error)).toBe(true);
      expect(error.message).toMatch(message);
    }
  });

  test("reject the run if they return a disposed tensor", async () => {
    const error = await failure(() =>
      model.forward(tokens, {
        hooks: [
          hook("blocks.1.hook_resid_pre", (act) => {
            using twice = act.mul(2);
            return twice;
          }),
        ],
      }),
    );
    expect(GemlensError.is(error, "HOOK")).toBe(true);
    expect(error.message).toContain("const");
  });

  test("are refused for unknown names, or if they are no hooks", async () => {
    const unknown = await failure(() =>
      model.forward(tokens, { hooks: [["blocks.1.hook_resid_pots" as string, () => {}]] }),
    );
    expect(unknown.code).toBe("NOT_FOUND");
    expect(unknown.message).toContain("hook_resid_post");
    const none = await failure(() => model.forward(tokens, { hooks: ["hook_embed"] as never }));
    expect(none.code).toBe("ARGUMENT");
    const layer = await failure(() =>
      model.forward(tokens, { hooks: [["blocks.9.hook_resid_post", () => {}]] }),
    );
    expect(layer.code).toBe("NOT_FOUND");
    expect(() => model.addHook("blocks.0.attn.q_norm.hook_out", () => {})).toThrow(/Gemma 3/);
  });

  test("are refused at a point that the run never reaches", async () => {
    const late = await failure(() =>
      model.forward(tokens, { stopAtLayer: 2, hooks: [["blocks.2.hook_resid_pre", () => {}]] }),
    );
    expect(late.code).toBe("ARGUMENT");
    expect(late.message).toContain("blocks 0 to 1");
    // A hook of addHook stays for the runs that reach it.
    using handle = model.addHook("ln_final.hook_normalized", () => {});
    using resid = await model.forward(tokens, { stopAtLayer: 2 });
    await expectClose("resid", resid, need(golden, "blocks.1.hook_resid_post"), tolerance);
    expect(handle).toBeDefined();
  });
});

describe("runs inside hooks", () => {
  test("reject with BUSY on the same model, and work on another one", async () => {
    let inside: unknown;
    let other: readonly number[] = [];
    using logits = await model.forward(tokens, {
      hooks: [
        hook("blocks.1.hook_resid_pre", async () => {
          inside = await failure(() => model.forward(tokens));
          using theirs = await gemma3.forward(tokens);
          other = theirs.shape;
        }),
      ],
    });
    expect(GemlensError.is(inside, "BUSY")).toBe(true);
    expect(other).toEqual([1, 24, 128]);
    await expectClose("logits", logits, need(golden, "logits"), tolerance);
  });

  test("encode the activation that they see", async () => {
    using sae = await SAE.fromFile(fixture("tiny-gemma2/gs1/res/params.npz"), {
      hookName: "blocks.2.hook_resid_post",
      device,
    });
    let nnz = 0;
    (
      await model.forward(tokens, {
        hooks: [
          hook("blocks.2.hook_resid_post", async (act) => {
            const acts = await sae.encode(act);
            nnz = acts.nnz;
          }),
        ],
      })
    ).dispose();
    using run = await model.runWithCache(tokens, { names: [], features: [sae], logits: false });
    expect(nnz).toBe(run.features(sae).nnz);
    expect(nnz).toBeGreaterThan(0);
  });
});

test("keep a hook on a given residual from changing the caller's tensor", async () => {
  using resid = zeros([1, 4, 48], { device: device as "cpu" });
  using logits = await model.forward(resid, {
    startAtLayer: 1,
    hooks: [hook("blocks.1.hook_resid_pre", (act) => void act.fill_(5))],
  });
  expect((await resid.read("float32")).every((value) => value === 0)).toBe(true);
  expect(logits.shape).toEqual([1, 4, 128]);
});
