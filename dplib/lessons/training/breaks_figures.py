"""The curves of broken trainings before those of healthy ones.

They complete ``plots`` and follow its rules. Each panel's scale is the same for all
runs, unless a run leaves it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dplib import DplibError, presets
from dplib.lessons.training.breaks import Band, Run
from dplib.plots import PALETTE

# column → title, unit, top of the scale
PANELS = {
    "ranking": ("BtR: triplet loss", "loss (distance)", 2.0),
    "part": ("BpI: parts", "loss (nats)", 7.5),
    "global": ("BgI: whole image", "loss (nats)", 7.5),
    "active": ("Active triplets", "share (%)", 104.0),
    "grad_norm": ("Gradient before clipping", "norm", 60.0),
}
# its edge keeps the band in sight where the healthy runs agree
BAND: dict[str, Any] = {"color": "#C8C8C8", "lw": 3}


def curves(run: Run, healthy: Band, *, result: bool = False, title: str = "") -> Figure:
    """The run's five curves over the healthy runs' band, and its result if wanted.

    The dashed lines are guessing (ln Nc), the margin and the clipping norm. The result
    is rank-1 and mAP on held-out pids.
    """
    fig = Figure((9.5, 5.2), layout="constrained")
    axes = fig.subplots(2, 3).flat
    for ax, column in zip(axes, PANELS, strict=False):
        _panel(ax, run, healthy, column)
        ax.set_xlabel("iteration")
        ax.set_ylabel(PANELS[column][1])
        dashed = [line for line in ax.lines if line.get_linestyle() == "--"]
        if dashed:
            ax.legend(handles=dashed, fontsize=8)
    band, line = axes[0].collections[0], axes[0].lines[0]
    fig.legend(handles=[line, band], fontsize=9, loc="outside lower center", ncols=2)
    _result(axes[5], run, healthy, result)
    fig.suptitle(title, fontsize=11)
    return fig


def overview(runs: Mapping[str, Run], healthy: Band) -> Figure:
    """The curves of several runs, one row each, named by the mapping's keys."""
    if not runs:
        raise DplibError("overview got no runs: there is nothing to draw")
    n = len(runs)
    fig = Figure((9.5, 1.15 * n + 0.9), layout="constrained")
    grid = fig.subplots(n, 5, squeeze=False, sharex=True)
    for axes, (name, run) in zip(grid, runs.items(), strict=True):
        for ax, column in zip(axes, PANELS, strict=True):
            _panel(ax, run, healthy, column)
            ax.set_title("")
            ax.tick_params(labelsize=8)
        axes[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=13)
    for ax, (heading, unit, _) in zip(grid[0], PANELS.values(), strict=True):
        ax.set_title(f"{heading}\n{unit}", fontsize=9)
    for ax in grid[-1]:
        ax.set_xlabel("iteration", fontsize=9)
    return fig


def _panel(ax: Axes, run: Run, healthy: Band, column: str) -> None:
    """One curve with its band and the line that it is read against."""
    heading, _, top = PANELS[column]
    factor = 100 if column == "active" else 1
    x, y = run.iterations, factor * run.curves[column]
    low, high = factor * healthy.curves[column]
    ax.fill_between(x, low, high, **BAND, label="healthy runs")
    ax.plot(x, y, color=PALETTE["vermilion"], lw=1.8, label="this run")
    lines = _lines(run)
    if column in lines:
        name, at = lines[column]
        ax.axhline(at, color="black", ls="--", lw=1, label=name)
    ax.set_title(heading, fontsize=10)
    ax.set_ylim(-0.04 * top, max(top, 1.05 * float(y.max())))
    ax.grid(alpha=0.3)


def _lines(run: Run) -> dict[str, tuple[str, float]]:
    """column → name and height of its dashed line."""
    toy = presets.get("toy")
    guessing = f"guessing, ln {run.num_ids}", run.chance
    lines = {"part": guessing, "global": guessing}
    lines["ranking"] = f"the margin, {toy.margin:g}", toy.margin
    if toy.clip_norm is not None:
        lines["grad_norm"] = f"clipped at {toy.clip_norm:g}", toy.clip_norm
    return lines


def _result(ax: Axes, run: Run, healthy: Band, shown: bool) -> None:
    """rank-1 and mAP as bars, the healthy runs' as bands; or only the bands."""
    values = {"rank-1": (run.rank1, healthy.rank1), "mAP": (run.map, healthy.map)}
    for i, (own, span) in enumerate(values.values()):
        low, high = 100 * np.array(span)
        ax.fill_between([i - 0.4, i + 0.4], low, high, **BAND)
        if shown:
            ax.bar(i, 100 * own, 0.5, color=PALETTE["vermilion"])
            ax.text(i, 100 * own + 3, f"{100 * own:.1f}", ha="center", fontsize=9)
        else:
            ax.text(i, 20, "?", ha="center", va="center", fontsize=22)
    ax.set(xlim=(-0.6, 1.6), ylim=(0, 80), ylabel="held-out people (%)")
    ax.set_xticks([0, 1], list(values))
    ax.set_title("Result" if shown else "Result: hidden", fontsize=10)
