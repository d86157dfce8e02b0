"""Curves of rank-1 and mAP against occlusion, blur, box shift and clutter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from dplib import plots

_UNITS = {
    "occlusion": "hidden share of the person (%)",
    "blur": "blur (σ, pixels)",
    "shift": "box displaced (% of its height)",
    "clutter": "things in the picture",
}


def curves(
    made: Sequence[dict[str, Any]],
    labels: dict[str, str],
    measure: str = "rank1",
) -> Figure:
    """A panel per nuisance: mean over seeds of ``measure``, band from least to most.

    made: records as above; labels: of the variants to draw, in order.
    """
    colours = ("grey", "orange", "blue", "vermilion")
    styles = (":", "--", "-", "-.")
    fig = Figure(figsize=(9.5, 5.8), layout="constrained")
    for ax, (axis, unit) in zip(fig.subplots(2, 2).flat, _UNITS.items(), strict=True):
        for (variant, label), colour, style in zip(
            labels.items(), colours, styles, strict=False
        ):
            mine = [r for r in made if r["variant"] == variant]
            if not mine:
                continue
            x = np.array(mine[0]["levels"][axis])
            x = 100 * x if "%" in unit else x
            y = 100 * np.array([r[measure][axis] for r in mine])
            c = plots.PALETTE[colour]
            ax.plot(x, y.mean(0), style, color=c, marker="o", ms=3, label=label)
            ax.fill_between(x, y.min(0), y.max(0), color=c, alpha=0.15, lw=0)
        ax.set(xlabel=unit, ylim=(0, 100), title=axis)
        ax.grid(alpha=0.3)
    name = {"rank1": "rank-1 (%)", "map": "mAP (%)"}[measure]
    seeds = len({r["seed"] for r in made})
    fig.suptitle(
        f"{name} as one nuisance of the query grows, all others off; {seeds} seeds, "
        "band: range"
    )
    handles, names = fig.axes[0].get_legend_handles_labels()
    fig.legend(handles, names, loc="outside lower center", ncols=4, fontsize=9)
    return fig
