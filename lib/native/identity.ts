let last = 0;

/**
 * Returns a number that is unique to a tensor. Deep comparisons (`assert.deepStrictEqual`, `toEqual`)
 * can't see native data, so without it any two tensors would be equal. A symbol for each tensor would
 * cost more than the rest of a small tensor.
 */
export function nextIdentity(): number {
  return ++last;
}

/** A property of every tensor: its name is a hint to readers, and `structuredClone` throws DataCloneError. */
export const compareTensors = Symbol("compare tensors with allClose");

/** Serves both purposes for rarer objects: a symbol that no other object has. */
export function ownIdentity(): symbol {
  return Symbol("equal only to itself: compare its contents");
}
