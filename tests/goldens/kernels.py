"""Cases for every table of native/kernels and for the composed form: encode, decode, dots.

This module computes the expected numbers in float64. "exact" cases have multiples of a power of two,
small enough that every product and sum is exact in the coder's dtype, in any order: results must be
equal. The others are compared within a tolerance; none of their pre-activations is near its threshold.

Needs only Python's standard library: `python -m goldens.kernels` in tests/ writes the file.
"""

from __future__ import annotations

import json
import math
import random
import struct
from pathlib import Path

Numbers = list[float]


def rounded(value: float, dtype: str) -> float:
    """Rounds to the nearest float32, or (ties to even) bfloat16."""
    single = struct.unpack("<f", struct.pack("<f", value))[0]
    if dtype == "float32" or not math.isfinite(single):
        return single
    bits = struct.unpack("<I", struct.pack("<f", single))[0]
    bits = (bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000
    return struct.unpack("<f", struct.pack("<I", bits))[0]


def expected(case: dict) -> dict:
    d_in, d_sae, d_out, rows = (case[k] for k in ("dIn", "dSae", "dOut", "rows"))
    dtype, exact = case["dtype"], case["exact"]
    out: dict = {"indptr": [0], "indices": [], "values": [], "decoded": [], "dots": []}

    def total(terms: Numbers) -> float:
        value = math.fsum(terms)
        if exact:
            # Few multiples of `unit`, so that every partial sum is a float32 in any order.
            unit = min((t.as_integer_ratio()[0] & -t.as_integer_ratio()[0]) / t.as_integer_ratio()[1]
                       for t in [*terms, 2.0**100] if t != 0)  # fmt: skip
            assert math.fsum(map(abs, terms)) <= unit * 2**24, f"{case['name']}: inexact"
            assert rounded(value, dtype) == value, f"{case['name']}: {value} is not in {dtype}"
        return value

    for r in range(rows):
        x = case["x"][r * d_in : (r + 1) * d_in]
        active: list[tuple[int, float]] = []
        for f in range(d_sae):
            if case["mask"] is not None and case["mask"][r] == 0:
                continue
            products = [x[i] * case["wEnc"][i * d_sae + f] for i in range(d_in)]
            pre = total([*products, case["bEnc"][f]])
            threshold = case["threshold"][f]
            if not exact:
                assert min(abs(pre - threshold), abs(pre)) > 1e-4, f"{case['name']}: near"
            if pre > threshold and pre > 0:
                active.append((f, pre))
        for f, pre in active:
            out["indices"].append(f)
            out["values"].append(pre)
            row, g = case["wDec"][f * d_out : (f + 1) * d_out], case["g"]
            out["dots"].append(total([row[k] * g[r * d_out + k] for k in range(d_out)]))
        out["indptr"].append(len(out["indices"]))
        for k in range(d_out):
            features = total([v * case["wDec"][f * d_out + k] for f, v in active])
            out["decoded"].append(total([features, case["bDec"][k]]))
    return out


def make_case(name: str, rows: int, d_in: int, d_sae: int, d_out: int, draw, **given) -> dict:
    """`draw()` makes the values missing in `given`: arrays by name, "dtype", "exact" or "mask"."""
    sizes = {
        "x": rows * d_in,
        "wEnc": d_in * d_sae,
        "bEnc": d_sae,
        "threshold": d_sae,
        "wDec": d_sae * d_out,
        "bDec": d_out,
        "g": rows * d_out,
    }
    case = {"name": name, "dtype": "float32", "exact": True, "mask": None}
    case |= {"rows": rows, "dIn": d_in, "dSae": d_sae, "dOut": d_out}
    case |= {key: [draw() for _ in range(size)] for key, size in sizes.items()} | given
    for key, size in sizes.items():
        assert len(case[key]) == size, f"{name}: {key}"
    if "fault" not in case:
        case["expected"] = expected(case)
    return case


def cases() -> list[dict]:
    random_ = random.Random(12)

    def whole() -> float:
        return float(random_.randint(-4, 4))

    def quarters() -> float:
        return random_.randint(-3, 3) / 4

    def normal() -> float:
        return rounded(random_.gauss(0, 1), "float32")

    made = [
        make_case(f"width {d_sae} of {d_in} to {d_out}", 3, d_in, d_sae, d_out, whole)
        for d_in, d_sae, d_out in [
            (1, 1, 1), (3, 7, 2), (4, 15, 3), (5, 16, 4), (6, 17, 5), (2, 63, 7), (3, 64, 8),
            (7, 65, 9), (2, 130, 33), (9, 200, 17),
        ]
    ]  # fmt: skip
    made += [
        make_case(f"bfloat16, width {d_sae}", 3, 3, d_sae, d_out, quarters, dtype="bfloat16",
                  wDec=[random_.choice([0.0, 0.0, 0.0, 1.0, -2.0]) for _ in range(d_sae * d_out)])
        for d_sae, d_out in [(5, 3), (16, 4), (33, 6)]
    ]  # fmt: skip
    made += [
        make_case(f"any numbers, width {d_sae} of {d_in} to {d_out}", rows, d_in, d_sae, d_out,
                  normal, exact=False, threshold=[rounded(0.4, "float32")] * d_sae)
        for rows, d_in, d_sae, d_out in [(1, 3, 40, 5), (4, 17, 129, 33), (7, 33, 70, 66)]
    ]  # fmt: skip
    one = {"wDec": None, "bDec": [0.0]}

    def biases(name: str, b: Numbers, threshold: Numbers, **given) -> dict:
        """Pre-activations that equal the biases."""
        size = len(b)
        one["wDec"] = [1.0] * size
        zero = {"x": [0.0], "wEnc": [1.0] * size, "g": [2.0]}
        return make_case(name, 1, 1, size, 1, whole, bEnc=b, threshold=threshold,
                         **{**zero, **one, **given})  # fmt: skip

    tiny = 2.0**-149
    made += [
        biases("a threshold that is hit does not fire", [0.5, 0.75, 0.5] * 7, [0.5] * 21),
        biases("nothing fires", [1.0] * 70, [1.0] * 70),
        biases("everything fires", [1.0] * 70, [0.5] * 70),
        biases(
            "a negative threshold fires above 0 only",
            [-0.5, 0.0, -0.0, 0.25, -2.0] * 20,
            [-1.0] * 100,
        ),
        biases(
            "denormal numbers",
            [tiny, 4 * tiny, 3 * tiny, -tiny, 0.0, 2.0**-127] * 12,
            [tiny, tiny, 3 * tiny, -2 * tiny, 0.0, 2.0**-127 - tiny] * 12,
        ),
        # These products are exact in float64.
        biases(
            "a denormal product", [0.0] * 33, [2.0**-141, 2.0**-140, 0.0] * 11,
            x=[2.0**-70], wEnc=[2.0**-70] * 33,
        ),
        biases("the last of a word", [1.0] * 128, [2.0] * 63 + [0.0] + [2.0] * 63 + [0.0]),
    ]  # fmt: skip
    made.append(make_case("rows without features", 4, 2, 20, 3, whole,
                          x=[0.0, 0.0, 3.0, -2.0, 0.0, 0.0, 0.0, 0.0],
                          bEnc=[0.0] * 20, threshold=[1.0] * 20))  # fmt: skip
    made.append(make_case("padding", 5, 3, 70, 4, whole, mask=[0, 1, 1, 0, 1]))
    wide = 4200
    made.append(make_case("several chunks of features", 2, 1, wide, 1, whole, wDec=[1.0] * wide,
                          threshold=[3.0 if f % 50 else 0.0 for f in range(wide)]))  # fmt: skip
    many = 4100
    made.append(make_case("several blocks of rows", many, 1, 2, 1, whole, wEnc=[1.0, -1.0],
                          x=[float(r % 5 == 0) for r in range(many)], bEnc=[0.0, 0.0],
                          threshold=[0.0, 0.0], g=[1.0] * many))  # fmt: skip
    huge = 3e38
    faults = [
        ("a NaN in the input", {"x": [1.0, 2.0, 3.0, "NaN"]}, {"row": 1, "dimension": 1}),
        ("an infinite input", {"x": [1.0, "-Infinity", 3.0, 1.0]}, {"row": 0, "dimension": 1}),
        (
            "a pre-activation that overflows",
            {"x": [1.0, 1.0, 1.0, 10.0], "wEnc": [0.0] * 20 + [0.0] * 18 + [huge, 0.0],
             "bEnc": [0.0] * 20, "threshold": [0.0] * 20},
            {"row": 1, "feature": 18},
        ),
    ]  # fmt: skip
    made += [make_case(name, 2, 2, 20, 3, whole, fault=fault, **given)
             for name, given, fault in faults]  # fmt: skip
    made.append(make_case("an overflow to -Infinity is silent", 1, 1, 3, 1, whole, x=[10.0],
                          wEnc=[-huge, 1.0, -huge], bEnc=[0.0] * 3, threshold=[1.0] * 3,
                          exact=False, wDec=[1.0] * 3, g=[1.0]))  # fmt: skip
    return made


def short(value):
    """Integers without ".0", other numbers with the digits that a float32 or a tolerance needs."""
    if isinstance(value, dict):
        return {key: short(each) for key, each in value.items()}
    if isinstance(value, list):
        return [short(each) for each in value]
    if not isinstance(value, float):
        return value
    if value.is_integer() and abs(value) < 1e9 and math.copysign(1, value) * value >= 0:
        return -0.0 if value == 0 and math.copysign(1, value) < 0 else int(value)
    return float(f"{value:.9g}")


def make(fixtures: Path) -> None:
    folder = fixtures / "kernels"
    folder.mkdir(exist_ok=True)
    lines = ",\n".join(json.dumps(short(case), separators=(",", ":")) for case in cases())
    (folder / "cases.json").write_text(f"[\n{lines}\n]\n", "utf-8")


if __name__ == "__main__":
    make(Path(__file__).resolve().parent.parent / "fixtures")
