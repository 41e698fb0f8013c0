"""Gradients of logits, losses and features by autograd in float64: at hooks, at spliced features.

A splice's error term is constant to the gradient; ∂f/∂pre of a feature is 1 where it is active.
Every gradient at a hook is compared with a finite difference along a random direction, every one at
features with W_dec times the gradient after the splice.
"""

from __future__ import annotations

from pathlib import Path

import torch

from .cases import FOLDERS, Lab, open_lab, write_cases
from .common import Tensors, agree
from .edits import Plan, Rows
from .interventions import NORMS, along, edit, steer, vector
from .splices import bare

EPSILON = 1e-5


def gradient_cases(lab: Lab) -> list[dict]:
    best, second = lab.plain("p10")["logits"][0, -1].topk(2).indices.tolist()
    a, b = lab.firing("res")[:2]
    s = lab.firing("skip")[0]
    difference = {"logitDiff": [best, second]}
    u = vector(lab, "residual", torch.randn(48, generator=torch.Generator().manual_seed(906)) * 0.4)
    post, res = "blocks.{}.hook_resid_post".format, lab.coders["res"].hook
    layers, last = range(lab.config.num_hidden_layers), lab.config.num_hidden_layers - 1
    windowed = lab.config.layer_types.index("sliding_attention")
    whole = lab.config.layer_types.index("full_attention")
    every = ["", f"blocks.{windowed}.", f"blocks.{whole}.attn."]
    if lab.folder == "tiny-gemma3":  # unlike Gemma 2: q and k norms, two RoPE bases
        every[1] = f"blocks.{windowed}.attn."
    shadow = lab.plain("p10")[post(1)][0] @ (lab.vectors[u].double() / lab.vectors[u].norm())
    cap = (shadow.sort().values[5:7].mean()).item()
    frozen = [f"blocks.{i}.attn.hook_pattern" for i in layers]
    frozen += [f"blocks.{i}.{norm}.hook_scale" for i in layers for norm in NORMS]
    frozen.append("ln_final.hook_scale")
    source = {"source": {"prompt": "other"}}

    def feature(key: str, position: int, i: int | None = None) -> dict:
        which = lab.firing(key)[0] if i is None else i
        return {"feature": {"coder": key, "feature": which}, "position": position}

    plain = [
        ("logit_diff", difference, [*every, *(post(i) for i in layers)]),
        (
            "logit",
            {"logit": best},
            ["hook_embed", post(1), "ln_final.hook_scale", "unembed.hook_in"],
        ),
        ("logit_at", {"logit": second, "position": 4}, ["hook_embed", "blocks.1.attn.hook_z"]),
        (
            "loss",
            {"loss": True},
            ["hook_embed", "blocks.0.attn.hook_k", post(1), "blocks.2.mlp.hook_post"],
        ),
        ("feature_res", feature("res", 7), ["hook_embed", post(1), res, post(3)]),
        ("feature_att", feature("att", -1), ["hook_embed", lab.coders["att"].hook]),
        (
            "feature_transcoder",
            feature("transcoder", -2),
            ["hook_embed", lab.coders["transcoder"].hook],
        ),
    ]
    skip = lab.coders["skip"]
    spliced = [
        ("splice_res", difference, ["res"], [], ["hook_embed", res]),
        ("splice_skip", difference, ["skip"], [], ["hook_embed", skip.hook, skip.hook_out]),
        ("splice_three", difference, ["att", "skip", "res"], [], ["blocks.0.hook_resid_pre"]),
        ("splice_bare", difference, [bare("skip"), bare("res")], [], ["hook_embed", skip.hook]),
        ("splice_to_feature", feature("later", -1), ["transcoder", "res"], [], [post(1)]),
        (
            "splice_edited",
            difference,
            ["res"],
            [
                edit("clamp", "res", a, value=6.0, positions=[5]),
                edit("scale", "res", b, factor=2.0),
            ],
            ["hook_embed"],
        ),
        (
            "steer_and_ablate",
            difference,
            [],
            [
                steer(along(post(1), u), 2.0),
                edit("ablate", "res", a),
                edit("scale", "res", b, factor=3.0, positions={"from": 4}),
            ],
            ["hook_embed", post(1), "blocks.2.attn.hook_pattern", res],
        ),
        (
            "directions_and_patches",
            difference,
            [],
            [
                steer(along(post(1), u), 1.5, cap=cap),
                {"type": "project", "hook": post(0), "vector": u},
                {"type": "patch", "hook": "blocks.1.attn.hook_z", **source, "heads": [2]},
                {"type": "patch", "hook": "blocks.2.hook_resid_mid", **source, "positions": [4]},
                edit("clamp", "skip", s, value=4.0),
            ],
            ["hook_embed", post(0), "blocks.1.attn.hook_z", "blocks.2.hook_resid_mid"],
        ),
        (
            "frozen",
            difference,
            [],
            [{"type": "freeze", "points": frozen, "source": {"prompt": "p10"}}],
            ["hook_embed", f"blocks.{last}.hook_resid_mid"],
        ),
    ]
    cases = [
        *((n, "p10", t, [], [], at) for n, t, at in plain),
        ("loss_batch", "batch", {"loss": True}, [], [], ["hook_embed", post(1)]),
        *((n, "p10", *rest) for n, *rest in spliced),
    ]
    keys = ("name", "prompt", "target", "coders", "interventions", "at")
    return [dict(zip(keys, case, strict=True)) for case in cases]


def value(lab: Lab, case: dict, hooks: Tensors, row: int) -> torch.Tensor:
    """The row's part of the target; position −1 by default."""
    target, position = case["target"], case["target"].get("position", -1)
    if "logit" in target:
        return hooks["logits"][0, position, target["logit"]]
    if "logitDiff" in target:
        up, down = target["logitDiff"]
        return hooks["logits"][0, position, up] - hooks["logits"][0, position, down]
    if "feature" in target:
        coder = lab.coders[target["feature"]["coder"]]
        return coder.pre(hooks[coder.hook])[0, position, target["feature"]["feature"]]
    ids, every = lab.ids(case["prompt"], row)[0], lab.prompts[case["prompt"]]
    loss = torch.nn.functional.cross_entropy(hooks["logits"][0, :-1], ids[1:], reduction="sum")
    return loss / sum(len(other) - 1 for other in every)


def check_difference(lab: Lab, case: dict, row: int, hook: str, grad: torch.Tensor, plan: Plan):
    """(y(x + εu) − y(x − εu)) / 2ε = ⟨∂y/∂x, u⟩ for a random unit u at the hook."""
    u = torch.randn(grad.shape, generator=torch.Generator().manual_seed(907), dtype=torch.double)
    u /= u.norm()
    ids, ends = lab.ids(case["prompt"], row), []
    for sign in (1, -1):
        moved = lab.plan(case, Rows(ids, torch.ones_like(ids), [row]), plan.errors)
        moved.edits[hook].append(lambda x, by=sign * EPSILON * u: x + by)
        ends.append(value(lab, case, lab.probe.run(ids, moved.edits), row).item())
    want, got = (ends[0] - ends[1]) / (2 * EPSILON), (grad * u).sum().item()
    assert abs(got - want) <= 1e-6 * max(grad.norm().item(), 1e-2), (case["name"], hook, got, want)


def run_case(lab: Lab, case: dict, out: Tensors) -> None:
    """Adds `value`, `grads` and `features` to the case and their tensors to `out`."""
    name, total, grads, features = case["name"], 0.0, {}, {}
    stored: dict[str, torch.Tensor] = {}
    rows = len(lab.prompts[case["prompt"]])

    def keep(key: str, tensor: torch.Tensor) -> str:
        for known, other in stored.items():
            if other.shape == tensor.shape and torch.equal(other, tensor):
                return known
        stored[key] = tensor
        return key

    for row, (hooks, plan) in enumerate(lab.run(case, grad=True)):
        wanted = [
            hook
            for hook in hooks
            if hook != "logits" and any(_matches(hook, at) for at in case["at"])
        ]
        with torch.enable_grad():
            result = value(lab, case, hooks, row)
        result.backward()
        total += result.item()
        found = {h: hooks[h].grad for h in wanted}
        spliced = {
            key: (f.detach() * (f > 0), f.grad * (f > 0)) for key, (_, f) in plan.features.items()
        }
        for hook, grad in found.items():
            grad = torch.zeros_like(hooks[hook]) if grad is None else grad
            check_difference(lab, case, row, hook, grad, plan)
            key = keep(f"{name}.{hook}" + (f".row.{row}" if rows > 1 else ""), grad)
            grads.setdefault(hook, []).append(key)
        for coder, (f, grad) in spliced.items():
            after = (
                hooks[lab.coders[coder].hook_out].grad.flatten(2) @ lab.coders[coder].w["W_dec"].T
            )
            agree(f"{name}: {coder}", grad, after * (f > 0), 1e-12)
            features[coder] = {
                "acts": keep(f"{name}.features.{coder}", f),
                "grad": keep(f"{name}.features.{coder}.grad", grad),
            }
    out.update({key: tensor.float() for key, tensor in stored.items()})
    del case["at"]
    case["value"] = total
    case["grads"] = {hook: keys[0] if rows == 1 else keys for hook, keys in grads.items()}
    case["features"] = features


def _matches(hook: str, at: str) -> bool:
    """`at` is a hook; or the start of a block's hooks; or "" for those outside of blocks."""
    if at == "":
        return not hook.startswith("blocks.")
    return hook.startswith(at) if at.endswith(".") else hook == at


def make(fixtures: Path) -> None:
    for folder in FOLDERS:
        lab = open_lab(fixtures, folder)
        cases = gradient_cases(lab)
        out: Tensors = {}
        for case in cases:
            run_case(lab, case, out)
        write_cases(lab, "gradients", cases, out)
