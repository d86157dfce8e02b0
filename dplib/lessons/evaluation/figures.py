"""Figures of one ranking: the list, its average precision, the ranks of its matches."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import FuncFormatter
from torch import Tensor

from dplib import DplibError
from dplib.plots import (
    PALETTE,
    RIGHT,
    UNCOUNTED,
    WRONG,
    Picture,
    as_array,
    draw_picture,
)
from dplib.samples import JUNK

# Behind words that lie on a drawing
PLATE = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1.5}
MARKERS = "osD^"
_HATCHED: dict[str, Any] = {
    "facecolor": "#D9D9D9",
    "edgecolor": "white",
    "hatch": "//",
    "lw": 0,
}


def _ranks(match_ranks: Any) -> list[int]:
    """The ranks, ascending; refused when there are none or one is below 1."""
    ranks = sorted(int(r) for r in torch.as_tensor(match_ranks).flatten())
    if not ranks or ranks[0] < 1:
        raise DplibError(
            f"match_ranks are the ranks of the true matches, from 1 up; got {ranks}."
        )
    return ranks


def average_precision_steps(match_ranks: Any, *, title: str = "") -> Figure:
    """How the average precision of one query comes about.

    `match_ranks` are the 1-based ranks of its true matches. Match k of n, found at rank
    r, adds a block of width 1/n and height k/r: AP is the area of the blocks (the step
    rule; the trapezoid rule joins the precisions by straight lines instead).
    """
    ranks = _ranks(match_ranks)
    n = len(ranks)
    heights = [k / r for k, r in enumerate(ranks, 1)]
    ap = sum(heights) / n
    fig = Figure((5.5, 3.4), layout="constrained")
    ax = fig.subplots()
    for k, (rank, height) in enumerate(zip(ranks, heights, strict=True), 1):
        block = Rectangle(
            ((k - 1) / n, 0),
            1 / n,
            height,
            facecolor=PALETTE["sky"],
            edgecolor=PALETTE["blue"],
            label="precision when a match is found, times 1/n" if k == 1 else None,
        )
        ax.add_patch(block)
        if n <= 8:
            text = f"rank {rank}\n{k}/{rank}"
            ax.text(
                (k - 0.5) / n, height / 2, text, ha="center", va="center", fontsize=8
            )
    ax.axhline(ap, color="black", ls="--", lw=1, label=f"their mean: AP = {ap:.3f}")
    ax.set(
        xlim=(0, 1),
        ylim=(0, 1.05),
        xlabel=f"recall (share of the {n} true matches found)",
        ylabel="precision (share of right ones)",
        title=title or f"Average precision of one query: {100 * ap:.1f} %",
    )
    ax.legend(fontsize=8, loc="upper right")
    return fig


def ranking_strip(
    query: tuple[int, int],
    pids: Any,
    camids: Any,
    distances: Any,
    *,
    title: str = "One query and its gallery, nearest first",
) -> Figure:
    """A ranking without pictures: a box per gallery image, nearest first.

    `query` is its (pid, camid); `pids`, `camids` and `distances` [G] describe the
    gallery. Each box says pid, camera and distance; below it stands the rank, or why
    it has none, and at a match the precision so far.
    """
    values = [torch.as_tensor(x).tolist() for x in (pids, camids, distances)]
    if len({len(v) for v in values}) != 1 or not values[0]:
        raise DplibError(
            "pids, camids and distances describe the same gallery, but there are "
            f"{' and '.join(str(len(v)) for v in values)} of them."
        )
    rows = sorted(zip(*values, strict=True), key=lambda row: row[2])
    fig = Figure((1.05 * len(rows) + 0.6, 2.3), layout="constrained")
    ax = fig.subplots()
    rank = found = 0
    for x, (pid, cam, distance) in enumerate(rows):
        own = (pid, cam) == query
        counted = pid != JUNK and not own
        right = counted and pid == query[0]
        rank, found = rank + counted, found + right
        color = (RIGHT if right else WRONG) if counted else UNCOUNTED
        box = Rectangle(
            (x + 0.05, 0),
            0.9,
            1,
            facecolor=color if right else "white",
            alpha=0.25 if right else 1.0,
            edgecolor=color,
            lw=2,
            ls="-" if counted else ":",
        )
        ax.add_patch(box)
        words = {JUNK: "junk", 0: "distractor"}.get(pid, f"pid {pid}")
        text = f"{words}\ncamera {cam}\nd = {distance:.2f}"
        ax.text(x + 0.5, 0.5, text, ha="center", va="center", fontsize=8.5)
        below = f"rank {rank} {'✓' if right else '✗'}" if counted else "not counted"
        if right:
            below += f"\nprecision {found}/{rank}"
        elif own:
            below += "\n(same camera)"
        ax.text(x + 0.5, -0.08, below, ha="center", va="top", fontsize=8.5)
    ax.set(xlim=(0, len(rows)), ylim=(-0.5, 1.05), title=title)
    ax.set_axis_off()
    legend = "solid frame: counted   filled: true match (✓)   dotted: not counted"
    fig.supxlabel(f"query: pid {query[0]}, camera {query[1]}   |   {legend}", size=8.5)
    return fig


def two_areas(match_ranks: Any, *, title: str = "") -> Figure:
    """AP by steps and by trapezoids on one list: two areas over the recall.

    `match_ranks` are the 1-based ranks of one query's true matches. The precision
    jumps up at each match and falls in between. Steps take the height after the jump;
    trapezoids the mean of the heights before and after it.
    """
    ranks = _ranks(match_ranks)
    n = len(ranks)
    after = [j / r for j, r in enumerate(ranks, 1)]
    before = [(j - 1) / (r - 1) if r > 1 else 1.0 for j, r in enumerate(ranks, 1)]
    trapezoid = [(a + b) / 2 for a, b in zip(before, after, strict=True)]
    fig = Figure((8.6, 3.5), layout="constrained")
    steps, slopes = fig.subplots(1, 2, sharey=True)
    for j in range(n):
        x = np.array([j, j + 1]) / n
        steps.fill_between(x, [after[j]] * 2, color=PALETTE["sky"], lw=0)
        slopes.fill_between(x, [before[j], after[j]], **_HATCHED)
        for ax in (steps, slopes):
            style = {"color": "black", "lw": 1.2}
            ax.plot(x, [before[j], after[j]], marker="o", ms=4, ls="--", **style)
            ax.axvline(x[1], color="white", lw=1)
        if n <= 8:
            for ax, height in ((steps, after[j]), (slopes, trapezoid[j])):
                words = f"rank {ranks[j]}\n{height:.3f}"
                ax.text(x.mean(), 0.06, words, ha="center", fontsize=8.5, bbox=PLATE)
    for ax, name, heights in (
        (steps, "Steps", after),
        (slopes, "Trapezoids", trapezoid),
    ):
        ap = sum(heights) / n
        ax.set(title=f"{name}: AP = {ap:.3f}", xlabel=f"recall (share of {n} matches)")
        ax.set(xlim=(0, 1), ylim=(0, 1.05))
    steps.set_ylabel("precision")
    line = {"color": "black", "marker": "o", "ms": 4, "ls": "--", "lw": 1.2}
    steps.plot([], [], label="precision just before and at a match", **line)
    handles, labels = steps.get_legend_handles_labels()
    patches = [
        Patch(color=PALETTE["sky"], label="area by steps"),
        Patch(**_HATCHED, label="area by trapezoids"),
    ]
    handles += patches
    labels += [str(p.get_label()) for p in patches]
    fig.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=8.5)
    fig.suptitle(title or f"One list, two average precisions: ranks {ranks}", size=11)
    return fig


def match_ranks(
    rows: Mapping[str, Any],
    num_ranked: int,
    *,
    chosen: str | None = None,
    title: str = "Where the true matches stand",
) -> Figure:
    """One row per variant, a mark at the rank of each true match (figure 6).

    `rows` maps a variant's name to the 1-based ranks of one query's true matches,
    `num_ranked` is the length of the ranking. The ranks are on a logarithmic axis; all
    marks left of the dashed line would be a perfect ranking. `chosen` is set in bold.
    """
    if not rows:
        raise DplibError("match_ranks got no variants: there is nothing to draw.")
    if chosen is not None and chosen not in rows:
        raise DplibError(f"chosen={chosen!r} is none of {', '.join(map(repr, rows))}.")
    found = {name: _ranks(ranks) for name, ranks in rows.items()}
    matches = max(map(len, found.values()))
    fig = Figure((9.0, 1.35 + 0.42 * len(found)), layout="constrained")
    ax = fig.subplots()
    for y, (name, ranks) in enumerate(found.items()):
        ax.axhline(y, color="#DDDDDD", lw=1, zorder=0)
        ax.plot(
            ranks,
            [y] * len(ranks),
            MARKERS[y % len(MARKERS)],
            color=RIGHT,
            ms=8,
            mec="white",
            mew=0.8,
        )
        # a thin stroke shows each rank where marks cover one another
        ax.plot(ranks, [y] * len(ranks), "|", color="black", ms=14, mew=1)
        ap = sum(j / r for j, r in enumerate(ranks, 1)) / len(ranks)
        weight = "bold" if name == chosen else "normal"
        ax.text(
            num_ranked * 1.25, y, f"AP {ap:.3f}", va="center", fontsize=9, weight=weight
        )
    ax.axvline(matches + 0.5, color="black", ls="--", lw=1)
    ax.set_xscale("log")
    ax.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
    ax.set(xlim=(0.9, num_ranked * 1.15), ylim=(len(found) - 0.5, -0.5), title=title)
    ax.set_xlabel(
        f"rank of a true match, 1 to {num_ranked:,} (logarithmic); dashed: a perfect "
        f"ranking has all {matches} to its left"
    )
    ax.set_yticks(range(len(found)), list(found), fontsize=9)
    for label, name in zip(ax.get_yticklabels(), found, strict=True):
        label.set_fontweight("bold" if name == chosen else "normal")
    ax.grid(axis="x", alpha=0.3)
    ax.spines[["top", "right", "left"]].set_visible(False)
    return fig


def reciprocal_neighbours(
    images: Sequence[Picture],
    order: Tensor,
    i: int,
    k: int,
    right: Sequence[Any],
    *,
    title: str = "",
) -> Figure:
    """Image i, its k nearest, and below each of these its own k nearest.

    `images` [N]; `order` [N, N] lists for each image all images, nearest first, which
    begins with the image itself; `right` [N] says which are true matches of i. A
    neighbour whose column holds i (framed black) is reciprocal, ⇄; the others are
    one-sided, →.
    """
    n = len(images)
    if order.shape != (n, n) or len(right) != n or not 0 < k < n:
        raise DplibError(
            f"{n} images, an order of {tuple(order.shape)}, {len(right)} marks and "
            f"k={k}: expected order [{n}, {n}], as many marks, and k below {n}"
        )
    near = order[i, 1 : k + 1].tolist()
    arrays = [as_array(image) for image in images]
    layout = ConstrainedLayoutEngine(w_pad=0.02, h_pad=0.02)
    fig = Figure((0.82 * (k + 1) + 0.4, 1.15 * (k + 1) + 1.2), layout=layout)
    axes = fig.subplots(k + 1, k + 1, squeeze=False)
    for ax in axes.flat:
        ax.set_axis_off()
    _show(axes[0, 0], arrays[i], "query", PALETTE["black"])
    for row in range(1, k + 1):
        axes[row, 0].text(
            0.95, 0.5, f"its\nno. {row}", ha="right", va="center", fontsize=8.5
        )
    for column, j in enumerate(near, 1):
        theirs = order[j, 1 : k + 1].tolist()
        arrow = "⇄" if i in theirs else "→"
        sign, color = ("✓", RIGHT) if right[j] else ("✗", WRONG)
        _show(axes[0, column], arrays[j], f"{column} {sign}\n{arrow}", color)
        for row, other in enumerate(theirs, 1):
            frame = PALETTE["black"] if other == i else None
            words = "query" if other == i else ""
            _show(axes[row, column], arrays[other], words, frame)
    words = f"The {k} nearest images of the query, and the {k} nearest of each"
    fig.suptitle(title or words, fontsize=11)
    fig.supxlabel(
        "top row: the query's nearest (✓ right, ✗ wrong); below each: its nearest.\n"
        "⇄ reciprocal: the query stands in its column   → one-sided: it does not",
        fontsize=8.5,
    )
    return fig


def _show(ax: Axes, array: Any, words: str, border: str | None) -> None:
    ax.set_axis_on()
    draw_picture(ax, array, border)
    ax.set_title(words, fontsize=8.5, pad=2, color=border or "black")
