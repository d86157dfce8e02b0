"""Figures of triplets: distances, mining, and an embedding while it trains.

They complete ``plots`` and follow its rules: each function returns a Figure, which
``plots.show`` puts on the page, and no meaning rests on colour alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Rectangle
from torch import Tensor

from dplib import DplibError
from dplib.lessons.batch_hard_triplet.mining import FlatEmbedding, Look, Settings, mine
from dplib.losses import batch_hard_triplet, pairwise_distances
from dplib.plots import BRANCHES, PALETTE, RIGHT, WRONG

POSITIVE, NEGATIVE = RIGHT, WRONG
MARKERS = "os^DvP*X"  # one per pid
# no colour that means a branch, or right or wrong
FILLS = ("#56B4E9", "#F0E442", "#FFFFFF", "#8C8C8C", "#C9B18C", "#3F3F3F", "#BFE3F5")
# the paper's loss has the ranking branch's colour, its variants have none of their own
LOSSES: dict[str, dict[str, Any]] = {
    "batch-hard": {"color": BRANCHES["BtR"].color, "ls": "-", "marker": "^"},
    "squared": {"color": "#5C4033", "ls": "--", "marker": "v"},
    "batch-all": {"color": PALETTE["sky"], "ls": "-.", "marker": "P"},
    "soft margin": {"color": "#6E6E6E", "ls": ":", "marker": "X"},
}


def triplets_on_paper(
    points: Tensor, labels: Tensor, anchor: int, margin: float, *, title: str = ""
) -> Figure:
    """``points`` [N, 2] with their numbers, and the hardest triplet of one anchor.

    The solid circle has the hardest positive on it, the dashed one lies the margin
    further out: each negative inside the dashed circle would make the triplet active.
    """
    if points.ndim != 2 or points.shape[1] != 2 or len(labels) != len(points):
        raise DplibError(
            f"triplets_on_paper draws points [N, 2] with labels [N]; got "
            f"{tuple(points.shape)} and {tuple(labels.shape)}"
        )
    distances = pairwise_distances(points)
    _, far, near = (int(rows[anchor]) for rows in mine(distances, labels))
    d = distances[anchor]
    fig = Figure((7.2, 4.2), layout="constrained")
    ax = fig.subplots()
    _scatter(ax, points, labels, size=130)
    names = [str(i) for i in range(len(points))]
    for name, (x, y) in zip(names, points.tolist(), strict=True):
        ax.annotate(name, (x, y), (8, 8), textcoords="offset points", fontsize=11)
    words = (("hardest positive", far, POSITIVE), ("hardest negative", near, NEGATIVE))
    for (name, other, color), style in zip(words, ("-", ":"), strict=True):
        line = points[[anchor, other]]
        label = f"{name}: D = {d[other]:.2f}"
        ax.plot(*line.T.tolist(), color=color, ls=style, lw=2, label=label, zorder=1)
    centre = points[anchor].tolist()
    for radius, style in ((float(d[far]), "-"), (float(d[far]) + margin, "--")):
        ax.add_patch(
            Circle((centre[0], centre[1]), radius, fill=False, ls=style, ec="#777777")
        )
    circles = {
        "-": "as far as the hardest positive",
        "--": f"farther by the margin, {margin:g}",
    }
    for style, label in circles.items():
        ax.plot([], [], ls=style, color="#777777", label=label)
    ax.set(title=title or f"Anchor {anchor}", xlabel="coordinate 1")
    ax.set_ylabel("coordinate 2")
    ax.set_aspect("equal")
    ax.margins(0.12)
    fig.legend(fontsize=9, loc="outside right upper")
    return fig


def _scatter(ax: Axes, points: Tensor, labels: Tensor, size: float = 60) -> None:
    """A marker and a colour for each pid."""
    for number, pid in enumerate(labels.unique_consecutive().tolist()):
        _marks(ax, points[labels == pid], number, s=size, label=f"pid {pid}")


def _marks(ax: Axes, points: Tensor, number: int, **style: Any) -> None:
    """Points [n, 2] of one pid, with the marker and colour of that number."""
    marker, fill = MARKERS[number % len(MARKERS)], FILLS[number % len(FILLS)]
    style |= {"marker": marker, "color": fill, "zorder": 2}
    ax.scatter(*points.T.tolist(), edgecolors="black", linewidths=0.7, **style)


def distance_matrix(
    distances: Tensor, labels: Tensor, *, title: str = "Pairwise distances"
) -> Figure:
    """``distances`` [N, N] of a batch sorted by pid, with each anchor's hardest pair.

    Blocks of one pid are framed. In each row a circle marks the hardest positive, a
    cross the hardest negative.
    """
    n = len(labels)
    if distances.shape != (n, n):
        raise DplibError(
            f"distance_matrix: {n} labels need distances [{n}, {n}], got "
            f"{tuple(distances.shape)}"
        )
    _, far, near = mine(distances, labels)
    fig = Figure((6.2, 4.8), layout="constrained")
    ax = fig.subplots()
    image = ax.imshow(distances.numpy(), cmap="Greys")
    fig.colorbar(image, ax=ax, label="Euclidean distance")
    start = 0
    for run in torch.unique_consecutive(labels, return_counts=True)[1].tolist():
        box = (start - 0.5, start - 0.5)
        ax.add_patch(Rectangle(box, run, run, fill=False, ec=POSITIVE, lw=1.8))
        start += run
    size = 120 if n <= 12 else 26
    for other, marker, color, name in (
        (far, "o", POSITIVE, "hardest positive"),
        (near, "x", NEGATIVE, "hardest negative"),
    ):
        hollow: dict[str, Any] = {"facecolors": "none", "edgecolors": color}
        look = hollow if marker == "o" else {"color": color}
        ax.scatter(
            other.tolist(),
            list(range(n)),
            s=size,
            marker=marker,
            linewidths=2,
            label=name,
            **look,
        )
    if n <= 12:
        for i in range(n):
            for j in range(n):
                dark = distances[i, j] > 0.6 * distances.max()
                tone = "white" if dark else "black"
                text = f"{distances[i, j]:.1f}"
                ax.text(j, i + 0.33, text, ha="center", fontsize=8, color=tone)
    ax.set(title=title, xlabel="the other picture", ylabel="anchor")
    fig.legend(fontsize=8.5, loc="outside lower center", ncols=2)
    return fig


def hinge_and_slope(margin: float = 0.5) -> Figure:
    """Hinge and soft margin; and the gradients of D and of D²."""
    fig = Figure((9.0, 3.4), layout="constrained")
    left, right = fig.subplots(1, 2)
    x = torch.linspace(-2, 2, 201)
    hinge, soft = (margin + x).clamp(min=0), torch.nn.functional.softplus(x)
    plain, square = _line("batch-hard"), _line("squared")
    left.plot(x, hinge, label=f"hinge, margin {margin:g}", **plain)
    left.plot(x, soft, label="soft margin", **_line("soft margin"))
    left.plot([0, 0], [margin, np.log(2)], "o", color="black", ms=5)
    left.annotate(f"{margin:g}", (0, margin), (6, -9), textcoords="offset points")
    left.annotate("ln 2", (0, np.log(2)), (-22, 6), textcoords="offset points")
    left.set(title="Loss of one triplet", ylabel="loss")
    left.set_xlabel("$D(a, p) - D(a, n)$")
    d = torch.linspace(0, 1, 101)
    right.plot(d, torch.ones(101), label="of $D$", **plain)
    right.plot(d, 2 * d, label="of $D^2$", **square)
    right.set(title="Gradient of a pair's distance", xlabel="distance $D$")
    right.set(ylabel="length of the gradient", ylim=(-0.05, 2.1))
    for ax in (left, right):
        ax.grid(alpha=0.3)
        ax.legend(fontsize=8.5)
    return fig


def _line(name: str) -> dict[str, Any]:
    """Colour and line of a loss, without its marker."""
    style = LOSSES.get(name, {"color": "#6E6E6E", "ls": (0, (5, 1, 1, 1))})
    return {"color": style["color"], "ls": style["ls"], "lw": 1.8}


def runs(
    histories: Mapping[str, Sequence[Mapping[str, Sequence[float]]]],
    margin: float = 0.5,
    *,
    title: str = "",
    window: int = 20,
) -> Figure:
    """Trainings side by side: equation 1's loss and the share of active triplets.

    ``histories`` maps a loss, one of ``LOSSES``, to a history for each seed,
    ``{"loss": […], "active": […]}`` with one value per step, the share in [0, 1].
    Curves are running means over ``window`` steps: the line is the mean over the seeds,
    the band goes from the lowest seed to the highest.
    """
    if not histories:
        raise DplibError("runs got no histories: there is nothing to draw")
    fig = Figure((9.5, 3.6), layout="constrained")
    left, right = fig.subplots(1, 2)
    for name, seeds in histories.items():
        look = _line(name)
        for ax, key, factor in ((left, "loss", 1), (right, "active", 100)):
            values = factor * np.array([h[key] for h in seeds])  # [seeds, steps]
            kernel = np.ones(min(window, values.shape[1]))
            kernel /= len(kernel)
            mean = np.stack([np.convolve(v, kernel, "valid") for v in values])
            steps = np.arange(mean.shape[1]) + len(kernel)
            band = {"color": look["color"], "alpha": 0.2, "lw": 0}
            ax.fill_between(steps, mean.min(0), mean.max(0), **band)
            ax.plot(steps, mean.mean(0), label=name, **look)
    left.axhline(margin, color="black", lw=1, ls="--", label=f"the margin, {margin:g}")
    left.set(title="Loss of equation 1", xlabel="step", ylabel="loss (distance)")
    left.set_ylim(bottom=0)
    right.set(title="Active batch-hard triplets", xlabel="step", ylabel="share (%)")
    right.set_ylim(-3, 103)
    for ax in (left, right):
        ax.grid(alpha=0.3)
    left.legend(fontsize=8.5)
    fig.suptitle(title, fontsize=11)
    return fig


# ------------------------------------------------------------------- the embedding


def embedding(flat: FlatEmbedding, step: int, settings: Settings, look: Look) -> Figure:
    """The points after ``step`` steps, their distances, and the loss so far.

    ``look`` is ``flat.look(step, settings)``: its active triplets are drawn. This is
    quick enough for a picture at each step.
    """
    fig = Figure((9.0, 4.3))
    ax = fig.add_axes((0.05, 0.1, 0.44, 0.78))
    histogram = fig.add_axes((0.58, 0.57, 0.4, 0.34))
    curve = fig.add_axes((0.58, 0.12, 0.4, 0.28))
    _points(ax, flat, step, look)
    ax.set_title(f"Step {step}: the batch and its active triplets", fontsize=10)
    fig.text(0.27, 0.015, _LEGEND, ha="center", fontsize=8)
    same = flat.labels[:, None] == flat.labels
    upper = torch.ones_like(same).triu(1)
    d = pairwise_distances(flat.trace[step])
    top = 1.05 * float(pairwise_distances(flat.trace[0]).max())
    bins = np.linspace(0, top, 41)
    for mask, name, color, style in (
        (same, "same pid", POSITIVE, "-"),
        (~same, "other pid", NEGATIVE, "--"),
    ):
        values = d[mask & upper].clamp(max=top).numpy()
        histogram.hist(
            values,
            bins=bins.tolist(),
            weights=np.full(len(values), 100 / len(values)),
            histtype="step",
            color=color,
            ls=style,
            lw=1.6,
            label=name,
        )
    histogram.set(xlabel="distance of a pair", ylabel="pairs (%)", xlim=(0, top))
    histogram.set_title("All pairs", fontsize=10)
    histogram.legend(fontsize=8)
    past = [*flat.losses[:step], float(look.loss)]
    curve.plot(past, color=BRANCHES["BtR"].color, label="loss")
    margin = f"margin {settings.margin:g}"
    curve.axhline(settings.margin, color="#777777", ls="--", lw=1, label=margin)
    curve.set(xlabel="step", ylabel="loss", xlim=(0, max(step, 20)))
    curve.set_ylim(bottom=0)
    curve.legend(fontsize=8, loc="upper right")
    return fig


def embedding_steps(
    rows: Mapping[str, tuple[FlatEmbedding, Settings]], steps: Sequence[int]
) -> Figure:
    """Embeddings at a few steps, with a row for each way of training."""
    size = (2.3 * len(steps), 2.35 * len(rows) + 0.5)
    fig = Figure(size, layout="constrained")
    grid = fig.subplots(len(rows), len(steps), squeeze=False)
    for axes, (name, (flat, settings)) in zip(grid, rows.items(), strict=True):
        flat.train(max(steps), settings)
        for ax, step in zip(axes, steps, strict=True):
            look = flat.look(step, settings)
            _points(ax, flat, step, look, size=26)
            every = batch_hard_triplet(flat.trace[step], flat.labels, settings.margin)
            words = f"step {step}: loss {look.loss:.2f}, active {look.active:.0%}"
            words += f"\nhardest of all points: {every.active:.0%}"
            ax.set_title(words, fontsize=9)
            ax.set(xticks=[], yticks=[])
        axes[0].set_ylabel(name, fontsize=10)
    fig.suptitle(_LEGEND, fontsize=9)
    return fig


_LEGEND = "solid: to the positive   dotted: to the negative   faint: not in the batch"


def _points(
    ax: Axes, flat: FlatEmbedding, step: int, look: Look, size: float = 45
) -> None:
    """Draw the points, pale outside the batch, and its active triplets as lines."""
    points = flat.trace[step]
    chosen = torch.zeros(len(points), dtype=torch.bool)
    chosen[look.batch] = True
    for pid in flat.labels.unique().tolist():
        for mask, alpha in ((~chosen, 0.25), (chosen, 1.0)):
            own = points[(flat.labels == pid) & mask]
            _marks(ax, own, pid, s=size, alpha=alpha)
    active = look.hinge > 0
    a, p, n = (points[look.batch[rows[active]]] for rows in look.triplets)
    alpha = min(0.8, max(0.05, 16 / max(len(a), 1)))
    for ends, color, style in ((p, POSITIVE, "solid"), (n, NEGATIVE, "dotted")):
        lines = torch.stack([a, ends], 1).numpy()
        kind = {"colors": color, "linestyles": style, "alpha": alpha}
        ax.add_collection(LineCollection(list(lines), linewidths=1.3, zorder=1, **kind))
    reach = 1.1 * float(flat.trace[0].abs().max())
    ax.set(xlim=(-reach, reach), ylim=(-reach, reach))
    ax.set_aspect("equal")
