/**
 * Fills arrays with uniform numbers of a given standard deviation, the same for a seed
 * (mulberry32).
 */
export function randomFiller(seed: number): (values: Float32Array, deviation: number) => void {
  let state = seed;
  return (values, deviation) => {
    const scale = (Math.sqrt(3) * deviation) / 2 ** 31;
    for (let i = 0; i < values.length; i++) {
      state = (state + 0x6d2b79f5) | 0;
      let x = Math.imul(state ^ (state >>> 15), 1 | state);
      x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x;
      values[i] = (x ^ (x >>> 14)) * scale;
    }
  };
}
