// string-width measures a text, but neither cuts nor pads it; this file adds both.
import stringWidth from "string-width";

const graphemes = new Intl.Segmenter(undefined, { granularity: "grapheme" });

/** The number of terminal cells of a text: 2 for wide characters and emoji, 0 for combining marks. */
export function displayWidth(text: string): number {
  return stringWidth(text);
}

/** Cuts a text into pieces of at most `width` cells, between grapheme clusters. */
export function breakToWidth(text: string, width: number): string[] {
  const pieces: string[] = [];
  let piece = "";
  let used = 0;
  for (const { segment } of graphemes.segment(text)) {
    const size = displayWidth(segment);
    if (piece !== "" && used + size > width) {
      pieces.push(piece);
      piece = "";
      used = 0;
    }
    piece += segment;
    used += size;
  }
  return [...pieces, piece];
}

/** Pads a text with spaces to `width` cells. */
export function padTo(text: string, width: number, side: "left" | "right" = "left"): string {
  const space = " ".repeat(Math.max(0, width - displayWidth(text)));
  return side === "right" ? space + text : text + space;
}
