// wrap-ansi breaks at every space, but a table cell keeps its parts and quoted tokens whole.
import { breakToWidth, displayWidth } from "./display-width.js";

/**
 * Folds a text into lines of at most `width` cells. Lines break between words; only a word that is
 * wider than a line is broken.
 */
export function foldText(text: string, width: number): string[] {
  return foldWords(text.trim().split(/ +/), width);
}

/**
 * Folds a table cell into lines of at most `width` cells. Parts that are separated by two spaces stay
 * whole if they fit, and a token in quotes counts as one word.
 */
export function foldCell(cell: string, width: number): string[] {
  const words = (part: string) => part.match(/"(?:\\.|[^"\\])*"|[^ ]+/g) ?? [part];
  const parts = cell.match(/(?:"(?:\\.|[^"\\])*"|(?! {2}).)+/gsu) ?? [cell];
  const whole = parts.map((part) => part.trim()).filter((part) => part !== "");
  return pack(whole, "  ", width, (part) => foldWords(words(part), width));
}

function foldWords(words: readonly string[], width: number): string[] {
  return pack(words, " ", width, (word) => breakToWidth(word, width));
}

/** Packs parts into lines; `divide` breaks a part that is wider than a line. */
function pack(
  parts: readonly string[],
  gap: string,
  width: number,
  divide: (part: string) => string[],
): string[] {
  const lines: string[] = [];
  let line: string | undefined;
  for (const part of parts) {
    const joined: string = line === undefined ? part : line + gap + part;
    if (displayWidth(joined) <= width) {
      line = joined;
      continue;
    }
    if (line !== undefined) lines.push(line);
    const pieces = displayWidth(part) <= width ? [part] : divide(part);
    lines.push(...pieces.slice(0, -1));
    line = pieces.at(-1);
  }
  return [...lines, line ?? ""];
}
