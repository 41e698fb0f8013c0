/**
 * Every failure that gemlens raises itself carries one of these codes; branch on it, never on the
 * message.
 *
 * | code | when |
 * | --- | --- |
 * | NATIVE_LOAD | the native core or libtorch does not load; the message says what to do |
 * | ARGUMENT | a value, or an option's name, that a call does not take; numbers that are not finite where one is chosen |
 * | NOT_FOUND | a file, model, hook, weight or cache entry that is not there |
 * | CHECKPOINT | a damaged or inconsistent file of weights; names file and field |
 * | TOKENIZER | tokenizer files that are missing or broken |
 * | DOWNLOAD | `gemlens setup` could not fetch libtorch |
 * | SHAPE, DTYPE, DEVICE | a tensor or coder of another shape, element type or place |
 * | OUT_OF_MEMORY | what was asked for does not fit; `fields` may have device, bytes and what fits |
 * | HOOK | a hook threw or returned what its point cannot take; a coder was given another hook's tensor |
 * | DISPOSED | something was used after its `dispose()`, or after the hook it was lent to |
 * | BUSY | a model's run from inside its own hook; a change of a tensor that queued work reads |
 * | UNSUPPORTED | something that is known, and not there |
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

/** Machine-readable details of an error: what was expected, what came, which file or hook. */
export type ErrorFields = Readonly<Record<string, unknown>>;

// Symbol.for survives two copies of the package in one process, where `instanceof` does not.
const marker = Symbol.for("gemlens.error");

/**
 * The one error class of gemlens.
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
  /** What kind of failure it is. */
  readonly code: ErrorCode;
  /** Its details, by name. */
  readonly fields: ErrorFields;

  /** For errors of one's own code that shall look alike. */
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
