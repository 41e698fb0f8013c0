import { type FileHandle, open } from "node:fs/promises";
import { argument, checkOptions } from "../errors/check-options.js";
import { GemlensError } from "../errors/gemlens-error.js";
import { sentence } from "../errors/sentence.js";
import { printable } from "../errors/show-value.js";
import type { DtypeName } from "../native/addon.js";
import { disown } from "../native/scope.js";
import { dtypeNames } from "../tensor/dtype.js";
import { empty } from "../tensor/factories.js";
import type { Tensor } from "../tensor/tensor.js";
import { refuse, unsupported } from "./refuse.js";
import { readSafetensorsHeader } from "./safetensors.js";
import type { FileSource } from "./tensor-source.js";

/** Options for `loadTensors`. */
export interface LoadTensorsOptions {
  /** Read only these. Default: all. */
  readonly names?: readonly string[] | undefined;
  /** "cpu" (default) or "cuda", "cuda:1". */
  readonly device?: string | undefined;
  /** Stops reading; the promise rejects with `signal.reason`. */
  readonly signal?: AbortSignal | undefined;
}

const caller = "loadTensors";
// Reads are split, so that a signal is checked between them.
const piece = 64 * 1024 * 1024;

/**
 * Reads the tensors of a safetensors file by name, each in its own dtype, as `saveTensors` or Python
 * wrote them. You dispose them. They have no padding mask and no hook. `readSafetensorsHeader` returns
 * the shapes and the file's metadata without reading the tensors.
 *
 * @throws NOT_FOUND if the file, or a tensor in `names`, is missing
 * @throws CHECKPOINT if the file is damaged; UNSUPPORTED if a tensor is int8 or int16
 * @throws ARGUMENT, DEVICE, OUT_OF_MEMORY; `signal.reason`
 */
export async function loadTensors(
  path: string,
  options: LoadTensorsOptions = {},
): Promise<Record<string, Tensor>> {
  checkOptions(caller, options, ["names", "device", "signal"]);
  if (typeof path !== "string") throw argument(caller, "a file's name", "path", typeof path);
  const { names, device = "cpu", signal } = options;
  signal?.throwIfAborted();
  const sources = wanted(path, names);
  const made: Tensor[] = [];
  const keep = (tensor: Tensor): Tensor => {
    disown(tensor); // It is created after an await, when another scope may be open.
    made.push(tensor);
    return tensor;
  };
  const file = await open(path, "r");
  try {
    // The object has no prototype, because a tensor may be called "__proto__".
    const tensors: Record<string, Tensor> = Object.create(null);
    for (const source of sources) {
      const host = keep(empty(source.shape, { dtype: source.dtype as DtypeName }));
      await fill(file, source, host, signal);
      tensors[source.name] = device === "cpu" ? host : keep(host.to({ device }));
      if (device !== "cpu") host.dispose();
    }
    return tensors;
  } catch (error) {
    for (const tensor of made) tensor.dispose();
    throw error;
  } finally {
    await file.close();
  }
}

/** Reads the file straight into the tensor's memory. */
async function fill(
  file: FileHandle,
  { file: path, name, byteOffset, byteLength }: FileSource,
  tensor: Tensor,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { data } = tensor;
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  for (let at = 0; at < byteLength; ) {
    signal?.throwIfAborted();
    const length = Math.min(piece, byteLength - at);
    const { bytesRead } = await file.read(bytes, at, length, byteOffset + at);
    if (bytesRead === 0) refuse(path, name, `${byteLength} bytes`, `${at} (file cut short)`);
    at += bytesRead;
  }
}

function wanted(path: string, names: readonly string[] | undefined): FileSource[] {
  if (names !== undefined && !Array.isArray(names)) {
    throw argument(caller, "a list of names", "names", typeof names);
  }
  const { tensors } = readSafetensorsHeader(path);
  return [...new Set(names ?? tensors.keys())].map((name) => {
    const source = tensors.get(name);
    if (source === undefined) throw notThere(path, name, [...tensors.keys()]);
    if (!dtypeNames.has(source.dtype)) {
      unsupported(path, `${name}.dtype`, `one of ${[...dtypeNames].join(", ")}`, source.dtype);
    }
    return source;
  });
}

function notThere(path: string, name: string, known: readonly string[]): GemlensError {
  const some = known.slice(0, 8).map((one) => printable(one, 80));
  const more = known.length > some.length ? `, and ${known.length - some.length} more` : "";
  return new GemlensError(
    "NOT_FOUND",
    sentence(caller, `one of ${some.join(", ")}${more}`, "a name", printable(String(name))),
    { file: path, name },
  );
}
