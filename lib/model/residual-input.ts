import { GemlensError } from "../errors/gemlens-error.js";
import { sentence } from "../errors/sentence.js";
import { handleOf } from "../tensor/internal.js";
import type { Tensor } from "../tensor/tensor.js";

/** Checks a residual stream that a run starts from. */
export function checkResidual(
  caller: string,
  x: Tensor,
  model: { dModel: number; dtype: string; device: string },
): { batch: number; pos: number } {
  handleOf(x, caller);
  const [batch, pos, width] = x.shape;
  const valid = x.shape.length === 3 && batch && pos && width === model.dModel;
  if (!valid) throw wrongShape(caller, `[batch, pos, ${model.dModel}]`, x, model.dModel);
  checkDtype(caller, x, model.dtype);
  if (x.device !== model.device) {
    throw new GemlensError(
      "DEVICE",
      sentence(caller, `a tensor on ${model.device}`, "input", `one on ${x.device}`),
      { expected: model.device, got: x.device },
    );
  }
  return { batch, pos };
}

/** Checks that x is [.., d_model] of the model's dtype. */
export function checkWidth(
  caller: string,
  x: Tensor,
  { dModel, dtype }: { dModel: number; dtype: string },
): void {
  handleOf(x, caller);
  if (x.shape.at(-1) !== dModel) throw wrongShape(caller, `[.., ${dModel}]`, x, dModel);
  checkDtype(caller, x, dtype);
}

function wrongShape(caller: string, wanted: string, x: Tensor, expected: number): GemlensError {
  return new GemlensError("SHAPE", sentence(caller, wanted, "input", `[${x.shape.join(", ")}]`), {
    expected,
    got: x.shape,
  });
}

function checkDtype(caller: string, x: Tensor, dtype: string): void {
  if (x.dtype === dtype) return;
  throw new GemlensError(
    "DTYPE",
    sentence(caller, dtype, "input", x.dtype, `; convert it with x.to("${dtype}")`),
    { expected: dtype, got: x.dtype },
  );
}
