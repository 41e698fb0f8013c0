"""Fine-tunes coders that replace an MLP, spliced into the model. The loss is the FVU plus the KL
divergence of the spliced prediction from the plain one; thresholds keep the mean number of active
features at its target."""

import numpy as np
import torch
import torch.nn.functional as F

KL_WEIGHT = 4.0


def tune(net, rows, pad, spec, arrays, *, steps, batch, lr, seed, say):
    """New arrays of one coder."""
    p = {k: torch.from_numpy(v).clone() for k, v in arrays.items()}
    trained = [p[k].requires_grad_(True) for k in ("W_enc", "W_dec", "b_enc", "b_dec")]
    opt = torch.optim.Adam(trained, lr=lr, betas=(0.9, 0.99), fused=True)
    dice = np.random.default_rng([seed, spec.layer])
    for step in range(steps):
        opt.param_groups[0]["lr"] = lr * min(1.0, (step + 1) / 20) * (1 - step / steps)
        chosen = np.sort(dice.choice(len(rows), batch, replace=False))
        ids = torch.from_numpy(rows[chosen, :-1]).long()
        keep = (ids != net.s.bos) & (ids != pad)
        with torch.no_grad():
            sites = []
            plain = F.log_softmax(net.head(net.hidden(ids, sites))[keep], dim=-1)
            here = sites[spec.layer]
            x, y = here[spec.source], here[spec.goal]
            mid = here["res"] - here["mlp"]
            spread = (y[keep] - y[keep].mean(0)).pow(2).sum(1).mean()
        pre = x @ p["W_enc"] + p["b_enc"]
        on = pre.detach() > p["threshold"]
        rebuilt = (pre * on) @ p["W_dec"] + p["b_dec"]
        logits = net.after(mid + torch.where(keep[..., None], rebuilt, y), spec.layer, ids)
        kl = F.kl_div(
            F.log_softmax(logits[keep], dim=-1), plain, log_target=True, reduction="batchmean"
        )
        fvu = (rebuilt - y)[keep].pow(2).sum(1).mean() / spread
        opt.zero_grad(set_to_none=True)
        (fvu + KL_WEIGHT * kl).backward()
        opt.step()
        l0 = float(on[keep].sum(-1).float().mean())
        p["threshold"] *= np.exp(0.05 * (1 - step / steps) * np.clip(l0 / spec.target - 1, -1, 1))
        if step in (0, steps // 2, steps - 1):
            say(f"tune {spec.site} {spec.layer} step {step}: fvu {fvu:.4f} kl {kl:.4f} l0 {l0:.2f}")
    with torch.no_grad():
        size = p["W_dec"].norm(dim=1)
        out = {
            "W_enc": p["W_enc"] * size,
            "W_dec": p["W_dec"] / size[:, None],
            "b_enc": p["b_enc"] * size,
            "b_dec": p["b_dec"],
            "threshold": p["threshold"] * size,
        }
    return {k: np.ascontiguousarray(v.detach().numpy()) for k, v in out.items()}
