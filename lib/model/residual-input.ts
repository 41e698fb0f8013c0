import { GemlensError } from "../errors/index.js";
import type { Tensor } from "../tensor/index.js";
import { handleOf } from "../tensor/internal.js";

/** Checks the residual stream that a run starts from. */
export function checkResidual(
  what: string,
  x: Tensor,
  place: { dModel: number; dtype: string; device: string },
): { batch: number; pos: number } {
  handleOf(x, what);
  const [batch, pos, width] = x.shape;
  const valid = x.shape.length === 3 && batch && pos && width === place.dModel;
  if (!valid) throw wrongShape(what, `[batch, pos, ${place.dModel}]`, x, place.dModel);
  checkDtype(what, x, place.dtype);
  if (x.device !== place.device) {
    throw new GemlensError(
      "DEVICE",
      `${what}: expected a tensor on ${place.device} for input, got one on ${x.device}`,
      { expected: place.device, got: x.device },
    );
  }
  return { batch, pos };
}

/** Checks rows of the residual stream's width, whatever their arrangement. */
export function checkWidth(
  what: string,
  x: Tensor,
  { dModel, dtype }: { dModel: number; dtype: string },
): void {
  handleOf(x, what);
  if (x.shape.at(-1) !== dModel) throw wrongShape(what, `[.., ${dModel}]`, x, dModel);
  checkDtype(what, x, dtype);
}

function wrongShape(what: string, wanted: string, x: Tensor, expected: number): GemlensError {
  return new GemlensError(
    "SHAPE",
    `${what}: expected ${wanted} for input, got [${x.shape.join(", ")}]`,
    { expected, got: x.shape },
  );
}

function checkDtype(what: string, x: Tensor, dtype: string): void {
  if (x.dtype === dtype) return;
  throw new GemlensError(
    "DTYPE",
    `${what}: expected ${dtype} for input, got ${x.dtype}; convert it with x.to("${dtype}")`,
    { expected: dtype, got: x.dtype },
  );
}
