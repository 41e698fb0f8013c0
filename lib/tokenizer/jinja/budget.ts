import { TemplateExhausted } from "./template-exhausted.js";

// Gemma's own templates take a hundredth of each.
const leastWork = 100_000;
const workPerInput = 8;
const charactersPerWork = 16;

/**
 * Bounds what a template may do: it is a program out of a file, and three nested loops, or a text
 * doubled forty times, would otherwise take hours or all memory. It grows with what the caller gives.
 */
export class Budget {
  #left: number;

  constructor(input: number) {
    this.#left = leastWork + workPerInput * input;
  }

  /** Throws TemplateExhausted if more steps are taken than there are. */
  spend(steps: number): void {
    this.#left -= steps;
    if (!(this.#left >= 0)) throw new TemplateExhausted("too many steps");
  }

  /** Spends what a text of so many characters takes, before it is made. */
  text(characters: number): void {
    this.spend(1 + characters / charactersPerWork);
  }
}
