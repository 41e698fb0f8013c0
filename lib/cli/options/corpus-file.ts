import { createReadStream, statSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { bundledFolder } from "../../checkpoint/bundled-model.js";
import { GemlensError } from "../../errors/gemlens-error.js";
import { sentence } from "../../errors/sentence.js";

const document = z.union([z.string(), z.object({ text: z.string() })]);

/** The path of the bundled model's held-out text. */
export function heldOutFile(): string {
  return join(bundledFolder("evaluate"), "heldout.jsonl");
}

/**
 * Streams the documents of a file, one per line. In a .jsonl each line is a string or an object with
 * `text`; in any other file it is the document itself.
 *
 * @throws NOT_FOUND if the file is missing
 * @throws ARGUMENT if a line is invalid (the error names it), or if the file is empty, a folder or
 * not UTF-8
 */
export async function* corpusOf(path: string): AsyncGenerator<string, void, undefined> {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined) {
    throw new GemlensError("NOT_FOUND", `evaluate: expected a text file, ${path} is not there`);
  }
  if (stats.isDirectory()) {
    throw new GemlensError("ARGUMENT", `evaluate: expected a text file, ${path} is a folder`);
  }
  const isJson = /\.jsonl$/i.test(path);
  let number = 0;
  let documents = 0;
  for await (let line of linesOf(path)) {
    if (++number === 1) line = line.replace(/^\ufeff/, "");
    if (line.trim() === "") continue;
    documents++;
    yield isJson ? textOf(line, path, number) : line;
  }
  if (documents === 0) {
    throw new GemlensError("ARGUMENT", `evaluate: ${path} is empty: expected a document a line`);
  }
}

async function* linesOf(path: string): AsyncGenerator<string, void, undefined> {
  let rest = "";
  for await (const text of decoded(path)) {
    rest += text;
    if (!text.includes("\n")) continue;
    const lines = rest.split(/\r?\n/);
    rest = lines.pop() ?? "";
    yield* lines;
  }
  yield rest;
}

async function* decoded(path: string): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  const decode = (bytes?: Buffer): string => {
    try {
      return decoder.decode(bytes, { stream: bytes !== undefined });
    } catch {
      const message = sentence(
        "evaluate",
        `UTF-8 text in ${path}`,
        null,
        "other bytes",
        ": convert it first",
      );
      throw new GemlensError("ARGUMENT", message, { path });
    }
  };
  for await (const bytes of createReadStream(path)) yield decode(bytes as Buffer);
  yield decode();
}

function textOf(line: string, path: string, number: number): string {
  const refuse = (expected: string, got: string): never => {
    throw new GemlensError(
      "ARGUMENT",
      sentence("evaluate", `${expected} in line ${number} of ${path}`, null, got),
      { path, line: number },
    );
  };
  let parsed: unknown;
  try {
    parsed = JSON.parse(line);
  } catch (error) {
    return refuse("JSON", `${brief(line)} (${(error as Error).message})`);
  }
  const result = document.safeParse(parsed);
  if (!result.success) return refuse("a string or an object with text", brief(line));
  return typeof result.data === "string" ? result.data : result.data.text;
}

/** Shortens a line to fit in a message. */
function brief(line: string): string {
  return line.length > 60 ? `${line.slice(0, 60)}…` : line;
}
