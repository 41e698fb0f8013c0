import { AsyncLocalStorage } from "node:async_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { inspect } from "node:util";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import {
  DisposedError,
  HookError,
  HookedTransformer,
  type HookPointInfo,
  hook,
  memory,
  ones,
  type Tensor,
  tidy,
  zeros,
} from "../../lib/index.js";
import { settledMemory } from "../support/collect.js";
import { device, failure } from "../support/compare.js";
import { gate } from "../support/gate.js";

// Tests the tensors that a hook borrows, creates, returns and keeps.
const folder = fileURLToPath(new URL("../fixtures/tiny-gemma2", import.meta.url));
const point = "blocks.1.hook_resid_pre";
const tokens = [2, 5, 7, 11];

let model: HookedTransformer;
let plain: Float32Array;
let start: number;
beforeAll(async () => {
  model = await HookedTransformer.fromPretrained(folder, { device });
  plain = await logits();
});
afterAll(async () => {
  await model.dispose();
});
beforeEach(async () => {
  start = (await settledMemory()).tensors;
});
const live = () => memory().tensors - start;

async function logits(...hooks: Parameters<typeof hook>[]): Promise<Float32Array> {
  using out = await model.forward(tokens, { hooks: hooks.map(([name, fn]) => hook(name, fn)) });
  return (await out.read("float32")) as Float32Array;
}
type Fn = (act: Tensor, info: HookPointInfo) => Tensor | void | Promise<Tensor | void>;
const withHook = (fn: Fn, name = point) => logits([name, fn]);

describe("the activation that a hook borrows", () => {
  test("is disposed with the hook, also for views and typed arrays", async () => {
    let act: Tensor | undefined;
    let view: Tensor | undefined;
    let data: ArrayBufferView | undefined;
    await withHook((x) => {
      act = x;
      view = x.select(0, 0);
      if (device === "cpu") data = x.data;
      expect(x.shape).toEqual([1, 4, model.cfg.dModel]);
    });
    expect(act?.isDisposed).toBe(true);
    const error = await failure(() => act?.sum());
    expect(error).toBeInstanceOf(DisposedError);
    expect(error.message).toBe(
      `sum: the tensor was borrowed by the hook at ${point}, which has ended; call keep() inside the ` +
        "hook to use it afterwards",
    );
    expect(view?.isDisposed).toBe(true);
    if (device === "cpu") expect(data?.byteLength).toBe(0);
    expect(live()).toBe(0);
  });

  test("lives as long as the hook's promise", async () => {
    let act: Tensor | undefined;
    const got = await withHook(async (x) => {
      act = x;
      await sleep(5);
      expect(x.isDisposed).toBe(false);
      expect((await x.read()).length).toBe(4 * model.cfg.dModel);
    });
    expect(act?.isDisposed).toBe(true);
    expect(got).toEqual(plain);
    expect(live()).toBe(0);
  });

  test("can be disposed early, which ends only its use", async () => {
    const got = await withHook((x) => {
      const view = x.select(1, 0);
      x.dispose();
      expect(x.isDisposed).toBe(true);
      expect(view.isDisposed).toBe(false);
    });
    expect(got).toEqual(plain);
    expect(live()).toBe(0);
  });

  test("survives with keep(), with its values at the hook's end", async () => {
    let kept: Tensor | undefined;
    let first: Float32Array | undefined;
    await logits(
      [
        point,
        (x) => {
          first = x.readSync("float32");
          kept = x.keep();
          x.mul_(2);
        },
      ],
      [
        point,
        (x) => {
          x.fill_(0);
        },
      ],
    );
    expect(kept?.isDisposed).toBe(false);
    expect(kept?.shape).toEqual([1, 4, model.cfg.dModel]);
    expect(await kept?.read()).toEqual(first?.map((v) => v * 2));
    expect(live()).toBe(1);
    kept?.dispose();
    expect(live()).toBe(0);
  });

  test("gets its own memory as a kept view, and changes nothing later", async () => {
    let view: Tensor | undefined;
    let want: Float32Array | undefined;
    const got = await logits(
      [
        point,
        (x) => {
          view = tidy(() => x.select(1, 2).keep());
          want = view.readSync("float32");
        },
      ],
      [
        point,
        () => {
          view?.fill_(0);
        },
      ],
    );
    expect(got).toEqual(plain);
    expect(await view?.read()).toEqual(want?.fill(0));
    view?.dispose();
    expect(live()).toBe(0);
  });
});

describe("a tensor that a hook returns", () => {
  test("replaces the activation and is never disposed by the run", async () => {
    let made: Tensor | undefined;
    const got = await withHook((x) => {
      made = x.mul(0);
      return made;
    });
    expect(got).not.toEqual(plain);
    expect(made?.isDisposed).toBe(false);
    expect(made?.sum().item()).toBe(0);
  });

  test("stays the caller's: later hooks change the run, not the tensor", async () => {
    using mine = ones([1, 4, model.cfg.dModel], { device });
    const once = await withHook(() => mine);
    const changed = await logits(
      [point, () => mine],
      [
        point,
        (x) => {
          x.mul_(3);
        },
      ],
    );
    expect(changed).not.toEqual(once);
    expect(mine.mean().item()).toBe(1);
    expect(await withHook(() => mine)).toEqual(once);
  });

  test("may be the activation itself, or a view of it", async () => {
    expect(await withHook((x) => x)).toEqual(plain);
    expect(await withHook((x) => x.reshape([4, -1]).reshape([1, 4, -1]))).toEqual(plain);
    const edited = await withHook((x) => {
      x.mul_(2);
    });
    expect(await withHook((x) => x.mul_(2))).toEqual(edited);
    expect(await withHook(async (x) => x.mul(2))).toEqual(edited);
  });

  test("is a HookError with the remedy if it is disposed", async () => {
    for (const fn of [
      (x: Tensor) => {
        using y = x.mul(2);
        return y;
      },
      async (x: Tensor) => {
        using y = x.mul(2);
        await sleep(1);
        return y;
      },
    ]) {
      const error = await failure(() => withHook(fn));
      expect(error).toBeInstanceOf(HookError);
      expect(error.message).toMatch(/^hook blocks\.1\.hook_resid_pre: .*const instead of using/);
    }
    expect(live()).toBe(0);
  });

  test("is a HookError if it is anything else", async () => {
    for (const wrong of [5, "x", {}, [1], true]) {
      const error = await failure(() => withHook((() => wrong) as unknown as Fn));
      expect(error).toBeInstanceOf(HookError);
      expect(error).toMatchObject({ code: "HOOK", hook: point, fields: { hook: point } });
      expect(error.message).toMatch(/expected a tensor, nothing, or a promise/);
    }
    expect(await withHook((() => null) as unknown as Fn)).toEqual(plain);
  });
});

describe("a tensor that a hook creates", () => {
  test("is disposed when the hook settles, unless kept or returned", async () => {
    const made: Tensor[] = [];
    await withHook(async (x) => {
      made.push(x.add(1), x.mul(2).keep());
      await sleep(2);
      made.push(zeros([3], { device }));
    });
    expect(made.map((x) => x.isDisposed)).toEqual([true, false, true]);
    expect(live()).toBe(1);
    made[1]?.dispose();
  });

  test("survives if it existed before the hook", async () => {
    using outside = ones([1], { device });
    await withHook((x) => x.mul(outside).keep());
    expect(outside.isDisposed).toBe(false);
  });

  test("is disposed if the hook throws", async () => {
    await failure(() =>
      withHook((x) => {
        x.add(1);
        throw new Error("no");
      }),
    );
    expect(live()).toBe(0);
  });

  test("belongs to a surrounding tidy once it was returned", async () => {
    let made: Tensor | undefined;
    await tidy(() =>
      model.forward(tokens, {
        hooks: [
          hook(point, (x) => {
            made = x.mul(2);
            return made;
          }),
        ],
      }),
    ).then((out) => out.dispose());
    expect(made?.isDisposed).toBe(true);
    expect(live()).toBe(0);
  });
});

describe("a hook that fails", () => {
  const unhandled: unknown[] = [];
  const remember = (error: unknown) => unhandled.push(error);
  beforeAll(() => void process.on("unhandledRejection", remember));
  afterAll(() => void process.off("unhandledRejection", remember));

  test("rejects the run with the thrown value as the cause", async () => {
    const cause = new RangeError("boom");
    for (const fn of [
      () => {
        throw cause;
      },
      async () => {
        await sleep(1);
        throw cause;
      },
    ]) {
      const error = await failure(() => withHook(fn));
      expect(error).toBeInstanceOf(HookError);
      expect(error).toMatchObject({ code: "HOOK", hook: point, cause });
      expect(error.message).toBe(`hook ${point}: the function threw: boom`);
    }
    await sleep(5);
    expect(unhandled).toEqual([]);
    expect(await logits()).toEqual(plain);
  });

  test("settles independently: an abort does not wait for it, or this would hang", async () => {
    const controller = new AbortController();
    const [goOn, settled] = [gate(), gate()];
    const running = model.forward(tokens, {
      signal: controller.signal,
      hooks: [
        hook(point, async (x) => {
          setTimeout(() => controller.abort(new Error("enough")), 5);
          await goOn.promise;
          settled.open();
          return x.mul(2);
        }),
      ],
    });
    await expect(running).rejects.toThrow("enough");
    expect(await logits()).toEqual(plain);
    goOn.open();
    await settled.promise;
    expect(await logits()).toEqual(plain);
    expect(unhandled).toEqual([]);
  });
});

describe("the context of a hook", () => {
  test("has its point, and keeps the caller's async context", async () => {
    const request = new AsyncLocalStorage<string>();
    const seen: unknown[] = [];
    await request.run("r1", () =>
      withHook(async (_, info) => {
        seen.push(info, request.getStore());
        await sleep(1);
        seen.push(request.getStore());
      }, "blocks.1.hook_in"),
    );
    expect(seen).toEqual([{ name: point, layer: 1, step: 0, positionOffset: 0 }, "r1", "r1"]);
  });

  test("makes its own model BUSY, while another one runs", async () => {
    const error = await failure(() =>
      withHook(async () => {
        (await model.forward(tokens)).dispose();
      }),
    );
    expect(error).toMatchObject({ code: "HOOK", cause: { code: "BUSY" } });
    const other = await HookedTransformer.fromPretrained(folder, { device });
    const got = await withHook(async (x) => {
      using out = await other.forward(tokens);
      expect(await out.read()).toEqual(plain);
      return x.mul(1);
    });
    expect(got).toEqual(plain);
    await other.dispose();
  });
});

describe("the cache", () => {
  const names = ["blocks.1.hook_resid_pre", "blocks.0.attn.hook_pattern"] as const;

  test("never changes after its point, and includes earlier in-place edits", async () => {
    using run = await model.runWithCache(tokens, {
      names: [...names, "blocks.1.hook_resid_mid"],
      hooks: [
        hook("blocks.1.hook_resid_pre", (x) => void x.fill_(1)),
        hook("blocks.1.attn.hook_in", (x) => void x.fill_(0)),
      ],
    });
    expect(
      run.cache.get("blocks.1.hook_resid_pre").allClose(ones([1, 4, model.cfg.dModel], { device })),
    ).toBe(true);
  });

  test("finds entries by every name, and lists its names", async () => {
    using run = await model.runWithCache(tokens, { names });
    const { cache } = run;
    const last = model.cfg.nLayers - 1;
    expect(cache.names).toEqual(names);
    expect(cache.get("blocks.1.hook_in")).toBe(cache.get(point));
    expect(cache.get(["resid_pre", 1])).toBe(cache.get(point));
    expect(cache.get(["resid_pre", 1 - model.cfg.nLayers])).toBe(cache.get(point));
    expect(cache.has(["attn", 0])).toBe(true);
    expect(cache.has(["attn", last])).toBe(false);
    expect(cache.has("no such name")).toBe(false);
    const missing = await failure(() => cache.get(`blocks.${last}.hook_mlp_out` as string));
    expect(missing).toMatchObject({ code: "NOT_FOUND" });
    expect(missing.message).toContain(
      "cached: blocks.1.hook_resid_pre, blocks.0.attn.hook_pattern",
    );
    const misspelt = await failure(() => cache.get("blocks.1.hook_resid_pe" as string));
    expect(misspelt.message).toContain('did you mean "blocks.1.hook_resid_pre"');
    expect(inspect(cache)).toBe(
      `ActivationCache of 2\n  ${point} [1, 4, ${model.cfg.dModel}] float32 ${cache.get(point).device}\n` +
        `  blocks.0.attn.hook_pattern [1, ${model.cfg.nHeads}, 4, 4] float32 ${cache.get(point).device}`,
    );
  });

  test("owns its tensors, and tidy owns the cache", async () => {
    const run = await model.runWithCache(tokens, { names, logits: false });
    const act = run.cache.get(point);
    expect(live()).toBe(2);
    run.cache.dispose();
    expect(act.isDisposed).toBe(true);
    expect(await failure(() => run.cache.get(point))).toMatchObject({ code: "DISPOSED" });
    expect(inspect(run.cache)).toBe("ActivationCache of 2 (disposed)");
    expect(live()).toBe(0);
    await tidy(async () => {
      const inside = await model.runWithCache(tokens, { names });
      expect(inside.cache.size).toBe(2);
    });
    expect(live()).toBe(0);
  });
});
