"""Checks that SAELens loads the exported coders. Its Gemma Scope loaders load the arrays from the
folder instead of the hub; its JumpReLU classes must match the published formula.

    python assets/recipe/peers.py assets/tiny-gemma2"""

import argparse
from pathlib import Path

import torch
from sae_lens.loading import pretrained_sae_loaders as loaders
from sae_lens.saes.jumprelu_sae import JumpReLUSAE, JumpReLUSAEConfig
from sae_lens.saes.transcoder import JumpReLUTranscoder, JumpReLUTranscoderConfig

from evaluate import Coder


def arrays(path: Path, transcoder):
    """The state dict that SAELens' loader returns for this params.npz."""
    known = {
        "hf_hub_download": lambda **k: str(path),
        "get_gemma_2_config_from_hf": lambda *a, **k: {},
        "get_gemma_2_transcoder_config_from_hf": lambda *a, **k: {},
    }
    kept = {name: getattr(loaders, name) for name in known}
    try:
        for name, value in known.items():
            setattr(loaders, name, value)
        load = (
            loaders.gemma_2_transcoder_huggingface_loader
            if transcoder
            else loaders.gemma_2_sae_huggingface_loader
        )
        return load("local", str(path.parent))[1]
    finally:
        for name, value in kept.items():
            setattr(loaders, name, value)


def check(path: Path):
    mine = Coder(path)
    transcoder = mine.site == "transcoders"
    state = arrays(path, transcoder)
    d_in, width = state["W_enc"].shape
    common = {
        "d_in": d_in,
        "d_sae": width,
        "dtype": "float32",
        "device": "cpu",
        "apply_b_dec_to_input": False,
        "normalize_activations": "none",
    }
    if transcoder:
        theirs = JumpReLUTranscoder(
            JumpReLUTranscoderConfig(**common, d_out=state["W_dec"].shape[1])
        )
    else:
        theirs = JumpReLUSAE(JumpReLUSAEConfig(**common))
    theirs.load_state_dict(state)
    x = torch.randn(256, d_in, generator=torch.Generator().manual_seed(0)) * 3
    with torch.no_grad():
        f = theirs.encode(x)
        far = (theirs.decode(f) - mine.decode(mine.encode(x))).abs().max().item()
        assert torch.equal(f > 0, mine.encode(x) > 0) and (f > 0).any(), path
    assert far < 1e-4, (path, far)
    return far


if __name__ == "__main__":
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("folder", type=Path)
    paths = sorted(ask.parse_args().folder.glob("gemma-scope/*/*/*/*/params.npz"))
    worst = max(check(p) for p in paths)
    print(f"SAELens: {len(paths)} coders load; largest difference of reconstructions {worst:.1e}")
