"""Figures of lesson 5: what a training run logs."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from dplib import DplibError, training
from dplib.lessons.training.branchgrads import NAMES
from dplib.plots import BRANCHES as STYLES
from dplib.plots import PALETTE
from dplib.presets import Preset

# a loss → its branch, in words and in style
BRANCHES = {
    "ranking": ("BtR, triplet", STYLES["BtR"]),
    "part": ("BpI, parts", STYLES["BpI"]),
    "global": ("BgI, whole image", STYLES["BgI"]),
}
# one style for each run; no colour that means a branch, or right or wrong
RUNS: tuple[dict[str, Any], ...] = (
    {"color": "#000000", "ls": "-", "marker": "D"},
    {"color": "#56B4E9", "ls": "--", "marker": "o"},
    {"color": "#7A4B21", "ls": "-.", "marker": "s"},
    {"color": "#8C8C8C", "ls": (0, (5, 1)), "marker": "^"},
    {"color": "#B7A000", "ls": ":", "marker": "v"},
)
Array = NDArray[np.float64]
_QUIET = "#5A5A5A"  # what belongs to no branch and no run


def training_curves(
    history: Sequence[Mapping[str, Any]], num_ids: int, *, title: str = "Training"
) -> Figure:
    """The losses beside chance, the active triplets and the learning rate.

    `history` has a mapping per iteration with iteration, ranking, part, global, active
    (a share) and lr; a loss that is None or absent belongs to an absent branch.
    `num_ids` is Nc: an identification loss of ln Nc is guessing.
    """
    if not history:
        raise DplibError("There is no iteration in this history yet: nothing to draw.")
    x = _column(history, "iteration")
    fig = Figure((9.5, 3.2), layout="constrained")
    losses, active, rates = fig.subplots(1, 3, width_ratios=[2, 1, 1])
    for key, (label, style) in BRANCHES.items():
        y = _column(history, key)
        if np.isfinite(y).any():
            look: dict[str, Any] = {"color": style.color, "ls": style.line}
            losses.plot(x, y, color=style.color, alpha=0.2, lw=0.8)
            losses.plot(x, _smooth(y), lw=1.8, label=label, **look)
    chance = math.log(num_ids)
    losses.axhline(
        chance, color="black", ls="--", lw=1, label=f"guessing, ln {num_ids}"
    )
    losses.set(title="Losses", xlabel="iteration", ylabel="loss (nats; BtR: distance)")
    losses.set_ylim(bottom=0)
    losses.legend(fontsize=8)
    share = 100 * _column(history, "active")
    ranking = STYLES["BtR"].color
    active.plot(x, share, color=ranking, alpha=0.2, lw=0.8)
    active.plot(x, _smooth(share), color=ranking, label="running mean")
    active.set(title="Active triplets", xlabel="iteration", ylabel="share (%)")
    active.set_ylim(0, 102)
    active.legend(fontsize=8)
    rates.plot(x, _column(history, "lr"), color=_QUIET, label="Adam")
    rates.set(title="Learning rate", xlabel="iteration", ylabel="rate", yscale="log")
    rates.legend(fontsize=8)
    fig.suptitle(title, fontsize=11)
    return fig


def _column(history: Sequence[Mapping[str, Any]], key: str) -> NDArray[np.float64]:
    values = (h.get(key) for h in history)
    return np.array([math.nan if v is None else float(v) for v in values])


def _smooth(y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean over the last fiftieth of the run up to each point."""
    n = max(1, len(y) // 50)
    total = np.concatenate([[0.0], np.cumsum(np.nan_to_num(y))])
    count = np.concatenate([[0], np.cumsum(np.isfinite(y))])
    start = np.maximum(np.arange(len(y)) + 1 - n, 0)
    with np.errstate(invalid="ignore"):
        return (total[1:] - total[start]) / (count[1:] - count[start])


Rows = Sequence[Mapping[str, float]]


def live_curves(
    history: Rows, num_ids: int, preset: Preset, rank1: Mapping[int, float]
) -> Figure:
    """How a training stands: six panels over the iterations.

    history: that of ``training.train`` with ``preset``; num_ids: Nc; rank1: epochs done
    → a share in [0, 1], measured on validation pids. The thick lines of the losses and
    of the active triplets are means over epochs; ln Nc and the limit are dashed.
    """
    if not history:
        raise DplibError("live_curves got no iteration: there is nothing to draw")
    fig = Figure((10.0, 5.4), layout="constrained")
    axes = fig.subplots(2, 3)
    losses, active, norm, rate, speed, rank = axes.flat
    for key, (name, style) in BRANCHES.items():
        _faint_and_mean(losses, history, key, name, style.color, style.line)
    chance = math.log(num_ids)
    losses.axhline(chance, color="black", ls="--", lw=1, label=f"ln {num_ids}")
    top = 1.6 * losses.get_ylim()[1]  # room for the legend
    heading = "Losses (thick: mean of an epoch)"
    losses.set(title=heading, ylabel="loss (nats; BtR: distance)", ylim=(0, top))
    ranking = STYLES["BtR"]
    shown = ranking.color, ranking.line, 100
    _faint_and_mean(active, history, "active", "", *shown)
    active.set(title="Active triplets", ylabel="share (%)", ylim=(0, 104))
    x = _column(history, "iteration")
    norm.plot(x, _column(history, "grad_norm"), color=_QUIET)
    if preset.clip_norm is not None:
        norm.axhline(preset.clip_norm, color="black", ls="--", lw=1, label="the limit")
        norm.legend(fontsize=8)
    norm.set(title="Gradient before clipping", ylabel="norm", ylim=(0, None))
    rate.plot(x, _column(history, "lr"), color=_QUIET)
    rate.set(title="Learning rate", ylabel="rate", yscale="log")
    speed.plot(
        x, preset.p * preset.k / _column(history, "seconds"), color=PALETTE["grey"]
    )
    speed.set(title="Speed", ylabel="images/s", ylim=(0, None))
    per_epoch = sum(h["epoch"] == history[0]["epoch"] for h in history)
    done = per_epoch * np.array(list(rank1))
    shares = 100 * np.array(list(rank1.values()))
    rank.plot(done, shares, color=PALETTE["blue"], marker="o")  # right answers
    rank.set(title="Rank-1, validation pids", ylabel="share of queries (%)")
    rank.set(xlim=losses.get_xlim(), ylim=(0, 104))
    for ax in axes.flat:
        ax.set_xlabel("iteration", fontsize=9)
        ax.grid(alpha=0.3)
    losses.legend(fontsize=8, ncols=2, loc="upper right")
    return fig


def _faint_and_mean(
    ax: Axes,
    history: Rows,
    key: str,
    label: str,
    color: str,
    style: str,
    factor: float = 1,
) -> None:
    """A column of the history, and its mean over each epoch."""
    x, epochs = _column(history, "iteration"), _column(history, "epoch")
    y = factor * _column(history, key)
    ax.plot(x, y, color=color, alpha=0.25, lw=0.8)
    means = [(x[epochs == e].mean(), y[epochs == e].mean()) for e in np.unique(epochs)]
    ax.plot(*zip(*means, strict=True), color=color, ls=style, lw=2, label=label or None)


def branch_gradients(
    epochs: Sequence[int], losses: Array, norms: Array, cosines: Array
) -> Figure:
    """The three losses, their gradients' norms at fb, and the cosines between these.

    Lines are means over the seeds, bands go from the lowest seed to the highest.

    Args:
        epochs: Epochs done at each measurement [T].
        losses: [seeds, T, 3], in the order of ``branchgrads.NAMES``.
        norms: [seeds, T, 3].
        cosines: [seeds, T, 3], of BtR and BpI, BtR and BgI, BpI and BgI.
    """
    if not len(epochs):
        raise DplibError("branch_gradients got no measurement: nothing to draw")
    fig = Figure((10.0, 3.6), layout="constrained")
    loss, norm, angle = fig.subplots(1, 3)
    for i, key in enumerate(NAMES):
        name, style = BRANCHES[key]
        for ax, values in ((loss, losses), (norm, norms)):
            _band(ax, epochs, values[..., i], {**style.plot(), "label": name})
    pairs = ("BtR, BpI", "BtR, BgI", "BpI, BgI")
    for i, (name, look) in enumerate(zip(pairs, RUNS[1:4], strict=True)):
        _band(angle, epochs, cosines[..., i], {**look, "label": name})
    loss.set(title="The losses", ylabel="loss (nats; BtR: distance)")
    norm.set(title="Their gradients at $f_b$", ylabel="norm over the batch")
    angle.set(title="Do the gradients agree?", ylabel="cosine", ylim=(-0.3, 0.3))
    angle.axhline(0, color="black", lw=1)
    for ax in (loss, norm):
        ax.set_ylim(bottom=0)
    for ax in (loss, norm, angle):
        ax.set_xlabel("epochs done")
        ax.grid(alpha=0.3)
    angle.legend(fontsize=8, loc="lower right")
    handles, labels = loss.get_legend_handles_labels()
    fig.legend(handles, labels, fontsize=9, loc="outside lower center", ncols=3)
    fig.suptitle(_seeds_in_words(losses), fontsize=11)
    return fig


def _band(ax: Axes, x: Any, values: Array, look: dict[str, Any]) -> None:
    """The mean over seeds of values [seeds, T], and their range."""
    low, high = values.min(0), values.max(0)
    ax.fill_between(x, low, high, color=look["color"], alpha=0.2, lw=0)
    ax.plot(x, values.mean(0), ms=3.5, **look)


def _seeds_in_words(values: Array) -> str:
    n = len(values)
    return f"Mean and range of {n} seeds" if n > 1 else "One seed"


def schedules(chosen: Mapping[str, Preset]) -> Figure:
    """The learning rate of each preset over its own run, as ``training`` has it."""
    if not chosen:
        raise DplibError("schedules got no presets: there is nothing to draw")
    fig = Figure((7.0, 3.3), layout="constrained")
    ax = fig.subplots()
    for (name, preset), look in zip(chosen.items(), RUNS, strict=False):
        share = np.linspace(0, 1, 201)
        rates = [training.learning_rate(preset, s * preset.epochs) for s in share]
        label = f"{name}: {preset.decay_start} of {preset.epochs} epochs at full rate"
        line = {"color": look["color"], "ls": look["ls"], "lw": 2}
        ax.plot(100 * share, rates, label=label, **line)
    ax.set(title="Learning rate", xlabel="share of the run (%)", ylabel="rate")
    ax.set_yscale("log")
    ax.grid(alpha=0.3)
    ax.legend(fontsize=9)
    return fig


def jolt(runs: Mapping[str, Rows], at: int, limit: float, *, title: str = "") -> Figure:
    """Trainings in which the gradient of iteration ``at`` is far too long.

    runs: a name → rows with ``total``, the loss, and ``norm``, before clipping. The
    thick lines are means over five iterations.
    """
    if not runs:
        raise DplibError("jolt got no runs: there is nothing to draw")
    fig = Figure((9.6, 3.5), layout="constrained")
    loss, norm = fig.subplots(1, 2)
    for (name, rows), style in zip(runs.items(), RUNS[1:], strict=False):
        total = _column(rows, "total")
        x, look = np.arange(len(total)), {"color": style["color"], "ls": style["ls"]}
        loss.plot(x, total, color=style["color"], alpha=0.25, lw=0.8)
        mean = np.convolve(total, np.ones(5) / 5, mode="valid")
        loss.plot(x[2 : 2 + len(mean)], mean, lw=2, label=name, **look)
        norm.plot(x, _column(rows, "norm"), lw=1.5, label=name, **look)
    norm.axhline(limit, color="black", ls="--", lw=1, label=f"the limit, {limit:g}")
    for ax in (loss, norm):
        ax.axvline(at, color="#C8C8C8", lw=4, alpha=0.6)
        ax.set_xlabel("iteration")
        ax.grid(alpha=0.3)
    loss.set(title="Sum of the losses (thick: mean of five)", ylabel="loss")
    norm.set(title="Gradient before clipping", ylabel="norm")
    low, high = norm.dataLim.intervaly
    if high > 30 * low:
        norm.set_yscale("log")
    else:
        norm.set_ylim(bottom=0)
    handles, labels = norm.get_legend_handles_labels()
    fig.legend(handles, labels, fontsize=9, loc="outside lower center", ncols=2)
    fig.suptitle(title, fontsize=11)
    return fig


def loss_curves(
    runs: Mapping[str, Mapping[str, Sequence[float] | Array]],
    num_ids: int,
    block: int,
    *,
    title: str = "",
) -> Figure:
    """The three losses of several trainings, unweighted: a panel for each branch.

    runs: a name → columns ``ranking``, ``part`` and ``global``, each a mean over
    ``block`` iterations, of one seed [T] or of several [seeds, T]. Of several, the line
    is the mean and the band the range.
    """
    if not runs:
        raise DplibError("loss_curves got no runs: there is nothing to draw")
    fig = Figure((10.0, 3.8), layout="constrained")
    axes = fig.subplots(1, 3)
    for i, (name, columns) in enumerate(runs.items()):
        look = RUNS[i % len(RUNS)]
        for ax, key in zip(axes, NAMES, strict=True):
            y = np.atleast_2d(np.asarray(columns[key], float))
            x = block * (np.arange(y.shape[1]) + 0.5)
            _band(ax, x, y, {**look, "label": name})
    for ax, key in zip(axes, NAMES, strict=True):
        top = _start_of_first(runs, key)
        heading = BRANCHES[key][0]
        if top is not None:
            ax.set_ylim(0, top)
            heading += f"\n(cut off at {top:g})"
        if key != "ranking":
            ax.axhline(math.log(num_ids), color="black", ls="--", lw=1)
            place = (ax.get_xlim()[1], math.log(num_ids))
            ax.text(*place, f"ln {num_ids} ", ha="right", va="top", fontsize=8)
        unit = "distance" if key == "ranking" else "nats"
        ax.set(title=heading, xlabel="iteration", ylabel=f"loss ({unit})")
        ax.set_ylim(bottom=0)
        ax.grid(alpha=0.3)
    handles, labels = axes[0].get_legend_handles_labels()
    fig.legend(handles, labels, fontsize=9, loc="outside lower center", ncols=5)
    fig.suptitle(title, fontsize=11)
    return fig


def _start_of_first(
    runs: Mapping[str, Mapping[str, Sequence[float] | Array]], key: str
) -> float | None:
    """Where to cut a panel off so that the first run fills it; None: nowhere.

    A branch of weight 0 may have a loss several times that of the others.
    """
    first, *_ = (np.asarray(columns[key], float).max() for columns in runs.values())
    highest = max(np.asarray(columns[key], float).max() for columns in runs.values())
    return None if highest < 3 * first else float(math.ceil(3 * first))
