import { argument } from "../errors/check-options.js";
import type { ResolvedPoint } from "../hooks/hook-table.js";
import type { NativeIntervention, NativeSplice, TensorHandle } from "../native/addon.js";
import { call } from "../native/call.js";
import type { EditPlace } from "./edit-place.js";
import { patchRows } from "./patch-source.js";
import { checkAction, type ResolvedAction, resolveActions } from "./resolve.js";
import { batchOf, cellsOf, isSettled, type RunRows } from "./run-rows.js";
import { nativeSplice, type ResolvedSplice, resolveSplices } from "./splices.js";
import type { RunEditOptions } from "./types.js";

/** What happens natively at the hooks of one run, in the native core's terms. */
export interface NativeEdits {
  readonly coders: readonly NativeSplice[];
  readonly interventions: readonly NativeIntervention[];
}

/** An intervention in native form, and which rows of the batch it touches. */
interface Compiled {
  readonly action: ResolvedAction;
  readonly native: NativeIntervention;
  readonly among: readonly number[];
  /** What all later steps of a generation do; null for nothing. */
  settled?: NativeIntervention | null;
}

/**
 * The coders and interventions of a run or of a generation, checked against the model. What does
 * not depend on the step is made once; `dispose()` frees the native copies of directions.
 */
export class Edits implements Disposable {
  readonly #place: EditPlace;
  readonly #splices: readonly ResolvedSplice[];
  readonly #actions: readonly ResolvedAction[];
  readonly #vectors: TensorHandle[] = [];
  #coders: readonly NativeSplice[] | undefined;
  #compiled: readonly Compiled[] | undefined;

  private constructor(place: EditPlace, options: RunEditOptions) {
    this.#place = place;
    this.#splices = resolveSplices(place, options.coders);
    this.#actions = resolveActions(place, options.interventions);
  }

  /**
   * Checks coders and interventions; undefined for none. A point that the run does not reach, a
   * width, device or model that does not fit, a vector of another size: each is an error here.
   */
  static resolve(place: EditPlace, options: RunEditOptions): Edits | undefined {
    const edits = new Edits(place, options);
    return edits.#splices.length + edits.#actions.length === 0 ? undefined : edits;
  }

  /** The interventions, in their order. */
  get actions(): readonly ResolvedAction[] {
    return this.#actions;
  }

  /** Every point where something happens. */
  get points(): readonly ResolvedPoint[] {
    return [...this.#splices, ...this.#actions].flatMap(({ point, pointOut }) => [point, pointOut]);
  }

  /** Checks positions and rows against those of a run; of a generation, all steps at once. */
  check(rows: RunRows, hasTokens: boolean): void {
    const { what } = this.#place;
    for (const action of this.#actions) checkAction(what, action, rows);
    if (hasTokens) return;
    const uses = [
      ...this.#splices.map(({ excluded }, i) => ({ use: `coders[${i}]`, excluded })),
      ...this.#actions,
    ];
    const excluding = uses.find(({ excluded }) => excluded !== undefined);
    if (excluding === undefined) return;
    const subject = `${excluding.use}.excludeSpecialTokens`;
    throw argument(what, "false (the residual stream's tokens are not known)", subject, true);
  }

  /** What one native run does: `tokens` are its own, those of one step in a generation. */
  at(rows: RunRows, tokens: Int32Array | undefined): NativeEdits {
    const compiled = this.#compile(rows);
    const interventions: NativeIntervention[] = [];
    for (const entry of compiled) {
      const native = entry.settled === undefined ? place(entry, rows, tokens) : entry.settled;
      if (native !== null) interventions.push(native);
    }
    return { coders: this.#splicesFor(tokens), interventions };
  }

  /** Frees the native copies; runs that have been submitted keep them. */
  dispose(): void {
    this.#compiled = undefined;
    for (const vector of this.#vectors.splice(0)) {
      call(this.#place.what, (addon) => addon.dispose(vector));
    }
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #compile(rows: RunRows): readonly Compiled[] {
    const { what } = this.#place;
    this.#compiled ??= this.#actions.map((action) => ({
      action,
      native: action.native((vector) => {
        this.#vectors.push(vector);
        return vector;
      }),
      among: batchOf(what, action.use, action.where.batch, rows.layout),
    }));
    return this.#compiled;
  }

  #splicesFor(tokens: Int32Array | undefined): readonly NativeSplice[] {
    this.#coders ??= this.#splices.map((splice) => nativeSplice(this.#place.what, splice));
    if (tokens === undefined) return this.#coders;
    return this.#coders.map((native, i) => {
      const skipRows = this.#splices[i]?.excluded?.(tokens);
      return skipRows === undefined || skipRows.length === 0 ? native : { ...native, skipRows };
    });
  }
}

/** The native form for one run; null where no row is touched. */
function place(
  entry: Compiled,
  rows: RunRows,
  tokens: Int32Array | undefined,
): NativeIntervention | null {
  const { action, native, among } = entry;
  const { positions } = action.where;
  const placed = withRows(entry, rows, new Set(tokens && action.excluded?.(tokens)));
  // Each row of a patch goes to its own place, and each step has its own tokens.
  const same = action.excluded === undefined && (native.kind !== "patch" || placed === null);
  if (same && isSettled(positions, among, rows)) entry.settled = placed;
  return placed;
}

function withRows(
  { action, native, among }: Compiled,
  rows: RunRows,
  excluded: ReadonlySet<number>,
): NativeIntervention | null {
  if (native.kind === "patch" && action.source !== undefined) {
    const patched = patchRows(action.source, action.where.positions, among, rows, excluded);
    return patched.rows.length === 0 ? null : { ...native, ...patched };
  }
  const cells = cellsOf(action.where, among, rows, excluded);
  if (cells === undefined) return native;
  return cells.length === 0 ? null : ({ ...native, rows: cells } as NativeIntervention);
}
