import { coderParameter, encoderOf, featureSitesOf } from "../../coder/coder.js";
import type { FeatureSites } from "../../coder/coder-layout.js";
import type { Site } from "../../coder/site.js";
import { argument } from "../../errors/check-options.js";
import type { AnyIntervention } from "../../intervene/types.js";
import type {
  FeatureTarget,
  GradientTarget,
  LogitDiffTarget,
  LogitTarget,
  Metric,
  MetricTarget,
} from "../../model/gradient-target.js";
import type { ModelClient } from "../../model/model-client.js";
import { tidy } from "../../native/scope.js";
import { stack } from "../../tensor/factories.js";
import type { Tensor } from "../../tensor/tensor.js";
import { notFinite } from "../not-finite.js";
import type { Prompt, PromptRows } from "../prompt.js";

/** The target of an effect, for one prompt: there is no `batch`. */
export type AttributionTarget =
  | Omit<LogitTarget, "batch">
  | Omit<LogitDiffTarget, "batch">
  | Omit<FeatureTarget, "batch">
  | (MetricTarget & {
      /** The positions whose logits the metric gets. Default: all. */
      readonly positions?: readonly number[] | undefined;
    });

const kinds = ["logit", "logitDiff", "feature", "metric"] as const;

/**
 * A checked target of one prompt, which computes its value in changed rows and describes its
 * gradient.
 */
export class TargetValues {
  readonly #client: ModelClient;
  readonly #target: AttributionTarget;
  readonly #terms: readonly { readonly token: number; readonly sign: number }[];
  /** The columns whose logits are needed; undefined for all. */
  readonly #positions: readonly number[] | undefined;

  constructor(client: ModelClient, prompt: Prompt, target: AttributionTarget, name: string) {
    const { caller } = client;
    client.targetKind(target, kinds, name, { metric: ["positions"] });
    if ("batch" in target) throw argument(caller, "no batch (there is one prompt)", name, "one");
    if ("metric" in target) {
      if (typeof target.metric !== "function") {
        throw argument(caller, "a function of the logits", `${name}.metric`, typeof target.metric);
      }
      this.#positions = target.positions?.map((position) => prompt.position(caller, position));
    } else this.#positions = [prompt.position(caller, target.position ?? -1)];
    if ("feature" in target) client.checkFeature(`${name}.feature`, target.feature);
    const isLogit = "logit" in target || "logitDiff" in target;
    this.#terms = isLogit ? client.signedTokens(target) : [];
    this.#client = client;
    this.#target = target;
  }

  /**
   * The target's value in each row.
   *
   * @throws ARGUMENT if a value is not finite, as it can't be compared
   */
  async of(
    rows: PromptRows,
    interventions: readonly AnyIntervention[] = [],
  ): Promise<Float64Array> {
    const values = await this.#values(rows, interventions);
    if (!values.every(Number.isFinite)) throw notFinite(this.#client.caller, "target");
    return values;
  }

  async #values(
    rows: PromptRows,
    interventions: readonly AnyIntervention[],
  ): Promise<Float64Array> {
    const options = { ...given(rows), interventions: [...rows.interventions, ...interventions] };
    const target = this.#target;
    if ("feature" in target) return this.#featureValues(target, rows, options);
    const positions = this.#positions;
    using logits = await this.#client.model.forward(rows.input, {
      ...options,
      ...(positions !== undefined && { positions }),
    });
    if ("metric" in target) {
      const values = perRow(this.#client, logits, target.metric);
      return tidy(() => values(logits).readSync("float64"));
    }
    const terms = this.#terms;
    using chosen = logits.index(
      2,
      terms.map(({ token }) => token),
    );
    const read = await chosen.read("float64");
    return Float64Array.from({ length: read.length / terms.length }, (_, row) =>
      terms.reduce((sum, { sign }, i) => sum + sign * (read[row * terms.length + i] as number), 0),
    );
  }

  /** The target as options of `runWithGradients`: the sum over all rows. */
  get summed(): { readonly target: GradientTarget; readonly positions?: readonly number[] } {
    const target = this.#target;
    if (!("metric" in target)) return { target };
    const { metric } = target;
    const summed: Metric = (logits) => perRow(this.#client, logits, metric)(logits).sum();
    return {
      target: { metric: summed },
      ...(this.#positions !== undefined && { positions: this.#positions }),
    };
  }

  async #featureValues(
    { feature: { coder, feature } }: Omit<FeatureTarget, "batch">,
    rows: PromptRows,
    options: object,
  ): Promise<Float64Array> {
    const read = encoderOf(coder, feature);
    const { hookName, width } = coder.cfg.reads[read] as Site;
    const { first } = featureSitesOf(coder)[read] as FeatureSites;
    using run = await this.#client.model.runWithCache(rows.input, {
      ...options,
      names: [hookName],
      logits: false,
    });
    return tidy(() => {
      const act: Tensor = run.cache.get(hookName);
      const [batch = 0, pos = 0] = act.shape;
      const type = act.dtype === "float64" ? "float64" : "float32";
      const at = act.reshape([batch, pos, width]).select(1, this.#positions?.[0] ?? pos - 1);
      const direction = coder.direction(feature, "encoder").to(type);
      const bias = coderParameter(coder, "b_enc", read, 0)
        .select(0, feature - first)
        .to(type);
      const input = coder.cfg.applyBDecToInput
        ? at.to(type).sub(coderParameter(coder, "b_dec", 0, read).to(type))
        : at.to(type);
      return input.matmul(direction).add(bias).readSync("float64");
    });
  }
}

function given({ startAtLayer, coders, signal }: PromptRows) {
  return { ...(startAtLayer !== undefined && { startAtLayer }), coders, signal };
}

/** Applies a metric to each row separately, [rows]: users write metrics for one prompt. */
function perRow(client: ModelClient, { shape }: Tensor, metric: Metric) {
  return (logits: Parameters<Metric>[0]): Tensor =>
    stack(
      Array.from({ length: shape[0] ?? 0 }, (_, row) => {
        const one = logits.slice(0, row, row + 1) as typeof logits;
        return client.valueOf(metric, one).reshape([]);
      }),
    );
}
