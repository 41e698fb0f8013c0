import { type Command, InvalidArgumentError } from "commander";

/** A parser of whole numbers for commander. */
export function integer(min: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() !== "" && Number.isSafeInteger(value) && value >= min) return value;
    throw new InvalidArgumentError(`Expected a whole number of at least ${min}.`);
  };
}

/** A parser of numbers for commander. */
export function number(valid: (value: number) => boolean, expected: string) {
  return (text: string): number => {
    const value = Number(text);
    if (text.trim() !== "" && Number.isFinite(value) && valid(value)) return value;
    throw new InvalidArgumentError(`Expected ${expected}.`);
  };
}

/**
 * The text a command works on: its words, or else standard input without its last line end. With
 * neither it is wrong usage, not a program that waits in silence.
 */
export async function readText(words: readonly string[], command: Command): Promise<string> {
  if (words.length > 0) return words.join(" ");
  if (process.stdin.isTTY) {
    const name = command.registeredArguments[0]?.name() ?? "text";
    command.error(`error: missing argument '${name}', and no text comes on standard input`);
  }
  process.stdin.setEncoding("utf8");
  let text = "";
  for await (const chunk of process.stdin) text += chunk;
  return text.replace(/\r?\n$/, "");
}
