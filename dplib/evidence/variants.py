"""The variants that the paper compares (tables 4, 6, 7), and more that it should have.

A variant is one change of one recipe; a job is a variant with a seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from dplib import DplibError, presets
from dplib.presets import Preset

BASE = {"toymarket": "toy", "market1501": "market-cpu"}  # the recipe that is varied
PRETRAINED = "toy-imagenet"
IMAGENET = "imagenet_"  # begins the names of variants that start from its weights
GROUPS = ("4", "6", "7", "extra", "global", "imagenet")
Changes = dict[str, Any]


@dataclass(frozen=True)
class Variant:
    """One row of a table: what differs from the recipe, and how many seeds it needs."""

    name: str
    label: str
    groups: tuple[str, ...]  # the tables it stands in
    seeds: int
    changes: Changes = field(default_factory=dict)
    cues: str = "layout"  # of ToyMarket: where identity lies
    pretrained: bool = False  # from ImageNet weights, recipe ``PRETRAINED``


_ID = {"branches": ("part", "global")}  # identification alone, both branches
_TABLE4: tuple[tuple[str, str, Changes], ...] = (
    ("bgi", "BgI", {"branches": ("global",)}),
    ("bpi_fc", "BpI without LSTM", {"branches": ("part",), "part_context": "fc"}),
    ("bgi_bpi_fc", "BgI+BpI without LSTM", {**_ID, "part_context": "fc"}),
    ("bgi_bpi", "BgI+BpI", {**_ID}),
)
_TABLE6: tuple[tuple[str, str, Changes], ...] = (
    ("btr", "triplet alone (BtR)", {"branches": ("ranking",)}),
    ("bgi_btr", "BgI+BtR", {"branches": ("global", "ranking")}),
    ("full", "Deep-Person (BgI+BpI+BtR)", {}),
)
_CONTEXTS = {  # in place of BgI+BpI's BLSTM
    "fc_shared": ("one FC for all rows", "fc_shared"),
    "isolated": ("BLSTM, each row alone", "blstm_isolated"),
    "stripes": ("stripes (PCB) + BgI", "stripes"),
    "authors_blstm": ("the authors' BLSTM", "blstm_authors"),
    "lstm": ("LSTM, head to foot only", "lstm"),
    "order_fixed": ("rows in one shuffled order", "blstm_fixed_order"),
    "order_random": ("rows shuffled anew in each batch", "blstm_random_order"),
}
_HEADS = {
    "head_linear": ("linear heads (as printed)", "linear"),
    "head_authors": ("the authors' heads", "authors"),
}
_STANDS_IN = {"bgi": ("4", "6"), "bgi_bpi": ("4", "7")}
VARIANTS: tuple[Variant, ...] = (
    *(Variant(n, t, _STANDS_IN.get(n, ("4",)), 5, c) for n, t, c in _TABLE4),
    *(Variant(n, t, ("6",), 5, c) for n, t, c in _TABLE6),
    *(
        Variant(n, t, ("extra",), 3, {**_ID, "part_context": c})
        for n, (t, c) in _CONTEXTS.items()
    ),
    *(Variant(n, t, ("extra",), 3, {**_ID, "head": h}) for n, (t, h) in _HEADS.items()),
    *(Variant(n, t, ("global",), 5, c, cues="global") for n, t, c in _TABLE4),
    *(
        Variant(f"{IMAGENET}{n}", t, ("imagenet",), 5, c, pretrained=True)
        for n, t, c in (*_TABLE4, *_TABLE6)
    ),
)


class Job(NamedTuple):
    """One run of the queue."""

    data: str
    variant: Variant
    seed: int

    @property
    def key(self) -> tuple[str, str, str, int]:
        return self.data, self.variant.cues, self.variant.name, self.seed

    @property
    def folder(self) -> str:
        """Of its checkpoint, below the folder of all runs."""
        suffix = "" if self.variant.cues == "layout" else f"-{self.variant.cues}"
        return f"{self.data}{suffix}/{self.variant.name}-{self.seed}"

    def preset(self) -> Preset:
        """The recipe of this run."""
        name = PRETRAINED if self.variant.pretrained else BASE[self.data]
        return replace(presets.get(name), **self.variant.changes)


def jobs(data: str, groups: Sequence[str], seeds: int | None = None) -> list[Job]:
    """The runs of those tables, seed by seed, so that early records can be compared.

    seeds: of each variant; None: as many as each variant asks for.
    Raises DplibError for an unknown data set or table.
    """
    if data not in BASE:
        raise DplibError(f"data={data!r}: ablations know {' and '.join(BASE)}")
    if wrong := [g for g in groups if g not in GROUPS]:
        raise DplibError(f"table {wrong[0]!r}: choose from {', '.join(GROUPS)}")
    found = [
        Job(data, v, seed)
        for v in VARIANTS
        if set(v.groups) & set(groups)
        and (data == "toymarket" or (v.cues == "layout" and not v.pretrained))
        for seed in range(v.seeds if seeds is None else seeds)
    ]
    return sorted(found, key=lambda job: job.seed)
