"""Code that the case files share: a tiny model with its coders and prompts, and cases run on it.

A case is data in the form of the public API: `{name, prompt, coders, interventions, …}`; tests load it.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch

from .common import Tensors, agree, load, load_model, prompt, save
from .edits import Plan, Rows
from .jumprelu import Coder, open_coder
from .probe import Probe, witness

FOLDERS = ("tiny-gemma2", "tiny-gemma3")
LENGTH = 10  # most prompts: longer than the window of 8, short enough to keep files small
SAVED_SKIP = "tiny-gemma2/gs1/transcoder_skip/layer_1"


def _table(folder: str) -> dict[str, tuple[str, ...]]:
    """key → path, hook [, hook out]; the same keys mean the same kind of coder for both models."""
    if folder == "tiny-gemma2":
        gs1, post = "tiny-gemma2/gs1/", "hook_mlp_out"
        return {
            "embed": (f"{gs1}embedding/width_4k/average_l0_6/params.npz", "hook_embed"),
            "skip": (SAVED_SKIP, "blocks.1.ln2.hook_normalized", f"blocks.1.{post}"),
            "att": (f"{gs1}att/params.npz", "blocks.2.attn.hook_z"),
            "transcoder": (
                f"{gs1}transcoder/plain_layer_2.npz",
                "blocks.2.ln2.hook_normalized",
                f"blocks.2.{post}",
            ),
            "mlp": (f"{gs1}mlp/params.npz", f"blocks.2.{post}"),
            "res": (f"{gs1}res/params.npz", "blocks.2.hook_resid_post"),
            "later": (f"{gs1}res/params.npz", "blocks.3.hook_resid_post"),
        }
    leaf = "layer_2_width_16k_l0_small"
    gained = ("blocks.2.mlp.hook_in", "blocks.2.hook_mlp_out")
    return {
        "att": (f"gs2/attn_out/{leaf}", "blocks.2.attn.hook_z"),
        "transcoder": (f"gs2/transcoder/{leaf}", *gained),
        "skip": (f"gs2/transcoder/{leaf}_affine", *gained),
        "mlp": (f"gs2/mlp_out/{leaf}", "blocks.2.hook_mlp_out"),
        "res": (f"gs2/resid_post/{leaf}", "blocks.2.hook_resid_post"),
        "later": (f"gs2/resid_post/{leaf}", "blocks.5.hook_resid_post"),
    }


class Lab:
    """A tiny model in float64, probed; coders by key, prompts by name, vectors of the cases."""

    def __init__(self, fixtures: Path, folder: str) -> None:
        self.folder, self.path = folder, fixtures / folder
        self.probe = Probe(load_model(self.path).double())
        self.config = self.probe.model.config
        self.coders: dict[str, Coder] = {
            key: open_coder(fixtures, *where) for key, where in _table(folder).items()
        }
        long = load(self.path / "expected_hf.safetensors")["s24.tokens"][0].tolist()
        special = prompt(LENGTH, seed=904)[0].tolist()
        special[3] = 1
        self.prompts: dict[str, list[list[int]]] = {
            "s24": [long],
            "p10": [long[:LENGTH]],
            "other": [prompt(LENGTH, seed=903)[0].tolist()],
            "special": [special],
            "batch": [prompt(n, seed=900 + n)[0].tolist() for n in (5, 8)] + [long[:LENGTH]],
        }
        self.vectors: Tensors = {}
        self._plain: dict[str, Tensors] = {}

    def ids(self, name: str, row: int = 0) -> torch.Tensor:
        return torch.tensor([self.prompts[name][row]])

    def plain(self, name: str) -> Tensors:
        """All hooks of an unedited run of a prompt of one row."""
        if name not in self._plain:
            self._plain[name] = dict(self.probe.run(self.ids(name)))
        return self._plain[name]

    def features(self, key: str, name: str = "p10") -> torch.Tensor:
        """Features [p, F] of the unedited run."""
        x = self.plain(name)[self.coders[key].hook]
        return self.coders[key].encode(x, torch.ones(x.shape[:2], dtype=torch.bool))[0]

    def firing(self, key: str, name: str = "p10") -> list[int]:
        """Features by the number of positions where they fire, half of them at most."""
        count = (self.features(key, name) > 0).sum(0)
        order = sorted(range(len(count)), key=lambda i: (-int(count[i]), i))
        return [i for i in order if 0 < count[i] <= len(self.prompts[name][0]) // 2]

    def plan(self, case: dict, rows: Rows, errors: Tensors | None = None) -> Plan:
        for item in case.get("interventions", []):
            if item["type"] in ("patch", "freeze"):
                self.plain(item["source"]["prompt"])  # before this run, not inside it
        sources = lambda source: self.plain(source["prompt"])  # noqa: E731
        plan = Plan(self.probe, rows, self.coders, self.vectors, sources, errors=dict(errors or {}))
        splices = [{"coder": c} if isinstance(c, str) else c for c in case.get("coders", [])]
        plan.add(splices, case.get("interventions", []))
        return plan

    def run(self, case: dict, grad: bool = False) -> list[tuple[Tensors, Plan]]:
        """Hooks and plan of each row, run alone and unpadded."""
        rows = range(len(self.prompts[case["prompt"]]))
        return [self.run_row(case, row, grad) for row in rows]

    def run_row(self, case: dict, row: int, grad: bool = False) -> tuple[Tensors, Plan]:
        ids = self.ids(case["prompt"], row)
        plan = self.plan(case, Rows(ids, torch.ones_like(ids), [row]))
        return self.probe.run(ids, plan.edits, grad=grad), plan

    def check_padded(self, case: dict, alone: list[torch.Tensor]) -> None:
        """Checks that the rows give the same as one left-padded batch and alone."""
        rows = self.prompts[case["prompt"]]
        width = max(map(len, rows))
        ids = torch.tensor([[0] * (width - len(row)) + row for row in rows])
        mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows])
        plan = self.plan(case, Rows(ids, mask, list(range(len(rows)))))
        logits = self.probe.run(ids, plan.edits, mask)["logits"]
        for r, want in enumerate(alone):
            agree(f"{case['name']}: padded row {r}", logits[r : r + 1, mask[r].bool()], want, 1e-9)


def open_lab(fixtures: Path, folder: str) -> Lab:
    """A lab whose probe has been compared with transformers and the hook fixtures."""
    lab = Lab(fixtures, folder)
    known = load(lab.path / "expected_hooks_s24.safetensors")
    if (older := lab.path / "expected_tl_s24.safetensors").exists():
        known |= load(older)
    witness(lab.probe, load_model(lab.path), lab.ids("s24"), known)
    for key, features in _known_features(fixtures, lab).items():
        agree(f"features of {key}", lab.features(key, "s24"), features, 1e-5)
    return lab


def _known_features(fixtures: Path, lab: Lab) -> Tensors:
    """Compares the coders on s24 with the coder fixtures, which SAELens confirms."""
    if lab.folder == "tiny-gemma2":
        gs1 = lab.path / "gs1"
        sites = load(gs1 / "expected_saelens.safetensors")
        layers = load(gs1 / "expected_transcoders_s24.safetensors")
        return {
            **{key: sites[f"{key}.feats"].reshape(-1, 96) for key in ("res", "mlp", "att")},
            "embed": load(gs1 / "expected_embedding_s24.safetensors")["features"],
            "transcoder": layers["plain.2.features"],
            "skip": layers["skip.1.features"],
        }
    known = load(fixtures / "gs2" / "expected_s24.safetensors")
    return {
        key: known[coder.path.removeprefix("gs2/") + ".features"]
        for key, coder in lab.coders.items()
        if key != "later"
    }


def keep_rows(out: Tensors, name: str, rows: list[torch.Tensor]) -> str | list[str]:
    """Stores one tensor for each row of a prompt and gives its key, or the keys."""
    keys = [name] if len(rows) == 1 else [f"{name}.row.{i}" for i in range(len(rows))]
    out.update({key: row.float() for key, row in zip(keys, rows, strict=True)})
    return keys[0] if len(rows) == 1 else keys


def write_cases(lab: Lab, name: str, cases: list[dict], tensors: Tensors) -> None:
    """`NAME.json`, a line for each case, and `expected_NAME.safetensors`; only what cases use."""
    text = json.dumps(cases)
    coders = {k: c.public() for k, c in lab.coders.items() if f'"{k}"' in text}
    prompts = {k: rows for k, rows in lab.prompts.items() if f'"{k}"' in text}
    vectors = {k: v.float() for k, v in lab.vectors.items() if f'"{k}"' in text}

    def table(entries: dict) -> str:
        lines = [f"    {json.dumps(k)}: {json.dumps(v)}" for k, v in entries.items()]
        return "{\n" + ",\n".join(lines) + "\n  }" if lines else "{}"

    body = ",\n".join(f"    {json.dumps(case)}" for case in cases)
    (lab.path / f"{name}.json").write_text(
        f'{{\n  "model": {json.dumps(lab.folder)},\n  "coders": {table(coders)},\n'
        f'  "prompts": {table(prompts)},\n  "cases": [\n{body}\n  ]\n}}\n',
        encoding="utf-8",
    )
    save(lab.path / f"expected_{name}.safetensors", tensors | vectors)
