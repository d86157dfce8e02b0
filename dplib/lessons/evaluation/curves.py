"""Figures of a measure over many queries: CMC, bootstrap draws, the effect of ties."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure

from dplib import DplibError
from dplib.plots import PALETTE, Style

# Neither right nor wrong, and no branch: colours without a meaning of their own
SERIES = (
    Style(PALETTE["black"], "-", "o"),
    Style(PALETTE["grey"], "--", "s"),
    Style(PALETTE["sky"], "-.", "D"),
    Style(PALETTE["black"], ":", "^"),
    Style(PALETTE["grey"], "-", "v"),
)


def _style(i: int) -> dict[str, Any]:
    """The keywords by which the i-th curve of a figure is drawn."""
    return dict(SERIES[i % len(SERIES)].plot())


def cmc_curve(
    curves: Mapping[str, Any] | Any, *, max_rank: int = 20, title: str = "CMC"
) -> Figure:
    """Share of queries with a right match among the first k, for k up to `max_rank`.

    `curves` is one CMC (a sequence of shares in [0, 1]) or a mapping of names to them.
    """
    named = dict(curves) if isinstance(curves, Mapping) else {"model": curves}
    fig = Figure((5.5, 3.4), layout="constrained")
    ax = fig.subplots()
    for i, (name, curve) in enumerate(named.items()):
        y = 100 * np.asarray(torch.as_tensor(curve, dtype=torch.float64))[:max_rank]
        ax.plot(
            np.arange(1, len(y) + 1),
            y,
            **_style(i),
            ms=4,
            label=f"{name}: rank-1 {y[0]:.1f} %",
        )
    ax.set(title=title, xlabel="rank k", ylabel="queries with a match up to k (%)")
    ax.set_ylim(0, 102)
    ax.set_xticks([1, *range(5, max_rank + 1, 5)])
    ax.grid(alpha=0.3)
    ax.legend(fontsize=8)
    return fig


def bootstrap_draws(
    draws: Mapping[str, Any],
    measured: float,
    *,
    level: float = 0.95,
    measure: str = "rank-1",
) -> Figure:
    """The spread of a measure over bootstrap draws, one histogram per way of drawing.

    `draws` maps a name to the measure in each draw, a share in [0, 1]; `measured` is
    the measure itself. Brackets hold the middle `level` of the draws.
    """
    if not draws:
        raise DplibError("bootstrap_draws got no draws: there is nothing to show.")
    values = {name: 100 * np.asarray(d, dtype=float) for name, d in draws.items()}
    every = np.concatenate(list(values.values()))
    bins = np.linspace(every.min(), every.max() + 1e-9, 41)
    fig = Figure((7.5, 3.2), layout="constrained")
    ax = fig.subplots()
    top = 0.0
    for i, (name, d) in enumerate(values.items()):
        style = SERIES[i % len(SERIES)]
        low, high = np.quantile(d, [(1 - level) / 2, (1 + level) / 2])
        label = f"{name}: {low:.1f} to {high:.1f} %"
        ax.hist(
            d,
            bins=bins.tolist(),
            histtype="step",
            color=style.color,
            ls=style.line,
            lw=1.8,
            label=label,
        )
        top = max(top, np.histogram(d, bins)[0].max())
        values[name] = np.array([low, high])
    for i, (low, high) in enumerate(values.values()):
        y = top * (1.08 + 0.08 * i)
        bracket = _style(i) | {"marker": "|", "ms": 9, "lw": 2}
        ax.plot([low, high], [y, y], **bracket)
    ax.axvline(100 * measured, color="black", lw=1, ls=":", label="measured")
    ax.set(
        title=f"{measure} in each bootstrap draw; brackets hold {100 * level:.0f} %",
        xlabel=f"{measure} (%)",
        ylabel="number of draws",
        ylim=(0, top * (1.12 + 0.08 * len(values))),
    )
    ax.legend(fontsize=8.5, loc="upper left", bbox_to_anchor=(1, 1))
    return fig


def tie_curves(levels: Sequence[int], curves: Mapping[str, Sequence[float]]) -> Figure:
    """A measure against how many values a distance may take: what ties do.

    `levels` are the numbers of distinct distances, finest first; `curves` maps a rule
    for ties to the measure (a share in [0, 1]) at each level.
    """
    for name, values in curves.items():
        if len(values) != len(levels):
            raise DplibError(f"{name}: {len(values)} values for {len(levels)} levels.")
    fig = Figure((6.5, 3.4), layout="constrained")
    ax = fig.subplots()
    for i, (name, values) in enumerate(curves.items()):
        y = [100 * float(v) for v in values]
        ax.plot(
            range(len(levels)),
            y,
            **_style(i),
            label=name,
        )
    ax.set_xticks(range(len(levels)), [f"{n:,}" for n in levels])
    ax.set(
        title="The same descriptors with coarser and coarser distances",
        xlabel="number of different values that a distance can take",
        ylabel="rank-1 (%)",
        ylim=(-3, 103),
    )
    ax.grid(alpha=0.3)
    ax.legend(fontsize=8.5, title="at equal distance", title_fontsize=8.5)
    return fig
