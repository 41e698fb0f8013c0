import { GemlensError } from "../errors/index.js";
import type { Tensor } from "../tensor/index.js";
import { originOf } from "../tensor/internal.js";
import type { CoderConfig } from "./coder-config.js";

/** Checks that `x` is [.., width], or for an attention hook [.., heads, d_head] of that many. */
export function checkWidth(
  what: string,
  x: Tensor,
  subject: string,
  width: number,
  hookName: string,
): void {
  const shape = x.shape;
  const last = shape.at(-1);
  if (last === width) return;
  const before = shape.at(-2);
  if (isHeads(hookName) && last !== undefined && before !== undefined && before * last === width) {
    return;
  }
  throw new GemlensError(
    "SHAPE",
    `${what}: expected [.., ${width}] for ${subject}, got [${shape.join(", ")}]`,
    { expected: width, got: shape, hook: hookName },
  );
}

function isHeads(hookName: string): boolean {
  return hookName.endsWith(".attn.hook_z");
}

/**
 * Refuses a tensor that is known to come from another hook than the coder reads: its features
 * would be numbers without meaning.
 */
export function checkOrigin(what: string, x: Tensor, hook: string, cfg: CoderConfig): void {
  const origin = originOf(x);
  if (origin === undefined || sameTensor(origin.hook, hook)) return;
  throw new GemlensError(
    "HOOK",
    `${what}: expected a tensor of ${hook} for input, got one of ${origin.hook}: ${why(origin.hook, hook)} ({unchecked: true} takes it all the same)`,
    {
      expected: hook,
      got: origin.hook,
      why: why(origin.hook, hook),
      model: origin.model,
      coder: cfg.path,
    },
  );
}

function why(got: string, expected: string): string {
  const bare = (name: string) => name.replace(/^blocks\.\d+\./, "");
  const names = new Set([bare(got), bare(expected)]);
  if (names.has("ln2.hook_normalized") && names.has("mlp.hook_in")) {
    return "they differ by the norm's gain";
  }
  return "the coder was trained on the former";
}

/** A block's input is the output of the block before it. */
function sameTensor(a: string, b: string): boolean {
  return asOutput(a) === asOutput(b);
}

function asOutput(name: string): string {
  const layer = /^blocks\.(\d+)\.hook_resid_pre$/.exec(name)?.[1];
  if (layer === undefined) return name;
  return layer === "0" ? "hook_embed" : `blocks.${Number(layer) - 1}.hook_resid_post`;
}
