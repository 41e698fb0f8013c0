import { fileURLToPath } from "node:url";
import { type Golden, need, readGoldens } from "./safetensors.js";

const root = new URL("../fixtures/", import.meta.url);
const read = new Map<string, ReadonlyMap<string, Golden>>();

/** The path of a file or folder under tests/fixtures. */
export function fixture(name: string): string {
  return fileURLToPath(new URL(name, root));
}

/** The tensors of `folder/file.safetensors`, loaded once. */
export function goldensOf(folder: string, file: string): ReadonlyMap<string, Golden> {
  const name = `${folder}/${file}.safetensors`;
  let goldens = read.get(name);
  if (goldens === undefined) {
    goldens = readGoldens(new URL(name, root));
    read.set(name, goldens);
  }
  return goldens;
}

/** A [1, pos] tensor of token ids. */
export function ids(goldens: ReadonlyMap<string, Golden>, name: string): Int32Array {
  return Int32Array.from(need(goldens, name).data);
}

/** The three prompts of expected_padded, without padding. */
export function rowsOf(goldens: ReadonlyMap<string, Golden>): number[][] {
  return [0, 1, 2].map((row) => [...ids(goldens, `row.${row}.tokens`)]);
}

/** Every hook's golden on the 24-token prompt, with its `tokens` and `logits`. */
export function hookGoldens(name: "tiny-gemma2" | "tiny-gemma3"): ReadonlyMap<string, Golden> {
  const hooks = goldensOf(name, "expected_hooks_s24");
  if (name === "tiny-gemma3") return hooks;
  // The values of TransformerLens' own class for Gemma 2 are in a separate file.
  return new Map([...goldensOf(name, "expected_tl_s24"), ...hooks]);
}
