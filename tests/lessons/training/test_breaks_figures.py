"""The gallery's figures: the run's own numbers over the healthy runs' band."""

import math

import numpy as np
import pytest

from dplib import DplibError, plots
from dplib.lessons.training import breaks, breaks_figures


def test_curves_draw_the_run_over_the_band() -> None:
    runs = breaks.load()
    band = breaks.healthy(runs)
    for run in runs.values():
        fig = breaks_figures.curves(run, band, title="Run X")
        assert fig.get_suptitle() == "Run X"
        for ax, column in zip(fig.axes, breaks.COLUMNS, strict=False):
            factor = 100 if column == "active" else 1
            drawn = np.asarray(ax.lines[0].get_ydata())
            assert drawn == pytest.approx(factor * run.curves[column])
            bottom, top = ax.get_ylim()
            assert bottom <= drawn.min() and drawn.max() <= top
            corners = ax.collections[0].get_paths()[0].vertices[:, 1]
            low, high = factor * band.curves[column]
            assert corners.min() == low.min() and corners.max() == high.max()
        lines = {i: fig.axes[i].lines[1].get_ydata()[0] for i in (0, 1, 2, 4)}
        assert lines == {0: 0.5, 1: math.log(500), 2: math.log(500), 4: 50}


def test_the_result_is_hidden_unless_asked_for() -> None:
    runs = breaks.load()
    band, run = breaks.healthy(runs), runs["flipped sign"]
    numbers = [f"{100 * run.rank1:.1f}", f"{100 * run.map:.1f}"]
    hidden, shown = (
        breaks_figures.curves(run, band, result=r).axes[5] for r in (False, True)
    )
    assert [t.get_text() for t in hidden.texts] == ["?", "?"] and not hidden.patches
    assert hidden.get_title() == "Result: hidden"
    assert [t.get_text() for t in shown.texts] == numbers
    heights = [p.get_height() for p in shown.patches]
    assert heights == pytest.approx([100 * run.rank1, 100 * run.map])


def test_overview_has_a_row_for_each_run() -> None:
    quiz = breaks.Quiz()
    fig = breaks_figures.overview(quiz.runs, quiz.band)
    assert len(fig.axes) == 5 * len(quiz.runs)
    assert [ax.get_ylabel() for ax in fig.axes[::5]] == list(quiz.runs)
    for row, run in enumerate(quiz.runs.values()):
        drawn = fig.axes[5 * row + 1].lines[0].get_ydata()
        assert drawn == pytest.approx(run.curves["part"])
    with pytest.raises(DplibError, match="nothing to draw"):
        breaks_figures.overview({}, quiz.band)


def test_same_figure_same_bytes_other_run_other_picture() -> None:
    quiz = breaks.Quiz()
    figs = [breaks_figures.curves(quiz.runs[k], quiz.band) for k in "AAB"]
    a, again, b = map(plots.png, figs)
    assert a == again != b
