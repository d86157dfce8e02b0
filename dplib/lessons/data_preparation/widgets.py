"""Interactive views of lesson 1, on the drawings of ``figures``."""

from __future__ import annotations

from typing import Any

import ipywidgets
from torch import Tensor

from dplib import plots
from dplib.lessons import view
from dplib.lessons.data_preparation import figures


def crop_explorer(images: Tensor) -> ipywidgets.Widget:
    """Sliders for the crop's area, shape and place → the box and the resized result.

    images: uint8 [N, 3, h, w], to choose from. The sliders go beyond the paper's
    ranges (area 0.64…1, height/width 2…3), and the text says when they do.
    """
    size = (images.shape[2], images.shape[3])

    def slider(name: str, value: float, low: float, high: float, step: float) -> Any:
        return ipywidgets.FloatSlider(
            value=value,
            min=low,
            max=high,
            step=step,
            description=name,
            continuous_update=False,
            style={"description_width": "8em"},
        )

    area = slider("area share", 0.8, 0.3, 1.0, 0.01)
    shape = slider("height/width", 2.2, 1.0, 4.0, 0.05)
    down = slider("down", 0.5, 0.0, 1.0, 0.05)
    across = slider("across", 0.5, 0.0, 1.0, 0.05)
    mirror = ipywidgets.Checkbox(value=False, description="mirror")
    person = ipywidgets.IntSlider(
        value=0,
        min=0,
        max=len(images) - 1,
        description="picture",
        continuous_update=False,
        style={"description_width": "8em"},
    )
    text = ipywidgets.HTML()  # unlike a Label, it breaks long lines
    picture = view.picture()

    def draw(change: object = None) -> None:
        chosen = figures.crop(size, area.value, shape.value, down.value, across.value)
        text.value = chosen.words() + _outside(area.value, shape.value)
        fig = figures.crop_view(images[person.value], chosen, mirror.value)
        picture.value = plots.png(fig)

    controls = [area, shape, down, across, person, mirror]
    for control in controls:
        control.observe(draw, names="value")
    draw()
    row = ipywidgets.Layout(flex_flow="row wrap")
    return ipywidgets.VBox([ipywidgets.Box(controls, layout=row), text, picture])


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
