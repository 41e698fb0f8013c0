/** The part of tensors that other folders use and users do not: handles, loans and origins. */

import type { TensorHandle } from "../native/addon.js";
import type { Origin } from "./origin.js";
import { access, type Tensor } from "./tensor.js";

/** Wraps a handle from the native side; the current scope owns the tensor. */
export function adopt<Axes extends readonly string[] = readonly string[]>(
  handle: TensorHandle,
): Tensor<Axes> {
  return access.adopt(handle) as Tensor<Axes>;
}

/**
 * The handle of `tensor` for a native call by `caller`.
 *
 * @throws DISPOSED if it was disposed or its loan ended; ARGUMENT if it is not a tensor
 */
export function handleOf(tensor: Tensor, caller: string, argument = "input"): TensorHandle {
  return access.handleOf(tensor, caller, argument);
}

/** Whether `value` is a tensor of this copy of gemlens. */
export function isTensor(value: unknown): value is Tensor {
  return access.isTensor(value);
}

/** Wraps a handle for a hook that borrows it. No scope owns it; the caller must call `endLoan`. */
export function lend(handle: TensorHandle): Tensor {
  return access.lend(handle);
}

/** Ends a loan: later use throws, and array buffers are detached. A kept tensor gets its own copy. */
export function endLoan(tensor: Tensor, handle: TensorHandle): void {
  access.endLoan(tensor, handle);
}

/** The hook and model of a tensor, if known. */
export function originOf(tensor: Tensor): Origin | undefined {
  return access.originOf(tensor);
}

/** Sets the origin of a tensor; lineage.ts has the rules for results of operations. */
export function setOrigin(tensor: Tensor, origin: Origin | undefined): void {
  access.setOrigin(tensor, origin);
}

export type { Origin };
