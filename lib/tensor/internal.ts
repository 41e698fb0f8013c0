/** What the layers above need of tensors and users do not: handles, loans and origins. */

import type { TensorHandle } from "../native/addon.js";
import type { Origin } from "./origin.js";
import { access, type Tensor } from "./tensor.js";

/** Wraps a handle that came from the native side; the current scope owns the tensor. */
export function adopt<Axes extends readonly string[] = readonly string[]>(
  handle: TensorHandle,
): Tensor<Axes> {
  return access.adopt(handle) as Tensor<Axes>;
}

/**
 * The handle of `tensor` for a native call by `caller`.
 *
 * @throws DisposedError when it was disposed or its loan ended; GemlensError `ARGUMENT` when it is not
 * a tensor.
 */
export function handleOf(tensor: Tensor, caller: string, argument = "input"): TensorHandle {
  return access.handleOf(tensor, caller, argument);
}

/** Whether `value` is a tensor of this copy of gemlens. */
export function isTensor(value: unknown): value is Tensor {
  return access.isTensor(value);
}

/** Wraps a handle that was lent to a hook: no scope owns it, `endLoan` must follow. */
export function lend(handle: TensorHandle): Tensor {
  return access.lend(handle);
}

/** Ends a loan: later use throws, array buffers are detached; a kept tensor gets its own copy. */
export function endLoan(tensor: Tensor, handle: TensorHandle): void {
  access.endLoan(tensor, handle);
}

/** The hook and model that a tensor is known to come from. */
export function originOf(tensor: Tensor): Origin | undefined {
  return access.originOf(tensor);
}

/** Remembers where a tensor comes from; lineage.ts says what operations pass on. */
export function setOrigin(tensor: Tensor, origin: Origin | undefined): void {
  access.setOrigin(tensor, origin);
}

export type { Origin };
