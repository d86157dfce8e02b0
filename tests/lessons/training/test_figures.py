"""Lesson 5's figures draw what they are given."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from dplib import DplibError, plots, presets, training
from dplib.lessons.training import figures

TOY = presets.get("toy")


def history(epochs: int = 2, per_epoch: int = 2) -> list[dict[str, float]]:
    rows = []
    for i in range(epochs * per_epoch):
        row = {"iteration": i, "epoch": i // per_epoch, "lr": 1e-3, "seconds": 0.5}
        row |= {"ranking": 4.0 - i, "part": 3.0, "global": 2.0, "active": 0.5}
        rows.append({k: float(v) for k, v in (row | {"grad_norm": 10.0 + i}).items()})
    return rows


def test_live_curves() -> None:
    fig = figures.live_curves(history(), 20, TOY, {0: 0.1, 2: 0.6})
    losses, active, norm, _, speed, rank = fig.axes
    faint, mean = losses.lines[:2]
    assert list(faint.get_ydata()) == [4, 3, 2, 1]
    assert list(mean.get_xdata()) == [0.5, 2.5] and list(mean.get_ydata()) == [3.5, 1.5]
    assert losses.lines[6].get_ydata()[0] == pytest.approx(math.log(20))
    assert set(active.lines[0].get_ydata()) == {50}
    assert norm.lines[1].get_ydata()[0] == TOY.clip_norm
    assert set(speed.lines[0].get_ydata()) == {TOY.p * TOY.k / 0.5}
    assert list(rank.lines[0].get_xdata()) == [0, 4]
    assert list(rank.lines[0].get_ydata()) == pytest.approx([10, 60])
    free = replace(TOY, clip_norm=None)
    fig = figures.live_curves(history(), 20, free, {})
    assert len(fig.axes[2].lines) == 1
    with pytest.raises(DplibError, match="no iteration"):
        figures.live_curves([], 20, TOY, {})


def test_branch_gradients() -> None:
    three = np.array([[1.0, 2.0, 3.0], [3.0, 4.0, 5.0]])  # at two times
    losses = np.stack([three, three + 2])  # two seeds
    cosines = np.broadcast_to([0.1, 0.2, 0.3], losses.shape)
    fig = figures.branch_gradients((0, 4), losses, 10 * losses, cosines)
    loss, norm, angle = fig.axes
    assert [x.get_ydata()[1] for x in loss.lines] == [4, 5, 6]  # means over seeds
    assert [x.get_ydata()[0] for x in norm.lines] == [20, 30, 40]
    assert list(loss.lines[0].get_xdata()) == [0, 4]
    band = loss.collections[0].get_paths()[0].get_extents()
    assert (band.ymin, band.ymax) == (1, 5)  # the range of BtR's loss
    said = {x.get_label(): round(x.get_ydata()[0], 3) for x in angle.lines[:3]}
    assert said == {"BtR, BpI": 0.1, "BtR, BgI": 0.2, "BpI, BgI": 0.3}
    assert "2 seeds" in fig.get_suptitle()
    assert loss.lines[0].get_color() == plots.BRANCHES["BtR"].color
    with pytest.raises(DplibError, match="no measurement"):
        figures.branch_gradients((), losses, losses, cosines)


def test_schedules() -> None:
    ax = figures.schedules({"toy": TOY}).axes[0]
    y = ax.lines[0].get_ydata()
    assert y[0] == TOY.lr and y[-1] == pytest.approx(TOY.lr / 1000)
    assert y[180] == training.learning_rate(TOY, 0.9 * TOY.epochs)
    with pytest.raises(DplibError, match="no presets"):
        figures.schedules({})


def test_jolt() -> None:
    rows = [{"total": float(i), "norm": 1000.0 if i == 3 else 1.0} for i in range(8)]
    loss, norm = figures.jolt({"run": rows}, 3, 50).axes
    assert list(loss.lines[1].get_ydata()) == pytest.approx([2, 3, 4, 5])
    assert max(norm.lines[0].get_ydata()) == 1000 and norm.get_yscale() == "log"
    calm = [row | {"norm": 10.0} for row in rows]
    assert figures.jolt({"run": calm}, 3, 50).axes[1].get_yscale() == "linear"
    with pytest.raises(DplibError, match="no runs"):
        figures.jolt({}, 3, 50)


def test_loss_curves() -> None:
    columns = {"ranking": [1.0, 0.5], "part": [3.0, 2.0], "global": [3.0, 1.0]}
    fig = figures.loss_curves({"a": columns, "b": columns}, 20, 5)
    for ax, name in zip(fig.axes, ("ranking", "part", "global"), strict=True):
        assert list(ax.lines[0].get_xdata()) == [2.5, 7.5]
        assert list(ax.lines[1].get_ydata()) == columns[name]
    assert fig.axes[1].texts[0].get_text().strip() == "ln 20"
    assert not any("cut off" in ax.get_title() for ax in fig.axes)


def test_loss_curves_of_several_seeds_say_where_they_are_cut_off() -> None:
    seeds = {k: np.array([[3.0, 2.0], [5.0, 4.0]]) for k in figures.BRANCHES}
    high = seeds | {"ranking": np.array([[30.0, 20.0], [28.0, 18.0]])}
    ranking, part, _ = figures.loss_curves({"a": seeds, "b": high}, 20, 5).axes
    assert list(ranking.lines[0].get_ydata()) == [4, 3]
    assert ranking.get_ylim() == (0, 15) and "cut off at 15" in ranking.get_title()
    assert "cut off" not in part.get_title()
    with pytest.raises(DplibError, match="no runs"):
        figures.loss_curves({}, 20, 5)


def iterations(n: int) -> list[dict[str, Any]]:
    return [
        {
            "iteration": i,
            "lr": 3e-4,
            "ranking": 0.7 / (i + 1),
            "part": None,
            "global": 4.0 - i / n,
            "active": 1 - i / n,
        }
        for i in range(n)
    ]


def test_training_curves_show_chance_and_leave_out_absent_branches() -> None:
    fig = figures.training_curves(iterations(120), 150)
    losses, active, _ = fig.axes
    labels = {str(line.get_label()) for line in losses.get_lines()}
    assert "guessing, ln 150" in labels and "BgI, whole image" in labels
    assert not any("BpI" in label for label in labels)
    (chance,) = (x for x in losses.get_lines() if "ln 150" in str(x.get_label()))
    assert chance.get_ydata()[0] == pytest.approx(math.log(150))
    assert max(active.get_lines()[0].get_ydata()) == pytest.approx(100)
    for ax in fig.axes:
        assert (
            ax.get_title() and ax.get_xlabel() and ax.get_ylabel() and ax.get_legend()
        )


def test_running_mean_is_over_the_last_fiftieth() -> None:
    y = np.arange(200.0)
    y[10] = np.nan
    smooth = figures._smooth(y)  # over 4 values
    assert smooth[0] == 0 and smooth[1] == 0.5
    assert smooth[100] == pytest.approx(np.mean([97, 98, 99, 100]))
    assert smooth[12] == pytest.approx(np.mean([9, 11, 12]))


def test_training_curves_need_an_iteration() -> None:
    with pytest.raises(DplibError, match="no iteration"):
        figures.training_curves([], 150)
