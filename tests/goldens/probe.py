"""A transformers Gemma in float64 whose every hook point can be read, replaced and differentiated.

transformers' own modules run, except three that this file reimplements. The norms and the eager
attention have hook points inside and round to float32 internally. No module hook can replace the
residual stream of the decoder layer. `witness` compares the result with unmodified transformers.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from unittest import mock

import torch

from .common import Tensors, agree

Edit = Callable[[torch.Tensor], torch.Tensor]
Edits = Mapping[str, Sequence[Edit]]


class Probe:
    """`kept` has every hook point of the last run, after its edits."""

    def __init__(self, model) -> None:
        self.model = model
        self.kept: Tensors = {}
        self._edits: Edits = {}
        self._grad = False
        self._install()

    def run(
        self,
        ids: torch.Tensor,
        edits: Edits | None = None,
        mask: torch.Tensor | None = None,
        grad: bool = False,
    ) -> Tensors:
        """All hooks by name, and `logits`; with `grad` each keeps its gradient in a backward."""
        self.kept, self._edits, self._grad = {}, edits or {}, grad
        module = sys.modules[type(self.model.model.layers[0].self_attn).__module__]
        padding = {}
        if mask is not None:
            positions = (mask.cumsum(1) - 1).clamp_min(0)
            padding = {"attention_mask": mask, "position_ids": positions}
        with (
            torch.set_grad_enabled(grad),
            mock.patch.object(module, "eager_attention_forward", self._attention),
        ):
            logits = self.model(input_ids=ids, use_cache=False, **padding).logits
            self.see("logits", logits)
        unknown = self._edits.keys() - self.kept.keys()
        assert not unknown, f"no such hook points: {sorted(unknown)}"
        return self.kept

    def see(self, name: str, x: torch.Tensor) -> torch.Tensor:
        assert name not in self.kept, name
        if self._grad and not x.requires_grad:
            x = x.detach().requires_grad_()
        for edit in self._edits.get(name, ()):
            x = edit(x)
        if self._grad:
            x.retain_grad()
        self.kept[name] = x
        return x

    def _install(self) -> None:
        model = self.model
        for parameter in model.parameters():
            parameter.requires_grad_(False)
        self._norm(model.model.norm, "ln_final", "unembed.hook_in")
        self._output(model.model.embed_tokens, "hook_embed")
        self._output(model.lm_head, "unembed.hook_out")
        for i, layer in enumerate(model.model.layers):
            block, attn, mlp = f"blocks.{i}.", layer.self_attn, layer.mlp
            self._norm(layer.input_layernorm, block + "ln1", block + "attn.hook_in")
            self._norm(layer.post_attention_layernorm, block + "ln1_post", block + "hook_attn_out")
            self._norm(layer.pre_feedforward_layernorm, block + "ln2", block + "mlp.hook_in")
            self._norm(layer.post_feedforward_layernorm, block + "ln2_post", block + "hook_mlp_out")
            for part in "qkv":
                self._output(getattr(attn, f"{part}_proj"), f"{block}attn.hook_{part}", heads=True)
            self._input(attn.o_proj, block + "attn.hook_z", heads=True)
            self._output(attn.o_proj, block + "attn.hook_out")
            self._output(mlp.gate_proj, block + "mlp.hook_pre")
            self._output(mlp.up_proj, block + "mlp.hook_pre_linear")
            self._input(mlp.down_proj, block + "mlp.hook_post")
            self._output(mlp, block + "mlp.hook_out")
            for part in ("q_norm", "k_norm"):
                if hasattr(attn, part):
                    self._norm(getattr(attn, part))
            self._layer(layer, block)

    def _in_heads(self, name: str, x: torch.Tensor) -> torch.Tensor:
        return self.see(name, x.unflatten(-1, (-1, self.model.config.head_dim))).flatten(2)

    def _output(self, module, name: str, heads: bool = False) -> None:
        see = self._in_heads if heads else self.see
        module.register_forward_hook(lambda m, args, out: see(name, out))

    def _input(self, module, name: str, heads: bool = False) -> None:
        see = self._in_heads if heads else self.see
        module.register_forward_pre_hook(lambda m, args: (see(name, args[0]),))

    def _norm(self, module, name: str | None = None, out: str | None = None) -> None:
        def forward(x: torch.Tensor) -> torch.Tensor:
            scale = (x.pow(2).mean(-1, keepdim=True) + module.eps).sqrt()
            if name is None:
                return x / scale * (1 + module.weight)
            scale = self.see(f"{name}.hook_scale", scale)
            normalized = self.see(f"{name}.hook_normalized", x / scale)
            return self.see(out, normalized * (1 + module.weight))

        module.forward = forward

    def _layer(self, layer, block: str) -> None:
        def forward(hidden_states: torch.Tensor, **kwargs) -> torch.Tensor:
            pre = self.see(block + "hook_resid_pre", hidden_states)
            attn, _ = layer.self_attn(hidden_states=layer.input_layernorm(pre), **kwargs)
            mid = pre + layer.post_attention_layernorm(attn)
            mid = self.see(block + "hook_resid_mid", mid)
            mlp = layer.mlp(layer.pre_feedforward_layernorm(mid))
            post = mid + layer.post_feedforward_layernorm(mlp)
            return self.see(block + "hook_resid_post", post)

        layer.forward = forward

    def _attention(self, layer, query, key, value, mask, scaling, softcap=None, **_):
        at = f"blocks.{layer.layer_idx}.attn."
        query = self.see(at + "hook_rot_q", query.transpose(1, 2)).transpose(1, 2)
        key = self.see(at + "hook_rot_k", key.transpose(1, 2)).transpose(1, 2)
        key, value = (x.repeat_interleave(layer.num_key_value_groups, 1) for x in (key, value))
        scores = query @ key.transpose(2, 3) * scaling
        if softcap is not None:
            scores = torch.tanh(scores / softcap) * softcap
        hidden = mask < 0
        scores = self.see(at + "hook_attn_scores", scores.masked_fill(hidden, float("-inf")))
        # a padding query may see no position
        pattern = scores.softmax(-1).masked_fill(hidden.all(-1, keepdim=True), 0)
        pattern = self.see(at + "hook_pattern", pattern)
        return (pattern @ value).transpose(1, 2).contiguous(), pattern


def witness(probe: Probe, plain, ids: torch.Tensor, known: Tensors) -> None:
    """Compares the probe's hooks with the fixtures, and its logits with unmodified transformers."""
    hooks = probe.run(ids)
    agree(
        "logits of the probe", hooks["logits"], plain(input_ids=ids, use_cache=False).logits, 1e-5
    )
    for name, value in known.items():
        if name != "tokens" and name in hooks:
            agree(f"{name} of the probe", hooks[name], value, 1e-5)
    missing = {name for name in hooks if name not in known and name != "hook_embed"}
    assert not missing, f"no fixture witnesses {sorted(missing)}"
