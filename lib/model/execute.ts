import { coderHandle } from "../coder/coder.js";
import { JsHooks } from "../hooks/js-hooks.js";
import type {
  Addon,
  KvCacheHandle,
  ModelHandle,
  NativeGradientResult,
  NativeRunRequest,
  NativeRunResult,
  NativeSampling,
  TaskContext,
} from "../native/addon.js";
import { task } from "../native/call.js";
import { handleOf } from "../tensor/internal.js";
import type { CompiledTarget } from "./gradient-target.js";
import { fires } from "./layer-range.js";
import { MetricCall } from "./metric-call.js";
import type { ModelCore } from "./model-core.js";
import { rowsOfRun } from "./run-outcome.js";
import type { RunPlan } from "./run-plan.js";

/** The cache and the sampling of one step of a generation. */
export interface Draw {
  readonly kv: KvCacheHandle;
  readonly sample: NativeSampling;
}

/** Submits a plan to the native core, which retains the inputs before this returns. */
export async function execute(
  core: ModelCore,
  plan: RunPlan,
  draw?: Draw,
): Promise<NativeRunResult> {
  const { model, request, js } = requestOf(core, plan, draw);
  return submit(plan, js, (addon, ctx) => addon.modelRun(model, request, ctx));
}

/** As `execute`, for a plan with a target. A metric is called during the run. */
export async function differentiate(
  core: ModelCore,
  plan: RunPlan,
  target: CompiledTarget,
): Promise<NativeGradientResult> {
  const { model, request, js } = requestOf(core, plan);
  const asked = {
    points: request.cache,
    splices: Int32Array.from({ length: plan.changes?.splices ?? 0 }, (_, i) => i),
    target: target.native,
  };
  if (target.metric === undefined) {
    return submit(plan, js, (addon, ctx) => addon.modelGradients(model, request, asked, ctx));
  }
  const metric = new MetricCall(plan.caller, target.metric);
  const asking = { ...request, onMetric: metric.visit };
  try {
    const result = await submit(plan, js, (addon, ctx) =>
      addon.modelGradients(model, asking, asked, ctx),
    );
    return { ...result, value: metric.value };
  } catch (error) {
    throw plan.signal?.aborted ? error : (metric.failure ?? error);
  } finally {
    metric.dispose();
  }
}

/** A native request, and the model to run it on. */
interface Request {
  readonly model: ModelHandle;
  readonly request: NativeRunRequest;
  /** The JavaScript hooks that the request calls; `submit` ends them. */
  readonly js: JsHooks | undefined;
}

/** Converts a plan to its native form, with the model's current hooks. */
function requestOf(core: ModelCore, plan: RunPlan, draw?: Draw): Request {
  const { caller, start, range, rows } = plan;
  const model = core.handle(caller);
  const edits = plan.changes?.at(rows, start.ids);
  const entries = [...core.hooks].filter(({ point }) => fires(point, range));
  entries.push(...plan.hooks);
  const js =
    entries.length === 0
      ? undefined
      : new JsHooks(entries, core.cfg.modelName, rowsOfRun(core, start));
  const request: NativeRunRequest = {
    batch: start.batch,
    pos: start.pos,
    ...(start.tokens !== undefined && { tokens: start.tokens }),
    ...(start.resid !== undefined && { resid: handleOf(start.resid, caller) }),
    ...(start.padding !== undefined && { mask: start.padding }),
    startLayer: range.start,
    stopLayer: range.stop,
    output: plan.output,
    ...(plan.columns !== undefined && { columns: plan.columns }),
    cache: Int32Array.from(plan.points, ({ id }) => id),
    ...(edits !== undefined && { edits }),
    features: plan.observed.map(({ coder }) => ({ coder: coderHandle(coder, caller) })),
    hooks: js?.hooks ?? new Int32Array(0),
    ...(js !== undefined && { onHook: js.onHook }),
    ...(rows.step !== undefined && { step: rows.step }),
    ...draw,
  };
  return { model, request, js };
}

/** Runs a native call. If a hook failed, it rejects with the hook's error. */
async function submit<T>(
  { caller, signal }: RunPlan,
  js: JsHooks | undefined,
  run: (addon: Addon, ctx: TaskContext) => Promise<T>,
): Promise<T> {
  try {
    return await task(caller, run, { signal });
  } catch (error) {
    throw signal?.aborted ? error : (js?.error(error) ?? error);
  } finally {
    js?.end();
  }
}
