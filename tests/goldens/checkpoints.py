"""Checkpoints in the published formats, and config.json files as transformers parses them."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import AutoConfig, Gemma3Config, Gemma3ForConditionalGeneration

from .common import agree, load, load_model, prompt, save, save_json

TINY2 = {
    "head_dim": 16,
    "hidden_size": 48,
    "intermediate_size": 64,
    "max_position_embeddings": 64,
    "num_attention_heads": 4,
    "num_hidden_layers": 4,
    "num_key_value_heads": 2,
    "query_pre_attn_scalar": 24,
    "sliding_window": 8,
    "vocab_size": 128,
}
TINY3_TEXT = {
    "head_dim": 16,
    "hidden_size": 48,
    "intermediate_size": 64,
    "model_type": "gemma3_text",
    "num_attention_heads": 4,
    "num_hidden_layers": 7,
    "num_key_value_heads": 1,
    "query_pre_attn_scalar": 24,
    "rope_scaling": {"factor": 8.0, "rope_type": "linear"},
    "sliding_window": 8,
    "vocab_size": 128,
}
TINY3_VISION = {
    "hidden_size": 8,
    "image_size": 28,
    "intermediate_size": 16,
    "model_type": "siglip_vision_model",
    "num_attention_heads": 2,
    "num_hidden_layers": 1,
    "patch_size": 14,
    "vision_use_head": False,
}
TINY3 = {
    "boi_token_index": 125,
    "eoi_token_index": 126,
    "image_token_index": 127,
    "mm_tokens_per_image": 4,
    "text_config": TINY3_TEXT,
    "vision_config": TINY3_VISION,
}


def published(fixtures: Path, name: str) -> dict:
    """A config.json in the form in which the model `name` is published."""
    return json.loads((fixtures / "configs" / f"{name}.json").read_text("utf-8"))


def expect(folder: Path, length: int = 24) -> None:
    """transformers' results for a prompt, with the folder's weights converted to float32."""
    ids = prompt(length, seed=600)
    logits = load_model(folder)(input_ids=ids, use_cache=False).logits
    save(folder / "expected.safetensors", {"tokens": ids, "logits": logits})


def make_sharded(source: Path, folder: Path, config: dict) -> None:
    """tiny-gemma2 in bfloat16: three shards with an index, config.json in the published style."""
    model = load_model(source, torch.bfloat16)
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder, max_shard_size="62KB")
    save_json(folder / "config.json", config | TINY2 | {"torch_dtype": "bfloat16"})
    shards = sorted(path.name for path in folder.glob("model-*.safetensors"))
    assert len(shards) == 3, shards
    expect(folder)


def make_half(source: Path, folder: Path) -> None:
    """tiny-gemma2 in float16, config.json in transformers 5's style."""
    shutil.rmtree(folder, ignore_errors=True)
    load_model(source, torch.float16).save_pretrained(folder)
    expect(folder)


def make_multimodal(source: Path, hub: Path, newer: Path, whole: dict, text_only: dict) -> None:
    """tiny-gemma3 in bfloat16 inside a Gemma3ForConditionalGeneration, with both naming schemes.

    hub: `language_model.model.…`, `vision_tower.vision_model.…`, `multi_modal_projector.…`, as in
    google/gemma-3-4b-pt.
    newer: `model.language_model.…`, `model.vision_tower.…`, `model.multi_modal_projector.…`, as
    transformers names its modules since 4.52; two shards; config.json in transformers 5's style.
    """
    torch.manual_seed(9)
    written = whole | TINY3
    settings = {k: v for k, v in written.items() if k not in ("architectures", "model_type")}
    config = Gemma3Config(**settings)
    model = Gemma3ForConditionalGeneration._from_config(config, attn_implementation="eager").eval()
    weights = load(source / "model.safetensors")
    text = {k.removeprefix("model."): v for k, v in weights.items()}
    model.model.language_model.load_state_dict(text)
    model = model.to(torch.bfloat16)
    ids = prompt(40, seed=601)

    shutil.rmtree(newer, ignore_errors=True)
    model.save_pretrained(newer, save_original_format=False, max_shard_size="160KB")
    index = json.loads((newer / "model.safetensors.index.json").read_text())["weight_map"]
    assert "model.language_model.embed_tokens.weight" in index and len(set(index.values())) == 2

    shutil.rmtree(hub, ignore_errors=True)
    hub.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as scratch:
        model.save_pretrained(scratch)
        named = load(Path(scratch) / "model.safetensors")
    named = {
        k.replace("vision_tower.", "vision_tower.vision_model.", 1)
        if k.startswith("vision_tower.")
        else k: v
        for k, v in named.items()
    }
    assert "language_model.model.embed_tokens.weight" in named
    save_file(named, hub / "model.safetensors", metadata={"format": "pt"})
    save_json(hub / "config.json", written)

    logits = []
    for folder in (hub, newer):
        loaded, report = Gemma3ForConditionalGeneration.from_pretrained(
            folder, dtype=torch.float32, attn_implementation="eager", output_loading_info=True
        )
        assert not report["missing_keys"] and not report["unexpected_keys"], report
        logits.append(loaded.eval()(input_ids=ids, use_cache=False).logits)
        save(folder / "expected.safetensors", {"tokens": ids, "logits": logits[-1]})
    agree("both ways of naming", logits[0], logits[1], 1e-6)
    # the text half must give the same, with scaled RoPE in its one global layer
    with tempfile.TemporaryDirectory() as scratch:
        alone = Path(scratch)
        rounded = {k: v.bfloat16() for k, v in weights.items()}
        save_file(rounded, alone / "model.safetensors", metadata={"format": "pt"})
        save_json(alone / "config.json", text_only | TINY3_TEXT)
        agree(
            "the text half alone",
            load_model(alone)(input_ids=ids, use_cache=False).logits,
            logits[0],
            1e-5,
        )


def resolved(config) -> dict:
    """The values that determine a forward pass, as transformers resolves them, with defaults."""
    text = config.get_text_config()
    keys = (
        "model_type",
        "vocab_size",
        "hidden_size",
        "intermediate_size",
        "num_hidden_layers",
        "num_attention_heads",
        "num_key_value_heads",
        "head_dim",
        "query_pre_attn_scalar",
        "rms_norm_eps",
        "hidden_activation",
        "sliding_window",
        "max_position_embeddings",
        "attn_logit_softcapping",
        "final_logit_softcapping",
        "tie_word_embeddings",
        "bos_token_id",
        "pad_token_id",
        "layer_types",
    )
    rope = text.rope_parameters
    if "rope_theta" in rope:  # Gemma 2: one for all layers
        rope = {kind: rope for kind in sorted(set(text.layer_types))}
    return {key: getattr(text, key) for key in keys} | {"rope_parameters": rope}


def make_configs(folder: Path) -> None:
    """NAME.json as transformers parses it, and as transformers saves it."""
    for path in sorted(folder.glob("*.json")):
        if path.suffixes[-2:-1] in ([".resolved"], [".transformers5"]):
            continue
        # transformers picks the class by model_type, and loads from a folder
        with tempfile.TemporaryDirectory() as scratch:
            shutil.copy(path, Path(scratch) / "config.json")
            config = AutoConfig.from_pretrained(scratch)
            config.save_pretrained(scratch)
            assert resolved(AutoConfig.from_pretrained(scratch)) == resolved(config), path.name
            saved = (Path(scratch) / "config.json").read_text("utf-8")
        path.with_suffix(".transformers5.json").write_text(saved, "utf-8")
        save_json(path.with_suffix(".resolved.json"), resolved(config))


def make(fixtures: Path) -> None:
    folder = fixtures / "checkpoints"
    gemma2, gemma3 = fixtures / "tiny-gemma2", fixtures / "tiny-gemma3"
    make_sharded(gemma2, folder / "gemma2-sharded-bf16", published(fixtures, "gemma-2-2b"))
    make_half(gemma2, folder / "gemma2-f16")
    make_multimodal(
        gemma3,
        folder / "gemma3-multimodal-hub",
        folder / "gemma3-multimodal-newer",
        published(fixtures, "gemma-3-4b"),
        published(fixtures, "gemma-3-1b"),
    )
    make_configs(fixtures / "configs")
    for path in folder.rglob("*.safetensors"):
        path.chmod(0o644)
