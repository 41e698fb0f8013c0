/**
 * The code of an error that gemlens raises. Branch on the code, never on the message.
 *
 * | code | when |
 * | --- | --- |
 * | NATIVE_LOAD | the native core or libtorch does not load; the message says what to do |
 * | ARGUMENT | an invalid value or an unknown option; numbers that are not finite where the call has to choose one |
 * | NOT_FOUND | a missing file, model, hook, weight or cache entry |
 * | CHECKPOINT | a damaged or inconsistent weights file; the message names file and field |
 * | TOKENIZER | missing or broken tokenizer files |
 * | DOWNLOAD | `gemlens setup` could not fetch libtorch |
 * | SHAPE, DTYPE, DEVICE | a tensor or coder with the wrong shape, element type or device |
 * | OUT_OF_MEMORY | the request does not fit; `fields` may have the device, the bytes and the largest size that fits |
 * | HOOK | a hook threw or returned an invalid value; a coder was given another hook's tensor |
 * | DISPOSED | an object was used after its `dispose()`, or a borrowed tensor after its hook returned |
 * | BUSY | a run of a model inside its own hook; a change to a tensor that queued work reads |
 * | UNSUPPORTED | a known format or feature that gemlens does not support |
 * | ABORTED | the process or worker is shutting down (a caller's abort rejects with `signal.reason`) |
 * | INTERNAL | a defect of gemlens |
 */
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

/** Machine-readable details of an error, such as the expected and the actual value, the file or the hook. */
export type ErrorFields = Readonly<Record<string, unknown>>;

// Unlike `instanceof`, Symbol.for works with two copies of the package in one process.
const marker = Symbol.for("gemlens.error");

/**
 * The base class of all errors that gemlens raises.
 *
 * @example
 * try {
 *   await model.forward(text, { stopAtLayer: 99 });
 * } catch (error) {
 *   if (!GemlensError.is(error, "ARGUMENT")) throw error;
 *   console.log(error.message, error.fields);
 * }
 */
export class GemlensError extends Error {
  /** The kind of failure. */
  readonly code: ErrorCode;
  /** Its details, by name. */
  readonly fields: ErrorFields;

  /** Public so that your own code can raise errors of the same form. */
  constructor(code: ErrorCode, message: string, fields: ErrorFields = {}, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "GemlensError";
    this.code = code;
    this.fields = fields;
    Object.defineProperty(this, marker, { value: true });
  }

  /** Whether `error` is a gemlens error (of any copy of the package) and has `code`, if given. */
  static is(error: unknown, code?: ErrorCode): error is GemlensError {
    if (typeof error !== "object" || error === null || !(marker in error)) return false;
    return code === undefined || (error as unknown as GemlensError).code === code;
  }
}
