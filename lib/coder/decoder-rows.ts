import { task } from "../native/call.js";
import { type Tensor, zeros } from "../tensor/index.js";
import { adopt, handleOf } from "../tensor/internal.js";
import { type Coder, coderHandle } from "./coder.js";
import { adoptFeatures, type FeatureActs, useFeatures } from "./feature-acts.js";

interface Stoppable {
  readonly signal?: AbortSignal | undefined;
}

/** ⟨x[row], W_dec[feature]⟩ at each active feature, as activations; x is [.., dOut]. */
export async function alongDecoder(
  what: string,
  coder: Coder,
  acts: FeatureActs,
  x: Tensor,
  options: Stoppable,
): Promise<FeatureActs> {
  using rows = x.reshape([-1, coder.cfg.dOut]);
  const dots = await useFeatures(acts, what, (handle) =>
    task(
      what,
      (addon, ctx) => addon.coderDots(coderHandle(coder, what), handle, handleOf(rows, what), ctx),
      options,
    ),
  );
  return adoptFeatures(dots);
}

/** Σ f·W_dec, what the features add to the tensor that the coder rebuilds: in the shape and type of x. */
export async function writtenBy(
  what: string,
  coder: Coder,
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
  const sum = await useFeatures(none, what, (before) =>
    useFeatures(acts, what, (after) =>
      task(
        what,
        (addon, ctx) =>
          addon.coderApplyEdit(coderHandle(coder, what), handleOf(base, what), before, after, ctx),
        options,
      ),
    ),
  );
  return adopt(sum);
}
