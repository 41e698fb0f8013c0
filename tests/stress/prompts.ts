import type { Dice } from "./dice.js";

/** Tokens of one or several prompts, some of them padded. */
export function somePrompts(dice: Dice, most = 40): number[][] {
  const rows = dice.chance(0.7) ? 1 : dice.integer(2, 5);
  return Array.from({ length: rows }, () => [
    2,
    ...Array.from({ length: dice.integer(1, most) }, () => dice.integer(10, 3000)),
  ]);
}
