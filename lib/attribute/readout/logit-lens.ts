import { argument, checkOptions } from "../../errors/check-options.js";
import { GemlensError } from "../../errors/gemlens-error.js";
import { sentence } from "../../errors/sentence.js";
import type { HookedTransformer } from "../../model/hooked-transformer.js";
import { ModelClient } from "../../model/model-client.js";
import { type AnyCache, cached, checkLayers, layoutOf } from "../cache-rows.js";
import {
  checkTarget,
  checkTopK,
  type ScoredRow,
  scoreTokens,
  type TokenTarget,
} from "./token-scores.js";

/** Options for `logitLens`. */
export interface LogitLensOptions {
  /** The number of top tokens. Default 5. */
  readonly topK?: number | undefined;
  /**
   * The layers, negative from the end. Default: every layer whose `hook_resid_post` the cache
   * holds.
   */
  readonly layers?: readonly number[] | undefined;
  /** Counted in each row's real tokens, negative from its end. Default: every real token. */
  readonly positions?: readonly number[] | undefined;
  /** Tokens whose logit and rank are also reported, in `targets`. */
  readonly target?: TokenTarget | undefined;
  /** Stops the work; the promise rejects with `signal.reason`. */
  readonly signal?: AbortSignal | undefined;
}

/** The next-token predictions of the residual stream after one layer, at one position. */
export interface LensEntry extends ScoredRow {
  /** The block that the residual stream leaves. */
  readonly layer: number;
  /** Row of the batch. */
  readonly batch: number;
  /** Counted in the row's real tokens. */
  readonly position: number;
}

/**
 * The logit lens (nostalgebraist 2020) applies the final norm, the unembedding and the final soft
 * cap to each layer's residual stream, as if the model ended there. After the last layer these are
 * the model's own logits. Entries are ordered by layer, then row, then position.
 *
 * @example
 * const names = (name: string) => name.endsWith("hook_resid_post");
 * using run = await model.runWithCache(text, { names, logits: false });
 * const lens = await logitLens(model, run.cache, { positions: [-1] });
 * for (const { layer, top } of lens) console.log(layer, top[0]?.text, top[0]?.logprob);
 *
 * @throws NOT_FOUND if the cache lacks a requested layer, or holds none at all
 * @throws ARGUMENT if a layer, position or token is out of range, or logits are not finite;
 *   DISPOSED; `signal.reason`
 */
export async function logitLens(
  model: HookedTransformer,
  cache: AnyCache,
  options: LogitLensOptions = {},
): Promise<LensEntry[]> {
  const caller = "logitLens";
  const client = new ModelClient(caller, model);
  checkOptions(caller, options, ["topK", "layers", "positions", "target", "signal"]);
  const { positions, signal } = options;
  const topK = checkTopK(client, options.topK ?? 5);
  const targets = checkTarget(client, options.target);
  if (positions !== undefined && !Array.isArray(positions)) {
    throw argument(caller, "a list of positions", "positions", typeof positions);
  }
  const name = (layer: number) => `blocks.${layer}.hook_resid_post`;
  const layers = checkLayers(caller, options.layers, client.cfg).filter(
    (layer) => options.layers !== undefined || cache?.has?.(name(layer)),
  );
  if (layers.length === 0) {
    throw new GemlensError(
      "NOT_FOUND",
      sentence(
        caller,
        '"blocks.L.hook_resid_post" of at least one layer in the cache',
        null,
        "none",
      ),
      { names: cache?.names },
    );
  }
  const entries: LensEntry[] = [];
  for (const layer of layers) {
    const residual = cached(caller, cache, name(layer));
    const layout = layoutOf(residual);
    const cells = layout.cells(caller, positions, undefined);
    const tokenAt = (cell: number) => {
      const batch = Math.floor(cell / layout.pos);
      return { batch, position: layout.position(batch, cell % layout.pos) as number };
    };
    using rows = residual.reshape([layout.batch * layout.pos, client.cfg.dModel]);
    using wanted = rows.index(0, [...cells]);
    const scored = await scoreTokens(client, wanted, {
      finalNorm: true,
      softCap: true,
      topK,
      targets,
      signal,
      name: (i) => {
        const { batch, position } = tokenAt(cells[i] as number);
        return `${name(layer)} in row ${batch}, position ${position}`;
      },
    });
    for (const [i, row] of scored.entries()) {
      entries.push({ layer, ...tokenAt(cells[i] as number), ...row });
    }
  }
  return entries;
}
