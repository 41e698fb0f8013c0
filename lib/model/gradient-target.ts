import { coderHandle, type FeatureRef } from "../coder/coder.js";
import { checkFeature } from "../coder/feature-acts.js";
import { argument } from "../errors/check-options.js";
import type { ResolvedPoint } from "../hooks/hook-table.js";
import { checkCoder, featureReadPoint } from "../intervene/edit-context.js";
import type { NativeRunRequest, NativeTarget } from "../native/addon.js";
import type { Tensor } from "../tensor/tensor.js";
import type { LayerRange } from "./layer-range.js";
import type { ModelCore } from "./model-core.js";
import type { RunStart } from "./run-start.js";

/** A token: its id, or a text that is exactly one token (" Paris"). */
export type TokenRef = number | string;

/** The position and rows of a target. */
export interface TargetPosition {
  /** Counted in each row's real tokens, negative from its end. Default −1. */
  readonly position?: number | undefined;
  /** The rows of the batch to sum over. Default: all rows. */
  readonly batch?: number | readonly number[] | undefined;
}

/** A token's logit after the soft cap. */
export interface LogitTarget extends TargetPosition {
  /** The token. */
  readonly logit: TokenRef;
}

/** The first token's logit minus the second's. */
export interface LogitDiffTarget extends TargetPosition {
  /** The two tokens, such as `[" Paris", " London"]`. */
  readonly logitDiff: readonly [more: TokenRef, less: TokenRef];
}

/** The mean next-token cross-entropy over the real tokens, in nats. */
export interface LossTarget {
  /** Always true. */
  readonly loss: true;
}

/**
 * A coder's feature before its threshold, x·W_enc[:, i] + b_enc[i]; it equals the activation where
 * the feature is active.
 */
export interface FeatureTarget extends TargetPosition {
  /** The feature, such as `sae.feature(7)`. */
  readonly feature: FeatureRef;
}

/**
 * A function of the logits [batch, pos, d_vocab] that computes one number with tensor operations.
 * It returns a tensor of one element, synchronously.
 */
export type Metric = (logits: Tensor<["batch", "pos", "d_vocab"]>) => Tensor;

/** A custom metric of the logits. */
export interface MetricTarget {
  /** Maps the logits to the metric; called during the run. */
  readonly metric: Metric;
}

/** The number whose gradient is taken. */
export type GradientTarget =
  | LogitTarget
  | LogitDiffTarget
  | LossTarget
  | FeatureTarget
  | MetricTarget;

/** A target in its native form, and the outputs that the run must compute for it. */
export interface CompiledTarget {
  readonly native: NativeTarget;
  readonly output: NativeRunRequest["output"];
  /** The columns whose logits are needed; undefined for all, or if no logits are needed. */
  readonly columns?: Int32Array | undefined;
  /** The point where the feature is read: the run may stop after it. */
  readonly point?: ResolvedPoint;
  readonly metric?: Metric;
}

const targetKinds = ["logit", "logitDiff", "loss", "feature", "metric"] as const;
export type TargetKind = (typeof targetKinds)[number];

/** The kind of a target. ARGUMENT unless it is exactly one of those allowed. */
export function kindOf(
  caller: string,
  target: unknown,
  allowed: readonly TargetKind[] = targetKinds,
  subject = "target",
  extraKeys: Partial<Record<TargetKind, readonly string[]>> = {},
): TargetKind {
  const expected = `one of ${allowed.map((kind) => `{${kind}}`).join(", ")}`;
  if (typeof target !== "object" || target === null) {
    throw argument(caller, expected, subject, target === null ? "null" : typeof target);
  }
  const [kind, ...more] = allowed.filter((key) => key in target);
  if (kind === undefined || more.length > 0) {
    throw argument(caller, expected, subject, `{${Object.keys(target).join(", ")}}`);
  }
  const hasPosition = kind !== "loss" && kind !== "metric";
  const known: string[] = [
    kind,
    ...(extraKeys[kind] ?? (hasPosition ? ["position", "batch"] : [])),
  ];
  const unknown = Object.keys(target).find((key) => !known.includes(key));
  if (unknown !== undefined) {
    throw argument(caller, `one of ${known.join(", ")}`, `a key of ${subject}`, unknown);
  }
  return kind;
}

/** Resolves a token given as id or text to its id, and checks it on the host. */
export function resolveToken(caller: string, core: ModelCore, token: TokenRef): number {
  const { dVocab } = core.cfg;
  const id = typeof token === "string" ? core.tokenizer.toSingleToken(token) : token;
  if (Number.isInteger(id) && id >= 0 && id < dVocab) return id;
  throw argument(caller, `a token's text, or an id in [0, ${dVocab})`, "a token", String(token), {
    dVocab,
  });
}

/** The tokens of a logit or a logit difference, with their signs. */
export function signedTokens(
  caller: string,
  core: ModelCore,
  target: LogitTarget | LogitDiffTarget,
): { readonly token: number; readonly sign: number }[] {
  if ("logit" in target) return [{ token: resolveToken(caller, core, target.logit), sign: 1 }];
  const pair = target.logitDiff as readonly TokenRef[];
  const [more, less] = pair;
  if (!Array.isArray(pair) || pair.length !== 2 || more === undefined || less === undefined) {
    throw argument(caller, "two tokens [more, less]", "logitDiff", JSON.stringify(pair));
  }
  return [
    { token: resolveToken(caller, core, more), sign: 1 },
    { token: resolveToken(caller, core, less), sign: -1 },
  ];
}

/** Checks a target against a run and converts it to its native form. */
export function compileTarget(
  caller: string,
  core: ModelCore,
  target: GradientTarget,
  start: RunStart,
  range: LayerRange,
  positions: readonly number[] | undefined,
): CompiledTarget {
  const kind = kindOf(caller, target);
  if (positions !== undefined && kind !== "metric") {
    throw argument(caller, `none with {${kind}} (they are the metric's)`, "positions", "some");
  }
  if ("loss" in target) return lossTarget(caller, target, start);
  if ("metric" in target) {
    const { metric } = target;
    if (typeof metric !== "function") {
      throw argument(caller, "a function of the logits", "metric", typeof metric);
    }
    const columns = positions === undefined ? undefined : start.rows.columns(caller, positions);
    return { native: { kind: "metric" }, output: "logits", columns, metric };
  }
  const rows = wantedRows(caller, start, target.batch);
  const position = target.position ?? -1;
  const column = (row: number) => start.rows.column(caller, row, position);
  if ("feature" in target) {
    const context = core.editContext(caller, range);
    const { coder, feature } = target.feature ?? {};
    checkCoder(context, "target.feature", coder);
    checkFeature(caller, feature, coder.cfg.dSae);
    const point = featureReadPoint(context, "target.feature", { coder, feature });
    const handle = coderHandle(coder, caller);
    const cells = Int32Array.from(rows, (row) => row * start.pos + column(row));
    return {
      native: { kind: "feature", coder: handle, feature, rows: cells },
      output: "none",
      point,
    };
  }
  const tokens = signedTokens(caller, core, target);
  // Each row needs one column; for a row that is not summed any column will do.
  const columns = Int32Array.from({ length: start.batch }, (_, row) =>
    rows.includes(row) ? column(row) : start.rows.column(caller, row, -1),
  );
  const terms = rows.flatMap((row) => tokens.map((term) => ({ row, ...term })));
  return {
    native: {
      kind: "logits",
      rows: Int32Array.from(terms, ({ row }) => row),
      tokens: Int32Array.from(terms, ({ token }) => token),
      weights: Float32Array.from(terms, ({ sign }) => sign),
    },
    output: "logits",
    columns,
  };
}

function lossTarget(caller: string, target: LossTarget, start: RunStart): CompiledTarget {
  if (target.loss !== true) throw argument(caller, "true", "loss", String(target.loss));
  if (start.tokens === undefined) {
    throw argument(caller, "tokens (a loss needs to know them)", "input", "a residual stream");
  }
  const longest = Math.max(
    ...Array.from({ length: start.batch }, (_, row) => start.rows.length(row)),
  );
  if (longest < 2) {
    throw argument(caller, "at least two tokens in a row", "input", "none to predict");
  }
  return { native: { kind: "loss" }, output: "loss" };
}

function wantedRows(
  caller: string,
  start: RunStart,
  batch: number | readonly number[] | undefined,
): number[] {
  if (batch === undefined) return Array.from({ length: start.batch }, (_, row) => row);
  const rows = [batch].flat();
  if (rows.length === 0) throw argument(caller, "at least one row", "batch", "none");
  return [...new Set(rows.map((row) => start.rows.row(caller, row)))];
}
