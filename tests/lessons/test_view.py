"""Views: the controls' values reach text and pictures, and errors the reader."""

from __future__ import annotations

import io
from typing import Any

import ipywidgets
import pytest
from matplotlib.figure import Figure
from PIL import Image

from dplib import DplibError, plots
from dplib.lessons import view


def figure(width: float) -> Figure:
    return Figure((width, 1))


def made(refused: int = 9) -> tuple[view.View, list[Any], list[int]]:
    """A view of two sliders and a button, its sliders, and the sums drawn so far."""
    one, two = view.slider("one", 1, 9), view.slider("two", 0, 9, 3)
    button = ipywidgets.Button(description="no value")
    page = view.View([one, button], [two], pictures=2)
    drawn: list[int] = []

    def draw() -> None:
        total = one.value + two.value
        if total == refused:
            raise DplibError(f"{total} is <refused>")
        drawn.append(total)
        page.say(f"sum < {total + 1},\nby the reader's sliders")
        page.show(figure(total), figure(1))

    return page.follow(draw), [one, two], drawn


def size(picture: Any) -> tuple[int, int]:
    return Image.open(io.BytesIO(picture.value)).size


def test_sliders_report_when_they_are_let_go() -> None:
    whole = view.slider("n", 2, 8)
    assert isinstance(whole, ipywidgets.IntSlider) and whole.value == 2
    assert (whole.min, whole.max, whole.description) == (2, 8, "n")
    real = view.slider("x", 0, 5, 1, step=0.25)
    assert isinstance(real, ipywidgets.FloatSlider) and real.step == 0.25
    assert isinstance(view.slider("x", 0.0, 1.0), ipywidgets.FloatSlider)
    assert not whole.continuous_update and not real.continuous_update


def test_each_change_draws_once() -> None:
    page, (one, two), drawn = made()
    assert drawn == [4]
    one.value = 2
    two.value = 5
    assert drawn == [4, 5, 7]
    assert [size(p)[0] for p in page.pictures] == [700, 100]


def test_words_are_text_and_keep_their_lines() -> None:
    page, *_ = made()
    assert page.text.value == "sum &lt; 5,<br>by the reader's sliders"


def test_an_error_reaches_the_reader_and_hides_the_pictures() -> None:
    page, (one, two), drawn = made(refused=6)
    one.value = 3
    assert page.text.value == "6 is &lt;refused&gt;" and drawn == [4]
    assert all(p.value == b"" and p.layout.display == "none" for p in page.pictures)
    two.value = 4
    assert drawn == [4, 7] and "sum" in page.text.value
    assert page.pictures[0].value == plots.png(figure(7))
    assert all(p.layout.display is None for p in page.pictures)


def test_an_error_of_the_first_drawing_is_raised() -> None:
    with pytest.raises(DplibError, match="4 is <refused>"):
        made(refused=4)


def test_what_the_drawing_itself_sets_does_not_draw_again() -> None:
    count, end = view.slider("count", 0, 9, 9), view.slider("end", 0, 9, 9)
    page = view.View([count, end], pictures=0)
    drawn: list[int] = []

    def draw() -> None:
        count.max = end.value  # which may take ``count`` down with it
        drawn.append(count.value)

    page.follow(draw)
    end.value = 4
    assert drawn == [9, 4] and count.value == 4
    count.value = 2
    assert drawn == [9, 4, 2]
