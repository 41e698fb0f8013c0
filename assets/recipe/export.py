"""Writes assets: the model, its tokenizer, the coders, the held-out text and the baselines, in the
published layout."""

import json
import shutil
from pathlib import Path

import numpy as np
from safetensors.torch import save_file

import tokenizer as tk
from classes import CLASSES
from evaluate import Bench, Coder
from model import Shape
from ngram import WittenBell, unigram_entropy
from pack import encode

HELD_TOKENS, HELD_BYTES, HELD_LENGTH = 121_000, 500_000, 256


def config(s: Shape, length):
    return {
        "architectures": ["Gemma2ForCausalLM"],
        "attention_bias": False,
        "attention_dropout": 0.0,
        "attn_logit_softcapping": s.attn_cap,
        "bos_token_id": s.bos,
        "eos_token_id": 1,
        "final_logit_softcapping": s.final_cap,
        "head_dim": s.head,
        "hidden_act": "gelu_pytorch_tanh",
        "hidden_activation": "gelu_pytorch_tanh",
        "hidden_size": s.hidden,
        "initializer_range": 0.02,
        "intermediate_size": s.ff,
        "max_position_embeddings": length,
        "model_type": "gemma2",
        "num_attention_heads": s.heads,
        "num_hidden_layers": s.layers,
        "num_key_value_heads": s.kv,
        "pad_token_id": 0,
        "query_pre_attn_scalar": int(s.scalar),
        "rms_norm_eps": s.eps,
        "rope_theta": s.theta,
        "sliding_window": s.window,
        "tie_word_embeddings": True,
        "torch_dtype": "bfloat16",
        "use_cache": True,
        "vocab_size": s.vocab,
    }


def model(out: Path, tensors, s: Shape):
    save_file(tensors, out / "model.safetensors", metadata={"format": "pt"})
    (out / "model.safetensors").chmod(0o644)
    tk.dump(out / "config.json", config(s, 1024))
    tk.dump(
        out / "generation_config.json",
        {
            "_from_model_config": True,
            "bos_token_id": s.bos,
            "eos_token_id": [1, 5],
            "pad_token_id": 0,
        },
    )


def tokens(out: Path, work: Path, tok):
    (out / "tokenizer.json").write_text(tok.to_str(pretty=False), encoding="utf-8")
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        shutil.copyfile(work / name, out / name)
    tk.dump_rows(out / "classes.json", CLASSES)
    shutil.copyfile(Path(__file__).with_name("assets-readme.md"), out / "README.md")


def held_out(out: Path, docs, tok, bos):
    """The first held-out documents that fit in one row, up to a number of tokens and bytes."""
    lines, ids, count, size = [], [], 0, 0
    for doc, own in zip(docs, encode(tok, [d["text"] for d in docs])):
        line = json.dumps(doc, ensure_ascii=False) + "\n"
        if len(own) + 1 > HELD_LENGTH:
            continue
        if count >= HELD_TOKENS or size + len(line.encode()) > HELD_BYTES:
            break
        lines.append(line)
        ids.append(np.array([bos, *own.tolist()], dtype=np.int64))
        count, size = count + len(own), size + len(line.encode())
    (out / "heldout.jsonl").write_text("".join(lines), encoding="utf-8")
    return ids


def baselines(out: Path, train_texts, held, tok, bos, vocab):
    """Nats per token on the held-out file; each document is `<bos> text`, <bos> without loss."""
    train = [np.array([bos, *d.tolist()], dtype=np.int64) for d in encode(tok, train_texts)]
    found = {
        f"{name}CrossEntropy": WittenBell(train, n, vocab).cross_entropy(held)
        for n, name in ((1, "unigram"), (2, "bigram"), (3, "trigram"))
    }
    tk.dump(
        out / "ngram.json",
        {
            "unit": "nats per token",
            "smoothing": "Witten-Bell",
            "unigramEntropy": unigram_entropy([d[1:] for d in held]),
            **found,
            "trainDocuments": len(train),
            "trainTokens": int(sum(len(d) - 1 for d in train)),
            "heldoutDocuments": len(held),
            "heldoutTokens": int(sum(len(d) - 1 for d in held)),
        },
    )


def coder(out: Path, site, layer, arrays):
    """Writes layer_L/width_W/params.npz; `name_by_l0` names its last folder."""
    width = len(arrays["threshold"])
    width = f"{width // 1024}k" if width % 1024 == 0 else str(width)
    folder = out / "gemma-scope" / site / f"layer_{layer}" / f"width_{width}"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "average_l0_0").mkdir(parents=True)
    path = folder / "average_l0_0" / "params.npz"
    np.savez(path, **arrays)
    return path


def name_by_l0(paths, out: Path):
    """Renames average_l0_0 to the mean of active features measured on the held-out file."""
    found = [Coder(p) for p in paths]
    Bench(out).loss(watch=lambda seen: [c.observe(*c.pair(seen)) for c in found])
    for c, p in zip(found, paths):
        p.parent.rename(p.parent.with_name(f"average_l0_{round(c.l0)}"))
