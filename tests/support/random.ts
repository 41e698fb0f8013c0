/** Numbers of mean 0 and deviation 1 that depend on the seed alone (mulberry32, Box and Muller). */
export function randomNumbers(count: number, seed: number): Float64Array {
  const uniform = uniformNumbers(seed);
  return Float64Array.from({ length: count }, () => {
    const radius = Math.sqrt(-2 * Math.log(1 - uniform()));
    return radius * Math.cos(2 * Math.PI * uniform());
  });
}

/** Integers that depend on the seed alone. */
export function randomSource(seed: number): { below(n: number): number } {
  const uniform = uniformNumbers(seed);
  return { below: (n) => Math.floor(uniform() * n) };
}

function uniformNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
