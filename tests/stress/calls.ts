import { Random } from "../support/random.js";
import { type Action, actions } from "./actions.js";

/** One call of a stress run. */
export interface Call {
  readonly name: string;
  readonly action: Action;
  /** Each call has its own generator, because several calls run at once. */
  readonly seed: number;
  /** Whether all running calls must end before the next begins. */
  readonly exclusive: boolean;
}

/** The endless calls of a seed: always the same for the same seed, independent of their results. */
export function* callsOf(seed: number): Generator<Call> {
  const random = new Random(seed);
  for (;;) {
    const [name, action] = random.pick(actions);
    yield { name, action, seed: random.integer(0, 2 ** 31), exclusive: random.chance(0.6) };
  }
}
