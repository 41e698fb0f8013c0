import { checkOptions } from "../errors/check-options.js";
import { lastResidualAlias } from "../hooks/points.js";
import { checkSpace } from "../intervene/vector-space.js";
import { task } from "../native/call.js";
import { adopt, handleOf, originOf, setOrigin } from "../tensor/internal.js";
import type { Tensor } from "../tensor/tensor.js";
import type { ModelCore } from "./model-core.js";
import { type TokenInput, type TokenOptions, tokenizeInput } from "./model-input.js";
import { checkWidth } from "./residual-input.js";
import { setPointOrigin } from "./run-outcome.js";
import { tokenStart } from "./run-start.js";

interface Stoppable {
  /** Stops the call early; the promise rejects with `signal.reason`. */
  readonly signal?: AbortSignal | undefined;
}

/** The embedding, which enters the first block. */
export async function embed(
  core: ModelCore,
  input: TokenInput,
  options: TokenOptions & Stoppable,
): Promise<Tensor> {
  const model = core.handle("embed");
  const tokens = tokenizeInput("embed", input, core, options);
  const { ids, shape } = tokens;
  const out = await task(
    "embed",
    (addon, ctx) => addon.modelEmbed(model, ids, shape[0], shape[1], ctx),
    options,
  );
  const tensor = adopt(out);
  setPointOrigin(tensor, { name: "hook_embed", axes: [] }, core, tokenStart(tokens));
  return tensor;
}

/** Options for `finalNorm` and `unembed`. */
export interface OuterPartOptions extends Stoppable {
  /** Accept a tensor that is known to be a vector of another space. Default false. */
  readonly unchecked?: boolean | undefined;
}

const normed = "unembed.hook_in";
const residual = lastResidualAlias;

/** The points whose vectors each part takes, and the point of its result. */
const parts = {
  finalNorm: { reads: [residual], writes: normed },
  // Vectors without the norm, or without its gain, are valid too: their products with W_U are
  // useful.
  unembed: { reads: [normed, residual, "ln_final.hook_normalized"], writes: undefined },
} as const;

/** Applies the final norm, or the unembedding of a normed x. */
export async function headPart(
  caller: keyof typeof parts,
  core: ModelCore,
  x: Tensor,
  options: OuterPartOptions,
): Promise<Tensor> {
  checkOptions(caller, options, ["signal", "unchecked"]);
  const model = core.handle(caller);
  checkWidth(caller, x, core.cfg);
  const { reads, writes } = parts[caller];
  const [first, ...others] = reads;
  if (options.unchecked !== true) checkSpace(caller, "input", x, first, ...others);
  const rows = originOf(x)?.rows;
  const out = await task(
    caller,
    (addon, ctx) =>
      caller === "unembed"
        ? addon.modelUnembed(model, handleOf(x, caller), ctx)
        : addon.modelFinalNorm(model, handleOf(x, caller), ctx),
    options,
  );
  const result = adopt(out);
  setOrigin(result, { hook: writes, model: core.cfg.modelName, rows });
  return result;
}
