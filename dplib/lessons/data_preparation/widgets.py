"""Interactive views of lesson 1, on the drawings of ``figures``."""

from __future__ import annotations

from typing import Any

import ipywidgets
from torch import Tensor

from dplib.lessons import view
from dplib.lessons.data_preparation import figures


def crop_explorer(images: Tensor) -> ipywidgets.Widget:
    """Sliders for the crop's area, shape and place → the box and the resized result.

    images: uint8 [N, 3, h, w], to choose from. The sliders go beyond the paper's
    ranges (area 0.64…1, height/width 2…3), and the text says when they do.
    """
    size = (images.shape[2], images.shape[3])
    wide: dict[str, Any] = {"style": {"description_width": "8em"}}
    area = view.slider("area share", 0.3, 1.0, 0.8, step=0.01, **wide)
    shape = view.slider("height/width", 1.0, 4.0, 2.2, step=0.05, **wide)
    down = view.slider("down", 0.0, 1.0, 0.5, step=0.05, **wide)
    across = view.slider("across", 0.0, 1.0, 0.5, step=0.05, **wide)
    person = view.slider("picture", 0, len(images) - 1, **wide)
    mirror = ipywidgets.Checkbox(value=False, description="mirror")
    page = view.View([area, shape, down, across, person, mirror])

    def draw() -> None:
        chosen = figures.crop(size, area.value, shape.value, down.value, across.value)
        page.say(chosen.words() + _outside(area.value, shape.value))
        page.show(figures.crop_view(images[person.value], chosen, mirror.value))

    return page.follow(draw)


def _outside(area: float, shape: float) -> str:
    """What lies outside the paper's ranges, in words."""
    found = []
    low, high = figures.PAPER_SCALE
    if not low <= round(area, 4) <= high:
        found.append("area")
    low, high = figures.PAPER_RATIO
    if not low <= round(shape, 4) <= high:
        found.append("height/width")
    return f" · outside the paper's range: {' and '.join(found)}" if found else ""
