import type { FeatureRef } from "../../coder/coder.js";
import { argument } from "../../errors/check-options.js";
import { GemlensError } from "../../errors/gemlens-error.js";
import { sentence } from "../../errors/sentence.js";
import type { ResolvedPoint } from "../../hooks/hook-table.js";
import { parseHookName } from "../../hooks/parse-hook-name.js";
import { spaceOf } from "../../hooks/spaces.js";
import { widthAt } from "../../intervene/point-shape.js";
import { checkSpace } from "../../intervene/vector-space.js";
import type { ModelClient } from "../../model/model-client.js";
import { tidy } from "../../native/scope.js";
import { isTensor, originOf } from "../../tensor/internal.js";
import { hooksIn } from "../../tensor/origin.js";
import type { Tensor } from "../../tensor/tensor.js";
import { checkSingle } from "../single-site.js";
import { workType } from "./decompose.js";

/** A direction, and the hook point to which the caller assigns it. */
export interface DirectionSource {
  readonly vector: Tensor | FeatureRef;
  readonly hook: string | undefined;
  readonly unchecked: boolean;
}

/** A direction in the residual stream. */
export interface ResidualDirection {
  /** [1, d_model] float32, or float64 for a float64 model; the caller disposes it. */
  readonly row: Tensor;
  /** Whether the row already includes the final norm's gain. */
  readonly gained: boolean;
}

/**
 * Maps a direction to its write to the residual stream, without the scales of the norms in between.
 *
 * - the residual stream itself, embeddings, sublayer outputs after their post-norm: d
 * - `attn.hook_z`: W_O·d, `attn.hook_result`: the sum over heads, both times the post-norm's gain
 * - `mlp.hook_post`: W_out·d times the post-norm's gain
 * - outputs before the post-norm, and that norm's `hook_normalized`: d times its gain
 *
 * @throws HOOK if the point does not write to the residual stream, or the vector is of another
 *   space
 * @throws SHAPE if the width is wrong
 */
export function residualDirection(client: ModelClient, source: DirectionSource): ResidualDirection {
  if (isTensor(source.vector)) return written(client, source.vector, hookOf(client, source));
  if (typeof source.vector?.coder?.direction !== "function") {
    throw argument(
      client.caller,
      "a Tensor [d_model] or a feature",
      "vector",
      typeof source.vector,
    );
  }
  const { coder, feature } = source.vector;
  const [point] = client.writePoints("vector", coder);
  checkSingle(client.caller, coder, "vector");
  const direction = coder.direction(feature);
  try {
    const hook =
      source.hook === undefined ? point : hookOf(client, { ...source, vector: direction });
    return written(client, direction, hook);
  } finally {
    direction.dispose();
  }
}

/** The given point of a vector, else its known one; undefined for the residual stream. */
function hookOf(
  client: ModelClient,
  { vector, hook, unchecked }: DirectionSource,
): ResolvedPoint | undefined {
  const [known] = unchecked ? [] : hooksIn(originOf(vector as Tensor) ?? { hook: undefined });
  const name = hook ?? known;
  if (name === undefined) return undefined;
  const point = client.point(name);
  if (!unchecked) checkSpace(client.caller, "vector", vector, point.name);
  return point;
}

/** The map from a block's other points to the residual stream: a product, then a gain. */
const writers: Readonly<Record<string, { readonly product?: string; readonly norm: string }>> = {
  "attn.hook_z": { product: "attn.W_O", norm: "ln1_post" },
  "attn.hook_result": { norm: "ln1_post" },
  "attn.hook_out": { norm: "ln1_post" },
  "ln1_post.hook_normalized": { norm: "ln1_post" },
  "mlp.hook_post": { product: "mlp.W_out", norm: "ln2_post" },
  "mlp.hook_out": { norm: "ln2_post" },
  "ln2_post.hook_normalized": { norm: "ln2_post" },
};

function written(
  { caller, model, cfg }: ModelClient,
  vector: Tensor,
  point: ResolvedPoint | undefined,
): ResidualDirection {
  const { dModel } = cfg;
  const dtype = workType(model);
  const hook = point?.name ?? "blocks.0.hook_resid_post";
  const own = spaceOf(hook) === "residual" || finalPoints.has(hook);
  const { layer, point: short } = parseHookName(hook);
  const writer = own ? undefined : writers[short];
  if (!own && writer === undefined) {
    throw new GemlensError(
      "HOOK",
      sentence(
        caller,
        "a direction that is written to the residual stream",
        "vector",
        `one of ${hook}, which is not`,
        `; {unchecked: true} without a hook reads ${dModel} numbers as residual`,
      ),
      { got: hook },
    );
  }
  const width = own || point === undefined ? dModel : widthAt(point, cfg);
  // At attn.hook_result one head's row is also valid. A residual vector must end in d_model: a
  // [heads, d_head] of the same size is not residual.
  const one = short === "attn.hook_result" && vector.size === dModel;
  if ((vector.size !== width && !one) || (own && vector.shape.at(-1) !== dModel)) {
    throw wrongWidth(caller, vector, width, point);
  }
  const row = tidy(() => {
    if (writer === undefined) return vector.reshape([1, dModel]).to(dtype).clone();
    const gain = model.weight(`blocks.${layer}.${writer.norm}.w`).to(dtype);
    const flat = vector.reshape([1, vector.size]).to(dtype);
    if (writer.product === undefined)
      return flat.reshape([-1, dModel]).sum({ dim: 0, keepdim: true }).mul(gain);
    const product = model.weight(`blocks.${layer}.${writer.product}`).to(dtype);
    return flat.matmul(product.reshape([vector.size, dModel])).mul(gain);
  });
  return { row, gained: hook === "unembed.hook_in" };
}

/**
 * Points after the last block: the final norm's scale is omitted, and the second includes its gain.
 */
const finalPoints = new Set(["ln_final.hook_normalized", "unembed.hook_in"]);

function wrongWidth(
  caller: string,
  vector: Tensor,
  width: number | undefined,
  point: ResolvedPoint | undefined,
): GemlensError {
  const remedy =
    point === undefined
      ? ": say with {hook} which hook point it belongs to, or give a feature"
      : "";
  return new GemlensError(
    "SHAPE",
    sentence(
      caller,
      `[${width}]`,
      `vector (${point?.name ?? "the residual stream"})`,
      `[${vector.shape.join(", ")}]`,
      remedy,
    ),
    { expected: width, got: vector.shape },
  );
}
