import { expect } from "vitest";

/** Compares printed text with a page: the same words, and numbers within rounding. */
export function expectAlike(got: string, want: string): void {
  const number = /(-?\d+(?:\.\d+)?)/;
  const [gotParts, wantParts] = [got.split(number), want.split(number)];
  const words = (parts: string[]) => parts.filter((_, i) => i % 2 === 0).map((s) => s.trim());
  expect(words(gotParts)).toEqual(words(wantParts));
  for (const [i, part] of wantParts.entries()) {
    if (i % 2 === 0) continue;
    const [a, b] = [Number(gotParts[i]), Number(part)];
    expect(Math.abs(a - b), `${gotParts[i]}, on the page ${part}`).toBeLessThanOrEqual(
      part.includes(".") ? 0.011 + 0.02 * Math.abs(b) : 0,
    );
  }
}
