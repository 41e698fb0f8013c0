/** max|a − b| / max|b|; NaN if any value is NaN. @throws if sizes differ. */
export function distance(a: Float32Array, b: Float32Array): number {
  if (a.length !== b.length) {
    throw new Error(`its output has ${a.length} numbers, ours ${b.length}`);
  }
  let difference = 0;
  let size = 0;
  for (let i = 0; i < a.length; i++) {
    const [x, y] = [a[i] as number, b[i] as number];
    // Math.max keeps a NaN; a comparison would hide it.
    difference = Math.max(difference, Math.abs(x - y));
    size = Math.max(size, Math.abs(y));
  }
  return difference / size;
}
