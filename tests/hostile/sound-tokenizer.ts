import { cpSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** The folder of a valid tokenizer. */
export const sound = fileURLToPath(new URL("../fixtures/tokenizer/", import.meta.url));

/** Copies its files, so that a case can overwrite one. */
export function soundTokenizer(folder: string): void {
  for (const name of ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"]) {
    cpSync(join(sound, name), join(folder, name));
  }
}
