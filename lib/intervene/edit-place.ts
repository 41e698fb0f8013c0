import type { ModelConfig } from "../checkpoint/index.js";
import { Coder } from "../coder/coder.js";
import { argument } from "../errors/check-options.js";
import { DisposedError, GemlensError } from "../errors/index.js";
import type { HookTable, ResolvedPoint } from "../hooks/hook-table.js";
import { shortly } from "../tensor/arguments.js";
import { orderOf, widthAt } from "./point-shape.js";

/** What checking edits needs to know of a model and of the part of it that runs. */
export interface EditPlace {
  /** Who asks, for messages. */
  readonly what: string;
  readonly table: HookTable;
  readonly cfg: ModelConfig & { readonly device: string };
  /** Refuses a point that the run does not reach. */
  readonly reach: (use: string, point: ResolvedPoint) => void;
  /** Ids of the tokens that are not text. */
  readonly specialTokens: () => ReadonlySet<number>;
}

/** Checks that a coder can be used with the model. */
export function checkCoder({ what, cfg }: EditPlace, use: string, coder: unknown): Coder {
  if (!(coder instanceof Coder)) {
    throw argument(what, "a coder (SAE or Transcoder)", use, shortly(coder));
  }
  if (coder.isDisposed) throw new DisposedError(`${what}: the coder given for ${use} was disposed`);
  const { device, modelName } = coder.cfg;
  if (device !== cfg.device) {
    throw new GemlensError(
      "DEVICE",
      `${what}: expected a coder on ${cfg.device} for ${use}, got one on ${device}`,
      { expected: cfg.device, got: device },
    );
  }
  const [ours, theirs] = [published(cfg.modelName), published(modelName)];
  if (ours !== undefined && theirs !== undefined && ours !== theirs) {
    throw argument(what, `a coder of ${ours}`, use, `one of ${modelName}`);
  }
  return coder;
}

/** The point that a coder reads; it must be reached and of the coder's width. */
export function inputOf(place: EditPlace, use: string, coder: Coder): ResolvedPoint {
  return pointOf(place, use, coder.cfg.hookName, coder.cfg.dIn);
}

/** The point that a coder rebuilds. */
export function outputOf(place: EditPlace, use: string, coder: Coder): ResolvedPoint {
  return pointOf(place, use, coder.cfg.hookNameOut, coder.cfg.dOut);
}

/** Both points of a coder, which must fire in that order. */
export function pointsOf(
  place: EditPlace,
  use: string,
  coder: Coder,
): { point: ResolvedPoint; pointOut: ResolvedPoint } {
  const point = inputOf(place, use, coder);
  const pointOut = outputOf(place, use, coder);
  if (orderOf(pointOut) < orderOf(point)) {
    const got = `one that reads ${point.name} and rebuilds ${pointOut.name}`;
    throw argument(place.what, "a coder that reads before it writes", use, got);
  }
  return { point, pointOut };
}

function pointOf(place: EditPlace, use: string, hook: string, width: number): ResolvedPoint {
  const { what, table, cfg } = place;
  const point = table.resolve(hook, what);
  place.reach(use, point);
  const expected = widthAt(point, cfg);
  if (expected === width) return point;
  throw new GemlensError(
    "SHAPE",
    `${what}: expected a coder of width ${expected ?? "none"} at ${point.name} for ${use}, got ${width}`,
    { expected, got: width, hook: point.name },
  );
}

/** `gemma-2-2b` of a published Gemma's name: coders of the base model serve the tuned one. */
function published(modelName: string | undefined): string | undefined {
  return /^(gemma-[23]-\d+[bm])(?:-(?:pt|it))?$/.exec(modelName ?? "")?.[1];
}
