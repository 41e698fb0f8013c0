import { inspect } from "node:util";
import { CommanderError } from "commander";
import { GemlensError } from "../../errors/gemlens-error.js";
import { printableText } from "../../report/token-text.js";

const wrongUsage = 2;
const failure = 1;

/**
 * Reports an error on stderr and returns the exit code: 2 for wrong usage, else 1. A gemlens error is
 * shown with its code and without a stack; `GEMLENS_DEBUG=1` adds the stack and the cause.
 */
export function reportError(error: unknown): number {
  // commander has already printed its message. Help and version also end here, with code 0.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : wrongUsage;
  const debug = Boolean(process.env["GEMLENS_DEBUG"]);
  if (!GemlensError.is(error)) {
    const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    const hint = debug ? "" : " (GEMLENS_DEBUG=1 shows where)";
    complain(debug ? inspect(error) : `gemlens: ${text}${hint}`);
    return failure;
  }
  complain(debug ? inspect(error) : `gemlens: ${error.code}: ${error.message}`);
  const output = error.fields["output"];
  if (typeof output === "string") complain(output);
  return error.code === "ARGUMENT" ? wrongUsage : failure;
}

/** Writes to stderr, escaped: a message may quote a file or text that would steer the terminal. */
function complain(text: string): void {
  process.stderr.write(`${printableText(text)}\n`);
}
