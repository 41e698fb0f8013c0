import { argument } from "../errors/check-options.js";
import { GemlensError } from "../errors/gemlens-error.js";
import { sentence } from "../errors/sentence.js";
import { shortly } from "../errors/show-value.js";
import { isTensor } from "../tensor/internal.js";
import { sameSizes, sizeOf } from "../tensor/row-cells.js";
import type { Tensor } from "../tensor/tensor.js";

/**
 * Which tokens are real: 1 or true for a real one, 0 or false for padding. A mask has the shape of
 * its tokens, such as `[batch, pos]`, or is flat, row by row.
 */
export type RowMask =
  | Uint8Array
  | readonly (number | boolean)[]
  | readonly (readonly (number | boolean)[])[]
  | Tensor;

/**
 * Parses a mask into bytes; undefined if all tokens are real.
 *
 * @throws SHAPE if the size differs; ARGUMENT if the mask is invalid
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

/** The given mask, else the `known` one of the tensor's run. */
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
  // Copy a tensor now: the caller may change or dispose it later.
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
