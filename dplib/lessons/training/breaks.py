"""Broken trainings to be diagnosed from their curves, with three healthy ones.

``tools/record_breaks.py`` has recorded them on ToyMarket. A diagnosis is judged by what
it would show in the curves (its :class:`Sign` list) and what the run in hand shows.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dplib import DplibError, presets

COLUMNS = {
    "ranking": "BtR's loss",
    "part": "BpI's loss",
    "global": "BgI's loss",
    "active": "the share of active triplets",
    "grad_norm": "the gradient's norm",
}
HEALTHY = "healthy"  # how the names of runs without a bug begin
END = 5  # points whose mean is the end of a curve


@dataclass(frozen=True)
class Run:
    """One training: what was planted, what gives it away, its cure, and its record.

    ``curves`` has the five COLUMNS, each point the mean over ``mean_over`` iterations;
    ``rank1`` and ``map`` are those of people who were not trained on.
    """

    name: str
    what: str
    clue: str
    cure: str
    seed: int
    rank1: float
    map: float
    mean_over: int
    num_ids: int
    curves: Mapping[str, NDArray[np.float64]]

    @property
    def iterations(self) -> NDArray[Any]:
        """The middle of the iterations over which each point is a mean."""
        n = len(self.curves["ranking"])
        return (np.arange(n) + 0.5) * self.mean_over + 0.5

    @property
    def diagnosis(self) -> str:
        """What was planted, its clue and its cure, in sentences."""
        text = f"{self.what}. The clue: {self.clue}. The cure: {self.cure}."
        return text[0].upper() + text[1:]

    @property
    def chance(self) -> float:
        """ln Nc: the identification loss of a uniform guess, in nats."""
        return math.log(self.num_ids)


def load() -> dict[str, Run]:
    """All recorded runs by name, healthy ones first."""
    path = files("dplib") / "assets/records/breaks.json"
    record = json.loads(path.read_text("utf-8"))
    shared = {"mean_over": record["mean over"], "num_ids": record["num_ids"]}
    found = {}
    for name, r in record["runs"].items():
        curves = {c: np.array(r["curves"][c]) for c in COLUMNS}
        found[name] = Run(name, **{**r, "curves": curves}, **shared)
    return found


@dataclass(frozen=True)
class Band:
    """What the healthy runs span: at each point of each curve, and in the results.

    ``curves``: column → array [2, points], lowest and highest; ``rank1`` and ``map``:
    (lowest, highest).
    """

    runs: tuple[Run, ...]
    curves: Mapping[str, NDArray[np.float64]]
    rank1: tuple[float, float]
    map: tuple[float, float]

    def span(self, column: str, when: str) -> tuple[float, float]:
        """Lowest and highest :func:`measure` of the healthy runs."""
        values = [measure(r, column, when) for r in self.runs]
        return min(values), max(values)


def healthy(runs: Mapping[str, Run]) -> Band:
    """The band of the runs without a bug."""
    sound = tuple(r for name, r in runs.items() if name.startswith(HEALTHY))
    if not sound:
        raise DplibError(f"no run's name begins with {HEALTHY!r}: {list(runs)}")
    curves = {}
    for c in COLUMNS:
        every = np.stack([r.curves[c] for r in sound])  # [runs, points]
        curves[c] = np.stack([every.min(0), every.max(0)])
    rank1, ap = [r.rank1 for r in sound], [r.map for r in sound]
    return Band(sound, curves, (min(rank1), max(rank1)), (min(ap), max(ap)))


def measure(run: Run, column: str, when: str) -> float:
    """A curve's "start", "third" point, "end" (mean of the last five) or "peak"."""
    y = run.curves[column]
    at = {"start": y[0], "third": y[2], "end": y[-END:].mean(), "peak": y.max()}
    return float(at[when])


# -------------------------------------------------------------------- the diagnoses


class Sign(NamedTuple):
    """What a diagnosis leads one to expect: a measure in [low, high]; in words."""

    claim: str
    column: str
    when: str
    low: float = -math.inf
    high: float = math.inf

    def shown_by(self, run: Run) -> bool:
        return self.low <= measure(run, self.column, self.when) <= self.high


def signs(band: Band) -> dict[str, tuple[Sign, ...]]:
    """For each bug what one sees of it: all of it in its own run, and in no other.

    Bounds come from the healthy runs, ln Nc and the recipe's margin and clipping norm.
    """
    chance = band.runs[0].chance
    toy = presets.get("toy")
    margin, limit = toy.margin, 0.9 * (toy.clip_norm or math.inf)
    norm = band.span("grad_norm", "start")
    triplet = band.span("ranking", "start")
    parts, whole = band.span("part", "end"), band.span("global", "end")
    at_chance, little = (chance - 0.1, chance + 0.1), (chance - 1, chance - 0.2)
    at_margin = margin - 0.02, margin + 0.02
    return {
        "squared distances": (
            Sign(
                "the gradient starts far too large", "grad_norm", "start", 3 * norm[1]
            ),
            Sign("BtR's loss starts far too high", "ranking", "start", 3 * triplet[1]),
        ),
        "one image a person": (
            Sign("most triplets are active at first", "active", "start", 0.5),
            Sign("hardly any is active later", "active", "end", high=0.1),
        ),
        "shuffled labels": (
            Sign("BpI falls a little below guessing", "part", "end", *little),
            Sign("BtR's loss stays above the margin", "ranking", "end", margin + 0.05),
        ),
        "statistics at training only": (
            Sign("training itself is sound", "part", "end", high=1.2 * parts[1]),
            Sign("training itself is sound", "grad_norm", "start", high=1.3 * norm[1]),
        ),
        "flipped sign": (
            Sign("hardly any triplet is active at first", "active", "start", high=0.2),
            Sign("BtR's loss starts near 0", "ranking", "start", high=0.1),
        ),
        "last stride 2": (
            Sign("BgI learns as usual", "global", "end", high=1.05 * whole[1]),
            Sign("BpI, with half the rows, is behind", "part", "end", 1.1 * parts[1]),
        ),
        "frozen BatchNorm": (
            Sign("BtR is at the margin at once", "ranking", "third", *at_margin),
            Sign("BpI keeps guessing", "part", "end", *at_chance),
        ),
        "learning rate x 30": (
            Sign("BpI jumps to twice ln Nc", "part", "peak", 1.9 * chance),
            Sign("BtR's loss ends at the margin", "ranking", "end", *at_margin),
        ),
        "gradients never zeroed": (
            Sign("the gradient stays at the clipping limit", "grad_norm", "end", limit),
            Sign("BpI becomes worse than guessing", "part", "end", chance + 0.2),
        ),
        "linear head": (
            Sign("BpI never stops guessing", "part", "end", *at_chance),
            Sign("BgI never stops guessing", "global", "end", *at_chance),
            Sign("BtR falls to the margin slowly", "ranking", "third", margin + 0.1),
        ),
    }


# ------------------------------------------------------------------------- the quiz


class Verdict(NamedTuple):
    """Whether a diagnosis is right, and why or why not."""

    right: bool
    why: str


class Quiz:
    """The broken runs under letters, in an order that ``seed`` decides.

    ``runs``: letter → run; ``options``: the diagnoses; ``band``: the healthy runs.
    """

    def __init__(self, *, seed: int = 0) -> None:
        runs = load()
        self.band = healthy(runs)
        broken = [r for name, r in runs.items() if not name.startswith(HEALTHY)]
        order = np.random.default_rng(seed).permutation(len(broken))
        self.runs = {chr(ord("A") + i): broken[j] for i, j in enumerate(order)}
        self.options = tuple(sorted(r.name for r in broken))
        self._signs = signs(self.band)

    def judge(self, letter: str, diagnosis: str) -> Verdict:
        """Is ``diagnosis`` what was planted in this run? If not, what excludes it."""
        if letter not in self.runs or diagnosis not in self.options:
            raise DplibError(
                f"judge takes one of {', '.join(self.runs)} and one of "
                f"{', '.join(self.options)}; got {letter!r} and {diagnosis!r}"
            )
        run = self.runs[letter]
        if run.name == diagnosis:
            return Verdict(True, run.diagnosis)
        sign = next(s for s in self._signs[diagnosis] if not s.shown_by(run))
        seen = self._seen(run, sign)
        return Verdict(False, f"With “{diagnosis}”, {sign.claim}; {seen}.")

    def score(self, answers: Mapping[str, str]) -> tuple[int, int]:
        """Right diagnoses and runs diagnosed; answers: letter → diagnosis."""
        right = sum(self.judge(letter, d).right for letter, d in answers.items())
        return right, len(answers)

    def _seen(self, run: Run, sign: Sign) -> str:
        """The run's measure in words, beside that of the healthy runs."""
        column, when = sign.column, sign.when
        value = number(column, measure(run, column, when))
        ends = dict.fromkeys(number(column, x) for x in self.band.span(column, when))
        verb = WHEN[when].format(3 * run.mean_over)
        spread = " to ".join(ends)  # one number if both ends read alike
        if column in ("part", "global"):
            spread += f"; guessing: {run.chance:.2f}"
        return f"here {COLUMNS[column]} {verb} {value} (healthy runs: {spread})"


WHEN = {
    "start": "starts at",
    "third": "after {} iterations is",
    "end": "ends at",
    "peak": "rises to no more than",
}


def number(column: str, value: float) -> str:
    """A measure as it is printed: the share in per cent, the norm with one decimal."""
    if column == "active":
        return f"{100 * value:.0f} %"
    return f"{value:.1f}" if column == "grad_norm" else f"{value:.2f}"
