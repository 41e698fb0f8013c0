"""Evaluates coders over the rows of a small corpus: reconstruction, loss and divergence by token.

At the chosen positions the reconstruction without error term, zero, or the mean over the corpus's
chosen positions replaces the coder's output tensor.
"""

from __future__ import annotations

from pathlib import Path

import torch

from .cases import FOLDERS, Lab, open_lab, write_cases
from .common import Tensors, agree
from .edits import SPECIAL_IDS, where
from .splices import bare

PROMPT = "corpus"
RUNS = ("plain", "spliced", "zero", "mean")


def corpus(lab: Lab) -> list[torch.Tensor]:
    return [lab.ids(PROMPT, row) for row in range(len(lab.prompts[PROMPT]))]


def replaced(lab: Lab, key: str, run: str, masked: bool, mean: torch.Tensor, row: int) -> Tensors:
    """Hooks of one row under one of RUNS."""
    coder, ids = lab.coders[key], corpus(lab)[row]
    chosen = ~torch.isin(ids, torch.tensor(SPECIAL_IDS)) | (not masked)
    if run == "plain":
        return lab.probe.run(ids)
    if run == "spliced":
        case = {"prompt": PROMPT, "coders": [bare(key, excludeSpecialTokens=masked)]}
        return lab.run_row(case, row)[0]
    new = torch.zeros_like(mean) if run == "zero" else mean
    edit = lambda y: where(chosen, new.expand(*chosen.shape, -1).reshape(y.shape), y)  # noqa: E731
    return lab.probe.run(ids, {coder.hook_out: [edit]})


def evaluate(lab: Lab, key: str, masked: bool, out: Tensors) -> dict:
    coder, rows = lab.coders[key], corpus(lab)
    name = f"{key}.{'masked' if masked else 'all'}"
    plain = [dict(lab.probe.run(ids)) for ids in rows]
    chosen = [~torch.isin(ids[0], torch.tensor(SPECIAL_IDS)) | (not masked) for ids in rows]
    x = torch.cat([h[coder.hook].flatten(2)[0, at] for h, at in zip(plain, chosen, strict=True)])
    y = torch.cat(
        [h[coder.hook_out].flatten(2)[0, at] for h, at in zip(plain, chosen, strict=True)]
    )
    f = coder.encode(x[None], torch.ones(1, len(x), dtype=torch.bool))
    rebuilt = coder.decode(f, x[None])[0]
    f, mean = f[0], y.mean(0)
    squares, spread = (y - rebuilt).pow(2).sum(), (y - mean).pow(2).sum()
    # a second way: explained variance from the sums of squares by dimension
    explained = 1 - squares / (y.pow(2).mean(0) - mean.pow(2)).sum() / len(y)
    agree(f"{name} explained variance", explained, 1 - squares / spread, 1e-9)

    losses, divergences = [], []
    for run in RUNS:
        loss, divergence = [], []
        for row, (ids, before) in enumerate(zip(rows, plain, strict=True)):
            logits = replaced(lab, key, run, masked, mean, row)["logits"][0]
            log_p, log_q = before["logits"][0].log_softmax(-1), logits.log_softmax(-1)
            loss.append(-log_q[:-1].gather(1, ids[0, 1:, None])[:, 0])
            divergence.append((log_p.exp() * (log_p - log_q)).sum(-1))
        losses.append(torch.cat(loss))
        divergences.append(torch.cat(divergence))
    loss, divergence = torch.stack(losses), torch.stack(divergences)
    assert divergence[0].abs().max() < 1e-12 and (divergence[1:].sum(1) > 1e-2).all()
    kept = {"loss": loss, "kl": divergence, "density": (f > 0).double().mean(0), "mean": mean}
    out.update({f"{name}.{k}": v.float() for k, v in kept.items()})
    return {
        "name": name,
        "prompt": PROMPT,
        "coder": key,
        "excludeSpecialTokens": masked,
        "tokens": len(x),
        "l0": (f > 0).sum(1).double().mean().item(),
        "dead": int((f == 0).all(0).sum()),
        "squares": squares.item(),
        "fvu": (squares / spread).item(),
        "explainedVariance": explained.item(),
        "cosine": torch.nn.functional.cosine_similarity(y, rebuilt).mean().item(),
        "l2Ratio": (rebuilt.norm(dim=1) / y.norm(dim=1)).mean().item(),
        "counted": summary(loss, divergence, chosen),
        "every": summary(loss, divergence, [torch.ones_like(at) for at in chosen]),
        "runs": RUNS,
        **{k: f"{name}.{k}" for k in kept},
    }


def summary(loss: torch.Tensor, divergence: torch.Tensor, chosen: list[torch.Tensor]) -> dict:
    """Means over the chosen positions; the last of a row has no loss.

    recovered = (ablated − spliced) / (ablated − plain)
    """
    loss = loss[:, torch.cat([at[:-1] for at in chosen])].mean(1)
    divergence = divergence[:, torch.cat(chosen)].mean(1)

    def recovered(values: torch.Tensor) -> dict:
        plain, spliced, zero, mean = values.tolist()
        return {
            "zero": (zero - spliced) / (zero - plain),
            "mean": (mean - spliced) / (mean - plain),
        }

    return {
        "loss": dict(zip(RUNS, loss.tolist(), strict=True)),
        "kl": dict(zip(RUNS, divergence.tolist(), strict=True)),
        "lossRecovered": recovered(loss),
        "klRecovered": recovered(divergence),
    }


def make(fixtures: Path) -> None:
    for folder in FOLDERS:
        lab = open_lab(fixtures, folder)
        lab.prompts[PROMPT] = [*lab.prompts["batch"], *lab.prompts["special"]]
        out: Tensors = {}
        cases = [
            evaluate(lab, key, masked, out)
            for key in ("res", "mlp", "att", "transcoder", "skip")
            for masked in (True, False)
        ]
        write_cases(lab, "evaluation", cases, out)
