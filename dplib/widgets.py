"""Interactive views, on the same drawings as the static figures of ``plots``."""

from __future__ import annotations

from collections.abc import Sequence

import ipywidgets

from dplib import plots, widgets_picture
from dplib.evaluation import Retrieval
from dplib.samples import Sample


def ranked_gallery(
    result: Retrieval,
    query: Sequence[Sample],
    gallery: Sequence[Sample],
    *,
    k: int = 10,
) -> ipywidgets.Widget:
    """Choose a query, see its ranking; queries can be ordered from worst to best AP.

    query and gallery: the samples whose descriptors were evaluated, in that order.
    """
    order = ipywidgets.Dropdown(
        options=["as in the data set", "worst AP first", "best AP first"],
        description="order",
    )
    slider = ipywidgets.IntSlider(
        value=0,
        min=0,
        max=len(result.queries) - 1,
        description="query",
        continuous_update=False,
    )
    text = ipywidgets.Label()
    picture = widgets_picture.picture()
    orders = {
        "as in the data set": list(range(len(result.queries))),
        "worst AP first": result.ap.argsort(stable=True).tolist(),
        "best AP first": result.ap.argsort(stable=True, descending=True).tolist(),
    }

    def draw(change: object = None) -> None:
        i = orders[order.value][slider.value]
        row = plots.ranked_row(result, i, query, gallery, k=k)
        sample = query[int(result.queries[i])]
        ranks = ", ".join(map(str, result.match_ranks[i].tolist()))
        text.value = (
            f"pid {sample.pid}, camera {sample.camid}: AP {float(result.ap[i]):.2f}, "
            f"true matches at ranks {ranks}"
        )
        picture.value = plots.png(plots.ranked_galleries([row]))

    order.observe(draw, names="value")
    slider.observe(draw, names="value")
    draw()
    return ipywidgets.VBox([ipywidgets.HBox([order, slider]), text, picture])
