export { DisposedError } from "./disposed-error.js";
export { type ErrorCode, type ErrorFields, GemlensError } from "./gemlens-error.js";
export { HookError } from "./hook-error.js";
