import { fstatSync } from "node:fs";
import { type Command, CommanderError, InvalidArgumentError } from "commander";
import { reason } from "../print/standard-streams.js";

/** Makes a commander parser for whole numbers of at least `min`. */
export function integer(min: number): (text: string) => number {
  const expected = `a whole number of at least ${min}`;
  return (text) => {
    const value = wholeNumber(text);
    if (value !== undefined && value >= min) return value;
    return refuse(expected, text, value === undefined ? undefined : `it is below ${min}`);
  };
}

/** A commander parser for a position: a whole number, negative from the end. */
export function position(text: string): number {
  return wholeNumber(text) ?? refuse("a whole number", text);
}

/** Makes a commander parser for a repeatable option. */
export function several<T>(parse: (text: string) => T) {
  return (text: string, before: readonly T[] = []): T[] => [...before, parse(text)];
}

/** Makes a commander parser for finite numbers that satisfy `valid`. */
export function number(valid: (value: number) => boolean, expected: string) {
  return (text: string): number => {
    const value = finiteNumber(text);
    return value !== undefined && valid(value) ? value : refuse(expected, text);
  };
}

/** A commander parser that collects the texts of a repeatable option. */
export const collect = (text: string, before: readonly string[] = []) => [...before, text];

/** A commander parser for several numbers, as in `--strengths 10,20,40`. */
export function numbers(text: string): number[] {
  const parts = text.split(",");
  return parts.map((part, i) => {
    const value = finiteNumber(part.trim());
    const which = parts.length === 1 ? undefined : `number ${i + 1} is ${JSON.stringify(part)}`;
    return value ?? refuse("numbers with commas between them", text, which);
  });
}

/** Parses a whole number in decimal digits; undefined for any other text. */
export function wholeNumber(text: string): number | undefined {
  const value = /^[+-]?\d+$/.test(text) ? Number(text) : Number.NaN;
  return Number.isSafeInteger(value) ? value : undefined;
}

/** Parses a number such as 4, -0.5 or 1e-3; undefined for any other text. */
export function finiteNumber(text: string): number | undefined {
  const value = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : Number.NaN;
  return Number.isFinite(value) ? value : undefined;
}

/**
 * Reads the text that a command works on: its words, or standard input without the last line end.
 * Ends with wrong usage if there is no text, rather than waiting in silence or printing nothing.
 */
export async function readText(words: readonly string[], command: Command): Promise<string> {
  const name = command.registeredArguments.at(-1)?.name() ?? "text";
  if (words.length === 0 && process.stdin.isTTY) {
    command.error(`error: missing argument '${name}', and no text comes on standard input`);
  }
  const given = words.length > 0;
  const text = given ? words.join(" ") : (await standardInput(command)).replace(/\r?\n$/, "");
  if (text !== "") return text;
  const problem = given
    ? `argument '${name}' is empty`
    : `no '${name}' given, and standard input is empty`;
  return command.error(`error: ${problem}`);
}

async function standardInput(command: Command): Promise<string> {
  const chunks: Buffer[] = [];
  try {
    if (fstatSync(0).isDirectory()) return command.error("error: standard input is a folder");
    for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  } catch (error) {
    if (error instanceof CommanderError) throw error;
    const why = reason(error as NodeJS.ErrnoException);
    return command.error(`error: can't read standard input: ${why}`);
  }
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(Buffer.concat(chunks));
  } catch {
    return command.error("error: the text on standard input is not valid UTF-8");
  }
}

function refuse(expected: string, text: string, why?: string): never {
  const empty = text.trim() === "" ? "it is empty" : undefined;
  const reason = why ?? empty;
  throw new InvalidArgumentError(
    `Expected ${expected}${reason === undefined ? "" : `: ${reason}`}.`,
  );
}
