import { task } from "../native/call.js";
import type { Tensor } from "../tensor/index.js";
import { adopt, handleOf } from "../tensor/internal.js";
import { promptStart } from "./generate-plan.js";
import type { ModelCore } from "./model-core.js";
import { readTokens, type TokenInput, type TokenOptions } from "./model-input.js";
import { remember } from "./recorded.js";
import { checkWidth } from "./residual-input.js";

interface Stoppable {
  readonly signal?: AbortSignal | undefined;
}

/** What enters the first block. */
export async function embed(
  core: ModelCore,
  input: TokenInput,
  options: TokenOptions & Stoppable,
): Promise<Tensor> {
  const model = core.handle("embed");
  const read = readTokens("embed", input, core, options);
  const { ids, shape } = read;
  const out = await task(
    "embed",
    (addon, ctx) => addon.modelEmbed(model, ids, shape[0], shape[1], ctx),
    options,
  );
  const tensor = adopt(out);
  remember(tensor, { name: "hook_embed", axes: [] }, core, promptStart(read));
  return tensor;
}

/** What follows the last block: the final norm, or the logits of what is normed. */
export async function headPart(
  what: "finalNorm" | "unembed",
  core: ModelCore,
  x: Tensor,
  options: Stoppable,
): Promise<Tensor> {
  const model = core.handle(what);
  checkWidth(what, x, core.cfg);
  const out = await task(
    what,
    (addon, ctx) =>
      what === "unembed"
        ? addon.modelUnembed(model, handleOf(x, what), ctx)
        : addon.modelFinalNorm(model, handleOf(x, what), ctx),
    options,
  );
  return adopt(out);
}
