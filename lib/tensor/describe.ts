import type { DtypeName, TensorHandle } from "../native/addon.js";
import { native } from "../native/call.js";
import type { Scalar } from "./methods.js";
import { type Nested, nest } from "./nest.js";

/** Tensors up to this size are shown completely, larger ones by the start of their first row. */
const SHOWN = 12;
const SHOWN_OF_ROW = 6;

/**
 * Describes a tensor in one line: `Tensor [2, 3] float32 cpu [[1, 2, 3], [4, 5, 6]]`. Never throws:
 * values that can't be read are omitted. It works on handles, so inspecting a tensor inside `tidy` or a
 * hook creates no tensor.
 */
export function describeTensor(
  handle: TensorHandle | null,
  knownShape: readonly number[] | undefined,
): string {
  const label = knownShape === undefined ? "Tensor" : `Tensor [${knownShape.join(", ")}]`;
  if (handle === null) return `${label} (disposed)`;
  try {
    const addon = native();
    const shape = addon.tensorShape(handle);
    const dtype = addon.tensorDtype(handle);
    const head = `Tensor [${shape.join(", ")}] ${dtype} ${addon.tensorDevice(handle)}`;
    try {
      return `${head} ${values(handle, shape, dtype)}`;
    } catch {
      return head;
    }
  } catch {
    return label;
  }
}

function values(handle: TensorHandle, shape: readonly number[], dtype: DtypeName): string {
  const addon = native();
  const size = shape.reduce((product, n) => product * n, 1);
  if (size === 0) return "[]";
  if (size <= SHOWN) return show(nest(addon.tensorReadSync(handle), shape, dtype));
  const temporary: TensorHandle[] = [];
  const apply = (name: string, ...args: unknown[]): TensorHandle => {
    const result = addon.ops[name]?.(...args) as TensorHandle;
    temporary.push(result);
    return result;
  };
  try {
    let row = handle;
    for (let dim = 1; dim < shape.length; dim++) row = apply("select", row, 0, 0);
    const length = Math.min(shape.at(-1) ?? 0, SHOWN_OF_ROW);
    const start = addon.tensorReadSync(apply("slice", row, 0, 0, length, 1));
    const shown = nest(start, [length], dtype) as Scalar[];
    return `${"[".repeat(shape.length)}${shown.map(showOne).join(", ")}, …`;
  } finally {
    for (const t of temporary) addon.dispose(t);
  }
}

function show(value: Nested): string {
  return Array.isArray(value) ? `[${value.map(show).join(", ")}]` : showOne(value);
}

function showOne(value: Scalar): string {
  if (typeof value !== "number" || Number.isInteger(value)) return String(value);
  return String(Number(value.toPrecision(5)));
}
