/** A token in quotes, in which spaces and line ends can be told apart: `" sea"`, `"\n"`. */
export function quoteToken(text: string): string {
  return JSON.stringify(text);
}

/** Tokens in a row with a bar between them; line ends as ⏎, other control characters escaped. */
export function showTokens(tokens: readonly string[], bar = "|"): string {
  return tokens.map((token) => printable(token.replaceAll("\n", "⏎"))).join(bar);
}

/** Text with its control characters escaped: what a model emits must not steer a terminal. */
export function printable(text: string): string {
  return text.replace(
    /\p{Control}/gu,
    (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
}
