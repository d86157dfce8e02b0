"""Figures of the part branch: its wiring, its gates, its context, and its sleep.

They complete ``plots`` and follow its rules. Rows of fb run down the page, head on
top; the two reading directions differ in colour, marker and line. A branch has its
colour of ``plots.BRANCHES``; heads differ in marker and line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle
from torch import Tensor

from dplib import DplibError
from dplib.plots import BRANCHES, PALETTE
from dplib.seeing.gates import Trace

DIRECTIONS = ("head → foot", "foot → head")
STYLES: tuple[dict[str, Any], ...] = (
    {"color": PALETTE["sky"], "marker": "o", "ls": "-"},
    {"color": PALETTE["black"], "marker": "s", "ls": "--"},
)
# a head keeps its look from one figure to the next: colour, marker, line
HEADS = {
    "linear": ("black", "o", "-"),
    "bn": ("sky", "s", "--"),
    "authors": ("grey", "D", "-."),
    "frozen": ("grey", "^", ":"),
    "centred": ("sky", "v", "-."),
    "scaled": ("black", "P", "--"),
    "both": ("sky", "X", ":"),
}
PANELS = (
    ("i", "input gate i"),
    ("f", "forget gate f"),
    ("o", "output gate o"),
    ("c", "cell c"),
)


def wiring(rows: int = 4) -> Figure:
    """One layer of the branch, unrolled over ``rows`` rows (2 to 8), and what follows.

    A second layer stands on the first in the same way, and is left out.
    """
    if not 2 <= rows <= 8:
        raise DplibError(f"rows={rows}: expected 2 to 8")
    fig = Figure((9.0, 0.62 * rows + 0.9), layout="constrained")
    ax = fig.subplots()
    ax.set(xlim=(-0.2, 11.4), ylim=(-rows + 0.35, 0.75))
    ax.set_axis_off()
    columns = (("S", 0.4, "grey"), ("→h", 3.0, "sky"), ("←h", 5.2, "black"))
    for t in range(rows):
        for name, x, color in columns:
            _box(ax, x, -t, f"{name[:-1]}{name[-1]}$_{t + 1}$", color)
        _box(ax, 7.6, -t, f"FC → O$_{t + 1}$", "green")
        _arrow(ax, (0.95, -t), (2.45, -t), "grey")
        _arrow(ax, (0.95, -t), (4.65, -t), "grey", bend=-0.18)
        _arrow(ax, (3.55, -t), (7.05, -t), "sky", bend=-0.14)
        _arrow(ax, (5.75, -t), (7.05, -t), "black")
        _arrow(ax, (8.15, -t), (9.45, (1 - rows) / 2), "green")
        if t:
            _arrow(ax, (3.0, 0.72 - t), (3.0, 0.26 - t), "sky")
            _arrow(ax, (5.2, 0.26 - t), (5.2, 0.72 - t), "black")
    _box(ax, 10.3, (1 - rows) / 2, "concat\n(BatchNorm)\nsoftmax", "black", high=1.1)
    for x, text in (
        (0.4, "rows of fb"),
        (3.0, "head → foot"),
        (5.2, "foot → head"),
        (7.6, "output"),
        (10.3, "Nc classes"),
    ):
        ax.text(x, 0.55, text, ha="center", fontsize=9)
    return fig


def _box(
    ax: Axes, x: float, y: float, text: str, color: str, high: float = 0.46
) -> None:
    wide = 1.6 if high > 0.5 else 1.1
    shape = FancyBboxPatch(
        (x - wide / 2, y - high / 2),
        wide,
        high,
        boxstyle="round,pad=0.02",
        fc="white",
        ec=PALETTE[color],
        lw=1.6,
        zorder=3,
    )
    ax.add_patch(shape)
    ax.text(x, y, text, ha="center", va="center", fontsize=9, zorder=4)


def _arrow(
    ax: Axes,
    start: tuple[float, float],
    end: tuple[float, float],
    color: str,
    bend: float = 0.0,
) -> None:
    style = f"arc3,rad={bend}"
    ax.add_patch(
        FancyArrowPatch(
            start,
            end,
            arrowstyle="-|>",
            mutation_scale=9,
            color=PALETTE[color],
            lw=1.1,
            connectionstyle=style,
        )
    )


def gate_view(
    image: Tensor, trace: Trace, person: int, layer: int, direction: int, unit: int
) -> Figure:
    """A person in rows, and i, f, o and c of one unit along them, both directions.

    image: uint8 [3, h, w]; person, layer, direction and unit count from 0, as in the
    trace. The chosen direction is drawn strongly, the other faintly.
    """
    rows = trace.h.shape[3]
    fig = Figure((8.4, 3.9), layout="constrained")
    axes = fig.subplots(1, 5, width_ratios=[1.15, 1, 1, 1, 1])
    _person(axes[0], image, rows)
    y = np.arange(1, rows + 1)
    for ax, (name, title) in zip(axes[1:], PANELS, strict=True):
        values = getattr(trace, name)[layer, :, person, :, unit].cpu().numpy()
        for d, style in list(enumerate(STYLES[: len(values)])):
            strong = d == direction
            ax.plot(
                values[d],
                y,
                ms=6 if strong else 4,
                lw=2 if strong else 1,
                alpha=1.0 if strong else 0.45,
                label=DIRECTIONS[d],
                **style,
            )
        if name == "c":
            wide = 1.15 * max(0.1, float(np.abs(values).max()))
            ax.set_xlim(-wide, wide)
            ax.axvline(0, color="black", lw=0.6)
        else:
            ax.set_xlim(-0.03, 1.03)
            ax.set_xticks([0, 0.5, 1], ["0", "½", "1"])
            ax.axvline(0.5, color="black", lw=0.6, ls=":")
        ax.set_title(title, fontsize=10)
        ax.set(ylim=(rows + 0.5, 0.5), yticks=y, yticklabels=[])
        ax.grid(axis="y", alpha=0.25)
    handles, labels = axes[1].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside lower center", ncols=2, fontsize=9)
    fig.suptitle(f"Layer {layer + 1}, unit {unit}: rows 1 (head) to {rows}", size=11)
    return fig


def _person(ax: Axes, image: Tensor, rows: int, covered: int | None = None) -> None:
    """The image with its rows marked; row ``covered`` (from 0) is greyed."""
    high, wide = image.shape[1:]
    ax.imshow(image.permute(1, 2, 0).numpy(), aspect="auto", interpolation="nearest")
    for t in range(rows):
        ax.axhline(high * t / rows - 0.5, color="white", lw=1)
    if covered is not None:
        ax.add_patch(
            Rectangle(
                (-0.5, high * covered / rows - 0.5),
                wide,
                high / rows,
                fc="#B0B0B0",
                ec="black",
                hatch="///",
            )
        )
    ax.set_yticks(
        [high * (t + 0.5) / rows for t in range(rows)],
        [str(t + 1) for t in range(rows)],
    )
    ax.set_xticks([])
    ax.set_ylabel("row, head to foot")


def context_maps(maps: Mapping[str, Any], *, title: str = "") -> Figure:
    """|∂O_t/∂S_k| for several branches, each in percent of its largest entry.

    maps: a name → [H, H], outputs t down, rows k across. The value stands in every
    cell; a dot means exactly 0.
    """
    if not maps:
        raise DplibError("context_maps got no maps: there is nothing to draw.")
    fig = Figure((3.1 * len(maps) + 0.5, 3.5), layout="constrained")
    axes = fig.subplots(1, len(maps), squeeze=False)[0]
    for ax, (name, found) in zip(axes, maps.items(), strict=True):
        values = np.asarray(found, dtype=float)
        values = 100 * values / max(values.max(), 1e-12)
        n = len(values)
        shown = ax.imshow(values, cmap="Greens", vmin=0, vmax=100)
        for t in range(n):
            for k in range(n):
                v = values[t, k]
                text = "·" if v == 0 else f"{v:.0f}" if v >= 0.5 else "<1"
                color = "white" if v > 60 else "black"
                ax.text(k, t, text, ha="center", va="center", fontsize=7, color=color)
        ax.set_xticks(range(n), range(1, n + 1))
        ax.set_yticks(range(n), range(1, n + 1))
        ax.set_title(name, fontsize=10)
        ax.set_xlabel("row k of fb")
    axes[0].set_ylabel("output t")
    fig.colorbar(shown, ax=list(axes), label="% of the largest", shrink=0.8)
    fig.suptitle(title or "How strongly output t depends on row k", fontsize=11)
    return fig


def cover_view(image: Tensor, row: int, changes: Mapping[str, Tensor]) -> Figure:
    """A person with row ``row`` (from 0) covered, and how far each output moves.

    changes: a name → [H], in distances between two images, as ``gates.moved`` gives.
    """
    rows = len(next(iter(changes.values())))
    fig = Figure((2.2 + 2.5 * len(changes), 3.7), layout="constrained")
    axes = fig.subplots(1, 1 + len(changes), width_ratios=[0.85, *[1.0] * len(changes)])
    _person(axes[0], image, rows, covered=row)
    axes[0].set_title(f"row {row + 1} covered", fontsize=10)
    y = np.arange(1, rows + 1)
    wide = 1.25 * max(0.1, max(float(v.max()) for v in changes.values()))
    for ax, (name, values) in zip(axes[1:], changes.items(), strict=True):
        bars = ax.barh(y, values.numpy(), color=BRANCHES["BpI"].color, height=0.7)
        bars[row].set(hatch="///", edgecolor="black")  # the covered row's own output
        for t, v in enumerate(values.tolist()):
            text = "0" if v == 0 else f"{v:.2f}"
            ax.text(v + 0.02 * wide, t + 1, text, va="center", fontsize=8.5)
        ax.set(ylim=(rows + 0.5, 0.5), yticks=y, xlim=(0, wide))
        ax.set_yticklabels([f"$O_{t}$" for t in y])
        ax.set_title(name, fontsize=10)
    fig.supxlabel(
        "how far each output moves (1: as far as from one image to another)", size=9
    )
    return fig


def head_curves(
    runs: Mapping[str, Mapping[str, Sequence[float]]],
    num_ids: int,
    block: int,
    *,
    title: str = "The part branch under different heads",
) -> Figure:
    """BpI's loss beside ln Nc, the spread of its outputs, and its gradient at fb.

    runs: a name → columns ``part``, ``spread`` and ``reach``, each a mean over
    ``block`` iterations (``shortruns.means``); spread and reach on logarithmic axes.
    """
    if not runs:
        raise DplibError("head_curves got no runs: there is nothing to draw.")
    fig = Figure((9.6, 3.5), layout="constrained")
    axes = fig.subplots(1, 3)
    free = cycle([s for n, s in HEADS.items() if n not in runs] or HEADS.values())
    titles = (
        "loss of BpI (nats)",
        "spread of its outputs over images",
        "length of its gradient at fb",
    )
    for name, columns in runs.items():
        color, marker, line = HEADS.get(name) or next(free)
        x = block * (np.arange(len(columns["part"])) + 0.5)
        for ax, key in zip(axes, ("part", "spread", "reach"), strict=True):
            ax.plot(
                x,
                columns[key],
                color=PALETTE[color],
                marker=marker,
                ls=line,
                ms=4,
                markevery=max(1, len(x) // 8),
                label=name,
            )
    chance = float(np.log(num_ids))
    axes[0].axhline(chance, color="black", ls="--", lw=1, label=f"ln {num_ids}")
    axes[0].set_ylim(0, 1.25 * chance)
    axes[0].set_ylabel(f"cut off above {1.25 * chance:.1f}", fontsize=8)
    for ax, text in zip(axes, titles, strict=True):
        ax.set_title(text, fontsize=10)
        ax.set_xlabel("iteration")
        ax.grid(alpha=0.3)
    for ax in axes[1:]:
        ax.set_yscale("log")
    handles, labels = axes[0].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=9)
    fig.suptitle(title, fontsize=11)
    return fig


def wake_curves(
    runs: Mapping[str, Sequence[Mapping[str, Sequence[float]]]],
    num_ids: int,
    block: int,
    *,
    title: str,
    columns: int = 4,
) -> Figure:
    """The losses of BpI and BgI under each head, a panel per head and a line per seed.

    runs: a name → for each seed the columns ``part`` and ``global``, each a mean over
    ``block`` iterations. The dashed line is ln ``num_ids``, the loss of guessing.
    """
    if not runs:
        raise DplibError("wake_curves got no runs: there is nothing to draw.")
    across = min(columns, len(runs))
    down = -(-len(runs) // across)
    fig = Figure((2.4 * across + 0.4, 2.2 * down + 0.9), layout="constrained")
    grid = fig.subplots(down, across, squeeze=False, sharex=True, sharey=True)
    chance = float(np.log(num_ids))
    for ax, (name, seeds) in zip(grid.flat, runs.items(), strict=False):
        for key, branch in (("part", "BpI"), ("global", "BgI")):
            style = BRANCHES[branch]
            for i, run in enumerate(seeds):
                x = block * (np.arange(len(run[key])) + 0.5)
                ax.plot(
                    *(x, run[key]),
                    color=style.color,
                    ls=style.line,
                    lw=1.4,
                    marker=style.marker,
                    ms=3.5,
                    markevery=max(1, len(x) // 5),
                    label=None if i else branch,
                )
        ax.axhline(chance, color="black", ls=(0, (1, 1)), lw=1, label=f"ln {num_ids}")
        ax.set_title(name, fontsize=9)
        ax.set_ylim(0, 1.25 * chance)
        ax.grid(alpha=0.3)
    for ax in list(grid.flat)[len(runs) :]:
        ax.set_axis_off()
    for ax in grid[-1]:
        ax.set_xlabel("iteration", fontsize=9)
    fig.supylabel(f"loss (nats; cut off above {1.25 * chance:.1f})", fontsize=9)
    handles, labels = grid.flat[0].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=9)
    fig.suptitle(title, fontsize=11)
    return fig


def by_shift(
    levels: Sequence[float], curves: Mapping[str, Sequence[Sequence[float]]]
) -> Figure:
    """Rank-1 against the shift of the box, a line per variant, a faint line per seed.

    levels: shares of the box's height; curves: a name → for each seed the rank-1 in
    [0, 1] at each level.
    """
    fig = Figure((5.6, 3.5), layout="constrained")
    ax = fig.subplots()
    looks = (("green", "o", "-"), ("black", "s", "--"), ("grey", "D", "-."))
    x = 100 * np.asarray(levels)
    for (name, seeds), (color, marker, line) in zip(
        curves.items(), looks, strict=False
    ):
        y = 100 * np.asarray(seeds, float)
        for one in y:
            ax.plot(x, one, color=PALETTE[color], ls=line, lw=0.8, alpha=0.4)
        ax.plot(
            *(x, y.mean(0)),
            color=PALETTE[color],
            ls=line,
            marker=marker,
            lw=2,
            label=f"{name}, mean of {len(y)} seeds",
        )
    ax.set(
        title="Rank-1 of fm when the query's box is shifted",
        xlabel="shift of the box, up or down (% of its height)",
        ylabel="rank-1 (%)",
        ylim=(0, 100),
    )
    ax.grid(alpha=0.3)
    ax.legend(fontsize=8)
    return fig
