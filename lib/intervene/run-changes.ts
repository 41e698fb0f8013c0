import { argument } from "../errors/check-options.js";
import type { ResolvedPoint } from "../hooks/hook-table.js";
import type { EditsHandle, NativeEdits, NativePlacement, TensorHandle } from "../native/addon.js";
import { call } from "../native/call.js";
import type { EditContext } from "./edit-context.js";
import { patchRows } from "./patch-source.js";
import { checkAction, type ResolvedAction, resolveActions } from "./resolve.js";
import { chosenBatch, chosenCells, isSettled, type RunRows } from "./run-rows.js";
import { nativeSplice, type ResolvedSplice, resolveSplices } from "./splices.js";
import type { RunEditOptions } from "./types.js";

/** An intervention, and the rows of the batch that it changes. */
interface ActionRows {
  readonly action: ResolvedAction;
  readonly among: readonly number[];
  /** The placement that all later steps of a generation share, once it is known. */
  settled?: NativePlacement | null;
}

/**
 * The spliced coders and the interventions of a run or a generation, checked against the model. The
 * native core gets a copy once, then the placements of each step; `dispose()` frees the copy.
 */
export class RunChanges implements Disposable {
  readonly #context: EditContext;
  readonly #splices: readonly ResolvedSplice[];
  readonly #actions: readonly ResolvedAction[];
  #handle: EditsHandle | undefined;
  #actionRows: readonly ActionRows[] | undefined;

  private constructor(context: EditContext, options: RunEditOptions) {
    this.#context = context;
    this.#splices = resolveSplices(context, options.coders);
    this.#actions = resolveActions(context, options.interventions);
  }

  /**
   * Checks coders and interventions; undefined if there are none. Throws if the run does not reach
   * a point, or a width, device, model or vector size does not match.
   */
  static resolve(context: EditContext, options: RunEditOptions): RunChanges | undefined {
    const changes = new RunChanges(context, options);
    return changes.#splices.length + changes.#actions.length === 0 ? undefined : changes;
  }

  /** The interventions in order. */
  get actions(): readonly ResolvedAction[] {
    return this.#actions;
  }

  /** Every point that a coder or an intervention reads or writes. */
  get points(): readonly ResolvedPoint[] {
    return [...this.#splices, ...this.#actions].flatMap(({ reads, writes }) => [
      ...reads,
      ...writes,
    ]);
  }

  /** The number of spliced coders. */
  get splices(): number {
    return this.#splices.length;
  }

  /** Checks positions and rows against those of a run, or of all steps of a generation. */
  check(rows: RunRows, hasTokens: boolean): void {
    const { caller } = this.#context;
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

  /** The changes of one native run; `tokens` are that run's, in a generation those of one step. */
  at(rows: RunRows, tokens: Int32Array | undefined): NativeEdits {
    const { caller } = this.#context;
    this.#actionRows ??= this.#actions.map((action) => ({
      action,
      among: chosenBatch(caller, action.use, action.where.batch, rows.layout),
    }));
    const placements = this.#actionRows.map((entry) =>
      entry.settled === undefined ? placementIn(entry, rows, tokens) : entry.settled,
    );
    const skipRows = this.#splices.map(({ excluded }) => (tokens && excluded?.(tokens)) ?? noRows);
    this.#handle ??= this.#create();
    return {
      handle: this.#handle,
      ...(placements.some((placement) => placement !== null) && { places: placements }),
      ...(skipRows.some(({ length }) => length > 0) && { skipRows }),
    };
  }

  /** Frees the native copy; submitted runs retain it. */
  dispose(): void {
    const handle = this.#handle;
    this.#handle = undefined;
    if (handle !== undefined) call(this.#context.caller, (addon) => addon.dispose(handle));
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #create(): EditsHandle {
    const { caller } = this.#context;
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

/** The rows that an intervention changes in one run; null for all rows. */
function placementIn(
  entry: ActionRows,
  rows: RunRows,
  tokens: Int32Array | undefined,
): NativePlacement | null {
  const { action, among } = entry;
  const placement = chosenRows(entry, rows, new Set(tokens && action.excluded?.(tokens)));
  // A patch maps each row to one row of its source, and each step has other tokens.
  const same =
    action.excluded === undefined && (action.source === undefined || placement?.rows.length === 0);
  if (same && isSettled(action.where.positions, among, rows)) entry.settled = placement;
  return placement;
}

function chosenRows(
  { action, among }: ActionRows,
  rows: RunRows,
  excluded: ReadonlySet<number>,
): NativePlacement | null {
  if (action.source !== undefined) {
    return patchRows(action.source, action.where.positions, among, rows, excluded);
  }
  const cells = chosenCells(action.where, among, rows, excluded);
  return cells === undefined ? null : { rows: cells };
}
