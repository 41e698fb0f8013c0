import { GemlensError } from "../errors/index.js";

/** How a value from outside is shown in a message: short, on one line, never the whole of it. */
export function show(value: unknown): string {
  let text: string;
  if (typeof value === "string") text = JSON.stringify(value);
  else if (typeof value === "object" && value !== null) text = JSON.stringify(value) ?? "object";
  else text = String(value);
  return text.length > 120 ? `${text.slice(0, 117)}...` : text;
}

/** Refuses a file with CHECKPOINT, naming the file and the field in the project's one sentence form. */
export function refuse(file: string, field: string, expected: string, got: unknown): never {
  throw new GemlensError(
    "CHECKPOINT",
    `${file}: expected ${expected} for ${field}, got ${typeof got === "string" ? got : show(got)}`,
    { file, field },
  );
}

/** Refuses something well-formed that gemlens does not run, naming the key. */
export function unsupported(file: string, key: string, expected: string, got: unknown): never {
  throw new GemlensError(
    "UNSUPPORTED",
    `${file}: expected ${expected} for ${key}, got ${typeof got === "string" ? got : show(got)}`,
    { file, field: key },
  );
}
