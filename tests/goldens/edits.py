"""Turns interventions and spliced coders, as data in the public form, into edits of a probe's run.

The order at one hook point is: spliced coders, then interventions in array order. Feature edits
(ablate, clamp, scale) of one coder are one step at the first edit's place in the list: f is encoded
once, the edits apply in order, and the result is base + (f' − f)·W_dec. The edits of a spliced
coder are part of its splice.

    splice        decode(f') + (y − decode(f))      the error in brackets is constant to a gradient
                  decode(f')                        without error term
    steer         x + α·v; with a cap c along v̂ by min(α|v|, max(0, c − x·v̂)) for α > 0
                  and by max(α|v|, min(0, c − x·v̂)) for α < 0
    project       x − (x·v̂)v̂
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

import torch

from .common import Tensors
from .jumprelu import Coder
from .probe import Edit, Probe

SPECIAL_IDS = (0, 1, 2)  # pad, eos, bos of the tiny models' configurations
FEATURE_EDITS = ("ablate", "clamp", "scale")


@dataclass
class Rows:
    """The rows of a run: a single one, or all of the batch, padded by `mask`."""

    ids: torch.Tensor
    mask: torch.Tensor
    numbers: list[int]

    def select(self, positions=None, batch=None) -> torch.Tensor:
        """[b, p] bool: positions count a row's real tokens, negative ones from its end."""
        chosen = self.mask.bool().clone()
        place, length = self.mask.cumsum(1) - 1, self.mask.sum(1)
        for r, number in enumerate(self.numbers):
            if batch is not None and number not in ([batch] if isinstance(batch, int) else batch):
                chosen[r] = False
            elif isinstance(positions, dict):
                end = positions.get("to", length[r])
                chosen[r] &= (place[r] >= positions["from"]) & (place[r] < end)
            elif positions is not None:
                wanted = [positions] if isinstance(positions, int) else positions
                wanted = [int(p) if p >= 0 else int(length[r]) + p for p in wanted]
                assert all(0 <= p < length[r] for p in wanted), (positions, int(length[r]))
                chosen[r] &= torch.isin(place[r], torch.tensor(wanted))
        return chosen

    def special(self) -> torch.Tensor:
        return torch.isin(self.ids, torch.tensor(SPECIAL_IDS))

    def aligned(self, source: torch.Tensor) -> torch.Tensor:
        """A source [1, p', …] of unpadded positions in this run's layout [b, p, …]."""
        place = (self.mask.cumsum(1) - 1).clamp(0, source.shape[1] - 1)
        return source[0][place]


def where(rows: torch.Tensor, new: torch.Tensor, old: torch.Tensor) -> torch.Tensor:
    return torch.where(rows.reshape(*rows.shape, *[1] * (old.dim() - 2)), new, old)


@dataclass
class Plan:
    """Edits of one run; afterwards `features` has each splice's (f, f') and `errors` its error.

    A plan with given errors uses them, so that a finite difference can hold them constant.
    """

    probe: Probe
    rows: Rows
    coders: dict[str, Coder]
    vectors: Tensors
    source: Callable[[dict], Tensors]
    edits: dict[str, list[Edit]] = field(default_factory=lambda: defaultdict(list))
    features: dict[str, tuple[torch.Tensor, torch.Tensor]] = field(default_factory=dict)
    errors: Tensors = field(default_factory=dict)

    def add(self, splices: list[dict], interventions: list[dict]) -> None:
        steps: dict[str, list[dict]] = {}
        for item in interventions:
            if item["type"] in FEATURE_EDITS:
                steps.setdefault(item["target"]["coder"], []).append(item)
        for splice in splices:
            self._splice(splice, steps.pop(splice["coder"], []))
        for item in interventions:
            if item["type"] not in FEATURE_EDITS:
                getattr(self, "_" + item["type"])(item)
            elif (step := steps.pop(item["target"]["coder"], None)) is not None:
                self._feature_edits(item["target"]["coder"], step)

    def _input(self, coder: Coder, y: torch.Tensor) -> torch.Tensor:
        return self.probe.kept[coder.hook] if coder.transcoder else y

    def _edited(self, f: torch.Tensor, step: list[dict], allowed: torch.Tensor) -> torch.Tensor:
        for item in step:
            rows = self.rows.select(item.get("positions"), item.get("batch")) & allowed
            i = item["target"]["feature"]
            if item["type"] == "scale":
                value = f[..., i] * item["factor"]
            else:
                value = torch.full_like(f[..., i], item.get("to", item.get("value", 0.0)))
            column = torch.where(rows, value, f[..., i])
            f = torch.cat([f[..., :i], column[..., None], f[..., i + 1 :]], -1)
        return f

    def _splice(self, splice: dict, step: list[dict]) -> None:
        key, coder = splice["coder"], self.coders[splice["coder"]]
        rows = self.rows.select()
        if splice.get("excludeSpecialTokens"):
            rows &= ~self.rows.special()

        def edit(y: torch.Tensor) -> torch.Tensor:
            x = self._input(coder, y)
            f = coder.encode(x, rows) * rows[..., None]
            edited = self._edited(f, step, rows)
            if edited.requires_grad:
                edited.retain_grad()
            self.features[key] = (f, edited)
            new = coder.decode(edited, x)
            if splice.get("errorTerm", True):
                error = (y.flatten(2) - coder.decode(f, x)).detach()
                new = new + self.errors.setdefault(key, error)
            return where(rows, new.reshape(y.shape), y)

        self.edits[coder.hook_out].append(edit)

    def _feature_edits(self, key: str, step: list[dict]) -> None:
        coder, rows = self.coders[key], self.rows.select()
        only = sorted({item["target"]["feature"] for item in step})

        def edit(y: torch.Tensor) -> torch.Tensor:
            f = coder.encode(self._input(coder, y), rows, only)
            change = (self._edited(f, step, rows) - f) @ coder.w["W_dec"]
            return y + change.reshape(y.shape)

        self.edits[coder.hook_out].append(edit)

    def _on_rows(self, item: dict, hook: str, change: Edit) -> None:
        """Applies `change` to [b, p, width] at the item's rows."""
        rows = self.rows.select(item.get("positions"), item.get("batch"))

        def edit(x: torch.Tensor) -> torch.Tensor:
            return where(rows, change(x.flatten(2)).reshape(x.shape), x)

        self.edits[hook].append(edit)

    def _steer(self, item: dict) -> None:
        target, strength = item["target"], float(item["coefficient"])
        if "coder" in target:
            coder = self.coders[target["coder"]]
            hook, v = coder.hook_out, coder.w["W_dec"][target["feature"]]
        else:
            hook, v = target["hook"], self.vectors[target["vector"]].double()
        unit, reach, cap = v / v.norm(), strength * v.norm(), item.get("cap")

        def change(x: torch.Tensor) -> torch.Tensor:
            if cap is None:
                return x + strength * v
            short = cap - x @ unit
            if strength > 0:
                by = short.clamp_min(0).clamp_max(reach)
            else:
                by = short.clamp_max(0).clamp_min(reach)
            return x + by[..., None] * unit

        self._on_rows(item, hook, change)

    def _project(self, item: dict) -> None:
        v = self.vectors[item["vector"]].double()
        unit = v / v.norm()
        self._on_rows(item, item["hook"], lambda x: x - (x @ unit)[..., None] * unit)

    def _patch(self, item: dict) -> None:
        value, heads = self.source(item["source"])[item["hook"]], item.get("heads")
        rows = self.rows.select(item.get("positions"), item.get("batch"))

        def edit(x: torch.Tensor) -> torch.Tensor:
            if item["hook"].endswith(("hook_pattern", "hook_attn_scores")):  # [b, h, query, key]
                x, new = x.transpose(1, 2), value.transpose(1, 2)
                return where(rows, edit_rows(x, new), x).transpose(1, 2)
            return where(rows, edit_rows(x, self.rows.aligned(value)), x)

        def edit_rows(x: torch.Tensor, new: torch.Tensor) -> torch.Tensor:
            if heads is None:
                return new
            chosen = torch.isin(torch.arange(x.shape[2]), torch.tensor(heads))
            return torch.where(chosen[:, None], new, x)

        self.edits[item["hook"]].append(edit)

    def _freeze(self, item: dict) -> None:
        for hook in item["points"]:
            self._patch({"hook": hook, "source": item["source"]})
