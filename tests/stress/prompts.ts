import type { Random } from "../support/random.js";

/** Tokens of one or several prompts, some of them padded. */
export function somePrompts(random: Random, most = 40): number[][] {
  const rows = random.chance(0.7) ? 1 : random.integer(2, 5);
  return Array.from({ length: rows }, () => [
    2,
    ...Array.from({ length: random.integer(1, most) }, () => random.integer(10, 3000)),
  ]);
}
