import { type Command, InvalidArgumentError } from "commander";

/** A parser of whole numbers for commander. */
export function integer(min: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() !== "" && Number.isSafeInteger(value) && value >= min) return value;
    throw new InvalidArgumentError(`Expected a whole number of at least ${min}.`);
  };
}

/** A position for commander: a whole number, negative from the end. */
export function position(text: string): number {
  const value = Number(text);
  if (text.trim() !== "" && Number.isSafeInteger(value)) return value;
  throw new InvalidArgumentError("Expected a whole number.");
}

/** A parser for an option that may be given again. */
export function several<T>(parse: (text: string) => T) {
  return (text: string, before: readonly T[] = []): T[] => [...before, parse(text)];
}

/** A parser of numbers for commander. */
export function number(valid: (value: number) => boolean, expected: string) {
  return (text: string): number => {
    const value = Number(text);
    if (text.trim() !== "" && Number.isFinite(value) && valid(value)) return value;
    throw new InvalidArgumentError(`Expected ${expected}.`);
  };
}

/** Values of an option that may be given again, as commander hands them over. */
export const collect = (text: string, before: readonly string[] = []) => [...before, text];

/** A parser of several numbers, as in `--strengths 10,20,40`. */
export function numbers(text: string): number[] {
  const values = text.split(",").map((part) => (part.trim() === "" ? Number.NaN : Number(part)));
  if (values.every(Number.isFinite)) return values;
  throw new InvalidArgumentError("Expected numbers with commas between them.");
}

/**
 * The text a command works on: its words, or else standard input without its last line end. With
 * neither it is wrong usage, not a program that waits in silence.
 */
export async function readText(words: readonly string[], command: Command): Promise<string> {
  if (words.length > 0) return words.join(" ");
  if (process.stdin.isTTY) {
    const name = command.registeredArguments.at(-1)?.name() ?? "text";
    command.error(`error: missing argument '${name}', and no text comes on standard input`);
  }
  process.stdin.setEncoding("utf8");
  let text = "";
  for await (const chunk of process.stdin) text += chunk;
  return text.replace(/\r?\n$/, "");
}
