import { type Action, actions } from "./actions.js";
import { Dice } from "./dice.js";

/** One call of a stress run. */
export interface Call {
  readonly name: string;
  readonly action: Action;
  /** Of the call's own dice: several calls run at once, and must not take each other's numbers. */
  readonly seed: number;
  /** Whether all calls under way end before the next begins. */
  readonly alone: boolean;
}

/** The calls of a seed, without end: the same for the same seed, whatever becomes of them. */
export function* callsOf(seed: number): Generator<Call> {
  const dice = new Dice(seed);
  for (;;) {
    const [name, action] = dice.of(actions);
    yield { name, action, seed: dice.integer(0, 2 ** 31), alone: dice.chance(0.6) };
  }
}
