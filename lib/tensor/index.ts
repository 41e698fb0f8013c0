export { tidy } from "../native/scope.js";
export {
  cat,
  empty,
  full,
  ones,
  stack,
  type TensorOptions,
  tensor,
  where,
  zeros,
} from "./factories.js";
export { type MemoryUse, memory } from "./memory.js";
export type { Device, Scalar, TensorFunctions, TensorMethods } from "./methods.js";
export type { Nested, NestedInput } from "./nest.js";
export { type ArrayOf, Tensor, type TensorData } from "./tensor.js";
export type { TensorJson } from "./tensor-json.js";
