"""JumpReLU coders of the fixtures, with the derivative that attribution uses.

f = pre if pre > threshold (and > 0), else 0        ∂f/∂pre = 1 if active, else 0
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import torch

from .common import Tensors, load
from .npz import read_npz

# A pre-activation nearer to its threshold could fire in only one precision.
MARGIN = 5e-5


@dataclass
class Coder:
    """An SAE (`hook_out` is `hook`) or a transcoder; `path` is below tests/fixtures."""

    path: str
    hook: str
    hook_out: str
    w: Tensors = field(repr=False)

    @property
    def transcoder(self) -> bool:
        return self.hook != self.hook_out

    def public(self) -> dict:
        """The fields with which a test loads it."""
        hooks = {"hookName": self.hook}
        if self.transcoder:
            hooks["hookNameOut"] = self.hook_out
        return {"class": "Transcoder" if self.transcoder else "SAE", "path": self.path, **hooks}

    def pre(self, x: torch.Tensor) -> torch.Tensor:
        return x.flatten(2) @ self.w["W_enc"] + self.w["b_enc"]

    def encode(
        self, x: torch.Tensor, rows: torch.Tensor, only: list[int] | None = None
    ) -> torch.Tensor:
        """Features [b, p, F]; those that count (`only`, at `rows`) must be clear of their thresholds."""
        pre = self.pre(x)
        gap = (pre - self.w["threshold"]).abs()[rows]
        nearest = (gap if only is None else gap[:, only]).min()
        assert nearest > MARGIN, f"{self.path}: a feature hangs on {nearest:.2g}"
        return pre * ((pre > self.w["threshold"]) & (pre > 0))

    def decode(self, f: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """[b, p, d_out] of features and, for the skip, the input."""
        out = f @ self.w["W_dec"] + self.w["b_dec"]
        return out + x.flatten(2) @ self.w["A"] if "A" in self.w else out


def open_coder(fixtures: Path, path: str, hook: str, hook_out: str | None = None) -> Coder:
    """From a .npz, a Gemma Scope 2 folder or a .safetensors, in float64."""
    file = fixtures / path
    if file.is_dir():
        file = file / "params.safetensors"
    names = {"w_enc": "W_enc", "w_dec": "W_dec", "affine_skip_connection": "A"}
    w = read_npz(file) if file.suffix == ".npz" else load(file)
    w = {names.get(k, k): v.double() for k, v in w.items()}
    if hook == "hook_embed":  # trained on unscaled embeddings
        root = w["W_enc"].shape[0] ** 0.5
        w |= {"W_enc": w["W_enc"] / root, "W_dec": w["W_dec"] * root}
    return Coder(path, hook, hook_out or hook, w)
