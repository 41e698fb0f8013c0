"""Effects of one coder's active features on a target, and of patched activations on a logit.

gradient · activation; integrated gradients (all features scaled from 0 to 1, the error term fixed,
by Gauss-Legendre quadrature); exact ablation (the target minus the target without the feature at
that position).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from .cases import FOLDERS, Lab, open_lab, write_cases
from .common import Tensors, agree
from .gradients import value

NODES = 24


def scaled(lab: Lab, case: dict, by: float | torch.Tensor, grad: bool = False):
    """The target with the coder's features f replaced by `by` · f, and the gradient at them."""
    key = case["coder"]
    coder, plain = lab.coders[key], lab.plain("p10")
    x, y = plain[coder.hook], plain[coder.hook_out]
    f = lab.features(key)[None]
    error = y.flatten(2) - coder.decode(f, x)
    leaf = (f * by).requires_grad_(grad)

    def put(_: torch.Tensor) -> torch.Tensor:
        return (coder.decode(leaf, x) + error).reshape(y.shape)

    with torch.set_grad_enabled(grad):
        hooks = lab.probe.run(lab.ids("p10"), {coder.hook_out: [put]}, grad=grad)
        result = value(lab, case, hooks, 0)
    if grad:
        result.backward()
    return result.item(), leaf.grad


def effects(lab: Lab, case: dict, out: Tensors) -> dict:
    f = lab.features(case["coder"])
    whole, grad = scaled(lab, case, 1.0, grad=True)
    base, _ = scaled(lab, case, 0.0)
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    path = sum(
        scaled(lab, case, (1 + node) / 2, grad=True)[1] * (weight / 2)
        for node, weight in zip(nodes.tolist(), weights.tolist(), strict=True)
    )
    integrated = f * path[0]
    gap = abs(integrated.sum().item() - (whole - base)) / abs(whole - base)
    assert gap < 1e-6, f"{case['name']}: integrated gradients miss {gap:.2g}"
    entries = (f > 0).nonzero()
    ablation = []
    for p, i in entries.tolist():
        without = torch.ones_like(f)
        without[p, i] = 0
        ablation.append(whole - scaled(lab, case, without[None])[0])
    at = entries.unbind(1)
    kept = {
        "entries": entries.int(),
        "acts": f[at],
        "gradient": (f * grad[0])[at],
        "integrated": integrated[at],
        "ablation": torch.tensor(ablation),
    }
    out.update(
        {f"{case['name']}.{k}": v.float() if v.is_floating_point() else v for k, v in kept.items()}
    )
    return {
        **case,
        "value": whole,
        "change": whole - base,
        **{key: f"{case['name']}.{key}" for key in kept},
    }


def patching(lab: Lab, target: dict, out: Tensors) -> dict:
    """The target on the corrupt prompt with one activation at a time from the clean one."""
    case = {"name": "patching", "prompt": "p10", "corrupt": "other", "target": target}
    ids, clean = lab.ids("other"), lab.plain("p10")
    hooks = lab.probe.run(ids, grad=True)
    with torch.enable_grad():
        corrupt = value(lab, case, hooks, 0)
    corrupt.backward()
    before = dict(hooks)
    sites = {"resid_pre": "hook_resid_pre", "attn_out": "hook_attn_out", "mlp_out": "hook_mlp_out"}
    for site, hook in (*sites.items(), ("heads", "attn.hook_z")):
        places = lab.config.num_attention_heads if site == "heads" else ids.shape[1]
        exact = torch.zeros(lab.config.num_hidden_layers, places).double()
        estimate = torch.zeros_like(exact)
        for i in range(lab.config.num_hidden_layers):
            name = f"blocks.{i}.{hook}"
            change = (clean[name] - before[name].detach()) * before[name].grad
            estimate[i] = change.sum((0, 1, 3) if site == "heads" else (0, 2))
            for place in range(places):
                at = torch.arange(places)[:, None] == place
                edit = lambda x, at=at, name=name: torch.where(at, clean[name], x)  # noqa: E731
                exact[i, place] = value(lab, case, lab.probe.run(ids, {name: [edit]}), 0)
        out[f"patching.{site}"], out[f"patching.{site}.estimate"] = exact.float(), estimate.float()
    first = out["patching.resid_pre"][0, 0]  # both prompts begin with <bos>, so it has no effect
    agree("patching <bos>", first, corrupt.detach().float(), 1e-6)
    grids = {site: f"patching.{site}" for site in (*sites, "heads")}
    return {
        **case,
        "clean": value(lab, case, clean, 0).item(),
        "corruptValue": corrupt.item(),
        "exact": grids,
        "estimate": {site: f"{key}.estimate" for site, key in grids.items()},
    }


def make(fixtures: Path) -> None:
    for folder in FOLDERS:
        lab = open_lab(fixtures, folder)
        best, second = lab.plain("p10")["logits"][0, -1].topk(2).indices.tolist()
        difference = {"logitDiff": [best, second]}
        later = {"feature": {"coder": "later", "feature": lab.firing("later")[0]}, "position": -1}
        out: Tensors = {}
        cases = [
            effects(lab, {"name": n, "prompt": "p10", "coder": c, "target": t}, out)
            for n, c, t in (
                ("res", "res", difference),
                ("skip", "skip", difference),
                ("feature", "res", later),
            )
        ]
        cases.append(patching(lab, difference, out))
        write_cases(lab, "attribution", cases, out)
