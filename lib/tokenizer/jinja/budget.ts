import { TemplateExhausted } from "./template-exhausted.js";

// Gemma's templates take a hundredth of each limit.
const leastWork = 100_000;
const workPerInput = 8;
const charactersPerWork = 16;

/**
 * Limits the work of a template. It is an untrusted program: three nested loops, or a text doubled forty
 * times, would take hours or all memory. The limit grows with the size of the input.
 */
export class Budget {
  #left: number;

  constructor(input: number) {
    this.#left = leastWork + workPerInput * input;
  }

  /** Spends steps. Throws TemplateExhausted if none are left. */
  spend(steps: number): void {
    this.#left -= steps;
    if (!(this.#left >= 0)) throw new TemplateExhausted("too many steps");
  }

  /** Spends the cost of a text with this many characters, before the text is created. */
  text(characters: number): void {
    this.spend(1 + characters / charactersPerWork);
  }
}
