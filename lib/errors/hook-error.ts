import { type ErrorFields, GemlensError } from "./gemlens-error.js";

/**
 * A hook threw, or returned something its point cannot take. `hook` names the point; what the hook
 * threw is the `cause`.
 */
export class HookError extends GemlensError {
  /** The hook point's name in the cache. */
  readonly hook: string | undefined;

  /** As of {@link GemlensError}, with the code HOOK. */
  constructor(message: string, fields: ErrorFields = {}, cause?: unknown) {
    super("HOOK", message, fields, cause);
    this.name = "HookError";
    this.hook = typeof fields["hook"] === "string" ? fields["hook"] : undefined;
  }
}
