import { type Coder, coderHandle } from "../coder/coder.js";
import { argument } from "../errors/check-options.js";
import type { ResolvedPoint } from "../hooks/hook-table.js";
import type { Hook, HookKey } from "../hooks/index.js";
import { JsHooks, type ResolvedHook } from "../hooks/js-hooks.js";
import type { NativeEdits } from "../intervene/edits.js";
import type {
  Addon,
  KvCacheHandle,
  ModelHandle,
  NativeRunRequest,
  NativeRunResult,
  NativeSampling,
  TaskContext,
} from "../native/addon.js";
import { task } from "../native/call.js";
import { handleOf } from "../tensor/internal.js";
import { checkFires, fires, type LayerRange } from "./layer-range.js";
import type { ModelCore } from "./model-core.js";
import { rowsOfRun } from "./recorded.js";
import type { RunStart } from "./run-start.js";

/** One native run, everything checked. */
export interface RunSpec {
  readonly what: string;
  readonly start: RunStart;
  readonly range: LayerRange;
  readonly output: NativeRunRequest["output"];
  readonly columns?: Int32Array | undefined;
  readonly cache?: readonly ResolvedPoint[];
  readonly features?: readonly { readonly coder: Coder; readonly point: ResolvedPoint }[];
  /** Coders put in and interventions, compiled for this run. */
  readonly edits?: NativeEdits | undefined;
  /** The call's hooks; those of `addHook` come before them. */
  readonly hooks: readonly ResolvedHook[];
  readonly signal?: AbortSignal | undefined;
  readonly kv?: KvCacheHandle;
  readonly step?: number;
  readonly sample?: NativeSampling;
}

/** A request that is ready for the native core. */
export interface BuiltRun {
  readonly model: ModelHandle;
  readonly request: NativeRunRequest;
  /** The JavaScript hooks that the request calls; `submit` ends them. */
  readonly js: JsHooks | undefined;
}

/** The native form of a run. */
export function buildRequest(core: ModelCore, spec: RunSpec): BuiltRun {
  const { what, start, range, edits } = spec;
  const model = core.handle(what);
  const persistent = resolveHooks(
    what,
    core,
    [...core.hooks].map(({ hook }) => hook),
  );
  const entries = [...persistent.filter(({ point }) => fires(point, range)), ...spec.hooks];
  const js =
    entries.length === 0
      ? undefined
      : new JsHooks(entries, core.cfg.modelName, rowsOfRun(core, start));
  const request: NativeRunRequest = {
    batch: start.batch,
    pos: start.pos,
    ...(start.tokens !== undefined && { tokens: start.tokens }),
    ...(start.resid !== undefined && { resid: handleOf(start.resid, what) }),
    ...(start.padding !== undefined && { mask: start.padding }),
    startLayer: range.start,
    stopLayer: range.stop,
    output: spec.output,
    ...(spec.columns !== undefined && { columns: spec.columns }),
    cache: Int32Array.from(spec.cache ?? [], ({ id }) => id),
    ...(edits !== undefined && edits.coders.length > 0 && { coders: edits.coders }),
    ...(edits !== undefined &&
      edits.interventions.length > 0 && { interventions: edits.interventions }),
    features: (spec.features ?? []).map(({ coder, point }) => ({
      coder: coderHandle(coder, what),
      point: point.id,
    })),
    hooks: js?.hooks ?? new Int32Array(0),
    ...(js !== undefined && { onHook: js.onHook }),
    ...(spec.kv !== undefined && { kv: spec.kv }),
    ...(spec.step !== undefined && { step: spec.step }),
    ...(spec.sample !== undefined && { sample: spec.sample }),
  };
  return { model, request, js };
}

/**
 * Submits what was built; inputs are retained before this returns. Rejects with the hook's own error
 * where one failed.
 */
export async function submit<T>(
  { what, signal }: Pick<RunSpec, "what" | "signal">,
  js: JsHooks | undefined,
  run: (addon: Addon, ctx: TaskContext) => Promise<T>,
): Promise<T> {
  try {
    return await task(what, run, { signal });
  } catch (error) {
    throw signal?.aborted ? error : (js?.error(error) ?? error);
  } finally {
    js?.end();
  }
}

/** Runs the model; inputs are retained before this returns. */
export async function execute(core: ModelCore, spec: RunSpec): Promise<NativeRunResult> {
  const { model, request, js } = buildRequest(core, spec);
  return submit(spec, js, (addon, ctx) => addon.modelRun(model, request, ctx));
}

/** Finds the points of hooks. NOT_FOUND for an unknown name, ARGUMENT for what is no hook. */
export function resolveHooks(
  what: string,
  core: ModelCore,
  hooks: readonly Hook[] | undefined,
  range?: LayerRange,
): ResolvedHook[] {
  if (hooks === undefined) return [];
  if (!Array.isArray(hooks))
    throw argument(what, "an array of [name, function]", "hooks", typeof hooks);
  return hooks.map((entry: unknown, i) => {
    const [name, fn] = Array.isArray(entry) ? (entry as unknown as Hook) : [];
    if (!(typeof name === "string" || Array.isArray(name)) || typeof fn !== "function") {
      throw argument(
        what,
        "a hook as [name, function] or hook(name, function)",
        `hooks[${i}]`,
        typeof entry,
      );
    }
    const point = core.table.resolve(name as HookKey, what);
    if (range !== undefined) checkFires(what, `hooks[${i}]`, point, range);
    return { point, fn };
  });
}
