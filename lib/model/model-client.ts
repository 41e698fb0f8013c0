import type { Coder, FeatureRef } from "../coder/coder.js";
import { checkFeature } from "../coder/feature-acts.js";
import { GemlensError } from "../errors/gemlens-error.js";
import type { ResolvedPoint } from "../hooks/hook-table.js";
import type { HookKey } from "../hooks/names.js";
import { checkCoder, coderPoints, readPoints, writePoints } from "../intervene/edit-context.js";
import type { NativeReadout } from "../native/addon.js";
import { task } from "../native/call.js";
import { handleOf } from "../tensor/internal.js";
import type { Tensor } from "../tensor/tensor.js";
import {
  kindOf,
  type LogitDiffTarget,
  type LogitTarget,
  type Metric,
  resolveToken,
  signedTokens,
  type TargetKind,
  type TokenRef,
} from "./gradient-target.js";
import { coreOf, type HookedTransformer } from "./hooked-transformer.js";
import { callMetric } from "./metric-call.js";
import type { LoadedModelConfig, ModelCore } from "./model-core.js";
import type { Input } from "./model-input.js";
import type { ForwardOptions } from "./run-options.js";
import { planRun, type RunPlan } from "./run-plan.js";

interface Stoppable {
  readonly signal?: AbortSignal | undefined;
}

/** Options for `ModelClient.readout`. */
export interface ReadoutRequest extends Stoppable {
  readonly finalNorm: boolean;
  readonly softCap: boolean;
  readonly topK: number;
  readonly targets: Int32Array;
}

/**
 * The internal interface of a model for the folders to its right: checks, plans and readouts,
 * without the model's handle or the state of a run. Its errors name `caller`, the public function.
 */
export class ModelClient {
  readonly caller: string;
  readonly model: HookedTransformer;
  readonly #core: ModelCore;

  /** @throws ARGUMENT if `model` is not a model */
  constructor(caller: string, model: HookedTransformer) {
    this.#core = coreOf(model, caller);
    this.caller = caller;
    this.model = model;
  }

  get cfg(): LoadedModelConfig {
    return this.#core.cfg;
  }

  /** The ids of the model's special tokens. */
  get specialTokens(): ReadonlySet<number> {
    return this.#core.specialTokens();
  }

  /** @throws DISPOSED if the model was disposed */
  checkAlive(): void {
    this.#core.handle(this.caller);
  }

  /** The hook point that `key` names. NOT_FOUND with the closest names if there is none. */
  point(key: HookKey): ResolvedPoint {
    return this.#core.table.resolve(key, this.caller);
  }

  /** Plans a run under these options, without submitting it. */
  plan(input: Input, options: ForwardOptions): RunPlan {
    return planRun(this.#core, "forward", input, options, this.caller);
  }

  /**
   * Checks that a coder fits the model. ARGUMENT, SHAPE, DEVICE, DISPOSED, NOT_FOUND name `use`.
   */
  checkCoder(use: string, coder: Coder): void {
    const context = this.#core.editContext(this.caller);
    coderPoints(context, use, checkCoder(context, use, coder));
  }

  /** The points that a coder reads; it checks only those. */
  readPoints(use: string, coder: Coder): ResolvedPoint[] {
    const context = this.#core.editContext(this.caller);
    return readPoints(context, use, checkCoder(context, use, coder));
  }

  /** The points that a coder writes; it checks only those. */
  writePoints(use: string, coder: Coder): ResolvedPoint[] {
    const context = this.#core.editContext(this.caller);
    return writePoints(context, use, checkCoder(context, use, coder));
  }

  /** Checks a feature, and its coder's read sites. */
  checkFeature(use: string, ref: FeatureRef): void {
    const { coder, feature } = ref ?? {};
    this.readPoints(use, coder);
    checkFeature(this.caller, feature, coder.cfg.dSae);
  }

  /** The kind of a target. ARGUMENT unless it is exactly one of those allowed. */
  targetKind(
    target: unknown,
    allowed: readonly TargetKind[],
    subject?: string,
    extraKeys?: Partial<Record<TargetKind, readonly string[]>>,
  ): TargetKind {
    return kindOf(this.caller, target, allowed, subject, extraKeys);
  }

  /** The id of a token given as id or text. */
  token(ref: TokenRef): number {
    return resolveToken(this.caller, this.#core, ref);
  }

  /** The tokens of a logit or a logit difference, with their signs. */
  signedTokens(
    target: Pick<LogitTarget, "logit"> | Pick<LogitDiffTarget, "logitDiff">,
  ): { readonly token: number; readonly sign: number }[] {
    return signedTokens(this.caller, this.#core, target);
  }

  /** A token's text, or its id in brackets if the model has no tokenizer. */
  tokenText(token: number): string {
    try {
      return this.#core.tokenizer.decode(token);
    } catch (error) {
      if (GemlensError.is(error, "TOKENIZER")) return `[${token}]`;
      throw error;
    }
  }

  /** Calls a metric. HOOK if it throws, ARGUMENT unless it returns a tensor of one element. */
  valueOf(metric: Metric, logits: Parameters<Metric>[0]): Tensor {
    return callMetric(this.caller, metric, logits);
  }

  /** The token scores of each row of x [rows, d_model], which is in the model's dtype. */
  readout(x: Tensor, { signal, ...options }: ReadoutRequest): Promise<NativeReadout> {
    const { caller } = this;
    const model = this.#core.handle(caller);
    return task(
      caller,
      (addon, ctx) => addon.modelReadout(model, handleOf(x, caller), options, ctx),
      {
        signal,
      },
    );
  }

  /**
   * The losses of several runs over the same tokens, and their KL divergences from the first run,
   * given each run's `unembed.hook_in`. `next` has the next token of each row, −1 for none.
   */
  compare(
    normed: readonly Tensor[],
    next: Int32Array,
    { signal }: Stoppable,
  ): Promise<{ readonly loss: Float32Array; readonly kl: Float32Array }> {
    const { caller } = this;
    const model = this.#core.handle(caller);
    return task(
      caller,
      (addon, ctx) => {
        const handles = normed.map((run) => handleOf(run, caller));
        return addon.modelCompare(model, handles, next, ctx);
      },
      { signal },
    );
  }
}
