"""Lesson 3's figures draw what they are given."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dplib import DplibError
from dplib.contexts import BLSTM
from dplib.lessons.blstm_branch import figures
from dplib.plots import BRANCHES
from dplib.seeing import gates


def test_gate_view_draws_both_directions() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        lstm = BLSTM(6, 5).lstm
    s = torch.randn(2, 4, 6, generator=torch.Generator().manual_seed(0))
    trace = gates.trace(lstm, s)
    fig = figures.gate_view(
        torch.zeros(3, 32, 16, dtype=torch.uint8), trace, 1, 1, 0, 2
    )
    for ax, (name, _) in zip(fig.axes[1:], figures.PANELS, strict=True):
        for d in (0, 1):
            want = getattr(trace, name)[1, d, 1, :, 2].numpy()
            np.testing.assert_array_equal(ax.lines[d].get_xdata(), want)


def test_context_maps_tell_zero_from_little() -> None:
    fig = figures.context_maps({"m": torch.tensor([[4.0, 0.001], [0.0, 2.0]])})
    assert [t.get_text() for t in fig.axes[0].texts] == ["100", "<1", "·", "50"]
    with pytest.raises(DplibError, match="no maps"):
        figures.context_maps({})


def test_cover_view_writes_the_changes() -> None:
    image = torch.zeros(3, 32, 16, dtype=torch.uint8)
    fig = figures.cover_view(image, 1, {"a": torch.tensor([0.25, 0.5, 0.0, 1.0])})
    assert [t.get_text() for t in fig.axes[1].texts] == ["0.25", "0.50", "0", "1.00"]
    assert [p.get_width() for p in fig.axes[1].patches] == [0.25, 0.5, 0.0, 1.0]


def test_head_curves_have_chance_and_the_columns() -> None:
    run = {"part": [3.0, 2.0], "spread": [0.1, 0.2], "reach": [0.01, 0.02]}
    fig = figures.head_curves({"bn": run}, 40, 10)
    for ax, key in zip(fig.axes, ("part", "spread", "reach"), strict=True):
        np.testing.assert_array_equal(ax.lines[0].get_ydata(), run[key])
        np.testing.assert_array_equal(ax.lines[0].get_xdata(), [5, 15])
    assert fig.axes[0].lines[1].get_ydata()[0] == pytest.approx(np.log(40))  # type: ignore[index]
    with pytest.raises(DplibError, match="no runs"):
        figures.head_curves({}, 40, 10)


def test_a_head_looks_the_same_in_every_figure() -> None:
    run = {"part": [3.0, 2.0], "spread": [0.1, 0.2], "reach": [0.01, 0.02]}
    names = (("linear", "bn", "authors"), ("bn", "frozen"), ("frozen", "x", "y", "bn"))
    seen: dict[str, set[object]] = {}
    for runs in names:
        fig = figures.head_curves(dict.fromkeys(runs, run), 40, 10)
        looks = [(ln.get_color(), ln.get_marker()) for ln in fig.axes[0].lines[:-1]]
        assert len(set(looks)) == len(runs)
        for name, look in zip(runs, looks, strict=True):
            seen.setdefault(name, set()).add(look)
    assert all(len(looks) == 1 for looks in seen.values())


def test_wiring_names_each_row() -> None:
    words = [t.get_text() for t in figures.wiring(3).axes[0].texts]
    assert sum("FC" in w for w in words) == 3
    with pytest.raises(DplibError, match="2 to 8"):
        figures.wiring(9)


def test_wake_curves_have_a_panel_per_head_and_a_line_per_seed() -> None:
    run = {"part": [3.0, 2.0], "global": [3.5, 1.0]}
    fig = figures.wake_curves({"a": [run, run], "b": [run]}, 40, 10, title="t")
    first, second = fig.axes
    assert (first.get_title(), second.get_title()) == ("a", "b")
    assert len(first.lines) == 2 * 2 + 1 and len(second.lines) == 2 + 1
    np.testing.assert_array_equal(second.lines[0].get_ydata(), run["part"])
    np.testing.assert_array_equal(second.lines[1].get_ydata(), run["global"])
    colours = [line.get_color() for line in second.lines[:2]]
    assert colours == [BRANCHES["BpI"].color, BRANCHES["BgI"].color]
    assert second.lines[2].get_ydata()[0] == pytest.approx(np.log(40))  # type: ignore[index]
    assert "cut off above 4.6" in fig.get_supylabel()
    with pytest.raises(DplibError, match="no runs"):
        figures.wake_curves({}, 40, 10, title="t")


def test_by_shift_draws_each_seed_and_the_mean() -> None:
    fig = figures.by_shift((0, 0.1), {"BLSTM": [[0.8, 0.4], [0.6, 0.2]]})
    lines = [line.get_ydata() for line in fig.axes[0].lines]
    np.testing.assert_allclose(lines, [[80, 40], [60, 20], [70, 30]])
    assert "mean of 2 seeds" in fig.axes[0].get_legend().get_texts()[0].get_text()  # type: ignore[union-attr]
