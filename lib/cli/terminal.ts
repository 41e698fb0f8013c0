import type { WriteStream } from "node:tty";

/** Functions that emphasise text, or leave it as it is. */
export interface Paint {
  bold(text: string): string;
  dim(text: string): string;
  name(text: string): string;
}

/** Colour on a terminal only, and never under NO_COLOR (no-color.org). */
export function paintFor(stream: Pick<WriteStream, "isTTY"> = process.stdout): Paint {
  const { NO_COLOR, TERM } = process.env;
  const on = stream.isTTY === true && !NO_COLOR && TERM !== "dumb";
  const style = (start: number, end: number) => (text: string) =>
    on && text !== "" ? `\x1b[${start}m${text}\x1b[${end}m` : text;
  return { bold: style(1, 22), dim: style(2, 22), name: style(36, 39) };
}

/** Ends the process quietly when the reader of our output has gone (`gemlens tokens … | head -1`). */
export function endWithReader(): void {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(0);
    throw error;
  });
}

/** One line on stderr, where it does not mix with data. */
export function note(text: string): void {
  process.stderr.write(`gemlens: ${text}\n`);
}

/** The width that tables and columns may have: the terminal's, 100 where there is none. */
export function lineWidth(): number {
  return Math.min(Math.max(process.stdout.columns ?? 100, 60), 120);
}

/** A line on stderr that is written over as work goes on; nothing where stderr is no terminal. */
export function progressLine(): { show(text: string): void; end(): void } {
  const on = process.stderr.isTTY === true;
  return {
    show: (text) => {
      if (on) process.stderr.write(`\r\x1b[Kgemlens: ${text}`);
    },
    end: () => {
      if (on) process.stderr.write("\r\x1b[K");
    },
  };
}
