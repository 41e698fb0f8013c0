import type { Coder } from "../coder/coder.js";
import { adoptFeatures, type FeatureActs } from "../coder/feature-acts.js";
import { argument, checkOptions } from "../errors/check-options.js";
import { GemlensError } from "../errors/index.js";
import type { ResolvedPoint } from "../hooks/hook-table.js";
import {
  ActivationCache,
  type CanonicalHookName,
  type CheckedNames,
  type HookKeys,
} from "../hooks/index.js";
import { wholeRun } from "../intervene/run-rows.js";
import type { CoderSplice } from "../intervene/types.js";
import type { NativeGradientResult, TensorHandle } from "../native/addon.js";
import { call } from "../native/call.js";
import { adopt } from "../tensor/internal.js";
import { buildRequest, type RunSpec, resolveHooks, submit } from "./execute.js";
import { type CompiledTarget, compileTarget, type GradientTarget } from "./gradient-target.js";
import { Gradients } from "./gradients.js";
import { type LayerRange, rangeFor } from "./layer-range.js";
import { MetricCall } from "./metric-call.js";
import type { ModelCore } from "./model-core.js";
import type { Input } from "./model-input.js";
import { adoptRead, type CoderRead, type ReadCoder, readCoders } from "./read-coders.js";
import { cellsOfRun, namedPoints, needed, remember } from "./recorded.js";
import { resolveEdits } from "./run-edits.js";
import { type RunOptions, runKeys } from "./run-options.js";
import { type RunStart, readStart } from "./run-start.js";

/** What `runWithGradients` takes. */
export interface GradientOptions<
  Names extends HookKeys = HookKeys,
  Hooks extends HookKeys = HookKeys,
> extends RunOptions<Hooks> {
  /** The number whose gradient is wanted. */
  readonly target: GradientTarget;
  /** The hooks where it is wanted: names, or a predicate over all of the model's. Default: none. */
  readonly names?: CheckedNames<Names> | ((name: CanonicalHookName) => boolean) | undefined;
  /** Coders that are read inside the run. */
  readonly features?: readonly (Coder | CoderRead)[] | undefined;
  /** The positions whose logits a metric sees; only these are computed. Default: all. */
  readonly positions?: readonly number[] | undefined;
}

const what = "runWithGradients";

/** A run, and the gradient of one number at hooks and at the features of spliced coders. */
export async function runWithGradients(
  core: ModelCore,
  input: Input,
  options: GradientOptions,
): Promise<Gradients> {
  core.handle(what);
  if (options === undefined) throw argument(what, "options with a target", "options", "none");
  checkOptions(what, options, [...runKeys, "target", "names", "features", "positions"]);
  const start = readStart(what, core, input, options);
  const whole = wholeRange(core, start);
  const target = compileTarget(what, core, options.target, start, whole, options.positions);
  const points = differentiable(
    core,
    options.names,
    namedPoints(what, core, options.names ?? [], whole),
  );
  const read = readCoders(what, core, options.features ?? [], whole, start.ids !== undefined);
  const hooks = resolveHooks(what, core, options.hooks, whole);
  using edits = resolveEdits(what, core, options, whole, start);
  const persistent = [...core.hooks].map(({ hook }) => hook);
  const heard = [...hooks, ...resolveHooks(what, core, persistent)].map(({ point }) => point);
  const changed = edits?.points ?? [];
  const used = [...points, ...read.map(({ point }) => point), ...heard, ...changed];
  const spec: RunSpec = {
    what,
    start,
    range: target.point === undefined ? whole : rangeFor([...used, target.point], whole),
    output: target.output,
    columns: target.columns,
    cache: points,
    features: read,
    hooks,
    edits: edits?.at(wholeRun(start.rows), start.ids),
    signal: options.signal,
  };
  const { result, value } = await differentiate(core, spec, points, target);
  return wrap(core, start, points, result, {
    value,
    read,
    spliced: (options.coders ?? []).map(coderOf),
  });
}

/**
 * Where heads share keys, one copy of the input for each query head does not say what a key head
 * reads: there is no gradient at it. Asked for by name it is refused, a predicate goes without.
 */
function differentiable(
  { cfg }: ModelCore,
  names: GradientOptions["names"],
  points: readonly ResolvedPoint[],
): readonly ResolvedPoint[] {
  if (cfg.nHeads === cfg.nKeyValueHeads) return points;
  const undefinedAt = ({ name }: ResolvedPoint) => name.endsWith(".hook_attn_in");
  const wrong = points.find(undefinedAt);
  if (wrong === undefined) return points;
  if (typeof names === "function") return points.filter((point) => !undefinedAt(point));
  throw new GemlensError(
    "UNSUPPORTED",
    `${what}: ${wrong.name} has no gradient with ${cfg.nKeyValueHeads} key heads for ${cfg.nHeads} heads; use hook_q_input, hook_k_input, hook_v_input`,
    { hook: wrong.name },
  );
}

/** Submits the run; a metric is called from inside it. */
async function differentiate(
  core: ModelCore,
  spec: RunSpec,
  points: readonly ResolvedPoint[],
  target: CompiledTarget,
): Promise<{ result: NativeGradientResult; value: number }> {
  const { model, request, js } = buildRequest(core, spec);
  const metric = target.metric === undefined ? undefined : new MetricCall(what, target.metric);
  const asked = {
    points: Int32Array.from(points, ({ id }) => id),
    splices: Int32Array.from(request.coders ?? [], (_, i) => i),
    target: target.native,
  };
  const sent = metric === undefined ? request : { ...request, onMetric: metric.visit };
  try {
    const result = await submit(spec, js, (addon, ctx) =>
      addon.modelGradients(model, sent, asked, ctx),
    );
    return { result, value: metric?.value ?? result.value };
  } catch (error) {
    throw spec.signal?.aborted ? error : (metric?.failure ?? error);
  } finally {
    metric?.dispose();
  }
}

async function wrap(
  core: ModelCore,
  start: RunStart,
  points: readonly ResolvedPoint[],
  result: NativeGradientResult,
  run: { value: number; read: readonly ReadCoder[]; spliced: readonly Coder[] },
): Promise<Gradients> {
  const cacheOf = (handles: readonly TensorHandle[]) =>
    new ActivationCache(
      core.table,
      points.map((point, i) => {
        const tensor = adopt(needed(what, handles[i]));
        remember(tensor, point, core, start);
        return [point.name, tensor] as const;
      }),
    );
  // The logits or losses that the target was made of.
  const { output } = result;
  if (output !== undefined) call(what, (addon) => addon.dispose(output));
  const rows = cellsOfRun(core, start);
  const features = new Map<Coder, FeatureActs>();
  const featureGrads = new Map<Coder, FeatureActs>();
  for (const [i, coder] of run.spliced.entries()) {
    const spliced = needed(what, result.spliced[i]);
    features.set(coder, adoptFeatures(spliced.features, { rows }));
    featureGrads.set(coder, adoptFeatures(spliced.grads, { rows }));
  }
  for (const [i, one] of run.read.entries()) {
    const handle = needed(what, result.features[i]);
    const acts = await adoptRead(what, handle, one, rows);
    // Of a spliced coder both are the splice's own.
    const spliced = features.get(one.coder);
    if (spliced !== undefined && one.excluded === false) acts.dispose();
    else {
      spliced?.dispose();
      features.set(one.coder, acts);
    }
  }
  return new Gradients({
    value: run.value,
    cache: cacheOf(result.cache),
    grads: cacheOf(result.grads),
    features,
    featureGrads,
  });
}

function wholeRange({ cfg }: ModelCore, start: RunStart): LayerRange {
  const embeds = start.tokens !== undefined;
  return { start: start.layer, stop: cfg.nLayers, embeds, completes: true };
}

function coderOf(use: CoderSplice): Coder {
  return "cfg" in use ? use : use.coder;
}
