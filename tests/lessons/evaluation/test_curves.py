"""What the curves of measures write and draw is what they are given."""

import numpy as np
import pytest
import torch
from drawn import texts

from dplib import DplibError, plots
from dplib.lessons.evaluation import curves


def test_cmc_curve_names_its_curves() -> None:
    named = {"ours": torch.tensor([0.5, 0.75, 1.0]), "chance": [0.1, 0.2, 0.3]}
    fig = curves.cmc_curve(named, max_rank=2)
    assert "ours: rank-1 50.0 %" in texts(fig) and "chance: rank-1 10.0 %" in texts(fig)
    assert list(fig.axes[0].get_lines()[0].get_ydata()) == [50, 75]
    assert "model: rank-1 50.0 %" in texts(curves.cmc_curve(named["ours"]))


def test_bootstrap_draws_say_their_intervals() -> None:
    draws = {"narrow": np.linspace(0.4, 0.6, 201), "wide": np.linspace(0.3, 0.7, 201)}
    fig = curves.bootstrap_draws(draws, 0.5, level=0.9, measure="mAP")
    said = texts(fig)
    assert "narrow: 41.0 to 59.0 %" in said and "wide: 32.0 to 68.0 %" in said
    assert "90 %" in said and "mAP" in said
    with pytest.raises(DplibError, match="no draws"):
        curves.bootstrap_draws({}, 0.5)


def test_tie_curves_are_in_percent() -> None:
    fig = curves.tie_curves([100, 1], {"<": [0.8, 1.0], "<=": [0.8, 0.0]})
    first, second = (list(x.get_ydata()) for x in fig.axes[0].get_lines())
    assert first == [80, 100] and second == [80, 0]
    with pytest.raises(DplibError, match="<: 1 values for 2 levels"):
        curves.tie_curves([100, 1], {"<": [0.8]})


def test_curves_have_no_colour_that_means_something_else() -> None:
    """Right and wrong, and each branch, keep their colours for themselves."""
    taken = {plots.RIGHT, plots.WRONG}
    taken |= {style.color for name, style in plots.BRANCHES.items() if name != "all"}
    drawn = [
        curves.cmc_curve({str(i): [0.5, 1.0] for i in range(len(curves.SERIES))}),
        curves.bootstrap_draws({"a": [0.4, 0.6], "b": [0.3, 0.7]}, 0.5),
        curves.tie_curves([2, 1], {"<": [0.8, 1.0], "<=": [0.8, 0.0]}),
    ]
    for fig in drawn:
        lines = fig.axes[0].get_lines()
        assert lines and not taken & {str(line.get_color()) for line in lines}
