"""The short trainings of ``tools/record_short_trainings.py``, each on several seeds.

Lesson 5 trains one seed while the reader watches. What it says about nets in general
rests on these.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Recorded:
    """Short trainings, the same experiments for each seed.

    Attributes:
        command: What made them.
        date: When.
        machine: On what.
        torch: With which version.
        block: Iterations over which a point of a curve is a mean.
        seeds: Their seeds.
        runs: One entry for each seed, as the tool describes it.
    """

    command: str
    date: str
    machine: str
    torch: str
    block: int
    seeds: tuple[int, ...]
    runs: tuple[dict[str, Any], ...]

    def values(self, *path: str) -> Array:
        """What stands at this path, for each seed: [seeds, ...]."""
        found = []
        for run in self.runs:
            step: Any = run
            for key in path:
                step = step[key]
            found.append(step)
        return np.array(found, float)

    @property
    def epochs(self) -> tuple[int, ...]:
        """Epochs done at which the gradients at fb were measured."""
        return tuple(map(int, self.runs[0]["pulls"]))

    def __str__(self) -> str:
        return (
            f"seeds {self.seeds[0]} to {self.seeds[-1]}, recorded on {self.date} "
            f"({self.machine}, torch {self.torch}) by `{self.command}`"
        )


def load() -> Recorded:
    """The runs that are shipped."""
    path = files("dplib") / "assets/records/short_trainings.json"
    record = json.loads(path.read_text("utf-8"))
    return Recorded(
        record["command"],
        record["date"],
        record["machine"],
        record["versions"]["torch"],
        record["block"],
        tuple(map(int, record["seeds"])),
        tuple(record["seeds"].values()),
    )


class Comparison(NamedTuple):
    """A paired difference over seeds."""

    mean: float
    agree: int  # seeds whose difference has the sign of the mean


def compare(changed: Sequence[float], baseline: Sequence[float]) -> Comparison:
    """The mean of changed minus baseline over seeds, and how many share its sign.

    Args:
        changed: A number for each seed.
        baseline: A number for each seed, in the same order.
    """
    differences = np.asarray(changed, float) - np.asarray(baseline, float)
    mean = float(differences.mean())
    return Comparison(mean, int((differences * mean > 0).sum()))
