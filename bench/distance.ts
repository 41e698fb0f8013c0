/** max|a − b| / max|b|. @throws when sizes differ; not a number where a value is none. */
export function distance(a: Float32Array, b: Float32Array): number {
  if (a.length !== b.length) {
    throw new Error(`its output has ${a.length} numbers, ours ${b.length}`);
  }
  let difference = 0;
  let size = 0;
  for (let i = 0; i < a.length; i++) {
    const [x, y] = [a[i] as number, b[i] as number];
    // Not Math.max over a condition: a value that is not a number has to show.
    difference = Math.max(difference, Math.abs(x - y));
    size = Math.max(size, Math.abs(y));
  }
  return difference / size;
}
