"""Gemma Scope 1 parameter files (.npz), as published and in other valid forms."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from unittest import mock

import numpy as np
import torch

from .common import Tensors


def read_npz(path: Path) -> Tensors:
    with np.load(path) as arrays:
        return {k: torch.from_numpy(arrays[k].astype(np.float32)) for k in arrays}


class _Pipe(io.RawIOBase):
    """A sink that cannot seek: zipfile then writes the sizes after the data."""

    def __init__(self, sink) -> None:
        self.sink = sink

    def writable(self) -> bool:
        return True

    def write(self, data) -> int:
        return self.sink.write(data)


def write_npz(
    path: Path, arrays: dict, method=zipfile.ZIP_STORED, stream=False, force_zip64=False
) -> None:
    """np.savez with a fixed date, so that the same arrays give the same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    with zipfile.ZipFile(_Pipe(buffer) if stream else buffer, "w", method) as archive:
        for key, array in arrays.items():
            entry = zipfile.ZipInfo(f"{key}.npy", date_time=(2024, 1, 1, 0, 0, 0))
            entry.compress_type = method
            npy = io.BytesIO()
            np.lib.format.write_array(npy, array, allow_pickle=False)
            with archive.open(entry, "w", force_zip64=force_zip64) as out:
                out.write(npy.getvalue())
    path.write_bytes(buffer.getvalue())
    with np.load(path) as back:
        for key, array in arrays.items():
            assert np.array_equal(back[key], array), (path, key)


def save_npz(path: Path, w: Tensors) -> None:
    # NumPy itself always writes the 64-bit form of the local headers
    write_npz(
        path, {k: np.ascontiguousarray(v.float().numpy()) for k, v in w.items()}, force_zip64=True
    )


def make_npz_variants(gs1: Path) -> None:
    """One small SAE (32 features of gs1/res) in every common form of zip and .npy."""
    folder = gs1 / "variants"
    folder.mkdir(exist_ok=True)
    whole = {k: v.numpy() for k, v in read_npz(gs1 / "res" / "params.npz").items()}
    cut = {
        "W_enc": whole["W_enc"][:, :32],
        "W_dec": whole["W_dec"][:32],
        "b_enc": whole["b_enc"][:32],
        "b_dec": whole["b_dec"],
        "threshold": whole["threshold"][:32],
    }
    cut = {k: np.ascontiguousarray(v) for k, v in cut.items()}

    def write(name: str, arrays: dict, *args, **kwargs) -> None:
        write_npz(folder / name, arrays, *args, **kwargs)

    write("plain.npz", cut)
    write("deflated.npz", cut, zipfile.ZIP_DEFLATED)
    write("reordered.npz", {k: cut[k] for k in ("threshold", "b_dec", "W_dec", "b_enc", "W_enc")})
    write("streamed.npz", cut, stream=True)
    write("fortran.npz", {k: np.asfortranarray(v) for k, v in cut.items()})
    write(
        "lowercase.npz", {{"W_enc": "w_enc", "W_dec": "w_dec"}.get(k, k): v for k, v in cut.items()}
    )
    write("float64.npz", {k: v.astype(np.float64) for k, v in cut.items()})
    with (
        mock.patch.object(zipfile, "ZIP64_LIMIT", 1),
        mock.patch.object(zipfile, "ZIP_FILECOUNT_LIMIT", 1),
    ):
        write("zip64.npz", cut, force_zip64=True)
