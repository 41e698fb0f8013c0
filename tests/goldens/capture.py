"""Every hook point of a transformers Gemma by its TransformerLens name, from forward hooks.

b batch, p pos, h heads, kv key/value heads, dh head width, d model width, ff MLP width.
"""

from __future__ import annotations

from contextlib import contextmanager

import torch

from .common import Tensors, agree


@contextmanager
def _eager_attention(model, record):
    """Records the intermediates of the model's eager attention."""
    import sys

    module = sys.modules[type(model.model.layers[0].self_attn).__module__]
    original = module.eager_attention_forward

    def attention(layer, query, key, value, mask, scaling=None, softcap=None, **kwargs):
        out, pattern = original(
            layer, query, key, value, mask, scaling=scaling, softcap=softcap, **kwargs
        )
        scores = query @ module.repeat_kv(key, layer.num_key_value_groups).transpose(2, 3) * scaling
        if softcap is not None:
            scores = torch.tanh(scores / softcap) * softcap
        # transformers adds a huge finite number; the hook point has -inf
        scores = scores.masked_fill(mask < 0, float("-inf"))
        agree("pattern of the recorded scores", scores.softmax(-1), pattern, 1e-5)
        at = f"blocks.{layer.layer_idx}.attn."
        record(at + "hook_rot_q", query.transpose(1, 2))
        record(at + "hook_rot_k", key.transpose(1, 2))
        record(at + "hook_attn_scores", scores)
        record(at + "hook_pattern", pattern)
        return out, pattern

    module.eager_attention_forward = attention
    try:
        yield
    finally:
        module.eager_attention_forward = original


def _norm(record, name: str, module, x: torch.Tensor, out: torch.Tensor) -> None:
    x32 = x.float()
    scale = (x32.pow(2).mean(-1, keepdim=True) + module.eps).sqrt()
    record(f"{name}.hook_scale", scale)
    record(f"{name}.hook_normalized", x32 / scale)
    agree(name, x32 / scale * (1 + module.weight.float()), out, 1e-5)


def capture(model, ids: torch.Tensor) -> Tensors:
    """All hooks; `unembed.hook_out` is before the final soft cap, `logits` after it."""
    kept: Tensors = {}

    def record(name: str, value: torch.Tensor) -> None:
        assert name not in kept, name
        kept[name] = value.detach().clone()

    handles = []

    def on(module, fn) -> None:
        handles.append(module.register_forward_hook(lambda m, args, out: fn(m, args, out)))

    def heads(x: torch.Tensor) -> torch.Tensor:
        return x.unflatten(-1, (-1, model.config.head_dim))

    def project(name):
        return lambda m, args, out: record(name, heads(out))

    def output(name):
        return lambda m, args, out: record(name, out[0] if isinstance(out, tuple) else out)

    def norm(name, alias):
        def fn(m, args, out):
            _norm(record, name, m, args[0], out)
            if alias is not None:
                record(alias, out)

        return fn

    def o_proj(at):
        def fn(m, args, out):
            z = heads(args[0])
            weight = heads(m.weight)  # [d, h, dh]
            result = torch.einsum("bphk,dhk->bphd", z, weight)
            agree(at + "hook_result summed over heads", result.sum(2), out, 1e-5)
            record(at + "hook_z", z)
            record(at + "hook_result", result)
            record(at + "hook_out", out)

        return fn

    on(model.model.embed_tokens, output("hook_embed"))
    for i, layer in enumerate(model.model.layers):
        block, at = f"blocks.{i}.", f"blocks.{i}.attn."
        attn, mlp = layer.self_attn, layer.mlp
        on(layer.input_layernorm, norm(block + "ln1", at + "hook_in"))
        on(attn.q_proj, project(at + "hook_q"))
        on(attn.k_proj, project(at + "hook_k"))
        on(attn.v_proj, project(at + "hook_v"))
        for part in ("q_norm", "k_norm"):
            if hasattr(attn, part):
                # heads before positions, [b, h, p, dh], as in transformers and in
                # TransformerLens' bridge
                def qk(m, args, out, name=at + part):
                    record(name + ".hook_in", args[0])
                    record(name + ".hook_out", out)

                on(getattr(attn, part), qk)
        on(attn.o_proj, o_proj(at))
        on(layer.post_attention_layernorm, norm(block + "ln1_post", block + "hook_attn_out"))
        on(layer.pre_feedforward_layernorm, norm(block + "ln2", block + "mlp.hook_in"))
        on(
            layer.pre_feedforward_layernorm,
            lambda m, args, out, n=block: record(n + "hook_resid_mid", args[0]),
        )
        on(mlp.gate_proj, output(block + "mlp.hook_pre"))
        on(mlp.up_proj, output(block + "mlp.hook_pre_linear"))
        on(mlp.down_proj, lambda m, args, out, n=block: record(n + "mlp.hook_post", args[0]))
        on(mlp, output(block + "mlp.hook_out"))
        on(layer.post_feedforward_layernorm, norm(block + "ln2_post", block + "hook_mlp_out"))
        on(layer, lambda m, args, out, n=block: record(n + "hook_resid_pre", args[0]))
        on(layer, output(block + "hook_resid_post"))
    on(model.model.norm, norm("ln_final", "unembed.hook_in"))
    on(model.lm_head, output("unembed.hook_out"))
    try:
        with _eager_attention(model, record):
            record("logits", model(input_ids=ids, use_cache=False).logits)
    finally:
        for handle in handles:
            handle.remove()
    return kept


def bridge_cache(folder, model, ids: torch.Tensor) -> Tensors:
    """The same tensors from TransformerLens' bridge, as an independent check."""
    from transformer_lens.model_bridge.sources.transformers import boot

    bridge = boot(str(folder), hf_model=model, device="cpu")
    bridge.set_use_attn_result(True)
    logits, cache = bridge.run_with_cache(ids)
    return {**{name: value for name, value in cache.items()}, "logits": logits}
