/** Every failure that gemlens raises itself carries one of these codes; branch on it, never on the message. */
export type ErrorCode =
  | "NATIVE_LOAD"
  | "ARGUMENT"
  | "NOT_FOUND"
  | "CHECKPOINT"
  | "TOKENIZER"
  | "DOWNLOAD"
  | "SHAPE"
  | "DTYPE"
  | "DEVICE"
  | "OUT_OF_MEMORY"
  | "HOOK"
  | "DISPOSED"
  | "BUSY"
  | "UNSUPPORTED"
  | "ABORTED"
  | "INTERNAL";

/** Machine-readable details of an error: what was expected, what came, which file or hook. */
export type ErrorFields = Readonly<Record<string, unknown>>;

// Symbol.for survives two copies of the package in one process, where `instanceof` does not.
const marker = Symbol.for("gemlens.error");

/**
 * The one error class of gemlens.
 *
 * @example
 * try { await model.forward("") } catch (e) {
 *   if (GemlensError.is(e, "ARGUMENT")) console.error(e.message, e.fields);
 * }
 */
export class GemlensError extends Error {
  readonly code: ErrorCode;
  readonly fields: ErrorFields;

  constructor(code: ErrorCode, message: string, fields: ErrorFields = {}, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "GemlensError";
    this.code = code;
    this.fields = fields;
    Object.defineProperty(this, marker, { value: true });
  }

  /** True for a gemlens error (of any copy of the package), optionally of one code. */
  static is(error: unknown, code?: ErrorCode): error is GemlensError {
    if (typeof error !== "object" || error === null || !(marker in error)) return false;
    return code === undefined || (error as unknown as GemlensError).code === code;
  }
}
