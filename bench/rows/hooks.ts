import { HookedTransformer, type HookFunction, hook } from "../../lib/index.js";
import type { Row } from "../row.js";

const calls = 36;

/** Against the same forwards without hooks, so that a call's own time is left. */
const roundTrip = (id: string, kind: string, fn: HookFunction): Row => ({
  id,
  what: `${kind} hook that does nothing: 20 forwards of 4 tokens with ${calls} hooks, and without`,
  work: { count: 20 * calls, of: "calls" },
  leastRounds: 15,
  cost: true,
  open: async () => {
    const model = await HookedTransformer.fromPretrained("tiny");
    const names = model.hookNames.filter((name) =>
      /hook_resid|hook_normalized|mlp\.hook_/.test(name),
    );
    const hooks = names.slice(0, calls).map((name) => hook(name, fn));
    const input = Int32Array.of(2, 300, 301, 302);
    const run = (options: object) => async () => {
      for (let i = 0; i < 20; i++) (await model.forward(input, options)).dispose();
    };
    const sides = [
      { name: "gemlens", run: run({ hooks }) },
      { name: "without hooks", run: run({}) },
    ];
    return { sides, close: () => model.dispose() };
  },
});

export const hookRows: readonly Row[] = [
  roundTrip("N1", "a synchronous", () => {}),
  roundTrip("N2", "an asynchronous", async () => {}),
];
