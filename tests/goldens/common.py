"""Functions for all modules of the goldens: loading, saving and comparing."""

from __future__ import annotations

import json
from pathlib import Path

import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

Tensors = dict[str, torch.Tensor]


def setup() -> None:
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()


def load_model(folder: Path, dtype: torch.dtype = torch.float32):
    """A transformers causal LM with eager attention, in evaluation mode."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, attn_implementation="eager")
    return model.eval()


def load(path: Path) -> Tensors:
    return load_file(path)


def save(path: Path, tensors: Tensors) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({k: v.detach().clone().contiguous() for k, v in sorted(tensors.items())}, path)
    path.chmod(0o644)  # safetensors leaves 0600


def save_json(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def distance(a: torch.Tensor, b: torch.Tensor) -> float:
    """max|a − b| / max|b| over finite entries; infinite ones must coincide."""
    a, b = a.double(), b.double()
    if a.shape != b.shape:
        raise AssertionError(f"shapes differ: {tuple(a.shape)} and {tuple(b.shape)}")
    finite = torch.isfinite(b)
    if not torch.equal(finite, torch.isfinite(a)):
        raise AssertionError("infinite entries differ")
    if not finite.any():
        return 0.0
    return ((a - b)[finite].abs().max() / b[finite].abs().max().clamp_min(1e-12)).item()


def agree(what: str, a: torch.Tensor, b: torch.Tensor, tolerance: float) -> float:
    """Raises unless two independent computations of one tensor agree."""
    d = distance(a, b)
    if not d <= tolerance:
        raise AssertionError(f"{what}: {d:.3g} apart, allowed {tolerance:.3g}")
    return d


def prompt(length: int, seed: int, vocabulary: int = 128) -> torch.Tensor:
    """[1, length] token ids: <bos> (2), then ids outside the four reserved ones."""
    generator = torch.Generator().manual_seed(seed)
    body = torch.randint(4, vocabulary, (1, length - 1), generator=generator)
    return torch.cat([torch.tensor([[2]]), body], dim=1)
