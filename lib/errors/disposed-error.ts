import { type ErrorFields, GemlensError } from "./gemlens-error.js";

/** An object was used after its `dispose()`, or a borrowed tensor after its hook returned. */
export class DisposedError extends GemlensError {
  /** The constructor of {@link GemlensError}, with the code DISPOSED. */
  constructor(message: string, fields: ErrorFields = {}, cause?: unknown) {
    super("DISPOSED", message, fields, cause);
    this.name = "DisposedError";
  }
}
