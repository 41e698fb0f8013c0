import { argument } from "../errors/check-options.js";
import { GemlensError } from "../errors/index.js";
import {
  kindOf,
  type LogitDiffTarget,
  signedTokens,
  type TokenRef,
  tokenOf,
} from "../model/gradient-target.js";
import type { ModelCore } from "../model/model-core.js";
import type { NativeReadout } from "../native/addon.js";
import { task } from "../native/call.js";
import type { Tensor } from "../tensor/index.js";
import { handleOf } from "../tensor/internal.js";
import { notFinite } from "./not-finite.js";

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

export interface ScoreOptions {
  readonly finalNorm: boolean;
  readonly softCap: boolean;
  readonly topK: number;
  readonly targets: readonly number[];
  readonly signal: AbortSignal | undefined;
  /** Names a row of x, for the error if its logits are not finite. */
  readonly name: (row: number) => string;
}

/** Checks how many top tokens are wanted. */
export function checkTopK(what: string, topK: number, core: ModelCore): number {
  const { dVocab } = core.cfg;
  if (Number.isInteger(topK) && topK >= 0 && topK <= dVocab) return topK;
  throw argument(what, `an integer in [0, ${dVocab}]`, "topK", topK);
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
export function checkTarget(
  what: string,
  core: ModelCore,
  target: TokenTarget | undefined,
): number[] {
  if (target === undefined) return [];
  kindOf(what, target, ["logit", "logitDiff"], "target", { logit: [], logitDiff: [] });
  if ("logitDiff" in target) return signedTokens(what, core, target).map(({ token }) => token);
  return [target.logit].flat().map((token: TokenRef) => tokenOf(what, core, token));
}

/** What each row of x [rows, d_model] says about the vocabulary. */
export async function scoreTokens(
  what: string,
  core: ModelCore,
  x: Tensor,
  options: ScoreOptions,
): Promise<ScoredRow[]> {
  const { finalNorm, softCap, topK, signal, name } = options;
  const targets = Int32Array.from(options.targets);
  const model = core.handle(what);
  const rows = x.shape[0] ?? 0;
  using converted = x.to(core.cfg.dtype);
  const read = await task(
    what,
    (addon, ctx) =>
      addon.modelReadout(
        model,
        handleOf(converted, what),
        { finalNorm, softCap, topK, targets },
        ctx,
      ),
    { signal },
  ).catch((error) => {
    throw GemlensError.is(error, "ARGUMENT") && error.fields["notFinite"] === "logits"
      ? notFinite(what, `logits of ${name(Number(error.fields["row"]))}`, error)
      : error;
  });
  const texts = new Map<number, string>();
  return Array.from({ length: rows }, (_, row) => rowOf(core, read, row, topK, targets, texts));
}

function rowOf(
  core: ModelCore,
  read: NativeReadout,
  row: number,
  topK: number,
  targets: Int32Array,
  texts: Map<number, string>,
): ScoredRow {
  const textOf = (token: number) => {
    const text = texts.get(token) ?? tokenText(core, token);
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

/** A token's text; of a model without a tokenizer its id in brackets. */
export function tokenText(core: ModelCore, token: number): string {
  try {
    return core.tokenizer.decode(token);
  } catch (error) {
    if (GemlensError.is(error, "TOKENIZER")) return `[${token}]`;
    throw error;
  }
}
