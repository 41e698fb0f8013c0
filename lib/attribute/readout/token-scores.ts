import { argument } from "../../errors/check-options.js";
import { GemlensError } from "../../errors/gemlens-error.js";
import type { LogitDiffTarget, TokenRef } from "../../model/gradient-target.js";
import type { ModelClient } from "../../model/model-client.js";
import type { NativeReadout } from "../../native/addon.js";
import { task } from "../../native/call.js";
import { handleOf } from "../../tensor/internal.js";
import type { Tensor } from "../../tensor/tensor.js";
import { notFinite } from "../not-finite.js";

/** The score of one token. */
export interface TokenScore {
  /** Its id. */
  readonly token: number;
  /** Its text, or its id as "[47]" if the model has no tokenizer. */
  readonly text: string;
  /** Its logit, with or without the final soft cap, depending on the call. */
  readonly logit: number;
  /** Natural logarithm of the softmax over the vocabulary. */
  readonly logprob: number;
}

/** A requested token, with its rank in the vocabulary. */
export interface RankedToken extends TokenScore {
  /** Its rank; 0 is the highest. */
  readonly rank: number;
}

/** One row of a readout. */
export interface ScoredRow {
  /** The highest tokens, highest first. */
  readonly top: readonly TokenScore[];
  /** The requested tokens, in order. */
  readonly targets: readonly RankedToken[];
}

export interface ScoreOptions extends RankOptions {
  readonly finalNorm: boolean;
  readonly softCap: boolean;
}

export interface RankOptions {
  readonly topK: number;
  readonly targets: readonly number[];
  readonly signal: AbortSignal | undefined;
  /** Names a row of x, for the error if its logits are not finite. */
  readonly name: (row: number) => string;
}

/** Checks the option `topK`. */
export function checkTopK({ caller, cfg: { dVocab } }: ModelClient, topK: number): number {
  if (Number.isInteger(topK) && topK >= 0 && topK <= dVocab) return topK;
  throw argument(caller, `an integer in [0, ${dVocab}]`, "topK", topK);
}

/**
 * Tokens to report: those of a target that is a logit or a logit difference, or any number of
 * tokens. A readout reports each token's logit and rank, so a difference is that of two entries.
 */
export type TokenTarget =
  | {
      /** One token, or several. */
      readonly logit: TokenRef | readonly TokenRef[];
    }
  | Pick<LogitDiffTarget, "logitDiff">;

/** The ids of a target's tokens, in order. */
export function checkTarget(client: ModelClient, target: TokenTarget | undefined): number[] {
  if (target === undefined) return [];
  client.targetKind(target, ["logit", "logitDiff"], "target", { logit: [], logitDiff: [] });
  if ("logitDiff" in target) return client.signedTokens(target).map(({ token }) => token);
  return [target.logit].flat().map((token: TokenRef) => client.token(token));
}

/** The token scores of each row of x [rows, d_model]. */
export async function scoreTokens(
  client: ModelClient,
  x: Tensor,
  options: ScoreOptions,
): Promise<ScoredRow[]> {
  client.checkAlive();
  const { finalNorm, softCap } = options;
  using converted = x.to(client.cfg.dtype);
  return scored(client, x.shape[0] ?? 0, options, (rank) =>
    client.readout(converted, { finalNorm, softCap, ...rank }),
  );
}

/** The token scores of logits [rows, d_vocab]. */
export async function scoreLogits(
  client: ModelClient,
  logits: Tensor,
  options: RankOptions,
): Promise<ScoredRow[]> {
  const { caller } = client;
  return scored(client, logits.shape[0] ?? 0, options, ({ signal, ...rank }) =>
    task(caller, (addon, ctx) => addon.logitsReadout(handleOf(logits, caller), rank, ctx), {
      signal,
    }),
  );
}

type Rank = Pick<RankOptions, "topK" | "signal"> & { readonly targets: Int32Array };

async function scored(
  client: ModelClient,
  rows: number,
  { topK, signal, name, ...options }: RankOptions,
  rankNative: (rank: Rank) => Promise<NativeReadout>,
): Promise<ScoredRow[]> {
  const targets = Int32Array.from(options.targets);
  const result = await rankNative({ topK, signal, targets }).catch((error) => {
    throw GemlensError.is(error, "ARGUMENT") && error.fields["notFinite"] === "logits"
      ? notFinite(client.caller, `logits of ${name(Number(error.fields["row"]))}`, error)
      : error;
  });
  const texts = new Map<number, string>();
  return Array.from({ length: rows }, (_, row) => rowOf(client, result, row, topK, targets, texts));
}

function rowOf(
  client: ModelClient,
  read: Awaited<ReturnType<ModelClient["readout"]>>,
  row: number,
  topK: number,
  targets: Int32Array,
  texts: Map<number, string>,
): ScoredRow {
  const textOf = (token: number) => {
    const text = texts.get(token) ?? client.tokenText(token);
    texts.set(token, text);
    return text;
  };
  const top = Array.from({ length: topK }, (_, i) => {
    const at = row * topK + i;
    const token = read.tokens[at] as number;
    const [logit, logprob] = [read.logits[at] as number, read.logprobs[at] as number];
    return { token, text: textOf(token), logit, logprob };
  });
  const asked = Array.from(targets, (token, i) => {
    const at = row * targets.length + i;
    return {
      token,
      text: textOf(token),
      logit: read.targetLogits[at] as number,
      logprob: read.targetLogprobs[at] as number,
      rank: read.targetRanks[at] as number,
    };
  });
  return { top, targets: asked };
}
