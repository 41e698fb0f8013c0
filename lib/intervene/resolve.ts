import {
  type Coder,
  coderHandle,
  encoderOf,
  type FeatureRef,
  featureSitesOf,
} from "../coder/coder.js";
import type { FeatureSites } from "../coder/coder-layout.js";
import { argument, checkOptions } from "../errors/check-options.js";
import { GemlensError } from "../errors/gemlens-error.js";
import { sentence } from "../errors/sentence.js";
import { shortly } from "../errors/show-value.js";
import type { ResolvedPoint } from "../hooks/hook-table.js";
import type { NativeIntervention, TensorHandle } from "../native/addon.js";
import { call } from "../native/call.js";
import { disown, tidy } from "../native/scope.js";
import { handleOf } from "../tensor/internal.js";
import {
  checkFinite,
  checkLength,
  checkRef,
  checkSelection,
  isObject,
  selectionKeys,
} from "./checks.js";
import { checkCoefficient } from "./directions.js";
import {
  type CoderPoints,
  checkCoder,
  type EditContext,
  featurePoints,
  writePoints,
} from "./edit-context.js";
import { type FindExcluded, resolveExcluded } from "./excluded-tokens.js";
import { checkSource, type PatchSource, resolveSource } from "./patch-source.js";
import { widthAt } from "./point-shape.js";
import { checkListed, chosenBatch, type RunRows } from "./run-rows.js";
import type {
  Ablation,
  AnyIntervention,
  Clamping,
  Direction,
  InterventionOptions,
  Patching,
  Projection,
  Scaling,
  Steering,
} from "./types.js";

/** Registers a vector's handle, which is disposed once the native copy is made. */
type Keep = (vector: TensorHandle) => TensorHandle;

/** An intervention, checked against a model. */
export interface ResolvedAction extends CoderPoints {
  /** The name of the intervention in messages. */
  readonly use: string;
  /**
   * Its index in the list. Steering with a feature of several write sites makes several actions.
   */
  readonly index: number;
  readonly where: InterventionOptions;
  readonly excluded: FindExcluded;
  /** Makes its native form, without rows. */
  readonly native: (keep: Keep) => NativeIntervention;
  readonly source?: PatchSource;
}

type Parts = Omit<ResolvedAction, "use" | "index" | "where" | "excluded">;

export function resolveActions(
  context: EditContext,
  interventions: readonly AnyIntervention[] | undefined,
): ResolvedAction[] {
  const { caller } = context;
  if (interventions === undefined) return [];
  if (!Array.isArray(interventions)) {
    throw argument(caller, "an array of interventions", "interventions", shortly(interventions));
  }
  return interventions.flatMap((entry: AnyIntervention, index) => {
    const use = `interventions[${index}]`;
    checkKeys(caller, use, entry);
    const where = checkSelection(`${caller}: ${use}`, isObject(entry) ? entry : {});
    const subject = `${use}.excludeSpecialTokens`;
    const excluded = resolveExcluded(context, where.excludeSpecialTokens, subject);
    return partsOf(context, use, entry).map((parts) => ({ use, index, where, excluded, ...parts }));
  });
}

const ownKeys: Readonly<Record<string, readonly string[]>> = {
  ablate: ["target", "to"],
  clamp: ["target", "value"],
  scale: ["target", "factor"],
  steer: ["target", "coefficient", "cap"],
  project: ["hook", "vector"],
  patch: ["hook", "source", "heads"],
};

/** Refuses an unknown key, such as a misspelt one, which would have no effect. */
function checkKeys(caller: string, use: string, entry: AnyIntervention): void {
  if (Array.isArray(entry)) {
    throw argument(caller, "an intervention", use, "an array of some: spread it with ...");
  }
  const own = isObject(entry) ? ownKeys[entry.type] : undefined;
  if (own !== undefined) {
    checkOptions(`${caller}: ${use}`, entry, ["type", ...selectionKeys, ...own]);
  }
}

/** Checks an intervention's rows and positions against those of a run. */
export function checkAction(caller: string, action: ResolvedAction, rows: RunRows): void {
  const { use, where, source } = action;
  const among = chosenBatch(caller, use, where.batch, rows.layout);
  checkListed(caller, use, where.positions, among, rows);
  if (source !== undefined) checkSource(caller, use, source, where.positions, among, rows);
}

// Interventions may be written by hand or spread from others, so everything is checked again.
function partsOf(context: EditContext, use: string, entry: AnyIntervention): Parts[] {
  switch (isObject(entry) ? entry.type : undefined) {
    case "ablate": {
      const { target, to } = entry as Ablation;
      return [featureEdit(context, use, target, "set", { to })];
    }
    case "clamp": {
      const { target, value } = entry as Clamping;
      return [featureEdit(context, use, target, "set", { value })];
    }
    case "scale": {
      const { target, factor } = entry as Scaling;
      return [featureEdit(context, use, target, "scale", { factor })];
    }
    case "steer":
      return steering(context, use, entry as Steering);
    case "project":
      return [projection(context, use, entry as Projection)];
    case "patch":
      return [patching(context, use, entry as Patching)];
    default: {
      const types = "one with the type ablate, clamp, scale, steer, project or patch";
      const type = isObject(entry) ? (entry as { type?: unknown }).type : entry;
      throw argument(context.caller, types, use, shortly(type));
    }
  }
}

function featureEdit(
  context: EditContext,
  use: string,
  target: FeatureRef,
  op: "set" | "scale",
  amount: Readonly<Record<string, number>>,
): Parts {
  const caller = `${context.caller}: ${use}`;
  const { coder, feature } = checkRef(caller, target);
  const [[name, given] = ["value", undefined]] = Object.entries(amount);
  const value = checkFinite(caller, name, given);
  const ref = { coder: checkCoder(context, use, coder), feature };
  const { read, writes } = featurePoints(context, use, ref);
  const native = () => ({
    kind: "feature" as const,
    coder: coderHandle(coder, context.caller),
    op,
    feature,
    value,
  });
  return { reads: [read], writes, native };
}

function steering(context: EditContext, use: string, entry: Steering): Parts[] {
  const caller = `${context.caller}: ${use}`;
  const { target, coefficient, cap } = entry;
  if (cap !== undefined) checkFinite(caller, "cap", cap);
  checkCoefficient(caller, coefficient, cap);
  const isDirection = isObject(target) && "vector" in target;
  const vectors = isDirection
    ? [directionAt(context, use, target)]
    : decoderRows(context, use, target);
  if (cap !== undefined) {
    if (isDirection) checkLength(caller, target.vector);
    else checkWrites(caller, vectors as DecoderRow[]);
  }
  return vectors.map(({ point, vector }) => ({
    reads: [point],
    writes: [point],
    native: (keep: Keep) => ({
      kind: "steer" as const,
      point: point.id,
      vector: keep(vector()),
      coefficient,
      ...(cap !== undefined && { cap }),
    }),
  }));
}

/** Refuses decoder rows of zeros: a cap needs a projection on the row. */
function checkWrites(caller: string, rows: readonly DecoderRow[]): void {
  for (const { coder, feature, write } of rows) {
    const length = tidy(() => coder.direction(feature, "decoder", write).norm().item());
    if (length !== 0) continue;
    throw argument(caller, "a feature that writes something", "target", `${feature} (zeros)`);
  }
}

function projection(context: EditContext, use: string, entry: Projection): Parts {
  const { point, vector } = directionAt(context, use, entry);
  checkLength(`${context.caller}: ${use}`, entry.vector);
  const native = (keep: Keep) => ({
    kind: "project" as const,
    point: point.id,
    vector: keep(vector()),
  });
  return { reads: [point], writes: [point], native };
}

function patching(context: EditContext, use: string, entry: Patching): Parts {
  const point = context.table.resolve(entry.hook, `${context.caller}: ${use}`);
  context.checkReached(use, point);
  const source = resolveSource(context, use, entry, point);
  const { heads } = entry;
  const native = () => ({
    kind: "patch" as const,
    point: point.id,
    source: handleOf(entry.source, context.caller, `the source of ${use}`),
    ...(heads !== undefined && { heads: Int32Array.from(heads) }),
  });
  return { reads: [point], writes: [point], native, source };
}

interface VectorAt {
  readonly point: ResolvedPoint;
  /** Makes a new handle. */
  readonly vector: () => TensorHandle;
}

function directionAt(context: EditContext, use: string, { hook, vector }: Direction): VectorAt {
  const { caller, table, cfg } = context;
  const point = table.resolve(hook, `${caller}: ${use}`);
  context.checkReached(use, point);
  const width = widthAt(point, cfg);
  if (!(vector instanceof Float32Array)) {
    throw argument(caller, "a Float32Array", `${use}.vector`, shortly(vector));
  }
  if (width === undefined) {
    throw argument(caller, "a point with a vector at each position", use, point.name);
  }
  if (vector.length !== width) {
    throw new GemlensError(
      "SHAPE",
      sentence(caller, `${width} numbers`, `the vector of ${use} (${point.name})`, vector.length),
      { expected: width, got: vector.length, hook: point.name },
    );
  }
  return {
    point,
    vector: () => call(caller, (addon) => addon.tensorFrom(vector, [width], "float32", cfg.device)),
  };
}

/** A feature's decoder row at one of the sites where edits of it are added. */
interface DecoderRow extends VectorAt {
  readonly coder: Coder;
  readonly feature: number;
  readonly write: number;
}

function decoderRows(context: EditContext, use: string, target: FeatureRef): DecoderRow[] {
  const { caller } = context;
  const { coder, feature } = checkRef(`${caller}: ${use}`, target);
  const points = writePoints(context, use, checkCoder(context, use, coder));
  const { edits } = featureSitesOf(coder)[encoderOf(coder, feature)] as FeatureSites;
  return edits.map((write) => ({
    coder,
    feature,
    write,
    point: points[write] as ResolvedPoint,
    vector: () => {
      const row = coder.direction(feature, "decoder", write);
      disown(row);
      return handleOf(row, caller);
    },
  }));
}
