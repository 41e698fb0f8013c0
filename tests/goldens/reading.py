"""Reads and decomposes the residual stream layer by layer: logit lens, heads, neurons, logits.

The post norms are linear for a fixed scale, so a head's part of hook_attn_out is
z_h·W_O,h / scale · gain, and the parts add up to it. A neuron's part of hook_mlp_out is analogous.
"""

from __future__ import annotations

from pathlib import Path

import torch

from .cases import FOLDERS, LENGTH, Lab, open_lab, write_cases
from .common import Tensors, agree

PROMPT = "p10"
POSITIONS = (4, -1)
TOP = 5


def head_parts(lab: Lab, hooks: Tensors, i: int) -> torch.Tensor:
    """[p, h, d]: each head's part of hook_attn_out."""
    layer, block = lab.probe.model.model.layers[i], f"blocks.{i}."
    weight = layer.self_attn.o_proj.weight.unflatten(1, (-1, lab.config.head_dim))  # [d, h, dh]
    parts = torch.einsum("phk,dhk->phd", hooks[block + "attn.hook_z"][0], weight)
    gain = 1 + layer.post_attention_layernorm.weight
    parts = parts / hooks[block + "ln1_post.hook_scale"][0, :, None] * gain
    agree(f"heads of layer {i}", parts.sum(1), hooks[block + "hook_attn_out"][0], 1e-12)
    return parts


def neuron_parts(lab: Lab, hooks: Tensors, i: int) -> torch.Tensor:
    """[p, ff, d]: each neuron's part of hook_mlp_out."""
    layer, block = lab.probe.model.model.layers[i], f"blocks.{i}."
    gain = 1 + layer.post_feedforward_layernorm.weight
    parts = hooks[block + "mlp.hook_post"][0, :, :, None] * layer.mlp.down_proj.weight.T
    parts = parts / hooks[block + "ln2_post.hook_scale"][0, :, None] * gain
    agree(f"neurons of layer {i}", parts.sum(1), hooks[block + "hook_mlp_out"][0], 1e-12)
    return parts


def lens(lab: Lab, hooks: Tensors, target: int, out: Tensors) -> dict:
    """The model's prediction if it ended after each layer, soft cap included."""
    model, cap = lab.probe.model, lab.config.final_logit_softcapping
    norm, rows = model.model.norm, []
    for i in range(lab.config.num_hidden_layers):
        x = hooks[f"blocks.{i}.hook_resid_post"][0]
        x = x / (x.pow(2).mean(-1, keepdim=True) + norm.eps).sqrt() * (1 + norm.weight)
        logits = x @ model.lm_head.weight.T
        rows.append(logits if cap is None else torch.tanh(logits / cap) * cap)
    logits = torch.stack(rows)  # [L, p, V]
    agree("the last layer's lens", logits[-1], hooks["logits"][0], 1e-12)
    top = logits.topk(TOP + 1)
    gap = (top.values[..., :-1] - top.values[..., 1:]).min()
    assert gap > 5e-5, f"two tokens of the lens are {gap:.2g} apart"
    mine = logits[..., target, None]
    assert ((logits - mine).abs().sort(-1).values[..., 1] > 1e-4).all(), "a rank hangs on rounding"
    out["lens.ids"] = top.indices[..., :TOP].int()
    out["lens.logits"] = top.values[..., :TOP].float()
    out["lens.logprobs"] = logits.log_softmax(-1).gather(2, top.indices[..., :TOP]).float()
    out["lens.target.logits"] = mine[..., 0].float()
    out["lens.target.ranks"] = (logits > mine).sum(-1).int()
    return {
        "name": "lens",
        "prompt": PROMPT,
        "topK": TOP,
        "token": target,
        **{key: f"lens.{key}" for key in ("ids", "logits", "logprobs")},
        "targetLogits": "lens.target.logits",
        "targetRanks": "lens.target.ranks",
    }


def decomposition(lab: Lab, hooks: Tensors, out: Tensors) -> dict:
    """Parts as vectors at two positions; they and the embedding add up to the residual stream."""
    layers = range(lab.config.num_hidden_layers)
    at = [p % LENGTH for p in POSITIONS]
    out["heads"] = torch.stack([head_parts(lab, hooks, i)[at] for i in layers]).float()
    out["neurons.1"] = neuron_parts(lab, hooks, 1)[-1].float()
    stream = hooks["hook_embed"][0]
    for i in layers:
        agree(f"stream before {i}", stream, hooks[f"blocks.{i}.hook_resid_pre"][0], 1e-12)
        stream = stream + head_parts(lab, hooks, i).sum(1) + neuron_parts(lab, hooks, i).sum(1)
    agree("stream at the end", stream, hooks[f"blocks.{layers[-1]}.hook_resid_post"][0], 1e-12)
    return {
        "name": "decomposition",
        "prompt": PROMPT,
        "positions": POSITIONS,
        "heads": "heads",
        "neurons": {"layer": 1, "position": -1, "parts": "neurons.1"},
    }


def direct(lab: Lab, hooks: Tensors, tokens: list[int], out: Tensors) -> dict:
    """Each part's share of two tokens' logits before the soft cap, for a fixed final norm scale."""
    norm, layers = lab.probe.model.model.norm, range(lab.config.num_hidden_layers)
    at = [p % LENGTH for p in POSITIONS]
    unembed = lab.probe.model.lm_head.weight[tokens]  # [2, d]

    def share(part: torch.Tensor) -> torch.Tensor:
        """[p, …, d] → [tokens, p, …]"""
        scale = hooks["ln_final.hook_scale"][0, at].reshape(len(at), *[1] * (part.dim() - 1))
        return torch.einsum("td,p...d->tp...", unembed, part / scale * (1 + norm.weight))

    whole = [hooks["hook_embed"][0, at]]
    for i in layers:
        whole += [hooks[f"blocks.{i}.{part}"][0, at] for part in ("hook_attn_out", "hook_mlp_out")]
    components = torch.stack([share(part) for part in whole], -1)  # [tokens, positions, 1 + 2L]
    heads = torch.stack([share(head_parts(lab, hooks, i)[at]) for i in layers], 2)
    neurons = torch.stack([share(neuron_parts(lab, hooks, i)[at]) for i in layers], 2)
    total = hooks["unembed.hook_out"][0, at][:, tokens].T
    agree("logits by component", components.sum(-1), total, 1e-12)
    agree("attention by head", heads.sum(-1), components[..., 1::2], 1e-10)
    agree("MLPs by neuron", neurons.sum(-1), components[..., 2::2], 1e-10)
    kept = {"components": components, "heads": heads, "neurons": neurons, "total": total}
    out.update({f"direct.{key}": value.float() for key, value in kept.items()})
    return {
        "name": "direct",
        "prompt": PROMPT,
        "tokens": tokens,
        "positions": POSITIONS,
        **{key: f"direct.{key}" for key in kept},
    }


def make(fixtures: Path) -> None:
    for folder in FOLDERS:
        lab = open_lab(fixtures, folder)
        hooks, out = lab.plain(PROMPT), {}
        tokens = hooks["logits"][0, -1].topk(2).indices.tolist()
        cases = [
            lens(lab, hooks, tokens[0], out),
            decomposition(lab, hooks, out),
            direct(lab, hooks, tokens, out),
        ]
        write_cases(lab, "reading", cases, out)
