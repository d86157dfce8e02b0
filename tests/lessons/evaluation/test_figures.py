"""What the figures of rankings write and draw is what the measures say."""

import numpy as np
import pytest
import torch
from drawn import picture, texts
from matplotlib.colors import to_hex

from dplib import DplibError, evaluation, plots
from dplib.lessons.evaluation import figures

PIDS, CAMS = [7, 5, 7, -1, 0], [1, 2, 2, 3, 3]
DISTANCES = [0.1, 0.2, 0.3, 0.4, 0.5]


def test_strip_ranks_what_the_protocol_counts() -> None:
    fig = figures.ranking_strip((7, 1), PIDS, torch.tensor(CAMS), DISTANCES)
    said = [t.get_text() for t in fig.axes[0].texts]
    boxes, below = said[0::2], said[1::2]
    assert boxes[0] == "pid 7\ncamera 1\nd = 0.10"
    assert boxes[3].startswith("junk") and boxes[4].startswith("distractor")
    assert below == [
        "not counted\n(same camera)",
        "rank 1 ✗",
        "rank 2 ✓\nprecision 1/2",
        "not counted",
        "rank 3 ✗",
    ]
    styles = [p.get_linestyle() for p in fig.axes[0].patches]
    assert styles == [":", "-", "-", ":", "-"]
    assert "query: pid 7, camera 1" in texts(fig)


def test_strip_orders_by_distance_and_refuses_other_lengths() -> None:
    fig = figures.ranking_strip((7, 1), PIDS, CAMS, DISTANCES[::-1])
    assert fig.axes[0].texts[0].get_text().startswith("distractor")
    with pytest.raises(DplibError, match="5 and 5 and 1"):
        figures.ranking_strip((7, 1), PIDS, CAMS, [0.1])


@pytest.mark.parametrize("ranks", [[2, 3, 6], [1], [1, 2, 3], [5, 40, 41]])
def test_both_areas_are_the_average_precisions_of_the_measures(ranks: list) -> None:
    fig = figures.two_areas(torch.tensor(ranks))
    step, trapezoid = evaluation.average_precision(np.array(ranks))
    assert fig.axes[0].get_title() == f"Steps: AP = {step:.3f}"
    assert fig.axes[1].get_title() == f"Trapezoids: AP = {trapezoid:.3f}"
    for ax, value in zip(fig.axes, (step, trapezoid), strict=True):
        area = 0.0
        for fill in ax.collections:
            (path,) = fill.get_paths()
            x, y = path.vertices.T
            area += abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2
        assert area == pytest.approx(value)


def test_match_ranks_stand_at_their_ranks() -> None:
    rows = {"a": torch.tensor([3, 1]), "b": [2, 50]}
    fig = figures.match_ranks(rows, 80, chosen="b")
    (ax,) = fig.axes
    marks = [line for line in ax.get_lines() if line.get_marker() in ("o", "s")]
    assert {line.get_color() for line in marks} == {plots.RIGHT}
    assert [list(line.get_xdata()) for line in marks] == [[1, 3], [2, 50]]
    assert ax.get_xscale() == "log" and ax.get_xlim()[1] >= 80
    names = [t.get_text() for t in ax.get_yticklabels()]
    weights = [t.get_fontweight() for t in ax.get_yticklabels()]
    assert names == ["a", "b"] and weights == ["normal", "bold"]
    assert [t.get_text() for t in ax.texts] == ["AP 0.833", "AP 0.270"]
    assert "all 2 to its left" in ax.get_xlabel() and "80" in ax.get_xlabel()


@pytest.mark.parametrize(
    ("rows", "options", "words"),
    [
        ({}, {}, "no variants"),
        ({"a": [1]}, {"chosen": "b"}, "chosen='b' is none of 'a'"),
        ({"a": []}, {}, r"from 1 up; got \[\]"),
        ({"a": [0, 1]}, {}, r"from 1 up; got \[0, 1\]"),
    ],
)
def test_match_ranks_refuse(rows: dict, options: dict, words: str) -> None:
    with pytest.raises(DplibError, match=words):
        figures.match_ranks(rows, 9, **options)


def test_reciprocal_neighbours_are_marked() -> None:
    # on a line: 0's nearest are 1 and 2; 0 is among 1's two nearest, not among 2's
    at = torch.tensor([[0.0], [1.0], [2.0], [2.5], [2.8]])
    order = torch.cdist(at, at).argsort(dim=1, stable=True)
    images = [picture(i) for i in range(5)]
    right = [True, True, False, False, False]
    fig = figures.reciprocal_neighbours(images, order, 0, 2, right)
    titles = [ax.get_title() for ax in fig.axes]
    assert titles[:3] == ["query", "1 ✓\n⇄", "2 ✗\n→"]
    assert titles.count("query") == 2  # itself, and in the column of neighbour 1
    shown = [ax.get_images()[0].get_array() for ax in fig.axes if ax.get_images()]
    want = [0, 1, 2, *(order[j, r] for r in (1, 2) for j in (1, 2))]
    assert all(np.array_equal(a, images[j]) for a, j in zip(shown, want, strict=True))
    frame = to_hex(fig.axes[1].spines["left"].get_edgecolor())
    assert frame == plots.RIGHT.lower()
    with pytest.raises(DplibError, match=r"expected order \[5, 5\]"):
        figures.reciprocal_neighbours(images, order[:2], 0, 2, right)


def test_average_precision_is_the_area_of_the_blocks() -> None:
    fig = figures.average_precision_steps(torch.tensor([3, 1]))
    blocks = fig.axes[0].patches
    area = sum(b.get_width() * b.get_height() for b in blocks)  # type: ignore[attr-defined]
    assert area == pytest.approx((1 / 1 + 2 / 3) / 2)
    assert "AP = 0.833" in texts(fig) and "83.3 %" in texts(fig)


@pytest.mark.parametrize("ranks", [[], [0, 2]])
def test_average_precision_refuses(ranks: list[int]) -> None:
    with pytest.raises(DplibError, match="from 1 up"):
        figures.average_precision_steps(ranks)


def test_same_figure_same_bytes() -> None:
    rows = {"a": [1, 3], "b": [2, 50]}
    first, second = (plots.png(figures.match_ranks(rows, 80)) for _ in range(2))
    assert first == second
