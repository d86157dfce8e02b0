"""Figures of lesson 0."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from drawn import picture, texts
from PIL import Image

from dplib import DplibError
from dplib.descriptors import Descriptors
from dplib.evaluation import evaluate
from dplib.lessons.quickstart import figures
from dplib.plots import BRANCHES
from dplib.samples import Sample


def history(n: int) -> list[dict[str, float]]:
    return [
        {
            "iteration": i,
            "ranking": 2 - i / n,
            "part": 5 - i / n,
            "global": 4 - 3 * i / n,
        }
        for i in range(n)
    ]


def test_losses_have_the_branches_colours_and_the_line_of_guessing() -> None:
    fig = figures.losses(history(120), 150)
    left, right = fig.axes
    lines = {str(x.get_label()): x for ax in fig.axes for x in ax.get_lines()}
    for branch, ax in (("BpI", left), ("BgI", left), ("BtR", right)):
        (name,) = (label for label in lines if label.startswith(branch))
        assert lines[name].get_color() == BRANCHES[branch].color
        assert lines[name].get_linestyle() == BRANCHES[branch].line
        assert lines[name] in ax.get_lines()
    assert lines["guessing: ln 150"].get_ydata()[0] == pytest.approx(math.log(150))
    assert left.get_ylim()[0] == right.get_ylim()[0] == 0


def test_running_mean_is_over_fifty() -> None:
    y = np.arange(120.0)
    mean = figures._running_mean(y)
    assert mean[0] == 0 and mean[9] == 4.5
    assert mean[100] == pytest.approx(y[51:101].mean())


def test_losses_in_words() -> None:
    words = figures.losses_in_words(history(120), 150)
    last = np.mean([h["global"] for h in history(120)[70:]])
    assert f"BgI goes from 4.0 to {last:.2f}." in words
    assert "150 people would give 5.01" in words


def test_losses_need_an_iteration() -> None:
    for use in (figures.losses, figures.losses_in_words):
        with pytest.raises(DplibError, match="no iteration"):
            use([], 150)


def test_same_query_has_a_row_for_each_system(tmp_path: Path) -> None:
    samples = []
    for i, (pid, cam) in enumerate([(1, 1), (1, 2), (2, 2), (1, 1), (-1, 3)]):
        Image.fromarray(picture(i)).save(path := tmp_path / f"{i}.png")
        samples.append(Sample(path, pid, cam))
    query, gallery = samples[:1], samples[1:]

    def described(some: list[Sample], places: list[float]) -> Descriptors:
        pids, cams = torch.tensor([(s.pid, s.camid) for s in some]).T
        return Descriptors(torch.tensor(places)[:, None], pids, cams)

    zero = described(query, [0.0])
    results = {
        "good": evaluate(zero, described(gallery, [1.0, 2.0, 0.5, 3.0])),
        "bad": evaluate(zero, described(gallery, [2.0, 1.0, 0.5, 3.0])),
    }
    fig, words = figures.same_query(results, 0, query, gallery)
    assert [ax.get_ylabel() for ax in fig.axes if ax.get_ylabel()] == ["good", "bad"]
    assert "good: 1 of the 2 images that count are right." in words
    assert texts(fig).count("junk") >= 4
