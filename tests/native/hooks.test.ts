import { setTimeout as sleep, setImmediate as turn } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import {
  type GeneratedToken,
  type HookError,
  HookedTransformer,
  memory,
  type Tensor,
  tidy,
  zeros,
} from "../../lib/index.js";
import { settledMemory } from "../support/collect.js";
import { device, failure } from "../support/compare.js";
import { fixture } from "../support/fixtures.js";
import { gate } from "../support/gate.js";

const PRE = "blocks.0.hook_resid_pre";
const POST = "blocks.2.hook_resid_post";
const prompt = [2, 3, 4];

let a: HookedTransformer;
let b: HookedTransformer;
let plain: Tensor;
const unhandled: unknown[] = [];
const remember = (error: unknown) => unhandled.push(error);
beforeAll(async () => {
  const load = () => HookedTransformer.fromPretrained(fixture("tiny-gemma2"), { device });
  [a, b] = [await load(), await load()];
  plain = await a.forward(prompt);
  process.on("unhandledRejection", remember);
});
afterAll(async () => {
  process.off("unhandledRejection", remember);
  plain.dispose();
  await Promise.all([a.dispose(), b.dispose()]);
});

// No test of this file may leave an unhandled rejection or a handle.
let start: number;
beforeEach(async () => {
  start = (await settledMemory()).handles;
});
afterEach(async () => {
  await sleep(2);
  expect(unhandled.splice(0)).toEqual([]);
  expect(memory().handles).toBe(start);
});

/** A run of `model` whose first hook calls `fn`; true if its logits are the plain ones. */
async function runAround(model: HookedTransformer, fn: () => unknown): Promise<boolean> {
  const hook = async () => {
    await fn();
  };
  using out = await model.forward(prompt, { hooks: [[PRE, hook]] });
  return out.allClose(plain);
}

async function collect(tokens: AsyncIterable<GeneratedToken>): Promise<number[]> {
  const out: number[] = [];
  for await (const { token } of tokens) out.push(token);
  return out;
}

describe("a model whose run waits for a hook", () => {
  const runs: [string, (model: HookedTransformer) => Promise<unknown>][] = [
    ["forward", (model) => model.forward(prompt)],
    ["runWithCache", (model) => model.runWithCache(prompt, { names: [PRE] })],
    ["loss", (model) => model.loss(prompt)],
    ["generate", (model) => collect(model.generate(prompt))],
  ];
  test.each(runs)("is BUSY for %s in that hook, at once and later in it", async (_, run) => {
    const errors: unknown[] = [];
    const ok = await runAround(a, async () => {
      errors.push(await failure(() => run(a)));
      await sleep(2);
      errors.push(await failure(() => tidy(() => run(a))));
    });
    expect(errors).toMatchObject([{ code: "BUSY" }, { code: "BUSY" }]);
    expect(ok).toBe(true);
  });

  test.each(runs)(
    "is BUSY for %s in a hook of another model's run in that hook",
    async (_, run) => {
      const errors: unknown[] = [];
      let inner = false;
      const ok = await runAround(a, async () => {
        inner = await runAround(b, async () => {
          errors.push(await failure(() => run(a)), await failure(() => run(b)));
          await sleep(1);
          errors.push(await failure(() => run(a)), await failure(() => run(b)));
        });
        // Back at depth one, b is free again and a is not.
        errors.push(await failure(() => run(a)));
        expect(await runAround(b, () => {})).toBe(true);
      });
      expect(errors).toHaveLength(5);
      for (const error of errors) expect(error).toMatchObject({ code: "BUSY" });
      expect([ok, inner]).toEqual([true, true]);
    },
  );

  test("still embeds, norms and unembeds in it", async () => {
    let shapes: unknown;
    const ok = await runAround(a, async () => {
      const embedded = await a.embed(prompt);
      const logits = await a.unembed(await a.finalNorm(embedded));
      shapes = [embedded.shape, logits.shape, a.weight("W_U").shape];
    });
    expect(shapes).toEqual([
      [1, 3, 48],
      [1, 3, 128],
      [48, 128],
    ]);
    expect(ok).toBe(true);
  });

  test("fails with BUSY as the cause if the hook throws the BUSY error", async () => {
    const error = await failure(() => runAround(a, () => runAround(a, () => {})));
    expect(error).toMatchObject({ code: "HOOK", cause: { code: "BUSY" } });
    const deep = await failure(() =>
      runAround(a, () => runAround(b, () => runAround(a, () => {}))),
    );
    expect(deep).toMatchObject({ code: "HOOK", cause: { code: "HOOK", cause: { code: "BUSY" } } });
    expect(((deep as HookError).cause as HookError).hook).toBe(PRE);
  });

  test("is free in a timer set before the hook, and after the hook in work that it left", async () => {
    // The caller's async context decides, not the time: this request is outside the hook.
    let unrelated: Promise<boolean> | undefined;
    const before = new Promise<void>((resolve) => {
      setTimeout(() => {
        unrelated = runAround(a, () => {});
        resolve();
      }, 2);
    });
    let left: Promise<boolean> | undefined;
    const ok = await runAround(a, async () => {
      await before;
      left = sleep(5).then(() => runAround(a, () => {}));
    });
    expect(ok).toBe(true);
    expect(await unrelated).toBe(true);
    expect(await left).toBe(true);
  });
});

describe("two requests at once, one with a slow hook", () => {
  test.each([
    ["the same model", () => a],
    ["another model", () => b],
  ])("on %s: the other waits, and neither sees the other's tensors", async (_, other) => {
    const order: string[] = [];
    let mine: Tensor | undefined;
    let answer: Tensor | undefined;
    const waiting = gate();
    const queued = gate();
    const slow = async (act: Tensor) => {
      const own = act.mul(2);
      waiting.open();
      await queued.promise;
      await sleep(20); // the other would run now if it could
      expect(own.isDisposed).toBe(false);
      expect(mine?.isDisposed).toBe(false);
      order.push("slow hook");
      answer = own.mul(0.5);
      return answer;
    };
    const first = a.forward(prompt, { hooks: [[PRE, slow]] }).then((out) => {
      order.push("first");
      return out;
    });
    const second = (async () => {
      await waiting.promise;
      // Created while the other request's hook waits, so that hook must not dispose it.
      const x = zeros([4], { device });
      mine = x;
      const running = other().forward(prompt, {
        hooks: [
          [
            POST,
            async (act) => {
              order.push("second hook");
              await turn();
              expect(act.isDisposed).toBe(false);
            },
          ],
        ],
      });
      queued.open();
      const out = await running;
      order.push("second");
      expect(x.isDisposed).toBe(false);
      x.dispose();
      return out;
    })();
    using one = await first;
    using two = await second;
    // The event loop decides when `first` settles.
    expect(order.filter((what) => what !== "first")).toEqual([
      "slow hook",
      "second hook",
      "second",
    ]);
    expect(order).toContain("first");
    expect(one.allClose(plain) && two.allClose(plain)).toBe(true);
    // The caller keeps a tensor that its hook returns.
    expect(answer?.isDisposed).toBe(false);
    answer?.dispose();
  });

  test("small operations on tensors continue meanwhile", async () => {
    using x = zeros([3], { device });
    let waits = true;
    const running = runAround(a, () => sleep(20)).finally(() => {
      waits = false;
    });
    let count = 0;
    for (; waits; count++) {
      x.add_(1);
      await sleep(1);
    }
    expect(await running).toBe(true);
    expect(count).toBeGreaterThan(3);
    expect(x.readSync()[0]).toBe(count);
  });
});

describe("work that a hook does not await", () => {
  test("continues after the hook, with its own result", async () => {
    let left: Promise<Tensor> | undefined;
    const ok = await runAround(a, () => {
      left = b.forward(prompt);
    });
    expect(ok).toBe(true);
    using out = await (left as Promise<Tensor>);
    expect(out.allClose(plain)).toBe(true);
  });

  test("delays the run if it has a slow hook, and both end", async () => {
    const order: string[] = [];
    const started = gate();
    const held = gate();
    let left: Promise<Tensor> | undefined;
    const ok = await runAround(a, async () => {
      left = b.forward(prompt, {
        hooks: [
          [
            PRE,
            async () => {
              order.push("its hook");
              started.open();
              await held.promise;
              order.push("its end");
            },
          ],
        ],
      });
      await started.promise;
      order.push("the hook");
      void sleep(5).then(held.open);
    });
    order.push("the run");
    using out = await (left as Promise<Tensor>);
    expect(order).toEqual(["its hook", "the hook", "its end", "the run"]);
    expect([ok, out.allClose(plain)]).toEqual([true, true]);
  });

  test("may be a hundred calls to both models, from a hook at depth two", async () => {
    const left: Promise<unknown>[] = [];
    const ok = await runAround(a, () =>
      runAround(b, () => {
        for (let i = 0; i < 100; i++) {
          const model = i % 2 === 0 ? a : b;
          const run = sleep(i % 7).then(() => runAround(model, () => {}));
          left.push(run.catch((error: { code?: string }) => error.code));
        }
      }),
    );
    expect(ok).toBe(true);
    // Both models are BUSY while the hooks run, and free afterwards.
    const results = await Promise.all(left);
    expect(results.filter((result) => result !== true && result !== "BUSY")).toEqual([]);
    expect(results).toContain(true);
    expect(await runAround(a, () => {})).toBe(true);
  });

  test("rejects only to its own handler if it fails", async () => {
    let left: Promise<Error & { code?: string }> | undefined;
    const ok = await runAround(a, () => {
      left = failure(() => runAround(b, () => Promise.reject(new Error("inner"))));
    });
    expect(ok).toBe(true);
    expect(await left).toMatchObject({ code: "HOOK", cause: { message: "inner" } });
  });
});

describe("leaves no rejection unhandled", () => {
  test("after hooks that fail late, twice, after an abort, or return invalid values", async () => {
    const reason = new Error("enough");
    const late = async () => {
      await sleep(3);
      throw new Error("late");
    };
    using wrong = zeros([1], { device });
    const odd = [() => ({}) as never, () => wrong, () => Promise.reject(undefined)];
    for (const fn of [late, ...odd]) {
      expect(
        await failure(() =>
          a.forward(prompt, {
            hooks: [
              [PRE, fn],
              [POST, late],
            ],
          }),
        ),
      ).toMatchObject({ code: "HOOK", hook: PRE });
    }
    const controller = new AbortController();
    const running = a.forward(prompt, {
      signal: controller.signal,
      hooks: [
        [PRE, late],
        [POST, late],
      ],
    });
    await turn();
    controller.abort(reason);
    expect(await failure(() => running)).toBe(reason);
    // The hook rejects only now, and nobody listens.
    await sleep(6);
  });

  test("after an abort that is repeated, too late, or early", async () => {
    const controller = new AbortController();
    using out = await a.forward(prompt, { signal: controller.signal });
    controller.abort(new Error("too late"));
    controller.abort();
    expect(out.allClose(plain)).toBe(true);
    const error = await failure(() => a.forward(prompt, { signal: controller.signal }));
    expect(error.message).toBe("too late");
    // Two aborts of one signal for many calls, one of which waits in a hook.
    const shared = new AbortController();
    const many = [1, 2, 3, 4].map(() =>
      a.forward(prompt, { signal: shared.signal, hooks: [[PRE, () => sleep(5)]] }),
    );
    const settled = Promise.allSettled(many);
    await turn();
    shared.abort(new Error("all"));
    for (const result of await settled) {
      expect(result).toMatchObject({ status: "rejected", reason: { message: "all" } });
    }
    await sleep(10);
  });

  test("after a generation that is left during a pending hook", async () => {
    const tokens = a.generate(prompt, { stopAtEos: false, hooks: [[PRE, () => sleep(3)]] });
    const iterator = tokens[Symbol.asyncIterator]();
    expect((await iterator.next()).value?.step).toBe(0);
    const pending = iterator.next();
    await iterator.return();
    expect((await pending).value?.step).toBe(1);
    expect(await iterator.next()).toEqual({ done: true, value: undefined });
  });
});
