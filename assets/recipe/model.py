"""A small Gemma 2 for training: the same computation as transformers' Gemma2ForCausalLM in
float32, with fused projections. `state_dict_hf` writes transformers' names; export.py checks that
both give the same logits."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn


@dataclass(frozen=True)
class Shape:
    vocab: int
    bos: int = 2
    hidden: int = 128
    layers: int = 4
    heads: int = 4
    kv: int = 2
    head: int = 32
    ff: int = 512
    window: int = 32
    scalar: float = 32.0
    attn_cap: float = 50.0
    final_cap: float = 30.0
    theta: float = 10000.0
    eps: float = 1e-6


def normed(x, eps):
    """x / rms(x), without the gain."""
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps)


class Norm(nn.Module):
    def __init__(self, size, eps):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(size))
        self.eps = eps

    def forward(self, x):
        return normed(x, self.eps) * (1.0 + self.weight)


def rotate(x, cos, sin):
    a, b = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-b, a), dim=-1) * sin


class Block(nn.Module):
    def __init__(self, s: Shape, index: int):
        super().__init__()
        self.s = s
        self.sliding = index % 2 == 0
        self.norms = nn.ModuleList(Norm(s.hidden, s.eps) for _ in range(4))
        self.qkv = nn.Linear(s.hidden, (s.heads + 2 * s.kv) * s.head, bias=False)
        self.o = nn.Linear(s.heads * s.head, s.hidden, bias=False)
        self.gate_up = nn.Linear(s.hidden, 2 * s.ff, bias=False)
        self.down = nn.Linear(s.ff, s.hidden, bias=False)

    def z(self, x, cos, sin, bias):
        """Mixed values before W_O, heads flattened: [B, T, heads * head]."""
        s, (b, t, _) = self.s, x.shape
        parts = self.qkv(self.norms[0](x)).view(b, t, -1, s.head).transpose(1, 2)
        parts = torch.cat(
            (rotate(parts[:, : s.heads + s.kv], cos, sin), parts[:, s.heads + s.kv :]), 1
        )
        q, k, v = parts.split((s.heads, s.kv, s.kv), dim=1)
        group = s.heads // s.kv
        # the query heads of one key head are rows of one product, without copies of the keys
        q = q.reshape(b, s.kv, group * t, s.head)
        scores = torch.matmul(q, k.transpose(2, 3)) * s.scalar**-0.5
        scores = torch.tanh(scores / s.attn_cap) * s.attn_cap
        weights = F.softmax(scores.view(b, s.kv, group, t, t) + bias, dim=-1)
        z = torch.matmul(weights.view(b, s.kv, group * t, t), v).view(b, s.heads, t, s.head)
        return z.transpose(1, 2).reshape(b, t, -1)

    def mlp(self, mid):
        gate, up = self.gate_up(self.norms[2](mid)).chunk(2, dim=-1)
        return self.norms[3](self.down(F.gelu(gate, approximate="tanh") * up))

    def forward(self, x, cos, sin, bias, sites=None):
        z = self.z(x, cos, sin, bias)
        mid = x + self.norms[1](self.o(z))
        out = self.mlp(mid)
        if sites is not None:
            sites.append({"att": z, "in": normed(mid, self.s.eps), "mlp": out, "res": mid + out})
        return mid + out


class Gemma2(nn.Module):
    def __init__(self, s: Shape, length: int):
        super().__init__()
        self.s = s
        self.embed = nn.Parameter(torch.randn(s.vocab, s.hidden) * s.hidden**-0.5)
        self.blocks = nn.ModuleList(Block(s, i) for i in range(s.layers))
        self.final = Norm(s.hidden, s.eps)
        for name, p in self.named_parameters():
            if p.dim() == 2 and name != "embed":
                nn.init.normal_(
                    p,
                    std=0.02
                    if "down" not in name and ".o." not in name
                    else 0.02 / math.sqrt(2 * s.layers),
                )
        self.tables(length)

    def tables(self, length: int):
        s = self.s
        freq = 1.0 / s.theta ** (torch.arange(0, s.head, 2).float() / s.head)
        angle = torch.outer(torch.arange(length).float(), freq)
        angle = torch.cat((angle, angle), dim=-1)
        i = torch.arange(length)
        past = i[:, None] - i[None, :]
        full = past >= 0
        near = full & (past < s.window)
        for name, value in (
            ("cos", angle.cos()),
            ("sin", angle.sin()),
            ("full", full),
            ("near", near),
        ):
            self.register_buffer(name, value, persistent=False)

    def biases(self, ids):
        """Masks added to the scores of even (sliding) and odd (full) layers."""
        t = ids.shape[1]
        # documents packed into one row do not attend to each other; rotary positions are
        # relative, so each gives the same as in a separate row
        doc = (ids == self.s.bos).cumsum(1)
        same = (doc[:, :, None] == doc[:, None, :])[:, None, None]
        near = torch.where(same & self.near[:t, :t], 0.0, -1e9)
        return near, torch.where(same & self.full[:t, :t], 0.0, -1e9)

    def run(self, x, ids, blocks, sites=None):
        biases, t = self.biases(ids), ids.shape[1]
        for block in blocks:
            x = block(x, self.cos[:t], self.sin[:t], biases[0 if block.sliding else 1], sites)
        return x

    def hidden(self, ids, sites=None):
        return self.run(F.embedding(ids, self.embed) * self.s.hidden**0.5, ids, self.blocks, sites)

    def head(self, x):
        logits = F.linear(self.final(x), self.embed)
        return torch.tanh(logits / self.s.final_cap) * self.s.final_cap

    def after(self, x, layer, ids):
        """Logits from the residual stream after this layer."""
        return self.head(self.run(x, ids, self.blocks[layer + 1 :]))

    def forward(self, ids):
        return self.head(self.hidden(ids))

    def loss(self, ids, targets):
        logits = self(ids)
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-100)

    def state_dict_hf(self):
        s = self.s
        out = {"model.embed_tokens.weight": self.embed, "model.norm.weight": self.final.weight}
        names = (
            "input_layernorm",
            "post_attention_layernorm",
            "pre_feedforward_layernorm",
            "post_feedforward_layernorm",
        )
        sizes = (s.heads * s.head, s.kv * s.head, s.kv * s.head)
        for i, block in enumerate(self.blocks):
            at = f"model.layers.{i}."
            for name, norm in zip(names, block.norms):
                out[f"{at}{name}.weight"] = norm.weight
            for name, part in zip("qkv", block.qkv.weight.split(sizes)):
                out[f"{at}self_attn.{name}_proj.weight"] = part
            out[f"{at}self_attn.o_proj.weight"] = block.o.weight
            gate, up = block.gate_up.weight.chunk(2)
            out[f"{at}mlp.gate_proj.weight"], out[f"{at}mlp.up_proj.weight"] = gate, up
            out[f"{at}mlp.down_proj.weight"] = block.down.weight
        return {name: p.detach().clone().contiguous() for name, p in out.items()}

    def load_hf(self, tensors):
        """The inverse of state_dict_hf, from any dtype."""
        mine = {}
        for name, p in self.state_dict_hf().items():
            mine[name] = tensors[name].to(p.dtype)
        names = (
            "input_layernorm",
            "post_attention_layernorm",
            "pre_feedforward_layernorm",
            "post_feedforward_layernorm",
        )
        with torch.no_grad():
            self.embed.copy_(mine["model.embed_tokens.weight"])
            self.final.weight.copy_(mine["model.norm.weight"])
            for i, block in enumerate(self.blocks):
                at = f"model.layers.{i}."
                for name, norm in zip(names, block.norms):
                    norm.weight.copy_(mine[f"{at}{name}.weight"])
                block.qkv.weight.copy_(
                    torch.cat([mine[f"{at}self_attn.{n}_proj.weight"] for n in "qkv"])
                )
                block.o.weight.copy_(mine[f"{at}self_attn.o_proj.weight"])
                block.gate_up.weight.copy_(
                    torch.cat([mine[f"{at}mlp.{n}_proj.weight"] for n in ("gate", "up")])
                )
                block.down.weight.copy_(mine[f"{at}mlp.down_proj.weight"])
        return self
