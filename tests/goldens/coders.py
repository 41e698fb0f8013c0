"""Gemma Scope coders in the published layouts, and their results on the 24-token prompt.

    pre = x·W_enc + b_enc        features = relu(pre) if pre > threshold, else 0
    out = features·W_dec + b_dec [+ x·A for a transcoder with an affine skip connection]

The formulas are evaluated in float64. SAELens loads the written files with its own loaders and
must agree.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from unittest import mock

import numpy as np
import torch

from .common import Tensors, agree, load, save, save_json
from .npz import make_npz_variants, read_npz, save_npz

FEATURES = 96


def formula(
    x: torch.Tensor, w: Tensors, scale_in: float = 1.0, scale_dec: float = 1.0
) -> tuple[torch.Tensor, ...]:
    """(pre, features, out) in float64."""
    w = {k: v.double() for k, v in w.items()}
    x = x.double()
    pre = x @ (w["W_enc"] * scale_in) + w["b_enc"]
    features = pre.relu() * (pre > w["threshold"])
    out = features @ (w["W_dec"] * scale_dec) + w["b_dec"]
    if "A" in w:
        out = out + x @ w["A"]
    return pre, features, out


def random_coder(
    x: torch.Tensor, d_out: int, seed: int, unit: bool, skip: bool, scale_in: float = 1.0
) -> Tensors:
    """A random coder on inputs x [tokens, d_in] of which 0 to 4 of 24 tokens fire each feature.

    Thresholds lie midway between neighbouring pre-activations, so rounding decides no feature.
    """
    g = torch.Generator().manual_seed(seed)
    d_in = x.shape[-1]
    spread = x.double().std() * scale_in
    w_dec = torch.randn(FEATURES, d_out, generator=g)
    w_dec /= w_dec.norm(dim=1, keepdim=True)
    if not unit:
        w_dec *= torch.rand(FEATURES, 1, generator=g) + 0.5
    w = {
        "W_enc": torch.randn(d_in, FEATURES, generator=g) / (d_in**0.5 * spread.float()),
        "W_dec": w_dec,
        "b_enc": torch.randn(FEATURES, generator=g) * 0.1,
        "b_dec": torch.randn(d_out, generator=g) * 0.1,
        "threshold": torch.zeros(FEATURES),
    }
    if skip:
        w["A"] = torch.randn(d_in, d_out, generator=g) / d_in**0.5
    pre, _, _ = formula(x, w, scale_in)
    wanted = torch.randint(0, 5, (FEATURES,), generator=g).tolist()
    for f, firing in enumerate(wanted):
        high = torch.unique(pre[:, f]).flip(0)  # repeated tokens repeat their pre-activations
        above = high[0] + 0.5
        candidates = [above, *((high[:-1] + high[1:]) / 2)]
        gaps = [1.0, *(high[:-1] - high[1:])]
        while firing > 0 and (candidates[firing] < 0.05 or gaps[firing] < 0.01):
            firing -= 1
        w["threshold"][f] = max(candidates[firing], 0.05)
    return w


def sure(what: str, pre: torch.Tensor, threshold: torch.Tensor) -> None:
    nearest = (pre - threshold.double()).abs().min()
    assert nearest > 2e-5, f"{what}: a pre-activation is {nearest:.2g} from its threshold"


def saelens(converter: str, root: Path, repo: str, folder: str, **overrides):
    """Loads a coder with SAELens from files below root; only the download is replaced."""
    from sae_lens import SAE
    from sae_lens.loading import pretrained_sae_loaders as loaders
    from safetensors import safe_open

    def local(repo_id: str, filename: str, subfolder: str = "", **_) -> str:
        return str(root / subfolder / filename)

    def shapes(repo_id: str, filename: str) -> dict[str, list[int]]:
        with safe_open(root / filename, "pt") as f:
            return {k: f.get_slice(k).get_shape() for k in f.keys()}

    def convert(cfg_overrides, **kwargs):
        return getattr(loaders, converter)(cfg_overrides={**cfg_overrides, **overrides}, **kwargs)

    with mock.patch.object(loaders, "hf_hub_download", local), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with mock.patch.object(loaders, "get_safetensors_tensor_shapes", shapes):
            return SAE.from_pretrained(repo, folder, converter=convert)


def witness(what: str, coder, x: torch.Tensor, features: torch.Tensor, out: torch.Tensor) -> None:
    f = coder.encode(x)
    assert torch.equal(f > 0, features > 0), f"{what}: SAELens fires other features"
    agree(f"{what} features", f, features, 1e-5)
    agree(f"{what} output", coder.forward(x), out, 1e-5)


def make_scope2(folder: Path, hooks: Tensors) -> None:
    """SAEs at the three sites and transcoders with and without the skip, on tiny-gemma3 layer 2."""
    layer = 2
    at = f"model.layers.{layer}."
    tl = f"blocks.{layer}."
    post = at + "post_feedforward_layernorm.output"
    plan = {
        f"resid_post/layer_{layer}_width_16k_l0_small": (
            at + "output",
            None,
            tl + "hook_resid_post",
            None,
        ),
        f"attn_out/layer_{layer}_width_16k_l0_small": (
            at + "self_attn.o_proj.input",
            None,
            tl + "attn.hook_z",
            None,
        ),
        f"mlp_out/layer_{layer}_width_16k_l0_small": (post, None, tl + "hook_mlp_out", None),
        f"transcoder/layer_{layer}_width_16k_l0_small": (
            at + "pre_feedforward_layernorm.output",
            post,
            tl + "mlp.hook_in",
            tl + "hook_mlp_out",
        ),
        f"transcoder/layer_{layer}_width_16k_l0_small_affine": (
            at + "pre_feedforward_layernorm.output",
            post,
            tl + "mlp.hook_in",
            tl + "hook_mlp_out",
        ),
    }
    expected: Tensors = {}
    index = {}
    for seed, (name, (hf_in, hf_out, hook_in, hook_out)) in enumerate(plan.items(), start=200):
        affine = name.endswith("_affine")
        x = hooks[hook_in][0].flatten(1)  # z: [pos, h, dh] → [pos, h·dh]
        d_out = x.shape[1] if hook_out is None else hooks[hook_out].shape[-1]
        w = random_coder(x, d_out, seed, unit=False, skip=affine)
        pre, features, out = formula(x, w)
        sure(name, pre, w["threshold"])
        published = {"W_enc": "w_enc", "W_dec": "w_dec", "A": "affine_skip_connection"}
        save(folder / name / "params.safetensors", {published.get(k, k): v for k, v in w.items()})
        l0 = (features > 0).sum(1).double().mean().item()
        save_json(
            folder / name / "config.json",
            {
                "hf_hook_point_in": hf_in,
                "hf_hook_point_out": hf_out or hf_in,
                "width": FEATURES,
                "model_name": "gemma-v3-tiny-pt",
                "architecture": "jump_relu",
                "l0": round(l0),
                "affine_connection": affine,
                "type": "transcoder" if hook_out else "sae",
            },
        )
        witness(
            name,
            saelens("gemma_3_sae_huggingface_loader", folder, "local/gemma-scope-2-tiny-pt", name),
            x,
            features,
            out,
        )
        expected[f"{name}.features"] = features.float()
        expected[f"{name}.out"] = out.float()
        index[name] = {
            "hookName": hook_in,
            "hookNameOut": hook_out,
            "dIn": x.shape[1],
            "dOut": d_out,
            "dSae": FEATURES,
            "meanL0": l0,
            "fraction": l0 / FEATURES,
        }
    save(folder / "expected_s24.safetensors", expected)
    save_json(folder / "expected.json", index)


def make_embedding(gs1: Path, embedded: torch.Tensor) -> None:
    """Trained on unscaled embeddings: on hook_embed, W_enc / √d and W_dec · √d; b_dec unchanged."""
    name = "embedding/width_4k/average_l0_6"
    x = embedded[0]
    d = x.shape[1]
    w = random_coder(x, d, seed=300, unit=True, skip=False, scale_in=d**-0.5)
    pre, features, out = formula(x, w, scale_in=d**-0.5, scale_dec=d**0.5)
    sure(name, pre, w["threshold"])
    save_npz(gs1 / name / "params.npz", w)
    coder = saelens(
        "gemma_2_sae_huggingface_loader",
        gs1,
        "local/gemma-scope-2b-pt-res",
        name,
        d_in=d,
        d_sae=FEATURES,
    )
    witness(name, coder, x, features, out)
    save(
        gs1 / "expected_embedding_s24.safetensors",
        {"features": features.float(), "out": out.float()},
    )


def make_transcoders(gs1: Path, hooks: Tensors) -> None:
    """Results of the circuit fixtures' transcoders, plain and with a skip, on the prompt."""
    expected: Tensors = {}
    for kind in ("plain", "skip"):
        for layer in range(4):
            name = f"{kind}.{layer}"
            w = read_npz(gs1 / "transcoder" / f"{kind}_layer_{layer}.npz")
            if kind == "skip":
                w["A"] = torch.from_numpy(
                    np.load(gs1 / "transcoder" / f"skip_affine_layer_{layer}.npy")
                )
            pre, features, out = formula(hooks[f"blocks.{layer}.ln2.hook_normalized"][0], w)
            sure(name, pre, w["threshold"])
            expected[f"{name}.features"] = features.float()
            expected[f"{name}.out"] = out.float()
    save(gs1 / "expected_transcoders_s24.safetensors", expected)


def make_skip(gs1: Path, layer: int) -> None:
    """A skip transcoder of the circuit fixtures in one file: its .npz and .npy as safetensors."""
    w = read_npz(gs1 / "transcoder" / f"skip_layer_{layer}.npz")
    a = np.load(gs1 / "transcoder" / f"skip_affine_layer_{layer}.npy")
    save(
        gs1 / "transcoder_skip" / f"layer_{layer}" / "params.safetensors",
        {
            "w_enc": w["W_enc"],
            "w_dec": w["W_dec"],
            "b_enc": w["b_enc"],
            "b_dec": w["b_dec"],
            "threshold": w["threshold"],
            "affine_skip_connection": torch.from_numpy(a).float(),
        },
    )


def check_saelens(gs1: Path, hooks: Tensors) -> None:
    """The committed SAELens expectations, recomputed by the formula."""
    known = load(gs1 / "expected_saelens.safetensors")
    for site, hook in (("res", "hook_resid_post"), ("mlp", "hook_mlp_out"), ("att", "attn.hook_z")):
        x = hooks[f"blocks.2.{hook}"].flatten(2)
        _, features, out = formula(x, read_npz(gs1 / site / "params.npz"))
        agree(f"{site} features", known[f"{site}.feats"].reshape(features.shape), features, 1e-5)
        agree(f"{site} output", known[f"{site}.recon"].reshape(out.shape), out, 1e-5)


def make_boundary(folder: Path) -> None:
    """Pre-activations exactly at their thresholds, in numbers that bfloat16 holds exactly."""
    x = torch.tensor(
        [[1, 0, 0, 0], [0, 1, 0, 0], [1, 1, 0, 0], [2, -1, 1, 0], [0, 0, 0, 0], [-1, -1, -1, -1]]
    ).float()
    w = {
        "W_enc": torch.tensor(
            [
                [1.0, 1.0, 0.5, 0.25, 0.0, -0.25, 2.0, 1.0],
                [0.0, 0.5, 0.5, 0.75, 0.0, 0.0, -2.0, 1.0],
                [0.0, 0.0, 1.0, 0.5, 0.0, 0.0, 1.0, 1.0],
                [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0],
            ]
        ),
        "b_enc": torch.tensor([0.0, 0.0, 0.25, 0.0, 0.0, 0.0, 0.0, -1.0]),
        # feature 4: zero against zero; 5: a negative threshold, where relu still cuts
        "threshold": torch.tensor([1.0, 0.5, 1.25, 0.75, 0.0, -0.5, 4.0, 1.0]),
        "W_dec": torch.eye(8, 4) + torch.arange(32).reshape(8, 4) / 8,
        "b_dec": torch.tensor([0.5, -0.25, 0.0, 1.0]),
    }
    pre, features, out = formula(x, w)
    equal = pre == w["threshold"].double()
    assert equal.sum() >= 8 and not features[equal].any()
    assert not features[4].any()
    save_npz(folder / "params.npz", w)
    coder = saelens(
        "gemma_2_sae_huggingface_loader",
        folder.parents[2],
        "local/gemma-scope-2b-pt-res",
        "layer_0/width_16k/average_l0_2",
        d_in=4,
        d_sae=8,
    )
    assert torch.equal(coder.encode(x).double(), features) and torch.equal(coder(x).double(), out)
    save(
        folder / "expected.safetensors",
        {
            "input": x,
            "pre": pre.float(),
            "features": features.float(),
            "out": out.float(),
            "equal": equal,
        },
    )


def make(fixtures: Path) -> None:
    gemma2, gemma3 = fixtures / "tiny-gemma2", fixtures / "tiny-gemma3"
    hooks2 = {
        **load(gemma2 / "expected_tl_s24.safetensors"),
        **load(gemma2 / "expected_hooks_s24.safetensors"),
    }
    check_saelens(gemma2 / "gs1", hooks2)
    make_embedding(gemma2 / "gs1", hooks2["hook_embed"])
    make_transcoders(gemma2 / "gs1", hooks2)
    make_skip(gemma2 / "gs1", layer=1)
    make_npz_variants(gemma2 / "gs1")
    make_scope2(fixtures / "gs2", load(gemma3 / "expected_hooks_s24.safetensors"))
    make_boundary(fixtures / "coder-boundary" / "layer_0" / "width_16k" / "average_l0_2")
