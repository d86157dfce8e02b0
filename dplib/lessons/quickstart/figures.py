"""Figures of lesson 0: the losses of a run, and one query ranked by several systems."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from dplib import DplibError, plots
from dplib.evaluation import Retrieval
from dplib.plots import BRANCHES
from dplib.samples import Sample

_COLUMNS = {"BpI": "part", "BgI": "global", "BtR": "ranking"}
_NAMES = {
    "BpI": "BpI, body parts",
    "BgI": "BgI, whole image",
    "BtR": "BtR, triplets",
}


def losses(history: Sequence[Mapping[str, Any]], num_ids: int) -> Figure:
    """The loss of each branch against the iteration, beside that of guessing.

    Args:
        history: For each iteration ``iteration`` and the losses ``part``, ``global``
            and ``ranking``.
        num_ids: Nc, the number of training people; guessing has a loss of ln Nc.

    Raises:
        DplibError: There is no iteration to draw.
    """
    x = _column(history, "iteration")
    fig = Figure((9.0, 3.3), layout="constrained")
    left, right = fig.subplots(1, 2)
    for branch, key in _COLUMNS.items():
        ax, style, y = right if branch == "BtR" else left, BRANCHES[branch], None
        y = _column(history, key)
        ax.plot(x, y, color=style.color, alpha=0.2, lw=0.8)
        look = {"color": style.color, "ls": style.line, "lw": 1.8}
        ax.plot(x, _running_mean(y), label=f"{_NAMES[branch]}: running mean", **look)
    chance = math.log(num_ids)
    left.axhline(chance, color="black", ls=":", lw=1.2, label=f"guessing: ln {num_ids}")
    left.set(title="Identification losses", ylabel="cross-entropy (nats)")
    right.set(title="Triplet loss", ylabel="distance between descriptors")
    for ax in (left, right):
        ax.set_xlabel("iteration")
        ax.set_ylim(bottom=0)
        ax.grid(alpha=0.3)
        ax.legend(fontsize=8)
    fig.suptitle("The three losses during training", fontsize=11)
    return fig


def losses_in_words(history: Sequence[Mapping[str, Any]], num_ids: int) -> str:
    """The alternative text of ``losses``: where each loss begins and ends."""
    words = [f"Three losses over {len(history):,} iterations, as running means."]
    for branch, key in _COLUMNS.items():
        y = _running_mean(_column(history, key))
        words.append(f"{branch} goes from {y[0]:.1f} to {y[-1]:.2f}.")
    words.append(f"Guessing among {num_ids} people would give {math.log(num_ids):.2f}.")
    return " ".join(words)


def _column(history: Sequence[Mapping[str, Any]], key: str) -> NDArray[np.float64]:
    if not history:
        raise DplibError("There is no iteration in this history yet: nothing to draw.")
    values = (h.get(key) for h in history)
    return np.array([math.nan if v is None else float(v) for v in values])


def _running_mean(y: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean of up to 50 values: each one and those before it."""
    total = np.concatenate([[0.0], np.cumsum(y)])
    ends = np.arange(1, len(y) + 1)
    starts = np.maximum(ends - 50, 0)
    return (total[ends] - total[starts]) / (ends - starts)


def same_query(
    results: Mapping[str, Retrieval],
    place: int,
    query: Sequence[Sample],
    gallery: Sequence[Sample],
) -> tuple[Figure, str]:
    """One query as several systems rank it, and the alternative text.

    Args:
        results: The name of a system → its result on the same queries and gallery.
        place: The query, among those that were evaluated.
        query: The samples that were described and evaluated.
        gallery: Likewise.
    """
    rows = [plots.ranked_row(r, place, query, gallery) for r in results.values()]
    fig = plots.ranked_galleries(rows, title="The same query, ranked by each system")
    columns = len(fig.axes) // len(rows)
    words = ["One query and the first images of its ranking, a row for each system."]
    for i, (name, row) in enumerate(zip(results, rows, strict=True)):
        fig.axes[i * columns].set_ylabel(name, fontsize=9)
        right = sum(row.right)
        counted = len(row.junk) - sum(row.junk)
        words.append(f"{name}: {right} of the {counted} images that count are right.")
    return fig, " ".join(words)
