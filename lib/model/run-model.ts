import type { Coder } from "../coder/coder.js";
import type { FeatureActs } from "../coder/feature-acts.js";
import { argument, checkOptions } from "../errors/check-options.js";
import { ActivationCache } from "../hooks/index.js";
import type { Edits } from "../intervene/edits.js";
import { wholeRun } from "../intervene/run-rows.js";
import type { NativeRunResult } from "../native/addon.js";
import type { Tensor } from "../tensor/index.js";
import { adopt } from "../tensor/internal.js";
import { execute, type RunSpec, resolveHooks } from "./execute.js";
import { type LayerRange, rangeFor, stopLayer } from "./layer-range.js";
import type { ModelCore } from "./model-core.js";
import type { Input } from "./model-input.js";
import { adoptRead, readCoders } from "./read-coders.js";
import { cellsOfRun, namedPoints, needed, remember, rememberRows } from "./recorded.js";
import { Run } from "./run.js";
import { resolveEdits } from "./run-edits.js";
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
  const columns = columnsOf(what, start.rows, options.positions);
  const hooks = resolveHooks(what, core, options.hooks, range);
  const edits = resolveEdits(what, core, options, range, start);
  const output = range.completes ? "logits" : "residual";
  const { signal } = options;
  const result = await run(core, { what, start, range, output, columns, hooks, signal }, edits);
  const out = adopt(needed(what, result.output));
  if (!range.completes) {
    const last = range.stop - 1;
    const hook = last < range.start ? undefined : `blocks.${last}.hook_resid_post`;
    const entering = start.layer === 0 ? "hook_embed" : `blocks.${start.layer}.hook_resid_pre`;
    remember(out, { name: hook ?? entering, axes: [] }, core, start);
  } else if (columns === undefined) {
    rememberRows(out, core, start);
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
  checkOptions(what, options, [
    ...runKeys.filter((key) => key !== "startAtLayer" && key !== "unchecked"),
    "perToken",
  ]);
  const start = readStart(what, core, input, options);
  let predicted = 0;
  for (let row = 0; row < start.batch; row++) predicted += start.rows.length(row) - 1;
  if (predicted === 0) {
    throw argument(what, "at least two tokens in a row", "input", "none to predict");
  }
  const range = rangeOf(what, core, start, undefined);
  const hooks = resolveHooks(what, core, options.hooks, range);
  const edits = resolveEdits(what, core, options, range, start);
  const { signal } = options;
  const result = await run(core, { what, start, range, output: "loss", hooks, signal }, edits);
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
  options: CacheOptions,
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
  const read = readCoders(what, core, coders, range, start.ids !== undefined);
  const hooks = resolveHooks(what, core, options.hooks, range);
  const edits = resolveEdits(what, core, options, range, start);
  if (logits === false) {
    const persistent = resolveHooks(
      what,
      core,
      [...core.hooks].map(({ hook }) => hook),
    );
    const heard = [...hooks, ...persistent].map(({ point }) => point);
    const changed = edits?.points ?? [];
    range = rangeFor([...points, ...read.map(({ point }) => point), ...heard, ...changed], range);
  }
  const wantsLogits = logits !== false && range.completes;
  const spec: RunSpec = {
    what,
    start,
    range,
    output: wantsLogits ? "logits" : "none",
    columns: logits === "last" ? columnsOf(what, start.rows, [-1]) : undefined,
    cache: points,
    features: read,
    hooks,
    signal: options.signal,
  };
  const result = await run(core, spec, edits);
  const cache = new ActivationCache(
    core.table,
    points.map((point, i) => {
      const tensor = adopt(needed(what, result.cache[i]));
      remember(tensor, point, core, start);
      return [point.name, tensor] as const;
    }),
  );
  const rows = cellsOfRun(core, start);
  const features = new Map<Coder, FeatureActs>();
  for (const [i, one] of read.entries()) {
    const handle = needed(what, result.features[i]);
    features.set(one.coder, await adoptRead(what, handle, one, rows));
  }
  if (!wantsLogits) return new Run(cache, features);
  const out = adopt<["batch", "pos", "d_vocab"]>(needed(what, result.output));
  if (spec.columns === undefined) rememberRows(out, core, start);
  return new RunWithLogits(cache, features, out);
}

/** Runs with coders and interventions, and frees what they needed. */
async function run(
  core: ModelCore,
  spec: RunSpec,
  edits: Edits | undefined,
): Promise<NativeRunResult> {
  if (edits === undefined) return execute(core, spec);
  const { start } = spec;
  try {
    return await execute(core, { ...spec, edits: edits.at(wholeRun(start.rows), start.ids) });
  } finally {
    edits.dispose();
  }
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
