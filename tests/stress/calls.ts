import { Random } from "../support/random.js";
import { type Action, actions } from "./actions.js";

/** One call of a stress run. */
export interface Call {
  readonly name: string;
  readonly action: Action;
  /** Of the call's own generator: several calls run at once, and must not take each other's numbers. */
  readonly seed: number;
  /** Whether all calls under way end before the next begins. */
  readonly alone: boolean;
}

/** The calls of a seed, without end: the same for the same seed, whatever becomes of them. */
export function* callsOf(seed: number): Generator<Call> {
  const random = new Random(seed);
  for (;;) {
    const [name, action] = random.pick(actions);
    yield { name, action, seed: random.integer(0, 2 ** 31), alone: random.chance(0.6) };
  }
}
