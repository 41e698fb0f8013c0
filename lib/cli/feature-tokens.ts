import { type Readout, readout } from "../attribute/index.js";
import type { FeatureRef } from "../coder/index.js";
import type { HookedTransformer } from "../model/index.js";
import { type Tensor, tidy } from "../tensor/index.js";
import { siteOf } from "./feature-spec.js";

/** The tokens that a feature speaks for and against: what it writes, read by the unembedding. */
export async function featureTokens(
  model: HookedTransformer,
  ref: FeatureRef,
  topK: number,
): Promise<Readout> {
  if (siteOf(ref.coder.cfg) !== "att") return readout(model, ref, { topK });
  using written = tidy(() => throughOutput(model, ref));
  return readout(model, written, { topK });
}

/** What a direction of the heads' values becomes in the residual stream, but for the norm's scale. */
function throughOutput(model: HookedTransformer, { coder, feature }: FeatureRef): Tensor {
  const block = `blocks.${coder.cfg.layer}`;
  const output = model.weight(`${block}.attn.W_O`).to("float32");
  const heads = coder.direction(feature).to("float32").reshape([1, coder.cfg.dOut]);
  const written = heads.matmul(output.reshape([coder.cfg.dOut, model.cfg.dModel]));
  return written.mul(model.weight(`${block}.ln1_post.w`).to("float32")).reshape([-1]);
}
