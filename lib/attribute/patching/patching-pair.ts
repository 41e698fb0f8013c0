import { argument, checkCount, checkOptions } from "../../errors/check-options.js";
import type { Metric } from "../../model/gradient-target.js";
import type { HookedTransformer } from "../../model/hooked-transformer.js";
import { ModelClient } from "../../model/model-client.js";
import type { TokenInput } from "../../model/model-input.js";
import { type AttributionTarget, TargetValues } from "../attribution/target-values.js";
import { Prompt, type PromptOptions } from "../prompt.js";
import { type PatchingOver, type PatchingPlan, planPatching } from "./patching-plan.js";

/** Options for `activationPatching` and `attributionPatching`. */
export interface PatchingOptions extends PromptOptions {
  /** The prompt that shows the behaviour in question. */
  readonly clean: TokenInput;
  /** A prompt of the same number of tokens that does not show it. */
  readonly corrupt: TokenInput;
  /** The target to measure. Give either `target` or `metric`. */
  readonly target?: AttributionTarget | undefined;
  /** Short for `target: {metric}`. */
  readonly metric?: Metric | undefined;
  /** The activations to replace, one by one. */
  readonly over: PatchingOver;
  /**
   * "denoising" (default) runs the corrupt prompt with clean activations, and shows which are
   * sufficient to restore the target. "noising" runs the clean prompt with corrupt ones, and shows
   * which are necessary.
   */
  readonly direction?: "denoising" | "noising" | undefined;
  /** The number of rows per run. Default 32. */
  readonly batchSize?: number | undefined;
  /** Put a BOS before texts that do not begin with one. Default true. */
  readonly prependBos?: boolean | undefined;
  /** Called with the number of cells done and the total. */
  readonly onProgress?: ((progress: { done: number; total: number }) => void) | undefined;
}

/** Two prompts of the same length: `base` is run with activations of `source`. */
export class PatchingPair implements Disposable {
  readonly client: ModelClient;
  readonly base: Prompt;
  readonly source: Prompt;
  readonly target: TargetValues;
  readonly plan: PatchingPlan;
  readonly direction: "denoising" | "noising";
  readonly batchSize: number;
  readonly tokens: { readonly clean: readonly string[]; readonly corrupt: readonly string[] };

  constructor(caller: string, model: HookedTransformer, options: PatchingOptions) {
    const client = new ModelClient(caller, model);
    client.checkAlive();
    if (options === undefined) {
      throw argument(caller, "options with clean, corrupt, target and over", "options", "none");
    }
    checkOptions(caller, options, [
      "clean",
      "corrupt",
      "target",
      "metric",
      "over",
      "direction",
      "batchSize",
      "prependBos",
      "coders",
      "interventions",
      "signal",
      "onProgress",
    ]);
    const { direction = "denoising", batchSize = 32, metric } = options;
    if (direction !== "denoising" && direction !== "noising") {
      throw argument(caller, '"denoising" or "noising"', "direction", JSON.stringify(direction));
    }
    checkCount(caller, "batchSize", batchSize);
    if ((metric === undefined) === (options.target === undefined)) {
      const got = metric === undefined ? "none" : "both";
      throw argument(caller, "one of target and metric", "options", got);
    }
    const clean = new Prompt(client, options.clean, options);
    const corrupt = new Prompt(client, options.corrupt, options);
    if (clean.length !== corrupt.length) {
      const got = `${clean.length} and ${corrupt.length}`;
      throw argument(caller, "as many tokens in both", "clean and corrupt", got, {
        clean: clean.length,
        corrupt: corrupt.length,
      });
    }
    this.client = client;
    this.direction = direction;
    this.batchSize = batchSize;
    [this.base, this.source] = direction === "denoising" ? [corrupt, clean] : [clean, corrupt];
    const target = options.target ?? { metric: metric as Metric };
    this.target = new TargetValues(client, this.base, target, "target");
    this.plan = planPatching(client, options.over, this.base);
    const texts = ({ ids }: Prompt) => Array.from(ids, (id) => client.tokenText(id));
    this.tokens = { clean: texts(clean), corrupt: texts(corrupt) };
  }

  /** The target of both unpatched prompts. */
  async unpatchedTargets(): Promise<{ readonly clean: number; readonly corrupt: number }> {
    const of = async (prompt: Prompt) => {
      using rows = prompt.rows(undefined, 1);
      const [value = Number.NaN] = await this.target.of(rows);
      return value;
    };
    const [base, source] = [await of(this.base), await of(this.source)];
    return this.direction === "denoising"
      ? { clean: source, corrupt: base }
      : { clean: base, corrupt: source };
  }

  [Symbol.dispose](): void {
    this.base[Symbol.dispose]();
    this.source[Symbol.dispose]();
  }
}
