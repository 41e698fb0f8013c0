import { type Hook, HookedTransformer, type HookFunction, hook } from "../../lib/index.js";
import type { Group, Row } from "../row.js";

type Choose = (names: readonly string[], fn: HookFunction) => Hook[];

/** One after the other at one point: the trip to JavaScript and back, and nothing between two. */
const together: Choose = (_, fn) =>
  Array.from({ length: 1000 }, () => hook("blocks.1.hook_resid_post", fn));

/** At points all over the pass: the event loop has gone to sleep before each. */
const apart: Choose = (names, fn) =>
  names
    .filter((name) => /hook_resid|hook_normalized|mlp\.hook_/.test(name))
    .slice(0, 36)
    .map((name) => hook(name, fn));

/** Against the same forwards without hooks, so that a call's own time is left. */
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

// The first milliseconds after a rest are slower: enough calls for what a script in full swing sees.
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
    roundTrip("N2", "an asynchronous one likewise", many, together, async () => {}),
    roundTrip("N3", "a synchronous one at 36 points of the pass", 3000, apart, () => {}),
  ],
};
