import { DisposedError } from "../errors/disposed-error.js";
import { type ErrorCode, GemlensError } from "../errors/gemlens-error.js";
import { HookError } from "../errors/hook-error.js";
import type { Addon, TaskContext } from "./addon.js";
import { loadAddon } from "./load.js";
import { currentCall } from "./scope.js";

let addon: Addon | undefined;
let lastTask = 0;

/** Returns the native core, which the first call loads. Throws NATIVE_LOAD if it does not load. */
export function native(): Addon {
  addon ??= loadAddon();
  return addon;
}

/**
 * Calls the native core on this thread. A native error becomes a typed error, which has the native one
 * as its `cause` and the JavaScript stack of the caller.
 */
export function call<T>(caller: string, fn: (addon: Addon) => T): T {
  const core = native();
  try {
    return fn(core);
  } catch (error) {
    const typed = toTyped(caller, error);
    if (typed !== error) Error.captureStackTrace(typed, call);
    throw typed;
  }
}

/**
 * Submits work to the executor. `fn` runs before `task` returns, so that the native side retains its
 * inputs at the call. A `signal` stops the work between layers and rejects with `signal.reason`.
 */
export function task<T>(
  caller: string,
  fn: (addon: Addon, ctx: TaskContext) => Promise<T>,
  options: { readonly signal?: AbortSignal | undefined } = {},
): Promise<T> {
  const { signal } = options;
  if (signal?.aborted) return Promise.reject(signal.reason);
  // Native rejections have no JavaScript frames, so remember the caller's.
  const site: { stack?: string } = {};
  Error.captureStackTrace(site, task);
  const fail = (error: unknown): never => {
    if (signal?.aborted && codeOf(error) === "ABORTED") throw signal.reason;
    const typed = toTyped(caller, error);
    if (typed !== error) restack(typed, site);
    throw typed;
  };
  const ctx: TaskContext = { call: currentCall(), task: signal === undefined ? 0 : ++lastTask };
  let promise: Promise<T>;
  let core: Addon;
  try {
    core = native();
    promise = fn(core, ctx);
  } catch (error) {
    return new Promise(() => fail(error));
  }
  if (signal === undefined) return promise.then(undefined, fail);
  const onAbort = () => core.abort(ctx.task);
  signal.addEventListener("abort", onAbort, { once: true });
  return promise.finally(() => signal.removeEventListener("abort", onAbort)).then(undefined, fail);
}

const codes: ReadonlySet<string> = new Set<ErrorCode>([
  "NATIVE_LOAD",
  "ARGUMENT",
  "NOT_FOUND",
  "CHECKPOINT",
  "TOKENIZER",
  "DOWNLOAD",
  "SHAPE",
  "DTYPE",
  "DEVICE",
  "OUT_OF_MEMORY",
  "HOOK",
  "DISPOSED",
  "BUSY",
  "UNSUPPORTED",
  "ABORTED",
  "INTERNAL",
]);

function codeOf(error: unknown): ErrorCode | undefined {
  if (typeof error !== "object" || error === null) return undefined;
  const { code } = error as { code?: unknown };
  return typeof code === "string" && codes.has(code) ? (code as ErrorCode) : undefined;
}

function toTyped(caller: string, error: unknown): GemlensError {
  if (GemlensError.is(error)) return error;
  const text = error instanceof Error ? error.message : String(error);
  const code = codeOf(error);
  if (code === undefined) return new GemlensError("INTERNAL", `${caller}: ${text}`, {}, error);
  const { fields } = error as { fields?: unknown };
  const details = typeof fields === "object" && fields !== null ? { ...fields } : {};
  // Most native messages begin with their function ("encode: expected …"); add ours to the others.
  const message = /^[\w.]+: /.test(text) ? text : `${caller}: ${text}`;
  if (code === "DISPOSED") return new DisposedError(message, details, error);
  if (code === "HOOK") return new HookError(message, details, error);
  return new GemlensError(code, message, details, error);
}

function restack(error: Error, site: { stack?: string }): void {
  const frames = site.stack?.split("\n").slice(1).join("\n") ?? "";
  error.stack = `${error.name}: ${error.message}\n${frames}`;
}
