"""Figures of lesson 5: what a training run logs."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from dplib import DplibError, training
from dplib.lessons.training.branchgrads import NAMES, Pull
from dplib.plots import PALETTE
from dplib.presets import Preset


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
    styles = {
        "global": ("BgI, whole image", "blue", "solid"),
        "part": ("BpI, parts", "vermilion", (0, (5, 1))),
        "ranking": ("BtR, triplet", "green", (0, (1, 1))),
    }
    for key, (label, color, style) in styles.items():
        y = _column(history, key)
        if np.isfinite(y).any():
            losses.plot(x, y, color=PALETTE[color], alpha=0.2, lw=0.8)
            losses.plot(
                x, _smooth(y), color=PALETTE[color], ls=style, lw=1.8, label=label
            )
    chance = math.log(num_ids)
    losses.axhline(
        chance, color="black", ls="--", lw=1, label=f"guessing, ln {num_ids}"
    )
    losses.set(title="Losses", xlabel="iteration", ylabel="loss (nats; BtR: distance)")
    losses.set_ylim(bottom=0)
    losses.legend(fontsize=8)
    share = 100 * _column(history, "active")
    active.plot(x, share, color=PALETTE["green"], alpha=0.2, lw=0.8)
    active.plot(x, _smooth(share), color=PALETTE["green"], label="running mean")
    active.set(title="Active triplets", xlabel="iteration", ylabel="share (%)")
    active.set_ylim(0, 102)
    active.legend(fontsize=8)
    rates.plot(x, _column(history, "lr"), color=PALETTE["purple"], label="Adam")
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


BRANCHES = {
    "ranking": ("BtR, triplet", "green", ":"),
    "part": ("BpI, parts", "vermilion", "--"),
    "global": ("BgI, whole image", "blue", "-"),
}
RUNS = (  # one style per run
    ("blue", "-"),
    ("vermilion", "--"),
    ("green", "-."),
    ("purple", ":"),
    ("black", (0, (5, 1))),
)
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
    for key, (name, color, style) in BRANCHES.items():
        _faint_and_mean(losses, history, key, name, PALETTE[color], style)
    chance = math.log(num_ids)
    losses.axhline(chance, color="black", ls="--", lw=1, label=f"ln {num_ids}")
    top = 1.6 * losses.get_ylim()[1]  # room for the legend
    losses.set(title="Losses", ylabel="loss (nats; BtR: distance)", ylim=(0, top))
    green = PALETTE["green"]
    _faint_and_mean(active, history, "active", "", green, "-", 100)
    active.set(title="Active triplets", ylabel="share (%)", ylim=(0, 104))
    x, purple = _column(history, "iteration"), PALETTE["purple"]
    norm.plot(x, _column(history, "grad_norm"), color=purple)
    if preset.clip_norm is not None:
        norm.axhline(preset.clip_norm, color="black", ls="--", lw=1, label="the limit")
        norm.legend(fontsize=8)
    norm.set(title="Gradient before clipping", ylabel="norm", ylim=(0, None))
    rate.plot(x, _column(history, "lr"), color=purple)
    rate.set(title="Learning rate", ylabel="rate", yscale="log")
    speed.plot(
        x, preset.p * preset.k / _column(history, "seconds"), color=PALETTE["grey"]
    )
    speed.set(title="Speed", ylabel="images/s", ylim=(0, None))
    per_epoch = sum(h["epoch"] == history[0]["epoch"] for h in history)
    done = per_epoch * np.array(list(rank1))
    shares = 100 * np.array(list(rank1.values()))
    rank.plot(done, shares, color=PALETTE["blue"], marker="o")
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


def branch_gradients(pulls: Mapping[int, Pull]) -> Figure:
    """The three losses, their gradients' norms at fb, and the cosines between these.

    pulls: epochs done → ``branchgrads.at_fb`` of one batch.
    """
    if not pulls:
        raise DplibError("branch_gradients got no measurement: nothing to draw")
    x = list(pulls)
    fig = Figure((10.0, 3.4), layout="constrained")
    loss, norm, angle = fig.subplots(1, 3)
    for i, key in enumerate(NAMES):
        name, color, style = BRANCHES[key]
        look: dict[str, Any] = {"color": PALETTE[color], "ls": style, "marker": "o"}
        look |= {"ms": 3.5, "label": name}
        loss.plot(x, [float(p.losses[i]) for p in pulls.values()], **look)
        norm.plot(x, [float(p.norms[i]) for p in pulls.values()], **look)
    pairs = (("BtR, BpI", 0, 1), ("BtR, BgI", 0, 2), ("BpI, BgI", 1, 2))
    looks = (("purple", "-"), ("orange", "--"), ("black", ":"))  # not the branches'
    for (name, i, j), (color, line), marker in zip(pairs, looks, "osD", strict=True):
        y = [float(p.cosines[i, j]) for p in pulls.values()]
        angle.plot(x, y, color=PALETTE[color], ls=line, marker=marker, ms=4, label=name)
    loss.set(title="The losses", ylabel="loss (nats; BtR: distance)")
    norm.set(title="Their gradients at fb", ylabel="norm over the batch")
    angle.set(title="Do they agree?", ylabel="cosine", ylim=(-0.5, 0.5))
    angle.axhline(0, color="black", lw=1)
    for ax in (loss, norm):
        ax.set_ylim(bottom=0)
    for ax in (loss, norm, angle):
        ax.set_xlabel("epochs done")
        ax.grid(alpha=0.3)
    angle.legend(fontsize=8, loc="lower right")
    handles, labels = loss.get_legend_handles_labels()
    fig.legend(handles, labels, fontsize=9, loc="outside lower center", ncols=3)
    return fig


def schedules(chosen: Mapping[str, Preset]) -> Figure:
    """The learning rate of each preset over its own run, as ``training`` has it."""
    if not chosen:
        raise DplibError("schedules got no presets: there is nothing to draw")
    fig = Figure((7.0, 3.3), layout="constrained")
    ax = fig.subplots()
    styles = zip(chosen.items(), RUNS, strict=False)
    for (name, preset), (color, style) in styles:
        share = np.linspace(0, 1, 201)
        rates = [training.learning_rate(preset, s * preset.epochs) for s in share]
        label = f"{name}: {preset.decay_start} of {preset.epochs} epochs at full rate"
        ax.plot(100 * share, rates, color=PALETTE[color], ls=style, lw=2, label=label)
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
    for (name, rows), (color, style) in zip(runs.items(), RUNS, strict=False):
        total = _column(rows, "total")
        x, look = np.arange(len(total)), {"color": PALETTE[color], "ls": style}
        loss.plot(x, total, color=PALETTE[color], alpha=0.25, lw=0.8)
        mean = np.convolve(total, np.ones(5) / 5, mode="valid")
        loss.plot(x[2 : 2 + len(mean)], mean, lw=2, label=name, **look)
        norm.plot(x, _column(rows, "norm"), lw=1.5, label=name, **look)
    norm.axhline(limit, color="black", ls="--", lw=1, label=f"the limit, {limit:g}")
    for ax in (loss, norm):
        ax.axvline(at, color=PALETTE["grey"], lw=4, alpha=0.4)
        ax.set_xlabel("iteration")
        ax.grid(alpha=0.3)
    loss.set(title="Sum of the losses", ylabel="loss")
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
    runs: Mapping[str, Mapping[str, Sequence[float]]],
    num_ids: int,
    block: int,
    *,
    title: str = "",
) -> Figure:
    """The three losses of several short runs, unweighted: a panel for each branch.

    runs: a name → columns ``ranking``, ``part`` and ``global``, each a mean over
    ``block`` iterations (``shortruns.means``).
    """
    if not runs:
        raise DplibError("loss_curves got no runs: there is nothing to draw")
    fig = Figure((9.6, 3.5), layout="constrained")
    axes = fig.subplots(1, 3)
    for i, (name, columns) in enumerate(runs.items()):
        color, style = RUNS[i % len(RUNS)]
        for ax, key in zip(axes, NAMES, strict=True):
            y = columns[key]
            x = block * (np.arange(len(y)) + 0.5)
            look: dict[str, Any] = {"ls": style, "marker": "osD^v"[i % 5], "ms": 4}
            ax.plot(x, y, color=PALETTE[color], label=name, **look)
    for ax, key in zip(axes, NAMES, strict=True):
        if key != "ranking":
            ax.axhline(math.log(num_ids), color="black", ls="--", lw=1)
            place = (ax.get_xlim()[1], math.log(num_ids))
            ax.text(*place, f"ln {num_ids} ", ha="right", va="top", fontsize=8)
        unit = "distance" if key == "ranking" else "nats"
        ax.set(title=BRANCHES[key][0], xlabel="iteration", ylabel=f"loss ({unit})")
        ax.set_ylim(bottom=0)
        ax.grid(alpha=0.3)
    handles, labels = axes[0].get_legend_handles_labels()
    fig.legend(handles, labels, fontsize=9, loc="outside lower center", ncols=5)
    fig.suptitle(title, fontsize=11)
    return fig
