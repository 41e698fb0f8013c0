import { argument } from "../../errors/check-options.js";
import { GemlensError } from "../../errors/gemlens-error.js";
import type { LogitDiffTarget, TokenRef } from "../../model/gradient-target.js";
import type { ModelClient } from "../../model/model-client.js";
import type { NativeReadout } from "../../native/addon.js";
import { task } from "../../native/call.js";
import { handleOf } from "../../tensor/internal.js";
import type { Tensor } from "../../tensor/tensor.js";
import { notFinite } from "../not-finite.js";

/** What something says about one token. */
export interface TokenScore {
  /** Its id. */
  readonly token: number;
  /** Its text; of a model without a tokenizer its id, as "[47]". */
  readonly text: string;
  /** With or without the final soft cap, as the call says. */
  readonly logit: number;
  /** Natural logarithm of the softmax over the vocabulary. */
  readonly logprob: number;
}

/** A token that was asked for, with its place among all. */
export interface RankedToken extends TokenScore {
  /** 0 is the highest. */
  readonly rank: number;
}

/** One row of a readout. */
export interface ScoredRow {
  /** The highest tokens, the highest first. */
  readonly top: readonly TokenScore[];
  /** The tokens that were asked for, in their order. */
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

/** Checks how many top tokens are wanted. */
export function checkTopK({ caller, cfg: { dVocab } }: ModelClient, topK: number): number {
  if (Number.isInteger(topK) && topK >= 0 && topK <= dVocab) return topK;
  throw argument(caller, `an integer in [0, ${dVocab}]`, "topK", topK);
}

/**
 * Tokens that are reported: those of a target that is a logit or a logit difference, or any number
 * of them. A readout tells each token's logit and rank, so a difference is that of two entries.
 */
export type TokenTarget =
  | {
      /** One token, or several. */
      readonly logit: TokenRef | readonly TokenRef[];
    }
  | Pick<LogitDiffTarget, "logitDiff">;

/** The ids of a target's tokens, in their order. */
export function checkTarget(client: ModelClient, target: TokenTarget | undefined): number[] {
  if (target === undefined) return [];
  client.targetKind(target, ["logit", "logitDiff"], "target", { logit: [], logitDiff: [] });
  if ("logitDiff" in target) return client.signedTokens(target).map(({ token }) => token);
  return [target.logit].flat().map((token: TokenRef) => client.token(token));
}

/** What each row of x [rows, d_model] says about the vocabulary. */
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

/** The same of logits [rows, d_vocab] as they are. */
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
  read: (rank: Rank) => Promise<NativeReadout>,
): Promise<ScoredRow[]> {
  const targets = Int32Array.from(options.targets);
  const result = await read({ topK, signal, targets }).catch((error) => {
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
