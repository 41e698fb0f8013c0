import { argument } from "../errors/check-options.js";
import type { ResolvedPoint } from "../hooks/hook-table.js";
import type { EditsHandle, NativeEdits, NativePlacement, TensorHandle } from "../native/addon.js";
import { call } from "../native/call.js";
import type { EditPlace } from "./edit-place.js";
import { patchRows } from "./patch-source.js";
import { checkAction, type ResolvedAction, resolveActions } from "./resolve.js";
import { batchOf, cellsOf, isSettled, type RunRows } from "./run-rows.js";
import { nativeSplice, type ResolvedSplice, resolveSplices } from "./splices.js";
import type { RunEditOptions } from "./types.js";

/** Which rows of the batch an intervention touches. */
interface Reach {
  readonly action: ResolvedAction;
  readonly among: readonly number[];
  /** Where all later steps of a generation act. */
  settled?: NativePlacement | null;
}

/**
 * The coders and interventions of a run or of a generation, checked against the model. The native
 * core gets them once, then for each step where they act; `dispose()` frees its copy.
 */
export class Edits implements Disposable {
  readonly #place: EditPlace;
  readonly #splices: readonly ResolvedSplice[];
  readonly #actions: readonly ResolvedAction[];
  #handle: EditsHandle | undefined;
  #reach: readonly Reach[] | undefined;

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
    return [...this.#splices, ...this.#actions].flatMap(({ reads, writes }) => [
      ...reads,
      ...writes,
    ]);
  }

  /** How many coders are put in. */
  get splices(): number {
    return this.#splices.length;
  }

  /** Checks positions and rows against those of a run; of a generation, all steps at once. */
  check(rows: RunRows, hasTokens: boolean): void {
    const { caller } = this.#place;
    for (const action of this.#actions) checkAction(caller, action, rows);
    if (hasTokens) return;
    const uses = [
      ...this.#splices.map(({ excluded }, i) => ({ use: `coders[${i}]`, excluded })),
      ...this.#actions,
    ];
    const excluding = uses.find(({ excluded }) => excluded !== undefined);
    if (excluding === undefined) return;
    const subject = `${excluding.use}.excludeSpecialTokens`;
    throw argument(caller, "false (the residual stream's tokens are not known)", subject, true);
  }

  /** What one native run does: `tokens` are its own, those of one step in a generation. */
  at(rows: RunRows, tokens: Int32Array | undefined): NativeEdits {
    const { caller } = this.#place;
    this.#reach ??= this.#actions.map((action) => ({
      action,
      among: batchOf(caller, action.use, action.where.batch, rows.layout),
    }));
    const places = this.#reach.map((reach) =>
      reach.settled === undefined ? placeIn(reach, rows, tokens) : reach.settled,
    );
    const skipRows = this.#splices.map(({ excluded }) => (tokens && excluded?.(tokens)) ?? noRows);
    this.#handle ??= this.#create();
    return {
      handle: this.#handle,
      ...(places.some((place) => place !== null) && { places }),
      ...(skipRows.some(({ length }) => length > 0) && { skipRows }),
    };
  }

  /** Frees the native copy; runs that have been submitted keep it. */
  dispose(): void {
    const handle = this.#handle;
    this.#handle = undefined;
    if (handle !== undefined) call(this.#place.caller, (addon) => addon.dispose(handle));
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #create(): EditsHandle {
    const { caller } = this.#place;
    const vectors: TensorHandle[] = [];
    const keep = (vector: TensorHandle) => {
      vectors.push(vector);
      return vector;
    };
    try {
      const coders = this.#splices.map((splice) => nativeSplice(caller, splice));
      const interventions = this.#actions.map((action) => action.native(keep));
      return call(caller, (addon) => addon.editsCreate({ coders, interventions }));
    } finally {
      for (const vector of vectors) call(caller, (addon) => addon.dispose(vector));
    }
  }
}

const noRows = new Int32Array(0);

/** Where an intervention acts in one run; null for all rows. */
function placeIn(
  reach: Reach,
  rows: RunRows,
  tokens: Int32Array | undefined,
): NativePlacement | null {
  const { action, among } = reach;
  const place = chosenRows(reach, rows, new Set(tokens && action.excluded?.(tokens)));
  // Each row of a patch goes to its own place, and each step has its own tokens.
  const same =
    action.excluded === undefined && (action.source === undefined || place?.rows.length === 0);
  if (same && isSettled(action.where.positions, among, rows)) reach.settled = place;
  return place;
}

function chosenRows(
  { action, among }: Reach,
  rows: RunRows,
  excluded: ReadonlySet<number>,
): NativePlacement | null {
  if (action.source !== undefined) {
    return patchRows(action.source, action.where.positions, among, rows, excluded);
  }
  const cells = cellsOf(action.where, among, rows, excluded);
  return cells === undefined ? null : { rows: cells };
}
