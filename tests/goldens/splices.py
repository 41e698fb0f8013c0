"""Spliced coders: with the error term, without it, and with edits."""

from __future__ import annotations

from pathlib import Path

from .cases import FOLDERS, Lab, keep_rows, open_lab, write_cases
from .common import Tensors, agree, distance
from .interventions import along, edit, steer, vector


def bare(coder: str, **rest) -> dict:
    return {"coder": coder, "errorTerm": False, **rest}


def splice_cases(lab: Lab) -> list[dict]:
    a, b = lab.firing("res")[:2]
    t, s = lab.firing("transcoder")[0], lab.firing("skip")[0]
    res = lab.coders["res"].hook
    push = steer(along(res, vector(lab, "encoder", 2 * lab.coders["res"].w["W_enc"][:, b])), 1.5)
    sites = ["att", "skip", "mlp", "res"]
    single = [(f"bare_{key}", [bare(key)], [], {}) for key in (*sites, "transcoder")]
    cases = [
        ("error_term", [*sites, "later"], [], {}),
        *single,
        ("bare_two", [bare("skip"), bare("res")], [], {}),
        # the SAE's input is the transcoder's output
        ("bare_at_one_hook", [bare("transcoder"), bare("mlp")], [], {}),
        ("bare_and_not", ["skip", bare("res")], [edit("clamp", "skip", s, value=4.0)], {}),
        ("edited", ["res"], [edit("clamp", "res", a, value=6.0)], {"features": ["res"]}),
        (
            "bare_edited",
            [bare("res")],
            [
                edit("ablate", "res", a),
                edit("scale", "res", b, factor=3.0, positions={"from": 4}),
            ],
            {"features": ["res"]},
        ),
        ("bare_skip_edited", [bare("skip")], [edit("ablate", "skip", s)], {"features": ["skip"]}),
        ("transcoder_edited", ["transcoder"], [edit("clamp", "transcoder", t, value=5.0)], {}),
        # part of the splice, so b is encoded before the push
        ("edited_then_steered", ["res"], [push, edit("ablate", "res", b)], {"features": ["res"]}),
    ]
    special = {"coder": "res", "excludeSpecialTokens": True}
    apart = [
        ("special_bare", [special | {"errorTerm": False}], []),
        ("special_edited", [special], [edit("clamp", "res", a, value=6.0)]),
        ("special_transcoder", [bare("skip", excludeSpecialTokens=True)], []),
    ]
    return [
        *(
            {"name": n, "prompt": "p10", "coders": c, "interventions": i, **m}
            for n, c, i, m in cases
        ),
        *({"name": n, "prompt": "special", "coders": c, "interventions": i} for n, c, i in apart),
        {
            "name": "batch_bare",
            "prompt": "batch",
            "coders": [bare("res", excludeSpecialTokens=True)],
            "interventions": [edit("clamp", "res", a, value=6.0, batch=[1, 2], positions=-1)],
        },
    ]


def check_formula(lab: Lab) -> None:
    """Checks that a splice without error term puts in the published formula's output."""
    for key in ("res", "att", "transcoder", "skip"):
        coder, plain = lab.coders[key], lab.plain("p10")
        x, y = plain[coder.hook], plain[coder.hook_out]
        pre = x.flatten(2) @ coder.w["W_enc"] + coder.w["b_enc"]
        out = (pre.relu() * (pre > coder.w["threshold"])) @ coder.w["W_dec"] + coder.w["b_dec"]
        if "A" in coder.w:
            out = out + x @ coder.w["A"]
        edits = {coder.hook_out: [lambda _, out=out, y=y: out.reshape(y.shape)]}
        want = lab.probe.run(lab.ids("p10"), edits)["logits"]
        case = {"prompt": "p10", "coders": [bare(key)]}
        agree(f"bare {key}", lab.run(case)[0][0]["logits"], want, 1e-12)


def make(fixtures: Path) -> None:
    for folder in FOLDERS:
        lab = open_lab(fixtures, folder)
        cases = splice_cases(lab)
        out: Tensors = {}
        for case in cases:
            done = lab.run(case)
            logits = [hooks["logits"] for hooks, _ in done]
            if len(done) > 1:
                lab.check_padded(case, logits)
            plain = lab.probe.run(lab.ids(case["prompt"], len(done) - 1))["logits"]
            if case["name"] == "error_term":
                agree("splices with their error terms", logits[-1], plain, 1e-9)
            else:
                assert distance(logits[-1], plain) > 3e-3, f"{case['name']} changes nothing"
            case["features"] = {
                key: keep_rows(out, f"{case['name']}.features.{key}", [done[0][1].features[key][1]])
                for key in case.pop("features", [])
            }
            case["logits"] = keep_rows(out, f"{case['name']}.logits", logits)
            if any(isinstance(c, dict) and c.get("excludeSpecialTokens") for c in case["coders"]):
                case["special"] = [
                    plan.rows.special()[0].nonzero()[:, 0].tolist() for _, plan in done
                ]
        check_formula(lab)
        write_cases(lab, "splices", cases, out)
