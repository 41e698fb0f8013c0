import { argument, checkOptions } from "../errors/check-options.js";
import { disown, tidy } from "../native/scope.js";
import { handleOf, isTensor } from "../tensor/internal.js";
import type { Tensor } from "../tensor/tensor.js";
import { type SafetensorsEntry, writeSafetensors } from "./safetensors-writer.js";

/** Options for `saveTensors`. */
export interface SaveTensorsOptions {
  /** Texts for the file's header, such as the model and the prompt. */
  readonly metadata?: Readonly<Record<string, string>> | undefined;
}

const caller = "saveTensors";

/**
 * Writes tensors to a safetensors file, each in its own dtype; Python reads it with
 * `safetensors.torch.load_file`. The file is written under a temporary name and then renamed. You may
 * dispose the tensors right after the call, but do not change them in place until it ends.
 *
 * The file has only values: it does not record padding, or the hook of a tensor. Save
 * `model.toTokens(…).mask` of a padded batch too, and pass it to `encode`.
 *
 * @param tensors an object of tensors, or pairs of name and tensor such as `run.cache`
 *
 * @example
 * using x = await model.forward(text, { stopAtLayer: 3 }); // the output of block 2
 * await saveTensors("/tmp/resid.safetensors", { x }, { metadata: { text } });
 * const { x: back } = await loadTensors("/tmp/resid.safetensors");
 * console.log(back?.allClose(x)); // true
 *
 * @throws ARGUMENT if `tensors` has anything but tensors by name, if metadata is not text, or if a folder
 *   or a device is at the path
 * @throws DISPOSED; the file system's own error if it refuses
 */
export async function saveTensors(
  path: string,
  tensors: Readonly<Record<string, Tensor>> | Iterable<readonly [name: string, tensor: Tensor]>,
  options: SaveTensorsOptions = {},
): Promise<void> {
  checkOptions(caller, options, ["metadata"]);
  if (typeof path !== "string" || path === "") {
    throw argument(caller, "a file's name", "path", JSON.stringify(path));
  }
  if (typeof tensors !== "object" || tensors === null || isTensor(tensors)) {
    const got = isTensor(tensors) ? "one tensor" : String(tensors);
    throw argument(caller, "an object of tensors by name, or pairs", "tensors", got);
  }
  const metadata = checkMetadata(options.metadata);
  const given = Symbol.iterator in tensors ? [...tensors] : Object.entries(tensors);
  const names = new Set<string>();
  for (const [name, tensor] of given) {
    if (typeof name !== "string") throw argument(caller, "a text", "a tensor's name", typeof name);
    handleOf(tensor, caller, name);
    if (names.has(name))
      throw argument(caller, "each name once", "a tensor's name", `${name} twice`);
    names.add(name);
    if (name === "__metadata__") {
      throw argument(caller, "another name (the format has its own use for it)", "a tensor", name);
    }
  }
  // Use separate handles, because the caller may dispose its tensors during the write.
  const held = given.map(([name, tensor]) => [name, hold(tensor)] as const);
  try {
    await writeSafetensors(path, held.map(entryOf), metadata);
  } finally {
    for (const [, tensor] of held) tensor.dispose();
  }
}

function checkMetadata(metadata: unknown): Readonly<Record<string, string>> | undefined {
  if (metadata === undefined) return undefined;
  const isObject = typeof metadata === "object" && metadata !== null && !Array.isArray(metadata);
  if (!isObject) throw argument(caller, "an object of texts", "metadata", typeof metadata);
  for (const [key, value] of Object.entries(metadata)) {
    if (typeof value !== "string") {
      throw argument(caller, "text (use JSON.stringify)", `metadata.${key}`, typeof value);
    }
  }
  return { ...metadata } as Readonly<Record<string, string>>;
}

function hold(tensor: Tensor): Tensor {
  const held = tensor.reshape(tensor.shape);
  disown(held);
  return held;
}

function entryOf([name, tensor]: readonly [string, Tensor]): SafetensorsEntry {
  const { dtype, shape } = tensor;
  return { name, dtype, shape, bytes: async () => bytesOf(tensor) };
}

/** The elements' bytes in memory; for bfloat16 and float16 these are the bits. */
function bytesOf(tensor: Tensor): Uint8Array {
  if (tensor.device === "cpu" && tensor.isContiguous) return asBytes(tensor);
  return tidy(() => asBytes(tensor.to({ device: "cpu" }).contiguous()).slice());
}

function asBytes(tensor: Tensor): Uint8Array {
  const { buffer, byteOffset, byteLength } = tensor.data;
  return new Uint8Array(buffer, byteOffset, byteLength);
}
