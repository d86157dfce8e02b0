"""The architecture drawing: the same boxes in every lesson, its part in colour."""

from collections.abc import Callable

import pytest
from matplotlib.colors import same_color

from dplib import DplibError, plots
from dplib.lessons import ROOMS, architecture


def coloured(lesson: str) -> set[str]:
    """The texts of the boxes that are not grey."""
    (ax,) = architecture.figure(lesson).axes
    texts = [t for t in ax.texts if t.get_text()]  # those of the arrows are empty
    # the boxes were drawn first, each before its text; more texts follow
    boxes = zip(ax.patches, texts, strict=False)
    return {t.get_text() for p, t in boxes if not same_color(p.get_facecolor(), "w")}


def test_there_is_one_for_each_lesson() -> None:
    assert tuple(architecture.PARTS) == ROOMS


@pytest.mark.parametrize("lesson", ROOMS)
def test_only_the_part_of_the_lesson_is_in_colour(lesson: str) -> None:
    boxes = architecture._BOXES
    expected = {boxes[name].text for name in architecture.PARTS[lesson]}
    assert coloured(lesson) == expected


def test_the_last_lesson_shows_what_survives_at_test_time() -> None:
    shown = " ".join(coloured("evaluation"))
    assert "f_m" in shown and "classifier" not in shown and "trp" not in shown


@pytest.mark.parametrize("lesson", ROOMS)
def test_each_alternative_text_says_what_is_in_colour(lesson: str) -> None:
    texts = {architecture.alt(name) for name in ROOMS}
    assert len(texts) == len(ROOMS)
    assert len(architecture.alt(lesson)) >= plots.MIN_ALT


@pytest.mark.parametrize("draw", [architecture.figure, architecture.alt])
def test_an_unknown_lesson_is_named(draw: Callable[[str], object]) -> None:
    with pytest.raises(DplibError, match=r"lesson='lstm'.*blstm_branch"):
        draw("lstm")
