let last = 0;

/**
 * A tensor's own number. Native data is invisible to deep comparisons (`assert.deepStrictEqual`,
 * `toEqual`), which would find any two tensors equal; two numbers differ. (A symbol of each tensor's
 * own would cost more than the rest of a small tensor.)
 */
export function nextIdentity(): number {
  return ++last;
}

/** A tensor's own too: says what to do, and makes `structuredClone` throw DataCloneError. */
export const compareTensors = Symbol("compare tensors with allClose");

/** Both in one, for objects of which there are fewer: a property that no other object has. */
export function ownIdentity(): symbol {
  return Symbol("equal to itself alone: compare what it gives");
}
