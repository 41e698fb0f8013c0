"""Expected values of forward passes: hooks, padding, long prompts, greedy text, loss, drift."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import torch
from transformers import Gemma3ForCausalLM, Gemma3TextConfig

from .capture import bridge_cache, capture
from .common import Tensors, agree, distance, load, load_model, prompt, save, save_json

# Seeds of 8-token prompts whose greedy continuation does not repeat one token from the start.
GREEDY_SEED = {"tiny-gemma2": 22, "tiny-gemma3": 8}
PADDED_LENGTHS = (5, 12, 24)


def s24(folder: Path) -> torch.Tensor:
    return load(folder / "expected_hf.safetensors")["s24.tokens"]


def make_hooks(folder: Path) -> None:
    """All hooks on s24, three windows long, confirmed by TransformerLens' bridge."""
    ids = s24(folder)
    model = load_model(folder)
    kept = capture(model, ids)
    agree("logits", kept["logits"], load(folder / "expected_hf.safetensors")["s24.logits"], 1e-5)
    witness = bridge_cache(folder, load_model(folder), ids)
    for name, value in kept.items():
        other = witness[name]
        if name.endswith("hook_attn_scores"):  # the bridge keeps transformers' finite mask value
            other = other.masked_fill(other < -1e30, float("-inf"))
        agree(f"{name} against the bridge", value, other, 1e-5)
    older = folder / "expected_tl_s24.safetensors"
    if older.exists():
        known = load(older)
        for name, value in known.items():
            agree(f"{name} against expected_tl_s24", kept[name], value, 1e-5)
        kept = {name: value for name, value in kept.items() if name not in known}
    save(folder / "expected_hooks_s24.safetensors", {"tokens": ids, **kept})


def residuals(model, ids: torch.Tensor, **kwargs) -> Tensors:
    """logits and every blocks.L.hook_resid_post (before the final norm), in the model's dtype."""
    kept: Tensors = {}
    handles = [
        layer.register_forward_hook(
            lambda m, args, out, n=f"blocks.{i}.hook_resid_post": kept.update(
                {n: out[0] if isinstance(out, tuple) else out}
            )
        )
        for i, layer in enumerate(model.model.layers)
    ]
    kept["logits"] = model(input_ids=ids, use_cache=False, **kwargs).logits
    for handle in handles:
        handle.remove()
    return kept


def make_long(folder: Path) -> None:
    ids = prompt(40, seed=40)
    save(folder / "expected_s40.safetensors", {"tokens": ids, **residuals(load_model(folder), ids)})


def make_padded(folder: Path) -> None:
    """Rows of 5, 12 and 24 tokens: padded ids and masks, and each row's unpadded results."""
    model = load_model(folder)
    last = f"blocks.{model.config.num_hidden_layers - 1}.hook_resid_post"
    rows = [prompt(n, seed=500 + n) for n in PADDED_LENGTHS]
    width = max(PADDED_LENGTHS)
    out: Tensors = {}
    for i, row in enumerate(rows):
        alone = residuals(model, row)
        out[f"row.{i}.tokens"] = row
        out[f"row.{i}.logits"] = alone["logits"]
        out[f"row.{i}.{last}"] = alone[last]
    for side in ("left", "right"):
        ids = torch.zeros(len(rows), width, dtype=torch.long)  # 0 is <pad>
        mask = torch.zeros_like(ids)
        for i, row in enumerate(rows):
            where = slice(width - row.shape[1], width) if side == "left" else slice(0, row.shape[1])
            ids[i, where], mask[i, where] = row[0], 1
        out[f"{side}.tokens"], out[f"{side}.mask"] = ids, mask
        positions = (mask.cumsum(1) - 1).clamp_min(0)
        batched = model(
            input_ids=ids, attention_mask=mask, position_ids=positions, use_cache=False
        ).logits
        for i in range(len(rows)):
            agree(
                f"{side}-padded row {i}",
                batched[i : i + 1, mask[i].bool()],
                out[f"row.{i}.logits"],
                1e-5,
            )
    save(folder / "expected_padded.safetensors", out)


def make_greedy(folder: Path) -> None:
    """24 argmax tokens after 8, decoded without a cache, and the logits of each choice."""
    model = load_model(folder)
    start = prompt(8, seed=GREEDY_SEED[folder.name])
    ids, steps = start, []
    for _ in range(24):
        steps.append(model(input_ids=ids, use_cache=False).logits[0, -1])
        ids = torch.cat([ids, steps[-1].argmax()[None, None]], dim=1)
    best, second = torch.stack(steps).topk(2).values.unbind(1)
    assert (best - second).min() > 5e-2, "a greedy choice hangs on rounding"
    cached = model.generate(
        start,
        attention_mask=torch.ones_like(start),
        max_new_tokens=24,
        do_sample=False,
        eos_token_id=None,
    )
    assert torch.equal(cached, ids), "generate() with a cache chose otherwise"
    save(folder / "expected_greedy24.safetensors", {"tokens": ids, "logits": torch.stack(steps)})


def make_loss(folder: Path) -> None:
    ids = s24(folder)
    result = load_model(folder)(input_ids=ids, labels=ids, use_cache=False)
    per_token = torch.nn.functional.cross_entropy(
        result.logits[0, :-1], ids[0, 1:], reduction="none"
    )[None]
    agree("mean loss", per_token.mean(), result.loss, 1e-5)
    save(
        folder / "expected_loss_s24.safetensors",
        {"tokens": ids, "per_token": per_token, "mean": result.loss},
    )


def drift(folder: Path, ids: torch.Tensor) -> tuple[Tensors, dict]:
    """bfloat16 tensors, and their drift: max|Δ| / max|f32|, rms(Δ) / rms(f32)."""
    exact = residuals(load_model(folder), ids)
    rounded = residuals(load_model(folder, torch.bfloat16), ids)
    off = {}
    for name, value in rounded.items():
        assert value.dtype == torch.bfloat16, name
        reference = exact[name].double()
        rms = (value.double() - reference).pow(2).mean().sqrt() / reference.pow(2).mean().sqrt()
        off[name] = {"max": distance(value, reference), "rms": rms.item()}
    return rounded, off


def make_drift(folder: Path) -> None:
    """The drift of transformers' bfloat16 from its float32, on s24 and on 16 prompts together.

    One maximum over few numbers is noisy; the 16 prompts are less so.
    """
    ids = s24(folder)
    rounded, alone = drift(folder, ids)
    batch = torch.cat([prompt(24, seed=700 + i) for i in range(16)])
    _, together = drift(folder, batch)
    save(folder / "expected_bf16.safetensors", {"tokens": ids, "batch.tokens": batch, **rounded})
    save_json(folder / "expected_bf16_drift.json", {"s24": alone, "batch": together})


def make_linear_rope(folder: Path, published: Path) -> None:
    """A three-layer Gemma 3 whose global layer has linearly scaled RoPE, as in 4b and larger.

    config.json is in the older published style, config.transformers5.json in the current one; both
    give the same logits.
    """
    config = Gemma3TextConfig(
        vocab_size=128,
        hidden_size=48,
        intermediate_size=64,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=16,
        query_pre_attn_scalar=24,
        sliding_window=8,
        max_position_embeddings=512,
        sliding_window_pattern=3,
        rope_scaling={"factor": 8.0, "rope_type": "linear"},
        dtype="float32",
    )
    torch.manual_seed(8)
    model = Gemma3ForCausalLM._from_config(config, attn_implementation="eager").eval()
    for name, weight in model.named_parameters():
        weight.normal_(0, 0.3 if "norm" in name else 0.25)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        model.save_pretrained(scratch)
        (folder / "model.safetensors").write_bytes(
            (Path(scratch) / "model.safetensors").read_bytes()
        )
        present = (Path(scratch) / "config.json").read_text()
    (folder / "config.transformers5.json").write_text(present)
    tiny = {
        key: getattr(config, key)
        for key in (
            "vocab_size",
            "hidden_size",
            "intermediate_size",
            "num_hidden_layers",
            "num_attention_heads",
            "num_key_value_heads",
            "head_dim",
            "query_pre_attn_scalar",
            "sliding_window",
            "max_position_embeddings",
        )
    }
    tiny |= {"sliding_window_pattern": 3, "torch_dtype": "float32"}
    scaling = {"rope_scaling": {"factor": 8.0, "rope_type": "linear"}}
    save_json(folder / "config.json", json.loads(published.read_text("utf-8")) | tiny | scaling)
    ids = prompt(40, seed=41)
    older = load_model(folder)
    expected = residuals(older, ids)
    agree("both config styles", residuals(model, ids)["logits"], expected["logits"], 1e-6)
    older.model.rotary_emb.full_attention_inv_freq.mul_(8)
    unscaled = distance(residuals(older, ids)["logits"], expected["logits"])
    assert unscaled > 1e-2, f"the scaling hardly matters here ({unscaled:.2g})"
    save(folder / "expected.safetensors", {"tokens": ids, **expected})


def make(fixtures: Path) -> None:
    for name in ("tiny-gemma2", "tiny-gemma3"):
        folder = fixtures / name
        make_hooks(folder)
        make_long(folder)
        make_padded(folder)
        make_greedy(folder)
        make_loss(folder)
        make_drift(folder)
    make_linear_rope(fixtures / "tiny-gemma3-linear-rope", fixtures / "configs" / "gemma-3-1b.json")
