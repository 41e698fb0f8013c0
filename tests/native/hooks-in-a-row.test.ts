// A run answers its synchronous hooks one after the other without a wake-up of the event loop.
// Other work on the loop must not notice.
import { setImmediate as turn } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  type Hook,
  HookedTransformer,
  type HookFunction,
  hook,
  type Tensor,
} from "../../lib/index.js";
import { settledMemory } from "../support/collect.js";
import { device, failure } from "../support/compare.js";
import { fixture } from "../support/fixtures.js";

const prompt = [2, 3, 4];
let model: HookedTransformer;
let other: HookedTransformer;
let plain: Tensor;
beforeAll(async () => {
  const load = () => HookedTransformer.fromPretrained(fixture("tiny-gemma2"), { device });
  [model, other] = [await load(), await load()];
  plain = await model.forward(prompt);
});
afterAll(async () => {
  plain.dispose();
  await Promise.all([model.dispose(), other.dispose()]);
});

const inARow = (count: number, fn: HookFunction): Hook[] =>
  Array.from({ length: count }, () => hook("blocks.1.hook_resid_post", fn));

function spend(microseconds: number): void {
  const end = performance.now() + microseconds / 1000;
  while (performance.now() < end);
}

test("timers and immediates continue during thousands of synchronous hooks", async () => {
  let immediates = 0;
  let ticks = 0;
  let called = 0;
  let lastTurn = 0;
  let longest = 0;
  let running = true;
  const interval = setInterval(() => ticks++, 1);
  const turns = (async () => {
    for (; running; immediates++) {
      await turn();
      lastTurn = called;
    }
  })();
  // Fewer than Node handles in one batch, and long enough for many turns.
  const fn = () => {
    called++;
    longest = Math.max(longest, called - lastTurn);
    spend(30);
  };
  using out = await model.forward(prompt, { hooks: inARow(900, fn) });
  const seen = { ticks, immediates };
  running = false;
  clearInterval(interval);
  await turns;
  expect(out.allClose(plain)).toBe(true);
  expect(called).toBe(900);
  // About 33 of them fit between two turns of the loop.
  expect(longest).toBeLessThan(300);
  expect(seen.immediates).toBeGreaterThan(5);
  expect(seen.ticks).toBeGreaterThan(2);
});

test("a hook's promise jobs and ticks run before the next hook", async () => {
  let jobs = 0;
  let ticks = 0;
  const seen: number[][] = [];
  const fn = () => {
    seen.push([jobs, ticks]);
    process.nextTick(() => ticks++);
    Promise.resolve()
      .then(() => undefined)
      .then(() => jobs++);
  };
  using out = await model.forward(prompt, { hooks: inARow(500, fn) });
  expect(out.allClose(plain)).toBe(true);
  expect(seen).toEqual(Array.from({ length: 500 }, (_, i) => [i, i]));
});

test("asynchronous hooks, nested runs and replacements may come between", async () => {
  const order: number[] = [];
  const kinds: HookFunction[] = [
    () => {},
    async () => {},
    (act) => act.mul(1),
    async () => {
      (await other.forward(prompt)).dispose();
    },
    async (act) => {
      await turn();
      return act.clone();
    },
    () => {},
  ];
  const hooks = Array.from({ length: 300 }, (_, i) =>
    hook("blocks.1.hook_resid_post", (act, point) => {
      order.push(i);
      return kinds[i % kinds.length]?.(act, point);
    }),
  );
  const start = (await settledMemory()).handles;
  {
    using out = await model.forward(prompt, { hooks });
    expect(out.allClose(plain)).toBe(true);
  }
  expect(order).toEqual(hooks.map((_, i) => i));
  // The caller owns returned tensors: 50 of each of the two kinds, now unreachable.
  expect((await settledMemory()).handles).toBeLessThanOrEqual(start);
});

test("two models' runs can answer each other's hooks in turns", async () => {
  let called = 0;
  const hooks = inARow(400, () => void called++);
  const runs = [model, other, model, other].map((each) => each.forward(prompt, { hooks }));
  for (const out of await Promise.all(runs)) {
    expect(out.allClose(plain)).toBe(true);
    out.dispose();
  }
  expect(called).toBe(1600);
});

test("an abort in the middle stops the rest", async () => {
  const controller = new AbortController();
  const reason = new Error("enough");
  let called = 0;
  const hooks = inARow(1000, () => {
    if (++called === 400) controller.abort(reason);
  });
  const { signal } = controller;
  expect(await failure(() => model.forward(prompt, { hooks, signal }))).toBe(reason);
  expect(called).toBe(400);
});

test("a throw in the middle stops the rest", async () => {
  let called = 0;
  const hooks = inARow(1000, () => {
    if (++called === 400) throw new Error("four hundred");
  });
  const error = await failure(() => model.forward(prompt, { hooks }));
  expect(error).toMatchObject({ code: "HOOK", cause: { message: "four hundred" } });
  expect(called).toBe(400);
});

test("a tensor borrowed by a hook that never ends is freed when nothing holds it", async () => {
  const start = (await settledMemory()).handles;
  for (let i = 0; i < 20; i++) {
    const controller = new AbortController();
    const fn = () => {
      setImmediate(() => controller.abort(new Error("enough")));
      return new Promise<void>(() => {});
    };
    const { signal } = controller;
    await failure(() => model.forward(prompt, { hooks: inARow(1, fn), signal }));
  }
  // The await before may still hold the last one.
  expect((await settledMemory()).handles).toBeLessThan(start + 3);
});
