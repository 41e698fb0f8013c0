import { argument } from "../errors/check-options.js";
import { GemlensError } from "../errors/gemlens-error.js";
import { sentence } from "../errors/sentence.js";
import { shortly } from "../errors/show-value.js";
import { isTensor } from "../tensor/internal.js";
import { sameSizes, sizeOf } from "../tensor/row-cells.js";
import type { Tensor } from "../tensor/tensor.js";

/**
 * Which tokens are real: 1 or true, 0 or false for padding. In the shape of what it is for, such as
 * `[batch, pos]`, or flat, row by row.
 */
export type RowMask =
  | Uint8Array
  | readonly (number | boolean)[]
  | readonly (readonly (number | boolean)[])[]
  | Tensor;

/**
 * A mask as bytes; undefined if all are real.
 *
 * @throws SHAPE for another size; ARGUMENT for what is no mask
 */
function parseMask(
  caller: string,
  mask: unknown,
  sizes: readonly number[],
): Uint8Array | undefined {
  const { shape, values } = valuesOf(caller, mask);
  const count = sizeOf(sizes);
  if (!sameSizes(shape, sizes) && !(shape.length === 1 && shape[0] === count)) {
    throw new GemlensError(
      "SHAPE",
      sentence(caller, `[${sizes.join(", ")}]`, "mask", `[${shape.join(", ")}]`),
      { expected: sizes, got: shape },
    );
  }
  const wrong = values.find((value) => value !== 0 && value !== 1 && typeof value !== "boolean");
  if (wrong !== undefined)
    throw argument(caller, "1 (real) and 0 (padding)", "mask", shortly(wrong));
  const bytes = Uint8Array.from(values, Number);
  return bytes.includes(0) ? bytes : undefined;
}

/** The mask that is given, else the one that a tensor remembers of its run. */
export function maskOf(
  caller: string,
  given: RowMask | false | undefined,
  known: Uint8Array | undefined,
  sizes: readonly number[],
): Uint8Array | undefined {
  if (given === undefined) return known;
  return given === false ? undefined : parseMask(caller, given, sizes);
}

function valuesOf(caller: string, mask: unknown): { shape: readonly number[]; values: unknown[] } {
  // Read at once, so that the caller may go on with it.
  if (isTensor(mask)) return { shape: mask.shape, values: [...mask.readSync("float64")] };
  if (mask instanceof Uint8Array) return { shape: [mask.length], values: [...mask] };
  if (!Array.isArray(mask)) {
    const expected = "a Uint8Array, an array, an array of rows or a Tensor";
    throw argument(caller, expected, "mask", shortly(mask));
  }
  if (!mask.some(Array.isArray)) return { shape: [mask.length], values: mask };
  const rows = mask as readonly unknown[];
  const width = (rows[0] as readonly unknown[])?.length;
  const ragged = rows.findIndex((row) => !Array.isArray(row) || row.length !== width);
  if (ragged >= 0) {
    throw argument(
      caller,
      `rows of ${width ?? "one length"}`,
      `row ${ragged} of mask`,
      shortly(rows[ragged]),
    );
  }
  return { shape: [rows.length, width], values: rows.flat() };
}
