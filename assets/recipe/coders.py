"""JumpReLU coders, trained together on one stream of activations of the saved model.

A coder trains on centred inputs and outputs, each divided by one number, so that its error is
the FVU; `folded` puts both into the weights. Gradients are explicit, five products per coder.
The mean number of active features is held at a target by a controller on all thresholds, and
each feature's own threshold follows the rectangle-kernel gradient, as far as that does not
change the mean."""

import time
from dataclasses import dataclass

import numpy as np
import torch

from lm import rate

SITES = ("res", "mlp", "att", "transcoders")
KERNEL = 0.2  # width of the rectangle, in units of the scaled input


@dataclass(frozen=True)
class Spec:
    site: str  # "res", "mlp", "att": reconstructs it; "transcoders": "in" to "mlp"
    layer: int
    width: int
    target: float  # mean active features per token

    @property
    def source(self):
        return "in" if self.site == "transcoders" else self.site

    @property
    def goal(self):
        return "mlp" if self.site == "transcoders" else self.site


def gradients(x, y, w_enc, w_dec, b_enc, b_dec, log_theta):
    """Gradients of mean |y - y'|^2 / 2 per token; w_dec's without the part along each row."""
    pre = torch.addmm(b_enc, x, w_enc)
    theta = log_theta.exp()
    on = pre > theta
    f = pre * on
    err = torch.addmm(b_dec, f, w_dec) - y
    scaled = err / x.shape[0]
    g_dec = f.t() @ scaled
    g_dec = g_dec - (g_dec * w_dec).sum(1, keepdim=True) * w_dec
    g_f = scaled @ w_dec.t()
    g_pre = g_f * on
    g_enc = x.t() @ g_pre
    near = ((pre - theta).abs() < KERNEL / 2).float()
    density = near.sum(0)
    pull = -theta * (near * g_f).sum(0)
    # the multiplier that keeps the mean number of active features at the controller's target
    g_theta = (pull - density * pull.sum() / density.sum().clamp(min=1.0)) * theta / KERNEL
    fired = on.sum(0)
    return (g_enc, g_dec, g_pre.sum(0), scaled.sum(0), g_theta, fired, err.pow(2).sum(1))


class Coder:
    def __init__(self, spec, x, y, seed):
        self.spec = spec
        # a separate generator, so that other coders in the group do not change the result
        self.dice = generator = torch.Generator().manual_seed(
            seed * 1000 + SITES.index(spec.site) * 100 + spec.layer
        )
        self.x_mean, self.y_mean = x.mean(0), y.mean(0)
        self.x_scale = (x - self.x_mean).pow(2).mean().sqrt()
        self.y_scale = (y - self.y_mean).pow(2).mean().sqrt()
        d_in, d_out, width = x.shape[1], y.shape[1], spec.width
        w_dec = torch.randn(width, d_out, generator=generator)
        w_dec /= w_dec.norm(dim=1, keepdim=True)
        w_enc = torch.randn(d_in, width, generator=generator) / d_in**0.5
        if spec.source == spec.goal:
            w_enc = w_dec.t().clone(memory_format=torch.contiguous_format)
        self.parts = [w_enc, w_dec, torch.zeros(width), torch.zeros(d_out), torch.zeros(width)]
        pre = self.inputs(x[:4000]) @ w_enc
        start = torch.quantile(pre.flatten()[:2_000_000], 1 - 3 * spec.target / width).clamp(
            min=0.1
        )
        self.parts[4] += start.log()
        for p in self.parts:
            p.requires_grad_(True)
        self.fired = torch.zeros(width)
        self.l0, self.fvu = spec.target, 1.0

    def inputs(self, x):
        return (x - self.x_mean) / self.x_scale

    def outputs(self, y):
        return (y - self.y_mean) / self.y_scale

    def accept(self, grads, count):
        """Stores the gradients and moves the controller."""
        *g, fired, errors = grads
        for p, value in zip(self.parts, g):
            p.grad = value
        l0 = float(fired.sum()) / count
        self.fired += fired
        self.l0 = 0.98 * self.l0 + 0.02 * l0
        self.fvu = 0.98 * self.fvu + 0.02 * float(errors.mean()) / self.parts[1].shape[1]
        self.shift = 0.05 * min(1.0, max(-1.0, l0 / self.spec.target - 1))
        return errors

    @torch.no_grad()
    def settle(self):
        """Applies the controller's shift and normalises rows, after the optimiser's step."""
        self.parts[4] += self.shift
        w_dec = self.parts[1]
        w_dec /= w_dec.norm(dim=1, keepdim=True)

    @torch.no_grad()
    def revive(self, x, y, errors, opt):
        """Moves features that never fired since the last call to badly reconstructed tokens."""
        dead = (self.fired == 0).nonzero().flatten()
        self.fired.zero_()
        if len(dead) == 0:
            return 0
        w_enc, w_dec, b_enc, b_dec, _ = self.parts
        count = min(len(dead), len(errors) // 4)
        dead, at = dead[:count], torch.multinomial(errors, count, generator=self.dice)
        pre = torch.addmm(b_enc, x[at], w_enc)
        f = pre * (pre > self.parts[4].exp())
        missing = y[at] - torch.addmm(b_dec, f, w_dec)
        size = missing.norm(dim=1, keepdim=True)
        w_dec[dead] = missing / size
        if self.spec.source == self.spec.goal:
            w_enc[:, dead] = (missing / size).t()
        else:
            w_enc[:, dead] = (x[at] * size / x[at].pow(2).sum(1, keepdim=True)).t()
        b_enc[dead] = 0.0
        for p, index in ((w_enc, (slice(None), dead)), (w_dec, dead), (b_enc, dead)):
            for name in ("exp_avg", "exp_avg_sq"):
                opt.state[p][name][index] = 0.0
        return count

    @torch.no_grad()
    def folded(self):
        """The published arrays: raw inputs in, raw outputs out, rows of norm 1, f32, C order."""
        w_enc, w_dec, b_enc, b_dec, log_theta = (p.double() for p in self.parts)
        norm = w_dec.norm(dim=1)
        enc = w_enc / self.x_scale.double()
        bias = b_enc - self.x_mean.double() @ enc
        grow = norm * self.y_scale.double()
        out = {
            "W_enc": enc * grow,
            "W_dec": w_dec / norm[:, None],
            "b_enc": bias * grow,
            "b_dec": b_dec * self.y_scale.double() + self.y_mean.double(),
            "threshold": log_theta.exp() * grow,
        }
        return {k: np.ascontiguousarray(v.float().numpy()) for k, v in out.items()}


class Stream:
    """Batches of activations at every site, without the positions of <bos> and <pad>."""

    def __init__(self, net, rows, pad, size, rows_at_once, seed):
        self.net, self.rows, self.pad, self.size = net, rows, pad, size
        self.at_once, self.random = rows_at_once, np.random.default_rng(seed)
        self.pool, self.left = None, 0

    @torch.no_grad()
    def collect(self, rows):
        """{(site, layer): [tokens, d]} of these rows."""
        got = {}
        for at in range(0, len(rows), 8):
            ids = torch.from_numpy(rows[at : at + 8, :-1]).long()
            keep = (ids != self.net.s.bos) & (ids != self.pad)
            sites = []
            self.net.hidden(ids, sites)
            for layer, values in enumerate(sites):
                for name, value in values.items():
                    got.setdefault((name, layer), []).append(value[keep])
        return {k: torch.cat(v) for k, v in got.items()}

    def next(self):
        if self.left < self.size:
            chosen = self.random.choice(len(self.rows), self.at_once, replace=False)
            self.pool = self.collect(self.rows[np.sort(chosen)])
            self.left = len(next(iter(self.pool.values())))
            self.order = torch.from_numpy(self.random.permutation(self.left))
        pick = self.order[self.left - self.size : self.left]
        self.left -= self.size
        return {k: v[pick] for k, v in self.pool.items()}


def train(net, rows, pad, specs, *, steps, size, lr, seed, say):
    """Trained coders in the order of `specs`."""
    stream = Stream(net, rows, pad, size, 64, seed)
    first = stream.collect(rows[:320])
    coders = [Coder(s, first[s.source, s.layer], first[s.goal, s.layer], seed) for s in specs]
    del first
    opt = torch.optim.Adam(
        [p for c in coders for p in c.parts], lr=lr, betas=(0.9, 0.999), fused=True
    )
    compiled = torch.compile(gradients, dynamic=False)
    began = time.time()
    revived = 0
    for step in range(steps):
        for group in opt.param_groups:
            group["lr"] = max(rate(step, steps, lr, warm=50, flat=0.3), 0.02 * lr)
        batch = stream.next()
        turn = (step + 1) % 150 == 0 and step < 0.6 * steps
        held = []
        for c in coders:
            x = c.inputs(batch[c.spec.source, c.spec.layer])
            y = c.outputs(batch[c.spec.goal, c.spec.layer])
            with torch.no_grad():
                errors = c.accept(compiled(x, y, *c.parts), size)
            if turn:
                held.append((x, y, errors))
        opt.step()
        for c in coders:
            c.settle()
        if turn:
            revived = sum(c.revive(*h, opt) for c, h in zip(coders, held))
        if step % 50 == 0 or step == steps - 1:
            by = {}
            for c in coders:
                by.setdefault(c.spec.site, []).append(f"{c.fvu:.3f}@{c.l0:.1f}")
            say(
                f"coders step {step}/{steps} "
                f"{size * (step + 1) / (time.time() - began):.0f} tokens/s "
                f"revived {revived} " + "; ".join(f"{k} {' '.join(v)}" for k, v in by.items())
            )
    return coders
