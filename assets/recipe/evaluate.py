"""Loads the exported files (transformers, safetensors, npz), measures every value on the held-out
text, prints a table and exits with 1 if one misses its threshold.

    python assets/recipe/evaluate.py assets/tiny-gemma2"""

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

# site -> (FVU at most, mean L0 at most, loss recovered at least)
LIMITS = {
    "res": (0.12, 16, 0.99),
    "mlp": (0.08, 24, 0.97),
    "att": (0.15, 20, 0.97),
    "transcoders": (0.15, 24, 0.93),
}
ALL_TRANSCODERS, DEAD, ZERO_COST = 0.95, 0.04, 0.1
UNIGRAM, TRIGRAM, BYTES = 0.20, 0.60, 14_000_000


class Coder:
    def __init__(self, path: Path):
        with np.load(path) as arrays:
            self.p = {k: torch.from_numpy(arrays[k]) for k in arrays.files}
        self.site = path.parts[-5]
        self.layer = int(path.parts[-4].split("_")[1])
        self.named_l0 = int(path.parts[-2].split("_")[-1])
        self.width = len(self.p["threshold"])
        unit = (self.p["W_dec"].norm(dim=1) - 1).abs().max()
        assert unit < 1e-5 and (self.p["threshold"] > 0).all() and len(self.p) == 5, path
        assert all(v.dtype == torch.float32 for v in self.p.values()), path
        self.tokens = 0
        self.active = self.error = self.square = 0.0
        self.sum = torch.zeros(self.p["b_dec"].shape[0], dtype=torch.float64)
        self.fired = torch.zeros(self.width, dtype=torch.int64)

    def encode(self, x):
        pre = x @ self.p["W_enc"] + self.p["b_enc"]
        return torch.where(pre > self.p["threshold"], pre.relu(), 0.0)

    def decode(self, f):
        return f @ self.p["W_dec"] + self.p["b_dec"]

    def observe(self, x, y):
        f = self.encode(x)
        error = (y - self.decode(f)).double()
        self.tokens += len(x)
        self.active += float((f > 0).sum())
        self.fired += (f > 0).sum(0)
        self.error += float(error.pow(2).sum())
        self.square += float(y.double().pow(2).sum())
        self.sum += y.double().sum(0)

    def pair(self, seen):
        """This coder's input and target among the values of Bench.loss."""
        transcoder = self.site == "transcoders"
        return (
            seen["in" if transcoder else self.site, self.layer],
            seen["mlp" if transcoder else self.site, self.layer],
        )

    @property
    def l0(self):
        return self.active / self.tokens

    @property
    def fvu(self):
        return self.error / (self.square - float(self.sum.pow(2).sum()) / self.tokens)

    @property
    def dead(self):
        return float((self.fired == 0).float().mean())


class Bench:
    """The model with sites to watch and to replace. Positions of <bos> stay unchanged."""

    def __init__(self, folder, length=256):
        self.tok = AutoTokenizer.from_pretrained(folder)
        self.net = AutoModelForCausalLM.from_pretrained(
            folder, dtype=torch.float32, attn_implementation="eager"
        ).eval()
        lines = (Path(folder) / "heldout.jsonl").read_text(encoding="utf-8").splitlines()
        ids = sorted((self.tok(json.loads(x)["text"])["input_ids"] for x in lines), key=len)
        assert all(d[0] == self.tok.bos_token_id and len(d) <= length for d in ids)
        self.batches = []
        at = 0
        while at < len(ids):  # rows of similar length, about 2,000 positions at a time
            chunk = [ids[at]]
            at += 1
            while at < len(ids) and (len(chunk) + 1) * len(ids[at]) <= 2000:
                chunk.append(ids[at])
                at += 1
            rows = torch.full((len(chunk), len(chunk[-1])), self.tok.pad_token_id)
            for row, d in zip(rows, chunk):
                row[: len(d)] = torch.tensor(d)
            real = torch.arange(rows.shape[1]) < torch.tensor([len(d) for d in chunk])[:, None]
            self.batches.append((rows, real))
        self.swap = {}  # (site, layer) -> function of (tensor, hidden input of the MLP)
        self.seen = None
        self.mid = [None] * len(self.net.model.layers)
        for i, layer in enumerate(self.net.model.layers):
            layer.self_attn.o_proj.register_forward_pre_hook(
                lambda m, a, i=i: (self.visit("att", i, a[0]),)
            )
            layer.pre_feedforward_layernorm.register_forward_pre_hook(
                lambda m, a, i=i: self.mid.__setitem__(i, a[0])
            )
            layer.post_feedforward_layernorm.register_forward_hook(
                lambda m, a, out, i=i: self.visit("mlp", i, out)
            )
            layer.register_forward_hook(lambda m, a, out, i=i: self.result(i, out))

    def normalized(self, layer):
        x = self.mid[layer]
        eps = self.net.config.rms_norm_eps
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps)

    def result(self, layer, out):
        if isinstance(out, tuple):
            return (self.visit("res", layer, out[0]), *out[1:])
        return self.visit("res", layer, out)

    def visit(self, place, layer, value):
        if self.seen is not None:
            self.seen[place, layer] = value
            if place == "mlp":
                self.seen["in", layer] = self.normalized(layer)
        swap = self.swap.get((place, layer))
        if swap is None:
            return value
        return torch.where(self.keep[..., None], swap(value), value)

    def sample(self, tokens):
        """Every n-th batch, so that about `tokens` remain."""
        total = sum(int(real.sum()) for _, real in self.batches)
        return self.batches[:: max(1, total // tokens)]

    @torch.no_grad()
    def loss(self, swap=None, watch=None, batches=None):
        """Mean nats over all tokens after <bos>; `watch` gets the sites' values, [tokens, d]."""
        self.swap = swap or {}
        nats, count = 0.0, 0
        for rows, real in batches or self.batches:
            self.keep = real.clone()
            self.keep[:, 0] = False
            self.seen = {} if watch else None
            logits = self.net(input_ids=rows, use_cache=False).logits[:, :-1]
            targets = rows[:, 1:].masked_fill(~real[:, 1:], -100)
            nats += float(
                torch.nn.functional.cross_entropy(
                    logits.flatten(0, 1), targets.flatten(), ignore_index=-100, reduction="sum"
                )
            )
            count += int(real[:, 1:].sum())
            if watch:
                watch({k: v[self.keep] for k, v in self.seen.items()})
        self.swap, self.seen = {}, None
        return nats / count, count


def splice(bench, coder):
    """Replaces one coder's output tensor by its reconstruction, without error term."""
    i = coder.layer
    if coder.site == "transcoders":
        return {("mlp", i): lambda v: coder.decode(coder.encode(bench.normalized(i)))}
    return {(coder.site, i): lambda v: coder.decode(coder.encode(v))}


class Report:
    def __init__(self):
        self.missed = []

    def check(self, name, value, limit, most=True, form=".4f"):
        good = value <= limit if most else value >= limit
        print(
            f"  {name:44s} {value:{form}}  {'<=' if most else '>='} {limit}  "
            f"{'ok' if good else 'MISSED'}"
        )
        if not good:
            self.missed.append(name)


def evaluate(folder: Path, splice_tokens=40_000):
    bench, report, began = Bench(folder), Report(), time.time()
    size = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
    report.check("bytes of the folder", size, BYTES, form="d")
    coders = sorted(
        (Coder(p) for p in folder.glob("gemma-scope/*/*/*/*/params.npz")),
        key=lambda c: (list(LIMITS).index(c.site), c.layer),
    )
    assert len(coders) == 4 * len(bench.net.model.layers), len(coders)

    def watch(seen):
        for c in coders:
            c.observe(*c.pair(seen))

    clean, tokens = bench.loss(watch=watch)
    ngram = json.loads((folder / "ngram.json").read_text())
    assert tokens == ngram["heldoutTokens"], (tokens, ngram["heldoutTokens"])
    print(
        f"held-out: {ngram['heldoutDocuments']} documents, {tokens} tokens, loss {clean:.4f} nats"
    )
    report.check("loss / unigram entropy", clean / ngram["unigramEntropy"], UNIGRAM)
    report.check("loss / trigram cross-entropy", clean / ngram["trigramCrossEntropy"], TRIGRAM)
    part = bench.sample(splice_tokens)
    clean, count = bench.loss(batches=part)
    print(f"splices on {count} of these tokens, without error term, loss {clean:.4f} nats")
    zero = {}
    print("site         layer width    L0    FVU  dead%  recovered  added nats  zeroing costs")
    for c in coders:
        place = ("mlp" if c.site == "transcoders" else c.site, c.layer)
        if place not in zero:
            zero[place] = bench.loss({place: torch.zeros_like}, batches=part)[0]
        spliced = bench.loss(splice(bench, c), batches=part)[0]
        cost = zero[place] - clean
        recovered = (zero[place] - spliced) / cost
        print(
            f"{c.site:12s} {c.layer:5d} {c.width:5d} {c.l0:6.2f} {c.fvu:6.4f} {100 * c.dead:5.2f} "
            f"{recovered:10.4f} {spliced - clean:11.4f} {cost:14.3f}",
            flush=True,
        )
        fvu, l0, least = LIMITS[c.site]
        name = f"{c.site} layer {c.layer}: "
        for what, value, limit, most in (
            ("FVU", c.fvu, fvu, True),
            ("L0", c.l0, l0, True),
            ("recovered", recovered, least, False),
            ("dead", c.dead, DEAD, True),
        ):
            if what == "recovered" and c.site == "att" and cost < ZERO_COST:
                continue
            if not (value <= limit if most else value >= limit):
                report.missed.append(f"{name}{what} {value:.4f}")
        if c.named_l0 != round(c.l0):
            report.missed.append(f"{name}folder says {c.named_l0}, measured {c.l0:.2f}")
    swaps, nothing = {}, {}
    for c in coders:
        if c.site == "transcoders":
            swaps |= splice(bench, c)
            nothing["mlp", c.layer] = torch.zeros_like
    none, both = (bench.loss(s, batches=part)[0] for s in (nothing, swaps))
    report.check(
        "all transcoders at once: recovered",
        (none - both) / (none - clean),
        ALL_TRANSCODERS,
        most=False,
    )
    print(f"measured in {time.time() - began:.0f} s")
    for name in report.missed:
        print(f"MISSED: {name}")
    print("all thresholds hold" if not report.missed else f"{len(report.missed)} missed")
    return not report.missed


if __name__ == "__main__":
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("folder", type=Path)
    ask.add_argument("--splice-tokens", type=int, default=40_000)
    torch.set_num_threads(2)
    args = ask.parse_args()
    sys.exit(0 if evaluate(args.folder, args.splice_tokens) else 1)
