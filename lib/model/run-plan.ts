import { argument, checkOptions } from "../errors/check-options.js";
import { GemlensError } from "../errors/gemlens-error.js";
import type { Hook } from "../hooks/hook.js";
import type { ResolvedPoint } from "../hooks/hook-table.js";
import type { ResolvedHook } from "../hooks/js-hooks.js";
import type { CanonicalHookName, HookKey } from "../hooks/names.js";
import { RunChanges } from "../intervene/run-changes.js";
import { type RunRows, wholeRun } from "../intervene/run-rows.js";
import type { NativeRunRequest } from "../native/addon.js";
import { type CompiledTarget, compileTarget, type GradientTarget } from "./gradient-target.js";
import { checkFires, fires, type LayerRange, resolveRange, shortestRange } from "./layer-range.js";
import type { ModelCore } from "./model-core.js";
import type { Input } from "./model-input.js";
import { type ObservedCoder, resolveObserved } from "./observed-coders.js";
import { optionKeys, type PlanOptions, type RunVerb } from "./run-options.js";
import { predictedTokens, type RunStart, resolveStart } from "./run-start.js";

/**
 * One run, resolved and checked. It is immutable, and nothing is queued until `execute` submits it.
 * Dispose it after the last submission.
 */
export interface RunPlan extends Disposable {
  /** The operation that error messages name. */
  readonly caller: string;
  readonly start: RunStart;
  /** The positions that are computed: all of them, or those of one step of a generation. */
  readonly rows: RunRows;
  readonly range: LayerRange;
  readonly output: NativeRunRequest["output"];
  /** The columns whose logits are computed; undefined for all. */
  readonly columns: Int32Array | undefined;
  /** The points that are kept, and with a target differentiated at. */
  readonly points: readonly ResolvedPoint[];
  /** The coders whose features are kept. */
  readonly observed: readonly ObservedCoder[];
  /** The hooks of the call; the model's hooks of `addHook` come before them. */
  readonly hooks: readonly ResolvedHook[];
  /** The spliced coders and the interventions. */
  readonly changes: RunChanges | undefined;
  /** The number to differentiate. */
  readonly target: CompiledTarget | undefined;
  readonly signal: AbortSignal | undefined;
}

/** The required part of the options, for verbs that have one. */
const required: Partial<Record<RunVerb, string>> = {
  runWithCache: "names",
  runWithGradients: "a target",
};

/**
 * Checks the input and every option of a verb, and resolves them against the model.
 *
 * @param caller the operation that error messages name: the verb, unless another function plans the
 *   run
 */
export function planRun(
  core: ModelCore,
  verb: RunVerb,
  input: Input,
  options: PlanOptions,
  caller: string = verb,
): RunPlan {
  core.handle(caller);
  const needs = required[verb];
  if (needs !== undefined && options === undefined) {
    throw argument(caller, `options with ${needs}`, "options", "none");
  }
  checkOptions(caller, options, optionKeys[verb]);
  const { logits = "all" } = options;
  if (logits !== "all" && logits !== "last" && logits !== false) {
    throw argument(caller, '"all", "last" or false', "logits", JSON.stringify(logits));
  }
  const start = resolveStart(caller, core, input, options);
  return planFrom(core, verb, { start, rows: wholeRun(start.rows) }, options, caller);
}

/** Plans a run whose start is resolved. */
export function planFrom(
  core: ModelCore,
  verb: RunVerb,
  { start, rows }: Pick<RunPlan, "start" | "rows">,
  options: PlanOptions,
  caller: string = verb,
): RunPlan {
  const range = resolveRange(caller, core.cfg.nLayers, start, options.stopAtLayer);
  const target =
    verb === "runWithGradients"
      ? compileTarget(
          caller,
          core,
          options.target as GradientTarget,
          start,
          range,
          options.positions,
        )
      : undefined;
  const { output, columns } = target ?? outputOf(caller, verb, start, range, options);
  const points = pointsOf(caller, verb, core, options, range);
  const { features, hooks: given } = options;
  const observed =
    features === undefined
      ? []
      : resolveObserved(caller, core, features, range, start.ids !== undefined);
  const hooks = given === undefined ? [] : resolveHooks(caller, core, given, range);
  const changes = RunChanges.resolve(core.editContext(caller, range), options);
  changes?.check(rows, start.ids !== undefined);
  const shortest = (): LayerRange => {
    const hooked = [...hooks, ...core.hooks].map(({ point }) => point);
    const used = [...points, ...observed.flatMap(({ points }) => points), ...hooked];
    const changed = changes?.points ?? [];
    return shortestRange([...used, ...changed, ...(target?.point ? [target.point] : [])], range);
  };
  const ends = target === undefined ? options.logits === false : target.point !== undefined;
  return Object.freeze({
    caller,
    start,
    rows,
    range: ends && verb !== "generate" ? shortest() : range,
    output,
    columns,
    points,
    observed,
    hooks,
    changes,
    target,
    signal: options.signal,
    [Symbol.dispose]: () => changes?.dispose(),
  });
}

/** The points of `names`, which only `runWithCache` requires. */
function pointsOf(
  caller: string,
  verb: RunVerb,
  core: ModelCore,
  { names }: PlanOptions,
  range: LayerRange,
): readonly ResolvedPoint[] {
  if (verb !== "runWithCache" && (names === undefined || names === null)) return [];
  const points = namedPoints(caller, core, names, range);
  return verb === "runWithGradients" ? differentiable(caller, core, names, points) : points;
}

/** The output of a verb without a target. */
function outputOf(
  caller: string,
  verb: RunVerb,
  start: RunStart,
  { completes }: LayerRange,
  { positions, logits = "all" }: PlanOptions,
): Pick<RunPlan, "output" | "columns"> {
  switch (verb) {
    case "loss":
      if (predictedTokens(start) === 0) {
        throw argument(caller, "at least two tokens in a row", "input", "none to predict");
      }
      return { output: "loss", columns: undefined };
    case "runWithCache":
      return {
        output: logits !== false && completes ? "logits" : "none",
        columns: logits === "last" ? start.rows.columns(caller, [-1]) : undefined,
      };
    case "generate":
      // Sampling reads the last column, whether or not it is kept.
      return {
        output: logits === "last" ? "logits" : "none",
        columns: start.rows.columns(caller, [-1]),
      };
    default:
      if (!completes && positions !== undefined) {
        const expected = "none (stopAtLayer gives the whole residual stream)";
        throw argument(caller, expected, "positions", "some");
      }
      return {
        output: completes ? "logits" : "residual",
        columns: positions === undefined ? undefined : start.rows.columns(caller, positions),
      };
  }
}

/** The points of `names`; two names of one point are one entry. */
function namedPoints(
  caller: string,
  core: ModelCore,
  names: PlanOptions["names"],
  range: LayerRange,
): ResolvedPoint[] {
  if (typeof names === "function") {
    return core.table.allNames
      .filter((name) => names(name as CanonicalHookName))
      .map((name) => core.table.resolve(name, caller))
      .filter((point) => fires(point, range));
  }
  if (!Array.isArray(names)) {
    const expected = "the hook names to keep (an array, [] for none, or a predicate)";
    throw argument(caller, expected, "names", names === undefined ? "nothing" : typeof names);
  }
  const points = new Map<number, ResolvedPoint>();
  for (const [i, name] of names.entries()) {
    const point = core.table.resolve(name, caller);
    checkFires(caller, `names[${i}]`, point, range);
    points.set(point.id, point);
  }
  return [...points.values()];
}

/**
 * The points that have a gradient. If heads share keys, `hook_attn_in` has none: it holds one copy
 * of the input for each query head, which does not determine a key head's input. A listed name is
 * refused; a predicate skips it.
 */
function differentiable(
  caller: string,
  { cfg }: ModelCore,
  names: PlanOptions["names"],
  points: readonly ResolvedPoint[],
): readonly ResolvedPoint[] {
  if (cfg.nHeads === cfg.nKeyValueHeads) return points;
  const undefinedAt = ({ name }: ResolvedPoint) => name.endsWith(".hook_attn_in");
  const wrong = points.find(undefinedAt);
  if (wrong === undefined) return points;
  if (typeof names === "function") return points.filter((point) => !undefinedAt(point));
  throw new GemlensError(
    "UNSUPPORTED",
    `${caller}: ${wrong.name} has no gradient with ${cfg.nKeyValueHeads} key heads for ${cfg.nHeads} heads; use hook_q_input, hook_k_input, hook_v_input`,
    { hook: wrong.name },
  );
}

/** Resolves the points of hooks. NOT_FOUND if a name is unknown, ARGUMENT if a hook is invalid. */
function resolveHooks(
  caller: string,
  core: ModelCore,
  hooks: readonly Hook[],
  range: LayerRange,
): ResolvedHook[] {
  if (!Array.isArray(hooks))
    throw argument(caller, "an array of [name, function]", "hooks", typeof hooks);
  return hooks.map((entry: unknown, i) => {
    const [name, fn] = Array.isArray(entry) ? (entry as unknown as Hook) : [];
    if (!(typeof name === "string" || Array.isArray(name)) || typeof fn !== "function") {
      throw argument(
        caller,
        "a hook as [name, function] or hook(name, function)",
        `hooks[${i}]`,
        typeof entry,
      );
    }
    const point = core.table.resolve(name as HookKey, caller);
    checkFires(caller, `hooks[${i}]`, point, range);
    return { point, fn };
  });
}
