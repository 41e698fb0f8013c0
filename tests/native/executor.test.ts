import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { full, HookedTransformer, type Tensor } from "../../lib/index.js";
import { device, failure } from "../support/compare.js";
import { fixture } from "../support/fixtures.js";
import { gate } from "../support/gate.js";
import { runChild } from "./fixtures/run-child.js";

const PRE = "blocks.0.hook_resid_pre";
const POST = "blocks.0.hook_resid_post";

let a: HookedTransformer;
let b: HookedTransformer;
let plain: Tensor;
beforeAll(async () => {
  a = await HookedTransformer.fromPretrained(fixture("tiny-gemma2"), { device });
  b = await HookedTransformer.fromPretrained(fixture("tiny-gemma2"), { device });
  plain = await a.forward([2, 3, 4]);
});
afterAll(async () => {
  plain.dispose();
  await a.dispose();
  await b.dispose();
});

describe("while a run waits for a hook, only work submitted inside that hook runs", () => {
  test("the second of two nested runs waits for the first, as the first one's hook may submit work", async () => {
    const order: string[] = [];
    using out = await a.forward([2, 3, 4], {
      hooks: [
        [
          PRE,
          async () => {
            const slow = async () => {
              await sleep(20);
              order.push("first hook");
            };
            const first = b.forward([2, 3], { hooks: [[PRE, slow]] });
            const second = b.forward([2, 3], {
              hooks: [
                [
                  PRE,
                  async () => {
                    order.push("second hook");
                    await first;
                    order.push("first run");
                  },
                ],
              ],
            });
            await Promise.all([first, second]);
          },
        ],
      ],
    });
    expect(order).toEqual(["first hook", "second hook", "first run"]);
    expect(out.allClose(plain)).toBe(true);
  });

  test("thousands of nested runs with asynchronous hooks do not grow the stack", async () => {
    const end = await runChild("many-nested.ts", ["12000"]);
    expect(end).toMatchObject({ code: 0, signal: null, stdout: "12000\n" });
  });
});

describe("aborting a call", () => {
  test("rejects a queued call before its turn", async () => {
    const { promise, open } = gate();
    const started = gate();
    const running = a.forward([2, 3, 4], {
      hooks: [
        [
          PRE,
          () => {
            started.open();
            return promise;
          },
        ],
      ],
    });
    await started.promise;
    const controller = new AbortController();
    const queued = b.forward([2, 3], { signal: controller.signal });
    const reason = new Error("not needed any more");
    controller.abort(reason);
    // The gate opens only after the rejection: a queued call that waits for its turn hangs here.
    expect(await failure(() => queued)).toBe(reason);
    open();
    using out = await running;
    expect(out.allClose(plain)).toBe(true);
  });

  test("during a pending hook frees the model, also for that hook's further calls", async () => {
    const controller = new AbortController();
    const reason = new Error("enough");
    let later: Promise<Tensor> | undefined;
    const goOn = gate();
    const run = a.forward([2, 3, 4], {
      signal: controller.signal,
      hooks: [
        [
          PRE,
          async () => {
            controller.abort(reason);
            await goOn.promise;
            later = a.forward([2, 3, 4]).then((x) => x.keep());
            await later;
          },
        ],
      ],
    });
    expect(await failure(() => run)).toBe(reason);
    goOn.open();
    await sleep(0);
    using out = await (later as Promise<Tensor>);
    expect(out.allClose(plain)).toBe(true);
  });
});

describe("a tensor that a hook returned", () => {
  test("belongs to the run until it ends: in-place operations are BUSY, then allowed", async () => {
    using patch = full([1, 3, 48], 0.5, { device });
    const replace = () => patch;
    using want = await a.forward([2, 3, 4], { hooks: [[POST, replace]] });
    let busy: (Error & { code?: string }) | undefined;
    using got = await a.forward([2, 3, 4], {
      hooks: [
        [POST, replace],
        [
          "blocks.1.attn.hook_q",
          async () => {
            busy = await failure(() => patch.mul_(100));
          },
        ],
      ],
    });
    expect(busy?.code).toBe("BUSY");
    expect(got.allClose(want)).toBe(true);
    expect(patch.mul_(2).readSync()[0]).toBe(1);
  });
});
