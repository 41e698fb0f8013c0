"""Training of the language model: a fixed number of steps, one pass over packed rows."""

import math
import time

import numpy as np
import torch

from model import Gemma2, Shape


def rate(step, steps, peak, warm=100, flat=0.6):
    """Warm-up, constant, then linear to 0."""
    if step < warm:
        return peak * (step + 1) / warm
    done = step / steps
    return peak if done < flat else peak * max(0.0, (1 - done) / (1 - flat))


def train(rows, pad, vocab, *, steps, batch, lr, seed, say, keep, every=400):
    """`keep` is the checkpoint's path: written every `every` steps, resumed from if it exists."""
    torch.manual_seed(seed)
    net = Gemma2(Shape(vocab), rows.shape[1] - 1)
    matrices = [p for n, p in net.named_parameters() if p.dim() > 1]
    others = [p for n, p in net.named_parameters() if p.dim() <= 1]
    opt = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}],
        lr=lr,
        betas=(0.9, 0.98),
        fused=True,
    )
    order = np.random.default_rng(seed).permutation(len(rows))
    loss_of = torch.compile(net.loss)
    start, mean, began = 0, None, time.time()
    if keep.exists():
        state = torch.load(keep, weights_only=True)
        net.load_state_dict(state["net"])
        opt.load_state_dict(state["opt"])
        start = state["step"]
    for step in range(start, steps):
        for group in opt.param_groups:
            group["lr"] = rate(step, steps, lr)
        at = (step * batch) % (len(order) - batch)
        chunk = torch.from_numpy(rows[order[at : at + batch]]).long()
        targets = chunk[:, 1:].masked_fill(chunk[:, 1:] == pad, -100)
        loss = loss_of(chunk[:, :-1].contiguous(), targets.contiguous())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        opt.step()
        opt.zero_grad(set_to_none=True)
        value = loss.item()
        if not math.isfinite(value):
            raise FloatingPointError(f"loss at step {step} is {value}")
        mean = value if mean is None else 0.98 * mean + 0.02 * value
        if step % 50 == 0 or step == steps - 1:
            speed = (step + 1 - start) * batch * (rows.shape[1] - 1) / (time.time() - began)
            say(f"lm step {step}/{steps} loss {mean:.4f} {speed:.0f} tokens/s")
        if (step + 1) % every == 0 and step + 1 < steps:
            part = keep.with_suffix(".part")
            torch.save({"net": net.state_dict(), "opt": opt.state_dict(), "step": step + 1}, part)
            part.replace(keep)
    return net
