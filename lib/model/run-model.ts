import type { Coder } from "../coder/coder.js";
import { adoptFeatures, type FeatureActs } from "../coder/feature-acts.js";
import { argument, checkOptions } from "../errors/check-options.js";
import { GemlensError } from "../errors/index.js";
import type { ResolvedPoint } from "../hooks/hook-table.js";
import { ActivationCache, type CanonicalHookName } from "../hooks/index.js";
import type { Tensor } from "../tensor/index.js";
import { adopt, setOrigin } from "../tensor/internal.js";
import { execute, resolveHooks } from "./execute.js";
import { checkFires, fires, type LayerRange, rangeFor, stopLayer } from "./layer-range.js";
import type { ModelCore } from "./model-core.js";
import type { Input } from "./model-input.js";
import { Run } from "./run.js";
import {
  type CacheOptions,
  type ForwardOptions,
  type LossOptions,
  runKeys,
} from "./run-options.js";
import { columnsOf, type RunStart, readStart } from "./run-start.js";
import { RunWithLogits } from "./run-with-logits.js";

/** Logits, or with `stopAtLayer` the residual stream. */
export async function forward(
  core: ModelCore,
  input: Input,
  options: ForwardOptions,
): Promise<Tensor> {
  const what = "forward";
  core.handle(what);
  checkOptions(what, options, [...runKeys, "positions", "stopAtLayer"]);
  const start = readStart(what, core, input, options);
  const range = rangeOf(what, core, start, options.stopAtLayer);
  if (!range.completes && options.positions !== undefined) {
    throw argument(what, "none (stopAtLayer gives the whole residual stream)", "positions", "some");
  }
  const result = await execute(core, {
    what,
    start,
    range,
    output: range.completes ? "logits" : "residual",
    columns: columnsOf(what, start.rows, options.positions),
    hooks: resolveHooks(what, core, options.hooks, range),
    signal: options.signal,
  });
  const out = adopt(needed(what, result.output));
  if (!range.completes) {
    const last = range.stop - 1;
    const hook = last < range.start ? undefined : `blocks.${last}.hook_resid_post`;
    const entering = start.layer === 0 ? "hook_embed" : `blocks.${start.layer}.hook_resid_pre`;
    remember(out, hook ?? entering, core, start);
  }
  return out;
}

/** Next-token losses: their mean, or each. */
export async function loss(
  core: ModelCore,
  input: Input,
  options: LossOptions,
): Promise<number | Tensor> {
  const what = "loss";
  core.handle(what);
  checkOptions(what, options, [...runKeys.filter((key) => key !== "startAtLayer"), "perToken"]);
  const start = readStart(what, core, input, options);
  let predicted = 0;
  for (let row = 0; row < start.batch; row++) predicted += start.rows.length(row) - 1;
  if (predicted === 0) {
    throw argument(what, "at least two tokens in a row", "input", "none to predict");
  }
  const range = rangeOf(what, core, start, undefined);
  const result = await execute(core, {
    what,
    start,
    range,
    output: "loss",
    hooks: resolveHooks(what, core, options.hooks, range),
    signal: options.signal,
  });
  const perToken = adopt(needed(what, result.output));
  if (options.perToken === true) return perToken;
  try {
    const values = await perToken.read("float64");
    return values.reduce((sum, value) => sum + value, 0) / predicted;
  } finally {
    perToken.dispose();
  }
}

/** Activations, features and, unless they are not wanted, logits. */
export async function runWithCache(
  core: ModelCore,
  input: Input,
  options: CacheOptions<string>,
): Promise<Run> {
  const what = "runWithCache";
  core.handle(what);
  if (options === undefined) throw argument(what, "options with names", "options", "none");
  checkOptions(what, options, [...runKeys, "names", "features", "logits", "stopAtLayer"]);
  const { logits = "all", features: coders = [] } = options;
  if (logits !== "all" && logits !== "last" && logits !== false) {
    throw argument(what, '"all", "last" or false', "logits", JSON.stringify(logits));
  }
  const start = readStart(what, core, input, options);
  let range = rangeOf(what, core, start, options.stopAtLayer);
  const points = namedPoints(what, core, options.names, range);
  const read = readCoders(what, core, coders, range);
  const hooks = resolveHooks(what, core, options.hooks, range);
  if (logits === false) {
    const persistent = resolveHooks(
      what,
      core,
      [...core.hooks].map(({ hook }) => hook),
    );
    const heard = [...hooks, ...persistent].map(({ point }) => point);
    range = rangeFor([...points, ...read.map(({ point }) => point), ...heard], range);
  }
  const wantsLogits = logits !== false && range.completes;
  const result = await execute(core, {
    what,
    start,
    range,
    output: wantsLogits ? "logits" : "none",
    columns: logits === "last" ? columnsOf(what, start.rows, [-1]) : undefined,
    cache: points,
    features: read,
    hooks,
    signal: options.signal,
  });
  const cache = new ActivationCache(
    core.table,
    points.map(({ name }, i) => {
      const tensor = adopt(needed(what, result.cache[i]));
      remember(tensor, name, core, start);
      return [name, tensor] as const;
    }),
  );
  const features = new Map<Coder, FeatureActs>(
    read.map(({ coder }, i) => [
      coder,
      adoptFeatures(needed(what, result.features[i]), { mask: start.padding }),
    ]),
  );
  if (!wantsLogits) return new Run(cache, features);
  const out = adopt<["batch", "pos", "d_vocab"]>(needed(what, result.output));
  return new RunWithLogits(cache, features, out);
}

function rangeOf(
  what: string,
  core: ModelCore,
  start: RunStart,
  stopAtLayer: number | undefined,
): LayerRange {
  const stop = stopLayer(what, stopAtLayer, core.cfg.nLayers);
  if (stop < start.layer) {
    throw argument(what, `at least startAtLayer (${start.layer})`, "stopAtLayer", stop);
  }
  const embeds = start.tokens !== undefined;
  return { start: start.layer, stop, embeds, completes: stopAtLayer === undefined };
}

function namedPoints(
  what: string,
  core: ModelCore,
  names: CacheOptions<string>["names"] | undefined,
  range: LayerRange,
): ResolvedPoint[] {
  if (typeof names === "function") {
    return core.table.allNames
      .filter((name) => names(name as CanonicalHookName))
      .map((name) => core.table.resolve(name, what))
      .filter((point) => fires(point, range));
  }
  if (!Array.isArray(names)) {
    const expected = "the hook names to keep (an array, [] for none, or a predicate)";
    throw argument(what, expected, "names", names === undefined ? "nothing" : typeof names);
  }
  // Two names of one place are one entry.
  const points = new Map<number, ResolvedPoint>();
  for (const [i, name] of names.entries()) {
    const point = core.table.resolve(name, what);
    checkFires(what, `names[${i}]`, point, range);
    points.set(point.id, point);
  }
  return [...points.values()];
}

function readCoders(what: string, core: ModelCore, coders: readonly Coder[], range: LayerRange) {
  if (!Array.isArray(coders)) throw argument(what, "an array of coders", "features", typeof coders);
  return [...new Set(coders as readonly Coder[])].map((coder, i) => {
    const { hookName, dIn, device } = coder.cfg;
    const point = core.table.resolve(hookName, what);
    checkFires(what, `features[${i}]`, point, range);
    const width = widthOf(point, core);
    if (width !== dIn) {
      throw new GemlensError(
        "SHAPE",
        `${what}: expected a coder of width ${width} for ${point.name}, got one of ${dIn}`,
        { expected: width, got: dIn, hook: point.name },
      );
    }
    if (device !== core.cfg.device) {
      throw new GemlensError(
        "DEVICE",
        `${what}: expected a coder on ${core.cfg.device} for features, got one on ${device}`,
        { expected: core.cfg.device, got: device },
      );
    }
    return { coder, point };
  });
}

/** What a coder at a point reads per token, heads flattened. */
function widthOf(point: ResolvedPoint, { cfg }: ModelCore): number | undefined {
  const last = point.axes.at(-1);
  const widths: Record<string, number> = {
    d_model: cfg.dModel,
    d_mlp: cfg.dMlp,
    d_vocab: cfg.dVocab,
    d_head: cfg.dHead,
    one: 1,
  };
  const width = last === undefined ? undefined : widths[last];
  if (width === undefined || !point.axes.includes("head_index")) return width;
  const shared = /\.(?:hook_k|hook_v|hook_rot_k|k_norm\.hook_out|hook_[kv]_input)$/.test(
    point.name,
  );
  return width * (shared ? cfg.nKeyValueHeads : cfg.nHeads);
}

function remember(tensor: Tensor, hook: string, core: ModelCore, start: RunStart): void {
  setOrigin(tensor, { hook, model: core.cfg.modelName, mask: start.padding });
}

function needed<T>(what: string, value: T | undefined): T {
  if (value !== undefined) return value;
  throw new GemlensError("INTERNAL", `${what}: the native core returned less than was asked for`);
}
