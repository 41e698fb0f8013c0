import { AsyncResource } from "node:async_hooks";
import { inspect } from "node:util";
import { HookError } from "../errors/hook-error.js";
import { sentence } from "../errors/sentence.js";
import type { HookAnswer, NativeRunRequest, TensorHandle } from "../native/addon.js";
import { call, native } from "../native/call.js";
import {
  closeScope,
  currentScope,
  isThenable,
  openScope,
  runInScope,
  type Scope,
} from "../native/scope.js";
import { endLoan, handleOf, isTensor, lend, setOrigin } from "../tensor/internal.js";
import type { RowCells } from "../tensor/row-cells.js";
import type { Tensor } from "../tensor/tensor.js";
import type { HookFunction, HookPointInfo } from "./hook.js";
import type { ResolvedPoint } from "./hook-table.js";
import { rowsAtPoint } from "./point-rows.js";

/** A hook function and its point. */
export interface ResolvedHook {
  readonly point: ResolvedPoint;
  readonly fn: HookFunction;
}

/** One call of a hook function, from borrowing its activation to its answer. */
interface Visit {
  readonly hook: ResolvedHook;
  readonly handle: TensorHandle;
  readonly act: Tensor;
  readonly scope: Scope;
}

/**
 * The JavaScript hooks of one run. Each function borrows an activation, and its result becomes the answer
 * to the executor, which waits in the meantime.
 */
export class JsHooks {
  /** Native ids in calling order: `request.hooks`. */
  readonly hooks: Int32Array;
  readonly onHook: NonNullable<NativeRunRequest["onHook"]>;
  readonly #entries: readonly ResolvedHook[];
  readonly #model: string;
  readonly #rows: RowCells;
  // Native code calls the hooks, so their scope and asynchronous context have to be restored.
  readonly #parent = currentScope();
  readonly #context = new AsyncResource("gemlens.hooks");
  #failure: { readonly error: unknown; readonly hook: string } | undefined;
  #ended = false;

  /** `model` and `rows` become part of the activations' origin. */
  constructor(entries: readonly ResolvedHook[], model: string, rows: RowCells) {
    this.#entries = entries;
    this.#model = model;
    this.#rows = rows;
    this.hooks = Int32Array.from(entries, ({ point }) => point.id);
    this.onHook = (index, handle, callId, step, positionOffset) =>
      this.#visit(index, handle, callId, step, positionOffset);
  }

  /**
   * The error of the run if a hook failed. `rejection` is the run's own error, which has the stack of the
   * caller.
   */
  error(rejection: unknown): HookError | undefined {
    if (this.#failure === undefined) return undefined;
    const { error, hook } = this.#failure;
    const typed =
      error instanceof WrongAnswer
        ? new HookError(error.message, { hook })
        : new HookError(`hook ${hook}: the function threw: ${textOf(error)}`, { hook }, error);
    const stack = rejection instanceof Error ? (rejection.stack ?? "") : "";
    const frames = /(?:^ {4}at .*\n?)+$/m.exec(stack)?.[0];
    if (frames !== undefined) typed.stack = `${typed.name}: ${typed.message}\n${frames}`;
    return typed;
  }

  /** Ignores later answers, because the run has settled. */
  end(): void {
    this.#ended = true;
  }

  #inScope(scope: Scope, fn: HookFunction, act: Tensor, info: HookPointInfo): unknown {
    return this.#context.runInAsyncScope(runInScope, undefined, scope, fn, act, info);
  }

  #visit(
    index: number,
    handle: TensorHandle,
    callId: number,
    step: number,
    positionOffset: number,
  ): HookAnswer {
    const hook = this.#entries[index];
    if (hook === undefined) return null;
    const { name, layer, axes } = hook.point;
    const act = lend(handle);
    const rows = rowsAtPoint(this.#rows, axes, act);
    setOrigin(act, { hook: name, model: this.#model, rows });
    const visit: Visit = { hook, handle, act, scope: openScope(callId, this.#parent) };
    const info: HookPointInfo = { name, layer, step, positionOffset };
    let result: unknown;
    let later: boolean;
    try {
      result = this.#inScope(visit.scope, hook.fn, act, info);
      later = isThenable(result); // reads `then`, which may be a getter that throws
    } catch (error) {
      return this.#fail(visit, error);
    }
    if (!later) return this.#finish(visit, result);
    Promise.resolve(result).then(
      (value) => this.#settle(visit, callId, this.#finish(visit, value)),
      (error: unknown) => this.#settle(visit, callId, this.#fail(visit, error)),
    );
    return true;
  }

  /** Ends the loan and the scope. Returns the hook's tensor, null if it returned none, false if it failed. */
  #finish(visit: Visit, result: unknown): TensorHandle | null | false {
    const { act, handle, scope, hook } = visit;
    try {
      const answer = answerOf(hook.point.name, act, result);
      if (scope.kept !== undefined) for (const item of scope.kept) unshare(item, act, handle);
      if (answer !== null) unshare(result, act, handle);
      endLoan(act, handle);
      closeScope(scope, result);
      return answer;
    } catch (error) {
      return this.#fail(visit, error);
    }
  }

  #fail({ hook, act, handle, scope }: Visit, error: unknown): false {
    this.#failure ??= { error, hook: hook.point.name };
    try {
      endLoan(act, handle);
      closeScope(scope, undefined);
    } catch {
      // Report the first error.
    }
    return false;
  }

  #settle(visit: Visit, callId: number, answer: TensorHandle | null | false): void {
    if (this.#ended) return;
    try {
      native().hookSettle(callId, answer);
    } catch (error) {
      if (answer === false) return;
      this.#failure ??= { error, hook: visit.hook.point.name };
      this.#settle(visit, callId, false);
    }
  }
}

/** Copies a tensor that outlives the hook if it shares memory with the activation, which the run may change. */
function unshare(item: unknown, act: Tensor, handle: TensorHandle): void {
  if (!isTensor(item) || item.isDisposed || item === act) return;
  call("hook", (addon) => addon.tensorUnshare(handleOf(item, "hook"), handle));
}

function textOf(thrown: unknown): string {
  if (thrown instanceof Error) return thrown.message;
  // String() throws for an object without a prototype.
  return typeof thrown === "string" ? thrown : inspect(thrown);
}

/** A hook returned an invalid value. */
class WrongAnswer extends Error {}

function answerOf(hook: string, act: Tensor, result: unknown): TensorHandle | null {
  if (result === undefined || result === null) return null;
  if (!isTensor(result)) {
    const got =
      typeof result === "object" ? `an object (${result.constructor?.name})` : String(result);
    throw new WrongAnswer(
      sentence(
        `hook ${hook}`,
        "a tensor, nothing, or a promise of either to be returned",
        null,
        got,
      ),
    );
  }
  if (result.isDisposed) {
    throw new WrongAnswer(
      `hook ${hook}: the tensor it returned is already disposed; declare it with const instead of ` +
        "using, the run retains it",
    );
  }
  return result === act ? null : handleOf(result, "hook");
}
