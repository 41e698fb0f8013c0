import { cpSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** The folder of a sound tokenizer. */
export const sound = fileURLToPath(new URL("../fixtures/tokenizer/", import.meta.url));

/** Copies its files, for one of them to be written over. */
export function soundTokenizer(folder: string): void {
  for (const name of ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"]) {
    cpSync(join(sound, name), join(folder, name));
  }
}
