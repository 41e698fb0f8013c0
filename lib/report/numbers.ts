/** A change, with its sign: `+0.250`, `-1.000`, `0.000`. */
export function signed(value: number, digits = 3): string {
  const text = value.toFixed(digits);
  if (Number(text) === 0) return text.replace("-", "");
  return value > 0 ? `+${text}` : text;
}

/** A probability to three places; what is smaller says so. */
export function probability(p: number): string {
  return p > 0 && p < 0.0005 ? "<0.001" : p.toFixed(3);
}
