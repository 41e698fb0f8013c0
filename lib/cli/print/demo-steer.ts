import type { SAE } from "../../coder/sae.js";
import { type Hook, hook } from "../../hooks/hook.js";

/**
 * Makes a hook that adds `strength` times a feature's direction W_dec[f] to the residual stream that
 * its SAE reads, at every token but the begin-of-text token.
 */
export function steeringHook(sae: SAE, feature: number, strength: number): Hook {
  return hook(sae.cfg.hookName, (act, { positionOffset }) => {
    const push = sae.direction(feature).mul(strength).to(act.dtype);
    // The prompt comes in one piece, which begins with the begin-of-text token. New tokens come one by one.
    const from = positionOffset === 0 ? 1 : 0;
    act.slice(1, from).add_(push);
  });
}
