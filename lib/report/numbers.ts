/** Writes a change with its sign: `+0.250`, `-1.000`, `0.000`. */
export function signed(value: number, digits = 3): string {
  const text = value.toFixed(digits);
  if (Number(text) === 0) return text.replace("-", "");
  return value > 0 ? `+${text}` : text;
}

/** Writes a probability to three places, or `<0.001` if it would round to 0. */
export function probability(p: number): string {
  return p > 0 && p < 0.0005 ? "<0.001" : p.toFixed(3);
}
