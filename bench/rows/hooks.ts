import { type Hook, HookedTransformer, type HookFunction, hook } from "../../lib/index.js";
import type { Group, Row } from "../row.js";

type Choose = (names: readonly string[], fn: HookFunction) => Hook[];

/** Consecutive hooks at one point: the call to JavaScript and back, and nothing between two. */
const together: Choose = (_, fn) =>
  Array.from({ length: 1000 }, () => hook("blocks.1.hook_resid_post", fn));

/** Hooks at points all over the pass: the event loop sleeps before each. */
const apart: Choose = (names, fn) =>
  names
    .filter((name) => /hook_resid|hook_normalized|mlp\.hook_/.test(name))
    .slice(0, 36)
    .map((name) => hook(name, fn));

/** Compared with the same forwards without hooks, which leaves a hook call's own time. */
const roundTrip = (
  id: string,
  what: string,
  count: number,
  choose: Choose,
  fn: HookFunction,
): Row => ({
  id,
  what: `${what}, in forwards of 4 tokens with and without`,
  work: { count, of: "calls" },
  leastRounds: 15,
  cost: true,
  open: async ({ device }) => {
    const model = await HookedTransformer.fromPretrained("tiny", { device });
    const hooks = choose(model.hookNames, fn);
    const input = Int32Array.of(2, 300, 301, 302);
    const run = (options: object) => async () => {
      for (let done = 0; done < count; done += hooks.length) {
        (await model.forward(input, options)).dispose();
      }
    };
    const sides = [
      { name: "gemlens", run: run({ hooks }) },
      { name: "without hooks", run: run({}) },
    ];
    return { sides, close: () => model.dispose() };
  },
});

// The first milliseconds after a rest are slower, so there are enough calls to reach a script's
// steady state.
const many = 20_000;

export const hookGroup: Group = {
  rows: [
    roundTrip(
      "N1",
      "a synchronous hook that does nothing, 1,000 at one point",
      many,
      together,
      () => {},
    ),
    roundTrip(
      "N2",
      "an asynchronous hook that does nothing, 1,000 at one point",
      many,
      together,
      async () => {},
    ),
    roundTrip("N3", "a synchronous one at 36 points of the pass", 3000, apart, () => {}),
  ],
};
