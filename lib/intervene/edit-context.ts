import type { ModelConfig } from "../checkpoint/model-config.js";
import { Coder, encoderOf, type FeatureRef, featureSitesOf } from "../coder/coder.js";
import type { Site } from "../coder/site.js";
import { argument } from "../errors/check-options.js";
import { DisposedError } from "../errors/disposed-error.js";
import { GemlensError } from "../errors/gemlens-error.js";
import { sentence } from "../errors/sentence.js";
import { shortly } from "../errors/show-value.js";
import type { HookTable, ResolvedPoint } from "../hooks/hook-table.js";
import { orderOf, widthAt } from "./point-shape.js";

/** The model, and the part of it that runs, against which edits are checked. */
export interface EditContext {
  /** The operation that error messages name. */
  readonly caller: string;
  readonly table: HookTable;
  readonly cfg: ModelConfig & { readonly device: string };
  /** Refuses a point that the run does not reach. */
  readonly checkReached: (use: string, point: ResolvedPoint) => void;
  /** The ids of the model's special tokens. */
  readonly specialTokens: () => ReadonlySet<number>;
}

/** Checks that a coder can be used with the model. */
export function checkCoder({ caller, cfg }: EditContext, use: string, coder: unknown): Coder {
  if (!(coder instanceof Coder)) {
    throw argument(caller, "a coder (SAE or Transcoder)", use, shortly(coder));
  }
  if (coder.isDisposed)
    throw new DisposedError(`${caller}: the coder given for ${use} was disposed`);
  const { device, modelName } = coder.cfg;
  if (device !== cfg.device) {
    throw new GemlensError(
      "DEVICE",
      sentence(caller, `a coder on ${cfg.device}`, use, `one on ${device}`),
      { expected: cfg.device, got: device },
    );
  }
  const [ours, theirs] = [published(cfg.modelName), published(modelName)];
  if (ours !== undefined && theirs !== undefined && ours !== theirs) {
    throw argument(caller, `a coder of ${ours}`, use, `one of ${modelName}`);
  }
  return coder;
}

/** Points of a model that a coder, or some of its features, read and write. */
export interface CoderPoints {
  readonly reads: readonly ResolvedPoint[];
  readonly writes: readonly ResolvedPoint[];
}

/** The points that a coder reads; the run must reach them, and their widths must be the coder's. */
export function readPoints(context: EditContext, use: string, coder: Coder): ResolvedPoint[] {
  return coder.cfg.reads.map((site) => pointOf(context, use, site));
}

/** The points that a coder rebuilds. */
export function writePoints(context: EditContext, use: string, coder: Coder): ResolvedPoint[] {
  return coder.cfg.writes.map((site) => pointOf(context, use, site));
}

/** All points of a coder. The point where features are read must fire before those they rebuild. */
export function coderPoints(context: EditContext, use: string, coder: Coder): CoderPoints {
  const reads = readPoints(context, use, coder);
  const writes = writePoints(context, use, coder);
  for (const [read, { decodes }] of featureSitesOf(coder).entries()) {
    const point = reads[read] as ResolvedPoint;
    const before = decodes
      .map((write) => writes[write] as ResolvedPoint)
      .find((pointOut) => orderOf(pointOut) < orderOf(point));
    if (before === undefined) continue;
    const got = `one that reads ${point.name} and rebuilds ${before.name}`;
    throw argument(context.caller, "a coder that reads before it writes", use, got);
  }
  return { reads, writes };
}

/** The point where a feature is read, and the points where edits of it are added. */
export function featurePoints(
  context: EditContext,
  use: string,
  { coder, feature }: FeatureRef,
): { readonly read: ResolvedPoint; readonly writes: readonly ResolvedPoint[] } {
  const { reads, writes } = coderPoints(context, use, coder);
  const at = encoderOf(coder, feature);
  const edits = featureSitesOf(coder)[at]?.edits ?? [];
  return {
    read: reads[at] as ResolvedPoint,
    writes: edits.map((write) => writes[write] as ResolvedPoint),
  };
}

/** The point where a feature is read. */
export function featureReadPoint(
  context: EditContext,
  use: string,
  { coder, feature }: FeatureRef,
) {
  return pointOf(context, use, coder.cfg.reads[encoderOf(coder, feature)] as Site);
}

function pointOf(
  context: EditContext,
  use: string,
  { hookName: hook, width }: Site,
): ResolvedPoint {
  const { caller, table, cfg } = context;
  const point = table.resolve(hook, caller);
  context.checkReached(use, point);
  const expected = widthAt(point, cfg);
  if (expected === width) return point;
  throw new GemlensError(
    "SHAPE",
    sentence(caller, `a coder of width ${expected ?? "none"} at ${point.name}`, use, width),
    { expected, got: width, hook: point.name },
  );
}

/**
 * Maps a published name to its base, `gemma-2-2b`: coders of a base model also fit the tuned model.
 */
function published(modelName: string | undefined): string | undefined {
  return /^(gemma-[23]-\d+[bm])(?:-(?:pt|it))?$/.exec(modelName ?? "")?.[1];
}
