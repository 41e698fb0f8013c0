"""Ablate, clamp, scale, steer, project, patch and freeze: cases, and the logits of each.

Features, positions and values come from the features that fire on the prompts, and are written into
the cases.
"""

from __future__ import annotations

from pathlib import Path

import torch

from .cases import FOLDERS, LENGTH, Lab, keep_rows, open_lab, write_cases
from .common import Tensors, agree, distance, load_model

NORMS = ("ln1", "ln1_post", "ln2", "ln2_post")


def edit(kind: str, coder: str, feature: int, **rest) -> dict:
    return {"type": kind, "target": {"coder": coder, "feature": feature}, **rest}


def steer(target: dict, coefficient: float | str, **rest) -> dict:
    return {"type": "steer", "target": target, "coefficient": coefficient, **rest}


def along(hook: str, vector: str) -> dict:
    return {"hook": hook, "vector": vector}


def vector(lab: Lab, key: str, values: torch.Tensor) -> str:
    lab.vectors[f"vector.{key}"] = values.float()
    return f"vector.{key}"


def feature_cases(lab: Lab) -> list[dict]:
    a, b = lab.firing("res")[:2]
    c, m, z = lab.firing("later")[0], lab.firing("mlp")[0], lab.firing("att")[0]
    t, s = lab.firing("transcoder")[0], lab.firing("skip")[0]
    res = lab.coders["res"].hook
    on = (lab.features("res")[:, a] > 0).nonzero()[:, 0].tolist()
    off = [p for p in range(LENGTH) if p not in on][:2]
    encoder = vector(lab, "encoder", 2 * lab.coders["res"].w["W_enc"][:, b])
    push = steer(along(res, encoder), 1.5)
    hooks = {"hooks": [res]}
    cases = [
        ("ablate_all", [edit("ablate", "res", a)], hooks),
        ("ablate_to_at_two", [edit("ablate", "res", a, to=1.3, positions=[3, -2])], {}),
        ("clamp_where_active", [edit("clamp", "res", a, value=9.5, positions=on[-2:])], hooks),
        ("clamp_where_inactive", [edit("clamp", "res", a, value=8.0, positions=off)], hooks),
        ("clamp_all", [edit("clamp", "res", a, value=5.0)], {}),
        ("scale", [edit("scale", "res", a, factor=2.5)], hooks),
        (
            "edits_of_one_coder",
            [
                edit("ablate", "res", a, to=0.7),
                edit("clamp", "res", b, value=6.0, positions=[2, 4, -1]),
                edit("scale", "res", a, factor=4.0, positions={"from": 6}),
            ],
            hooks,
        ),
        # one step at the first edit: b is encoded before the push
        ("edits_around_steer", [edit("ablate", "res", a), push, edit("ablate", "res", b)], hooks),
        # b is encoded after the push, which makes it fire
        ("ablate_after_steer", [push, edit("ablate", "res", b)], hooks),
        ("two_coders", [edit("ablate", "res", a), edit("clamp", "later", c, value=7.0)], {}),
        ("clamp_mlp", [edit("clamp", "mlp", m, value=6.0)], {}),
        ("clamp_att", [edit("clamp", "att", z, value=4.0, positions={"from": 2})], {}),
        (
            "clamp_transcoder",
            [edit("clamp", "transcoder", t, value=5.0)],
            {"hooks": [lab.coders["transcoder"].hook_out]},
        ),
        ("scale_skip", [edit("scale", "skip", s, factor=-3.0)], {}),
    ]
    if "embed" in lab.coders:
        e = lab.firing("embed")[0]
        cases.append(("clamp_embedding", [edit("clamp", "embed", e, value=3.0)], {}))
    return [{"name": n, "prompt": "p10", "interventions": i, **more} for n, i, more in cases]


def direction_cases(lab: Lab) -> list[dict]:
    a = lab.firing("res")[0]
    feature = {"coder": "res", "feature": a}
    res, mid = lab.coders["res"].hook, "blocks.1.hook_resid_mid"
    g = torch.Generator().manual_seed(905)
    d, width = lab.config.hidden_size, lab.config.num_attention_heads * lab.config.head_dim
    u = vector(lab, "residual", torch.randn(d, generator=g) * 0.4)
    w = vector(lab, "heads", torch.randn(width, generator=g))
    unit = lab.vectors[u].double() / lab.vectors[u].double().norm()
    shadow = (lab.plain("p10")[res][0] @ unit).sort().values
    # between projections, so that some positions move fully, others partly, and some not at all
    high, low = ((shadow[i] + shadow[i + 1]).item() / 2 for i in (6, 2))
    reach = (shadow[6] - shadow[3]).item() / lab.vectors[u].double().norm().item()
    hooks = {"hooks": [res]}
    at = along(res, u)
    cases = [
        ("steer_all", [steer(feature, 12.0)], hooks),
        ("steer_at", [steer(feature, 15.0, positions=[2, -1])], {}),
        ("steer_from", [steer(feature, 15.0, positions={"from": 5})], {}),
        ("steer_from_to", [steer(feature, -15.0, positions={"from": 3, "to": 7})], {}),
        ("steer_vector", [steer(along(mid, u), -1.5)], {"hooks": [mid]}),
        ("steer_heads", [steer(along("blocks.1.attn.hook_z", w), 0.5, positions=4)], {}),
        ("steer_transcoder", [steer({"coder": "transcoder", "feature": 3}, 10.0)], {}),
        ("steer_cap", [steer(at, reach, cap=high)], hooks),
        ("steer_cap_negative", [steer(at, -reach, cap=low)], hooks),
        ("steer_floor", [steer(at, "Infinity", cap=high)], hooks),
        ("steer_ceiling", [steer(at, "-Infinity", cap=low)], hooks),
        ("project", [{"type": "project", "hook": res, "vector": u}], hooks),
        (
            "project_heads",
            [{"type": "project", "hook": "blocks.0.attn.hook_z", "vector": w, "positions": [1, 6]}],
            {},
        ),
    ]
    return [{"name": n, "prompt": "p10", "interventions": i, **more} for n, i, more in cases]


def patch_cases(lab: Lab) -> list[dict]:
    other, here = {"prompt": "other"}, {"prompt": "p10"}
    layers = range(lab.config.num_hidden_layers)
    kept = [f"blocks.{i}.attn.hook_pattern" for i in layers]
    kept += [f"blocks.{i}.{norm}.hook_scale" for i in layers for norm in NORMS]
    kept.append("ln_final.hook_scale")
    push = steer({"coder": "embed" if "embed" in lab.coders else "res", "feature": 5}, 15.0)
    early = steer(along("blocks.0.hook_resid_post", "vector.residual"), 2.0)

    def patch(hook: str, **rest) -> dict:
        return {"type": "patch", "hook": hook, "source": other, **rest}

    cases = [
        ("patch_residual", [patch("blocks.1.hook_resid_post", positions=[4, 7])]),
        ("patch_head", [patch("blocks.2.attn.hook_z", heads=[1])]),
        ("patch_values", [patch("blocks.1.attn.hook_v", heads=[0], positions=[0, 3, -4])]),
        ("patch_pattern", [patch("blocks.1.attn.hook_pattern", heads=[0, 3], positions=[5, -1])]),
        ("patch_scores", [patch("blocks.0.attn.hook_attn_scores")]),
        ("freeze_linear", [{"type": "freeze", "points": kept, "source": here}, early]),
        (
            "freeze_mlps",
            [
                {
                    "type": "freeze",
                    "points": [f"blocks.{i}.hook_mlp_out" for i in layers],
                    "source": here,
                },
                push,
            ],
        ),
    ]
    return [{"name": n, "prompt": "p10", "interventions": i} for n, i in cases]


def batch_cases(lab: Lab) -> list[dict]:
    a = lab.firing("res")[0]
    feature = {"coder": "res", "feature": a}
    rows = [
        edit("clamp", "res", a, value=6.0, batch=1, positions=[0, -1]),
        steer(feature, 12.0, batch=[0, 2], positions={"from": 4}),
        edit("ablate", "later", lab.firing("later")[0]),
    ]
    patched = {
        "type": "patch",
        "hook": "blocks.1.hook_resid_post",
        "source": {"prompt": "other"},
        "positions": [1, -2],
    }
    long = [
        edit("clamp", "res", a, value=6.0, positions=[3, 11, -1]),
        steer(feature, 9.0, positions={"from": 9}),
    ]
    return [
        {"name": "batch_rows", "prompt": "batch", "interventions": rows},
        {"name": "batch_patch", "prompt": "batch", "interventions": [patched]},
        {"name": "long", "prompt": "s24", "interventions": long},
    ]


def check_by_module_hooks(lab: Lab, cases: list[dict], out: Tensors) -> None:
    """Repeats ablation and steering by a plain forward hook on transformers in float32."""
    plain, coder = load_model(lab.path), lab.coders["res"]
    w = {k: v.float() for k, v in coder.w.items()}

    def ablate(x: torch.Tensor, i: int) -> torch.Tensor:
        f = (x @ w["W_enc"] + w["b_enc"])[..., i]
        return x - (f * (f > w["threshold"][i]))[..., None] * w["W_dec"][i]

    for case in cases:
        item = case["interventions"][0]
        if case["name"] == "ablate_all":
            change = lambda x, i=item["target"]["feature"]: ablate(x, i)  # noqa: E731
        elif case["name"] == "steer_all":
            row = w["W_dec"][item["target"]["feature"]] * item["coefficient"]
            change = lambda x, row=row: x + row  # noqa: E731
        else:
            continue
        handle = plain.model.layers[2].register_forward_hook(lambda m, a, x, c=change: c(x))
        logits = plain(input_ids=lab.ids("p10"), use_cache=False).logits
        handle.remove()
        agree(f"{case['name']} by a module hook", logits, out[case["logits"]], 1e-5)


def make(fixtures: Path) -> None:
    for folder in FOLDERS:
        lab = open_lab(fixtures, folder)
        cases = [*feature_cases(lab), *direction_cases(lab), *patch_cases(lab), *batch_cases(lab)]
        out: Tensors = {}
        for case in cases:
            done = lab.run(case)
            logits = [hooks["logits"] for hooks, _ in done]
            if len(done) > 1:
                lab.check_padded(case, logits)
            plain = lab.probe.run(lab.ids(case["prompt"], len(done) - 1))["logits"]
            assert distance(logits[-1], plain) > 3e-3, f"{case['name']} hardly changes anything"
            case["hooks"] = {
                hook: keep_rows(out, f"{case['name']}.{hook}", [h[hook] for h, _ in done])
                for hook in case.pop("hooks", [])
            }
            case["logits"] = keep_rows(out, f"{case['name']}.logits", logits)
        check_by_module_hooks(lab, cases, out)
        write_cases(lab, "interventions", cases, out)
