import type { WriteStream } from "node:tty";
import { printable } from "../../report/token-text.js";

/** Functions that emphasise text, or return it unchanged. */
export interface Paint {
  bold(text: string): string;
  dim(text: string): string;
  name(text: string): string;
}

/** Makes a `Paint` that uses colour only on a terminal, and never under NO_COLOR (no-color.org). */
export function paintFor(stream: Pick<WriteStream, "isTTY"> = process.stdout): Paint {
  const { NO_COLOR, TERM } = process.env;
  const on = stream.isTTY === true && !NO_COLOR && TERM !== "dumb";
  const style = (start: number, end: number) => (text: string) =>
    on && text !== "" ? `\x1b[${start}m${text}\x1b[${end}m` : text;
  return { bold: style(1, 22), dim: style(2, 22), name: style(36, 39) };
}

/** Writes one line to stderr, where it does not mix with data. */
export function note(text: string): void {
  process.stderr.write(`gemlens: ${printable(text)}\n`);
}

/** The width of tables: COLUMNS, else the terminal's, else 100. It is at least 20, so that columns align. */
export function lineWidth(): number {
  const { COLUMNS } = process.env;
  const given = /^[1-9]\d{0,4}$/.test(COLUMNS ?? "") ? Number(COLUMNS) : process.stdout.columns;
  return Math.max(given || 100, 20);
}

/** The width of prose: `lineWidth`, but at most 120, because longer lines read badly. */
export function proseWidth(): number {
  return Math.min(lineWidth(), 120);
}

/** A line on stderr that is rewritten as work proceeds. It stays silent if stderr is not a terminal. */
export function progressLine(): { show(text: string): void; end(): void } {
  const on = process.stderr.isTTY === true;
  return {
    show: (text) => {
      if (on) process.stderr.write(`\r\x1b[Kgemlens: ${printable(text)}`);
    },
    end: () => {
      if (on) process.stderr.write("\r\x1b[K");
    },
  };
}
