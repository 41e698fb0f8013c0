import { type ErrorFields, GemlensError } from "./gemlens-error.js";

/**
 * A hook threw, or returned a value that is invalid at its point. `hook` names the point; `cause` is
 * the error that the hook threw.
 */
export class HookError extends GemlensError {
  /** The hook point's name in the cache. */
  readonly hook: string | undefined;

  /** The constructor of {@link GemlensError}, with the code HOOK. */
  constructor(message: string, fields: ErrorFields = {}, cause?: unknown) {
    super("HOOK", message, fields, cause);
    this.name = "HookError";
    this.hook = typeof fields["hook"] === "string" ? fields["hook"] : undefined;
  }
}
