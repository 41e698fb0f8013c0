"""Makes tests/fixtures with transformers, TransformerLens, SAELens and tokenizers.

    pip install -r tests/goldens/requirements.txt
    python tests/goldens                # everything, about a minute on one core
    python tests/goldens --only coders  # one part; --help lists them
    python tests/goldens --check        # makes everything elsewhere and compares

It never runs gemlens, because gemlens is compared with its numbers. It reads, but never writes, the
two small checkpoints and the inputs listed in tests/fixtures/README.md.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True
sys.path[0] = str(Path(__file__).resolve().parent.parent)

import numpy as np  # noqa: E402
import torch  # noqa: E402

from goldens import (  # noqa: E402
    attribution,
    checkpoints,
    coders,
    evaluation,
    gradients,
    interventions,
    kernels,
    models,
    reading,
    splices,
    tokenizer,
)
from goldens.common import distance, load, setup  # noqa: E402

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"
PARTS = {
    "models": models,
    "checkpoints": checkpoints,
    "coders": coders,
    "tokenizer": tokenizer,
    "interventions": interventions,
    "splices": splices,
    "gradients": gradients,
    "reading": reading,
    "evaluation": evaluation,
    "attribution": attribution,
    "kernels": kernels,
}
LIMIT = 8 * 2**20


def make(fixtures: Path, parts: list[str]) -> None:
    for name in parts:
        print(f"making {name}", file=sys.stderr)
        PARTS[name].make(fixtures)


def alike(a: object, b: object) -> bool:
    """Compares JSON values, numbers within 2 % (bfloat16 drift depends on the machine)."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(alike(a[k], b[k]) for k in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(alike, a, b))
    if isinstance(a, float) and isinstance(b, float):
        return math.isclose(a, b, rel_tol=0.02)
    return a == b


def difference(made: Path, kept: Path) -> str | None:
    """Why two fixture files differ, or None."""
    if made.suffix == ".safetensors":
        a, b = load(made), load(kept)
        if a.keys() != b.keys():
            return f"tensors {sorted(a.keys() ^ b.keys())} are in one only"
        for name in a:
            if a[name].dtype != b[name].dtype or a[name].shape != b[name].shape:
                return f"{name} has another type or shape"
            allowed = {torch.float32: 1e-5, torch.bfloat16: 0.02}.get(a[name].dtype, 0.0)
            if (off := distance(a[name], b[name])) > allowed:
                return f"{name} is {off:.2g} apart"
    elif made.suffix == ".npz":
        with np.load(made) as a, np.load(kept) as b:
            if a.files != b.files or any(not np.array_equal(a[k], b[k]) for k in a.files):
                return "arrays differ"
    elif made.suffix == ".json":
        if not alike(json.loads(made.read_text("utf-8")), json.loads(kept.read_text("utf-8"))):
            return "values differ"
    elif made.read_bytes() != kept.read_bytes():
        return "bytes differ"
    return None


def check(parts: list[str]) -> int:
    with tempfile.TemporaryDirectory() as scratch:
        fresh = Path(scratch) / "fixtures"
        shutil.copytree(FIXTURES, fresh)
        make(fresh, parts)
        names = {
            p.relative_to(root)
            for root in (fresh, FIXTURES)
            for p in root.rglob("*")
            if p.is_file()
        }
        wrong = 0
        for name in sorted(names):
            if not (fresh / name).exists() or not (FIXTURES / name).exists():
                reason = "is not on both sides"
            else:
                reason = difference(fresh / name, FIXTURES / name)
            if reason is not None:
                wrong += 1
                print(f"{name}: {reason}")
        print(f"{len(names)} files compared, {wrong} differ")
        return 1 if wrong else 0


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--only", nargs="+", choices=PARTS, default=list(PARTS), help="the parts to make"
    )
    parser.add_argument(
        "--check", action="store_true", help="compare with what is committed instead of writing"
    )
    options = parser.parse_args()
    setup()
    if options.check:
        return check(options.only)
    make(FIXTURES, options.only)
    size = sum(p.stat().st_size for p in FIXTURES.rglob("*") if p.is_file())
    print(f"{FIXTURES}: {size / 2**20:.2f} MiB")
    return 0 if size <= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
