"""What the interactive views of the lessons are made of.

A view has rows of controls, below them a text, below that its pictures::

    person = view.slider("person", 0, 9)
    page = view.View([person])

    def draw() -> None:
        page.say(f"person {person.value}")
        page.show(figures.portrait(images[person.value]))

    return page.follow(draw)
"""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable
from typing import Any

import ipywidgets
from matplotlib.figure import Figure

from dplib import DplibError, plots


def slider(
    name: str, low: float, high: float, value: float | None = None, **options: Any
) -> Any:
    """A slider that reports its value when it is let go, not while it moves.

    It starts at ``value``, or else at ``low``. It has whole numbers if ``low`` and
    ``high`` are whole and no ``step`` is given in ``options``.
    """
    whole = isinstance(low, int) and isinstance(high, int) and "step" not in options
    kind = ipywidgets.IntSlider if whole else ipywidgets.FloatSlider
    return kind(
        min=low,
        max=high,
        value=low if value is None else value,
        description=name,
        continuous_update=False,
        **options,
    )


def row(controls: Iterable[Any]) -> Any:
    """Controls side by side; those for which the page is too narrow go below."""
    return ipywidgets.HBox(list(controls), layout={"flex_flow": "row wrap"})


def picture() -> Any:
    """An empty PNG widget: not stretched in a VBox, not cut on a narrow page."""
    own_size = ipywidgets.Layout(
        align_self="flex-start",
        max_width="100%",
        margin="0",  # else a full width has a scroll bar
    )
    return ipywidgets.Image(format="png", layout=own_size)


class View(ipywidgets.VBox):
    """Rows of controls, a text and pictures, which :meth:`follow` keeps in step."""

    def __init__(self, *rows: Iterable[Any], pictures: int = 1) -> None:
        self.rows = [row(controls) for controls in rows]
        self.text = ipywidgets.HTML()  # unlike a Label, it breaks long lines
        self.pictures = [picture() for _ in range(pictures)]
        super().__init__([*self.rows, self.text, *self.pictures])

    def say(self, words: str) -> None:
        """Put ``words`` into the text; they are no HTML, and their lines are kept."""
        self.text.value = html.escape(words, quote=False).replace("\n", "<br>")

    def show(self, *figures: Figure, **options: Any) -> None:
        """Put a figure into each picture; without figures the pictures are hidden.

        ``options`` go to ``plots.png``.
        """
        for place in self.pictures[len(figures) :]:
            place.value, place.layout.display = b"", "none"
        for place, figure in zip(self.pictures, figures, strict=False):
            place.value, place.layout.display = plots.png(figure, **options), None

    def follow(
        self, draw: Callable[[], None], controls: Iterable[Any] | None = None
    ) -> View:
        """Call ``draw`` now, and again whenever one of ``controls`` changes its value.

        By default these are all controls of the rows. What ``draw`` itself sets does
        not call it again. Jupyter does not show what a callback raises, so the message
        of a DplibError becomes the text; other errors, and those of the first call,
        are raised as usual. Returns the view itself.
        """
        drawing = False

        def redraw(change: object = None) -> None:
            nonlocal drawing
            if drawing:
                return
            drawing = True
            try:
                draw()
            except DplibError as e:
                if change is None:
                    raise
                self.say(str(e))
                self.show()
            finally:
                drawing = False

        everything = [c for box in self.rows for c in box.children]
        for control in everything if controls is None else controls:
            control.observe(redraw, names="value")
        redraw()
        return self
