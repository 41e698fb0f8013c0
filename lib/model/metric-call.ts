import { AsyncResource } from "node:async_hooks";
import { argument } from "../errors/check-options.js";
import { GemlensError } from "../errors/gemlens-error.js";
import { HookError } from "../errors/hook-error.js";
import { sentence } from "../errors/sentence.js";
import type { TensorHandle } from "../native/addon.js";
import { call } from "../native/call.js";
import { closeScope, currentScope, isThenable, openScope, runInScope } from "../native/scope.js";
import { adopt, handleOf, isTensor } from "../tensor/internal.js";
import type { Tensor } from "../tensor/tensor.js";
import type { Metric } from "./gradient-target.js";

/**
 * One call of a metric inside a run. It passes the logits to the metric, records the operations on
 * them, and returns the gradient at the logits.
 */
export class MetricCall {
  /** The metric's value, NaN before the call. */
  value = Number.NaN;
  /** The metric's error, with which the run must reject. */
  failure: unknown;
  readonly #caller: string;
  readonly #metric: Metric;
  // Native code makes the call, so these restore the caller's scope and async context.
  readonly #parent = currentScope();
  readonly #context = new AsyncResource("gemlens.metric");
  #gradient: TensorHandle | undefined;

  constructor(caller: string, metric: Metric) {
    this.#caller = caller;
    this.#metric = metric;
  }

  /** The gradient at the borrowed logits; `false` if the metric failed. */
  readonly visit = (logits: TensorHandle, callId: number): TensorHandle | false => {
    const scope = openScope(callId, this.#parent);
    try {
      this.#gradient = this.#context.runInAsyncScope(() =>
        runInScope(scope, () => this.#differentiate(logits)),
      );
      return this.#gradient;
    } catch (error) {
      this.failure = error;
      return false;
    } finally {
      closeScope(scope, undefined);
      call(this.#caller, (addon) => addon.dispose(logits, true));
    }
  };

  /** Frees the gradient, which the run has already retained. */
  dispose(): void {
    const gradient = this.#gradient;
    this.#gradient = undefined;
    if (gradient !== undefined) call(this.#caller, (addon) => addon.dispose(gradient));
  }

  #differentiate(logits: TensorHandle): TensorHandle {
    const caller = this.#caller;
    const before = call(caller, (addon) => addon.gradMode(true));
    const tracked = call(caller, (addon) => addon.gradTrack(logits));
    try {
      // The metric gets its own handle, which it may dispose.
      const given = adopt<["batch", "pos", "d_vocab"]>(
        call(caller, (addon) => {
          const shape = addon.tensorShape(tracked);
          return addon.ops["reshape"]?.(tracked, shape) as TensorHandle;
        }),
      );
      const result = callMetric(caller, this.#metric, given);
      this.value = Number(result.item());
      const scalar = handleOf(result, caller);
      return call(caller, (addon) => addon.gradOf(scalar, tracked));
    } finally {
      call(caller, (addon) => addon.gradMode(before));
      call(caller, (addon) => addon.dispose(tracked));
    }
  }
}

/** Errors that `callMetric` threw: a metric that calls metrics rethrows them unchanged. */
const reported = new WeakSet<object>();

/**
 * Calls a metric and returns its tensor of one element.
 *
 * @throws HOOK if the metric throws, with the cause; ARGUMENT if it returns anything else
 */
export function callMetric(caller: string, metric: Metric, logits: Parameters<Metric>[0]): Tensor {
  try {
    return checkResult(caller, run(caller, metric, logits));
  } catch (error) {
    reported.add(error as GemlensError);
    throw error;
  }
}

function run(caller: string, metric: Metric, logits: Parameters<Metric>[0]): unknown {
  try {
    return metric(logits);
  } catch (error) {
    if (typeof error === "object" && error !== null && reported.has(error)) throw error;
    const text = error instanceof Error ? error.message : String(error);
    throw new HookError(`${caller}: the metric threw: ${text}`, { hook: "metric" }, error);
  }
}

function checkResult(caller: string, result: unknown): Tensor {
  const expected = "a tensor of one element (the tensor itself, not its item())";
  if (isTensor(result)) {
    if (result.isDisposed) {
      throw new GemlensError(
        "ARGUMENT",
        sentence(
          caller,
          "a tensor of one element",
          "the metric's result",
          "a disposed one",
          "; declare it with const instead of using",
        ),
      );
    }
    if (result.size === 1) return result;
    throw argument(caller, expected, "the metric's result", `one of [${result.shape.join(", ")}]`);
  }
  if (isThenable(result)) {
    // Nothing awaits the promise, so its rejection is ignored.
    Promise.resolve(result).catch(() => {});
    const got = "a promise (gradients are recorded on this thread, at once)";
    throw argument(caller, expected, "the metric's result", got);
  }
  const got = result === null ? "null" : typeof result;
  throw argument(caller, expected, "the metric's result", got);
}
