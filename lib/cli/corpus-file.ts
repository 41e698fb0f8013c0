import { createReadStream, existsSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { z } from "zod";
import { GemlensError } from "../errors/index.js";
import { bundledFolder } from "./bundled.js";

const document = z.union([z.string(), z.object({ text: z.string() })]);

/** The bundled model's held-out text. */
export function heldOutFile(): string {
  return join(bundledFolder(), "heldout.jsonl");
}

/**
 * The documents of a file, one a line: as they are, or in a .jsonl strings or objects with `text`.
 * Read as it goes. NOT_FOUND; ARGUMENT naming the line that is no such thing.
 */
export async function* corpusOf(path: string): AsyncGenerator<string, void, undefined> {
  if (!existsSync(path)) {
    throw new GemlensError("NOT_FOUND", `evaluate: expected a text file, ${path} is not there`);
  }
  const lines = createInterface({ input: createReadStream(path, "utf8"), crlfDelay: Infinity });
  let number = 0;
  for await (const line of lines) {
    number++;
    if (line.trim() !== "") yield path.endsWith(".jsonl") ? textOf(line, path, number) : line;
  }
}

function textOf(line: string, path: string, number: number): string {
  let parsed: unknown;
  try {
    parsed = JSON.parse(line);
  } catch {
    parsed = undefined;
  }
  const read = document.safeParse(parsed);
  if (read.success) return typeof read.data === "string" ? read.data : read.data.text;
  throw new GemlensError(
    "ARGUMENT",
    `evaluate: expected a string or an object with text in line ${number} of ${path}`,
    { path, line: number },
  );
}
