import type { Coder } from "../coder/coder.js";
import { excludeRows } from "../coder/exclude-rows.js";
import { adoptFeatures, type FeatureActs } from "../coder/feature-acts.js";
import { excludedCells } from "../coder/special-tokens.js";
import { GemlensError } from "../errors/gemlens-error.js";
import { ActivationCache } from "../hooks/activation-cache.js";
import type { ResolvedPoint } from "../hooks/hook-table.js";
import { rowsAtPoint } from "../hooks/point-rows.js";
import type { NativeFeatures, NativeRunResult, TensorHandle } from "../native/addon.js";
import { adopt, setOrigin } from "../tensor/internal.js";
import { type CellData, RowCells } from "../tensor/row-cells.js";
import type { Tensor } from "../tensor/tensor.js";
import type { ModelCore } from "./model-core.js";
import type { ObservedCoder } from "./observed-coders.js";
import type { RunPlan } from "./run-plan.js";
import type { RunStart } from "./run-start.js";

/** A run's logits or residual stream, with their origin, or its losses. */
export function adoptOutput(core: ModelCore, plan: RunPlan, { output }: NativeRunResult): Tensor {
  const { start, range } = plan;
  const tensor = adopt(needed(plan.caller, output));
  if (plan.output === "residual") {
    const entering = start.layer === 0 ? "hook_embed" : `blocks.${start.layer}.hook_resid_pre`;
    const leaving = `blocks.${range.stop - 1}.hook_resid_post`;
    const name = range.stop > range.start ? leaving : entering;
    setPointOrigin(tensor, { name, axes: [] }, core, start);
  } else if (plan.output === "logits" && plan.columns === undefined) {
    setLogitsOrigin(tensor, core, start);
  }
  return tensor;
}

/** The values at a plan's points, or the gradients there. */
export function adoptCache(
  core: ModelCore,
  { caller, points, start }: RunPlan,
  handles: readonly TensorHandle[],
): ActivationCache {
  return new ActivationCache(
    core.table,
    points.map((point, i) => {
      const tensor = adopt(needed(caller, handles[i]));
      setPointOrigin(tensor, point, core, start);
      return [point.name, tensor] as const;
    }),
  );
}

/** The features of the coders that a plan observes. */
export async function adoptAllObserved(
  core: ModelCore,
  { caller, observed, start }: RunPlan,
  { features }: NativeRunResult,
): Promise<Map<Coder, FeatureActs>> {
  const rows = cellsOfRun(core, start);
  const adopted = new Map<Coder, FeatureActs>();
  for (const [i, one] of observed.entries()) {
    adopted.set(one.coder, await adoptObserved(caller, needed(caller, features[i]), one, rows));
  }
  return adopted;
}

/** Takes ownership of one coder's features, and removes those of excluded tokens. */
export async function adoptObserved(
  caller: string,
  features: NativeFeatures,
  { excluded }: Pick<ObservedCoder, "excluded">,
  rows: CellData,
): Promise<FeatureActs> {
  const cells = excludedCells(caller, excluded, rows);
  return adoptFeatures(await excludeRows(caller, features, cells), { rows, excluded: cells });
}

type RowsOfStart = Pick<RunStart, "batch" | "pos" | "padding" | "ids">;

/** Records the hook, model and rows of a run's tensor. */
export function setPointOrigin(
  tensor: Tensor,
  { name: hook, axes }: Pick<ResolvedPoint, "name" | "axes">,
  core: ModelCore,
  start: RowsOfStart,
): void {
  const rows = rowsAtPoint(rowsOfRun(core, start), axes, tensor);
  setOrigin(tensor, { hook, model: core.cfg.modelName, rows });
}

/** Records the rows of a run's logits of all positions, which have no hook. */
export function setLogitsOrigin(logits: Tensor, core: ModelCore, start: RowsOfStart): void {
  const rows = rowsAtPoint(rowsOfRun(core, start), [], logits);
  setOrigin(logits, { hook: undefined, model: core.cfg.modelName, rows });
}

/** The rows of a run: its padding and its tokens. */
export function rowsOfRun(core: ModelCore, start: RowsOfStart): RowCells {
  return new RowCells([start.batch, start.pos], cellsOfRun(core, start));
}

export function cellsOfRun(core: ModelCore, { padding, ids }: RowsOfStart): CellData {
  return { mask: padding, ...(ids !== undefined && { ids, special: core.specialTokens }) };
}

/** Checks that the native core returned a value. INTERNAL if it did not. */
export function needed<T>(caller: string, value: T | undefined): T {
  if (value !== undefined) return value;
  throw new GemlensError("INTERNAL", `${caller}: the native core returned less than was asked for`);
}
