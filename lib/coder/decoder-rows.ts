import type { TensorHandle } from "../native/addon.js";
import { task } from "../native/call.js";
import { zeros } from "../tensor/factories.js";
import { adopt, handleOf } from "../tensor/internal.js";
import type { Tensor } from "../tensor/tensor.js";
import { type Coder, coderHandle } from "./coder.js";
import { adoptFeatures, type FeatureActs, useFeatures } from "./feature-acts.js";
import type { SingleSiteCoder } from "./single-site-coder.js";

interface Stoppable {
  readonly signal?: AbortSignal | undefined;
}

/**
 * ⟨x[row], W_dec[feature]⟩ at each active feature, as activations, summed over the sites where
 * edits of the feature are added. `xs` has one tensor [.., width] for each write site.
 */
export async function alongDecoder(
  caller: string,
  coder: Coder,
  acts: FeatureActs,
  xs: readonly Tensor[],
  options: Stoppable,
): Promise<FeatureActs> {
  const rows = xs.map((x, write) => x.reshape([-1, coder.cfg.writes[write]?.width ?? 0]));
  try {
    const dots = await useFeatures(acts, caller, (handle) => {
      const handles = rows.map((x) => handleOf(x, caller));
      return task(
        caller,
        (addon, ctx) => addon.coderDots(coderHandle(coder, caller), handle, handles, ctx),
        options,
      );
    });
    return adoptFeatures(dots);
  } finally {
    for (const x of rows) x.dispose();
  }
}

/** Σ f·W_dec, the features' part of the reconstruction, in the shape and type of x. */
export async function writtenBy(
  caller: string,
  coder: SingleSiteCoder,
  acts: FeatureActs,
  x: Tensor,
  options: Stoppable,
): Promise<Tensor> {
  using base = zeros(x.shape, { dtype: x.dtype, device: x.device });
  using input = zeros([...acts.shape.slice(0, -1), coder.cfg.dIn], {
    dtype: x.dtype,
    device: x.device,
  });
  using none = await coder.encode(input, { features: [], unchecked: true, ...options });
  const sum = await useFeatures(none, caller, (before) =>
    useFeatures(acts, caller, (after) =>
      task(
        caller,
        (addon, ctx) =>
          addon.coderApplyEdit(
            coderHandle(coder, caller),
            [handleOf(base, caller)],
            before,
            after,
            ctx,
          ),
        options,
      ),
    ),
  );
  return adopt(sum[0] as TensorHandle);
}
