"""The paper's tables as charts with our runs beside, and its claims with intervals.

They complete ``plots`` and follow its rules. Compare the pattern of rows, not heights:
ours are mostly on ToyMarket. Curves of robustness stand at the end.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from dplib import DplibError
from dplib.evidence.claims import Claim, Winners
from dplib.evidence.records import Record
from dplib.evidence.resampling import Difference
from dplib.evidence.tables import Table
from dplib.plots import PALETTE

Seeds = Sequence[float] | NDArray[np.float64]
NAMES = {"rank1": "rank-1", "map": "mAP", "minp": "mINP"}
LEGEND: dict[str, Any] = {"loc": "outside upper center", "ncols": 4, "fontsize": 9}
# verdict → colour, marker
MARKS = {
    "confirmed": ("blue", "o"),
    "inconclusive": ("grey", "s"),
    "contrary": ("vermilion", "X"),
    "too few seeds": ("black", "x"),
}


def name_of(column: str) -> str:
    """A column of a table in words: "multi rank1" is "multi rank-1"."""
    words = NAMES | {f"r{k}": f"rank-{k}" for k in (1, 5, 10)}
    return " ".join(words.get(word, word) for word in column.split())


def rivals(
    table: Table,
    columns: Sequence[str],
    ours: Mapping[str, Mapping[str, Seeds]] | None = None,
) -> Figure:
    """Draw a bar for each row of tables 1, 2, 3 or 5, and marks for our runs below.

    Args:
        table: The published table. A row without a value in any column is left out.
        columns: The columns to draw, a panel for each.
        ours: label → column → a value (%) per seed.
    """
    indices = [table.columns.index(c) for c in columns]
    rows = {
        row: values
        for row, values in table.rows.items()
        if any(values[i] is not None for i in indices)
    }
    mine, n = ours or {}, len(rows)
    high = 0.25 * (n + len(mine)) + 1.2
    fig = Figure((2.6 + 2.7 * len(columns), high), layout="constrained")
    panels = fig.subplots(1, len(columns), sharey=True, squeeze=False)[0]
    for ax, column, i in zip(panels, columns, indices, strict=True):
        for y, (row, values) in enumerate(rows.items()):
            own, value = row in table.runs, values[i]
            if value is not None:
                ax.barh(
                    y, value, color=PALETTE["orange" if own else "grey"],
                    hatch="//" * own, edgecolor="white",
                )  # fmt: skip
            text = "–" if value is None else f"{value:.1f}"
            ax.text((value or 0) + 1, y, text, va="center", fontsize=8)
        # ours stand below the line
        if mine:
            ax.axhline(n - 0.5, color="black", ls="--", lw=0.8)
        for y, known in enumerate(mine.values(), n):
            if column in known:
                drawn = np.asarray(known[column], float)
                _seeds(ax, drawn, y)
                text = f"{drawn.mean():.1f}"
                ax.text(drawn.max() + 3, y, text, va="center", fontsize=8)
        ax.set(xlim=(0, 112), xlabel=f"{name_of(column)} (%)")
        ax.spines[["top", "right"]].set_visible(False)
    panels[0].set_yticks(range(n + len(mine)), [*rows, *mine], fontsize=9)
    panels[0].invert_yaxis()
    words = "bars: published, hatched: the paper's"
    if mine:
        words += "; below the line: ours, on the data they name"
    fig.suptitle(
        f"Table {table.number}: {table.title.lower()}, {table.data}\n{words}",
        fontsize=10,
    )
    return fig


def rows_beside(
    table: Table,
    measured: Mapping[str, Mapping[str, Seeds]],
    where: str = "ToyMarket",
) -> Figure:
    """Draw tables 4, 6 and 7: published rows left, ours right, rank-1 above mAP.

    Small marks are seeds, the large one their mean, the bar ± one standard deviation.

    Args:
        table: The published table.
        measured: row → {"rank1": a value (%) per seed, "map": …}; rows without runs
            stay empty.
        where: The data of our runs.

    Raises:
        DplibError: A measured row is not in the table.
    """
    names = list(table.rows)
    if unknown := [k for k in measured if k not in table.rows]:
        raise DplibError(
            f"table {table.number} has no row {unknown[0]!r}: {', '.join(names)}"
        )
    fig = Figure((8.5, 2 * (0.36 * len(names) + 0.85) + 0.4), layout="constrained")
    for (left, right), column in zip(
        fig.subplots(2, 2, sharey=True), ("rank1", "map"), strict=True
    ):
        values = [table.value(k, column) for k in names]
        left.plot(values, range(len(names)), "D", color=PALETTE["orange"], ms=7)
        for y, name in enumerate(names):
            if name in measured and len(measured[name][column]):
                _seeds(right, np.asarray(measured[name][column], float), y)
        left.set_yticks(range(len(names)), names)
        left.set_ylim(len(names) - 0.4, -0.6)
        left.set_title(f"published, {table.data}", fontsize=10)
        right.set_title(f"ours, {where} (seeds, mean ± s.d.)", fontsize=10)
        for ax in (left, right):
            ax.set_xlabel(f"{NAMES[column]} (%)")
            ax.margins(x=0.12)
            ax.grid(axis="x", alpha=0.3)
    fig.suptitle(f"Table {table.number}: {table.title}")
    return fig


def _seeds(ax: Axes, values: NDArray[np.float64], y: float) -> None:
    spread = values.std(ddof=1) if len(values) > 1 else 0.0
    blue = PALETTE["blue"]
    ax.plot(values, np.full(len(values), y), "|", color=blue, ms=9, alpha=0.6)
    ax.errorbar(values.mean(), y, xerr=spread, fmt="o", color=blue, ms=6, capsize=3)


def claims(
    judged: Sequence[Claim],
    differences: Mapping[str, Difference],
    measure: str = "map",
) -> Figure:
    """Draw each claim's difference with its interval; the published one is a diamond.

    A difference over too few seeds has no interval.

    Args:
        judged: The claims; those without a difference are left out.
        differences: By the claims' ids, see ``claims.verdicts``.
        measure: "rank1" or "map".

    Raises:
        DplibError: No claim has a difference.
    """
    shown = [c for c in judged if c.id in differences]
    if not shown:
        raise DplibError("no claim has its runs yet: python -m dplib ablate")
    fig = Figure((9, 0.45 * len(shown) + 1.5), layout="constrained")
    ax = fig.subplots()
    ax.axvline(0, color="black", lw=1)
    used: dict[str, Any] = {}
    for y, claim in enumerate(shown):
        d = differences[claim.id]
        colour, marker = MARKS[d.verdict]
        used[d.verdict] = ax.errorbar(
            d.value,
            y,
            xerr=[[d.value - d.low], [d.high - d.value]] if d.enough else None,
            fmt=marker,
            color=PALETTE[colour],
            capsize=4,
            ms=7,
        )
        if claim.published is not None:
            published = claim.published[measure == "map"]
            (used["published"],) = ax.plot(
                published, y - 0.24, "D", color=PALETTE["orange"], ms=6
            )
    ax.set_yticks(range(len(shown)), [c.text for c in shown])
    ax.invert_yaxis()
    ax.set_xlabel(f"difference in {NAMES[measure]} (points); right of 0: as claimed")
    ax.grid(axis="x", alpha=0.3)
    if "published" in used:  # last in the legend
        used["published"] = used.pop("published")
    fig.legend(list(used.values()), list(used), **LEGEND)
    return fig


def winners(rate: Winners, measure: str = "rank1") -> Figure:
    """Draw how far two trainings of the same model are apart, over all pairs."""
    fig = Figure((6.5, 2.8), layout="constrained")
    ax = fig.subplots()
    top = max(1, math.ceil(max(rate.gaps)))
    ax.hist(
        rate.gaps,
        min(top, 12),
        range=(0, top),
        color=PALETTE["blue"],
        edgecolor="white",
    )
    ax.axvline(
        float(np.median(rate.gaps)),
        color=PALETTE["vermilion"],
        ls="--",
        label="median",
    )
    ax.set(
        xlabel=f"difference in {NAMES[measure]} between two seeds (points)",
        ylabel="pairs of runs",
        title=f"The same model twice: {rate.won} of {rate.pairs} pairs “won”",
    )
    ax.legend()
    return fig


def draws(
    difference: Difference, drawn: NDArray[np.float64], measure: str = "map"
) -> Figure:
    """Draw a bootstrap: its resamples, the interval, and each seed's difference.

    Args:
        difference: What the resamples were summarised as.
        drawn: [samples] the resamples, see ``resampling.resample``.
        measure: "rank1" or "map".
    """
    low, high = difference.low, difference.high
    colour = PALETTE[MARKS[difference.verdict][0]]
    fig = Figure((7, 2.9), layout="constrained")
    ax = fig.subplots()
    wide = 0.4 * (high - low) or 1.0
    inside = low - wide, high + wide  # the tails of two seeds have no end
    ax.hist(drawn, 60, range=inside, color=colour, alpha=0.35)
    top = ax.get_ylim()[1]
    ax.axvline(0, color="black", lw=1)
    for x in (low, high):
        ax.axvline(x, color=colour, ls="--")
    ax.plot(difference.value, 1.12 * top, "o", color=colour, ms=8, label="mean")
    seeds = difference.per_seed
    ax.plot(seeds, [1.12 * top] * len(seeds), "|", color="black", ms=12, label="seeds")
    ax.set(
        ylim=(0, 1.25 * top),
        xlabel=f"difference in {NAMES[measure]} (points)",
        ylabel="resamples",
        title=f"{difference.value:+.1f} points, {difference.level:.0%} interval "
        f"(dashed) {low:+.1f} to {high:+.1f}: {difference.verdict}",
    )
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=9)
    return fig


_UNITS = {
    "occlusion": "hidden share of the person (%)",
    "blur": "blur (σ, pixels)",
    "shift": "box displaced (% of its height)",
    "clutter": "things in the picture",
}


def curves(
    records: Sequence[Record], labels: Mapping[str, str], measure: str = "rank1"
) -> Figure:
    """Draw a panel per nuisance: mean over seeds, and a band from least to most.

    Args:
        records: Of ``robustness.records``.
        labels: variant → label of the variants to draw, in order.
        measure: "rank1" or "map".
    """
    colours = ("grey", "orange", "blue", "vermilion")
    styles = (":", "--", "-", "-.")
    fig = Figure((9.5, 5.8), layout="constrained")
    for ax, (axis, unit) in zip(fig.subplots(2, 2).flat, _UNITS.items(), strict=True):
        for (variant, label), colour, style in zip(
            labels.items(), colours, styles, strict=False
        ):
            mine = [r for r in records if r["variant"] == variant]
            if not mine:
                continue
            x = np.array(mine[0]["levels"][axis])
            x = 100 * x if "%" in unit else x
            y = 100 * np.array([r[measure][axis] for r in mine])
            c = PALETTE[colour]
            ax.plot(x, y.mean(0), style, color=c, marker="o", ms=3, label=label)
            ax.fill_between(x, y.min(0), y.max(0), color=c, alpha=0.15, lw=0)
        ax.set(xlabel=unit, ylim=(0, 100), title=axis)
        ax.grid(alpha=0.3)
    seeds = len({r["seed"] for r in records})
    fig.suptitle(
        f"{NAMES[measure]} (%) as one nuisance of the query grows, all others off; "
        f"{seeds} seeds, band: range"
    )
    handles, names = fig.axes[0].get_legend_handles_labels()
    below = LEGEND | {"loc": "outside lower center"}
    fig.legend(handles, names, **below)
    return fig
