"""The picture of a widget: at its own size, smaller where the page is narrower."""

from __future__ import annotations

from typing import Any

import ipywidgets


def picture() -> Any:
    """An empty PNG widget: not stretched in a VBox, not cut on a narrow page."""
    own_size = ipywidgets.Layout(
        align_self="flex-start",
        max_width="100%",
        margin="0",  # else a full width has a scroll bar
    )
    return ipywidgets.Image(format="png", layout=own_size)
