import { type ErrorFields, GemlensError } from "./gemlens-error.js";

/** Something was used after its `dispose()`, or a tensor lent to a hook after the hook returned. */
export class DisposedError extends GemlensError {
  /** As of {@link GemlensError}, with the code DISPOSED. */
  constructor(message: string, fields: ErrorFields = {}, cause?: unknown) {
    super("DISPOSED", message, fields, cause);
    this.name = "DisposedError";
  }
}
