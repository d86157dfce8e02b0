"""Static figures: one palette, one way to show them, alt text always.

Every drawing function returns a matplotlib.figure.Figure (pyplot would show it twice);
in a lesson, ``plots.show(fig, alt="…")`` puts it on the page. No meaning rests on
colour alone: signs, line styles and labels repeat it.
"""

from __future__ import annotations

import html
import io
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import IPython.display
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from numpy.typing import NDArray
from PIL import Image

from dplib import DplibError
from dplib.evaluation import Retrieval
from dplib.incoming import decoding
from dplib.samples import Sample

# Okabe and Ito's colours, which readers with any common colour blindness can tell apart
PALETTE = {
    "blue": "#0072B2",
    "vermilion": "#D55E00",
    "green": "#009E73",
    "orange": "#E69F00",
    "sky": "#56B4E9",
    "purple": "#CC79A7",
    "yellow": "#F0E442",
    "black": "#000000",
    "grey": "#8C8C8C",
}
RIGHT, WRONG, UNCOUNTED = PALETTE["blue"], PALETTE["vermilion"], PALETTE["grey"]


class Style(NamedTuple):
    """How a curve is drawn wherever it appears: colour, line and marker."""

    color: str
    line: str
    marker: str

    def plot(self) -> dict[str, str]:
        """The style as keywords of matplotlib's ``Axes.plot``."""
        return {"color": self.color, "ls": self.line, "marker": self.marker}


# One meaning per colour through the whole course: blue is right (a true match, a
# positive), vermilion is wrong (another person, a negative), and these are the branches
# with their losses.
BRANCHES = {
    "BpI": Style(PALETTE["green"], "-", "o"),
    "BgI": Style(PALETTE["orange"], "--", "s"),
    "BtR": Style(PALETTE["purple"], "-.", "^"),
    "all": Style(PALETTE["black"], ":", "D"),
}
MIN_ALT = 60  # characters of an alternative text

Picture = Image.Image | NDArray[Any] | str | Path


def png(fig: Figure, dpi: int = 100) -> bytes:
    """The figure as a PNG file; the same figure always gives the same bytes.

    Args:
        fig: The figure.
        dpi: Pixels per inch of the figure's size.
    """
    buffer = io.BytesIO()
    # matplotlib writes its version into the file unless it is told not to
    fig.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    # Lessons are committed with their figures: 256 colours make one with photographs
    # three times smaller.
    if any(ax.get_images() for ax in fig.axes):
        picture = Image.open(buffer).convert("RGB").quantize(256, kmeans=1)
        buffer = io.BytesIO()
        picture.save(buffer, format="png", optimize=True)
    return buffer.getvalue()


def show(fig: Figure, *, alt: str, dpi: int = 100) -> None:
    """Show a figure in a notebook, with its alternative text.

    Args:
        fig: The figure.
        alt: The finding, in at least ``MIN_ALT`` characters, for those who cannot see
            the figure. It goes into the output's metadata (the web page's ``alt``) and,
            folded, below the figure, since JupyterLab and GitHub drop the former.
        dpi: Pixels per inch of the figure's size.

    Raises:
        DplibError: ``alt`` is too short.
    """
    alt = " ".join(alt.split())
    if len(alt) < MIN_ALT:
        raise DplibError(
            f"The alt text {alt!r} has {len(alt)} characters; it needs at least "
            f"{MIN_ALT}: say what the figure shows and what follows from it."
        )
    IPython.display.display(
        {"image/png": png(fig, dpi), "text/plain": "<Figure>"},
        metadata={"image/png": {"alt": alt}},
        raw=True,
    )
    folded = f"<summary>The figure in words</summary>{html.escape(alt)}"
    text = IPython.display.HTML(f"<details>{folded}</details>")
    IPython.display.display(text)


class Live:
    """A place in a notebook's output where a figure is redrawn while a cell runs.

    ``live(draw, *args)`` shows ``draw(*args)``; ``close()`` empties the place.

    Args:
        every: Seconds between two drawings, so that drawing does not slow down what is
            drawn. Calls in between do nothing.
    """

    def __init__(self, every: float = 3.0) -> None:
        self.every, self._next = every, 0.0
        self._handle: Any = None

    def __call__(self, draw: Callable[..., Figure], *args: Any) -> None:
        now = time.monotonic()
        if now < self._next:
            return
        picture = IPython.display.Image(png(draw(*args)))
        if self._handle is None:
            self._handle = IPython.display.display(picture, display_id=True)
        else:
            self._handle.update(picture)
        self._next = time.monotonic() + self.every

    def close(self) -> None:
        if self._handle is not None:
            self._handle.update(IPython.display.HTML(""))


def contact_sheet(
    images: Sequence[Picture],
    ncols: int = 8,
    *,
    titles: Sequence[str] | None = None,
    borders: Sequence[str | None] | None = None,
    title: str = "",
    width: float = 8.0,
) -> Figure:
    """Images in rows of ``ncols``.

    Args:
        images: PIL images, uint8 arrays [H, W, 3] or paths.
        ncols: Images in a row.
        titles: A text above each image.
        borders: A colour of ``PALETTE`` by name, or None, for each image.
        title: Text above the figure.
        width: Of the figure, in inches.

    Raises:
        DplibError: There are no images, one cannot be read, or the lists differ in
            length.
    """
    if not images:
        raise DplibError("contact_sheet got no images: there is nothing to show.")
    for what, given in (("titles", titles), ("borders", borders)):
        if given is not None and len(given) != len(images):
            raise DplibError(f"{len(given)} {what} for {len(images)} images.")
    arrays = [as_array(image) for image in images]
    nrows = math.ceil(len(arrays) / ncols)
    height = width / ncols * arrays[0].shape[0] / arrays[0].shape[1]
    height += 0.2 * bool(titles)
    layout = ConstrainedLayoutEngine(w_pad=0.02, h_pad=0.02)
    fig = Figure((width, nrows * height + 0.4 * bool(title)), layout=layout)
    axes = fig.subplots(nrows, ncols, squeeze=False).flat
    for i, ax in enumerate(axes):
        if i >= len(arrays):  # the rest of the last row stays empty
            ax.set_axis_off()
            continue
        border = borders[i] if borders else None
        draw_picture(ax, arrays[i], border and PALETTE[border])
        if titles:
            ax.set_title(titles[i], fontsize=8, pad=3)
    if title:
        fig.suptitle(title, fontsize=11)
    return fig


class Ranked(NamedTuple):
    """One query and the first images of its ranking, nearest first.

    The lists are as long as ``gallery``.
    """

    query: Picture
    gallery: Sequence[Picture]
    right: Sequence[bool]  # the same person
    junk: Sequence[bool]  # not counted by the protocol
    distances: Sequence[float] | None = None


def ranked_galleries(
    rows: Sequence[Ranked], *, title: str = "", width: float = 9.0
) -> Figure:
    """Rankings below each other: the query on the left, its ranking to the right.

    Right matches have a blue border and ✓, wrong ones a vermilion border and ✗. Junk is
    greyed, labelled and takes no rank.

    Args:
        rows: The rankings, see ``ranked_row``.
        title: Text above the figure.
        width: Of the figure, in inches.

    Raises:
        DplibError: There is no ranking, an image cannot be read, or the lists of a
            ranking differ in length.
    """
    for r in rows:
        lengths = {len(r.gallery), len(r.right), len(r.junk)}
        if r.distances is not None:
            lengths.add(len(r.distances))
        if len(lengths) != 1:
            raise DplibError(
                "The gallery images, right, junk and distances of a ranking must be "
                f"equally long, but their lengths are {sorted(lengths)}."
            )
    if not rows or not max(len(r.gallery) for r in rows):
        raise DplibError("There is no ranking to show: the gallery list is empty.")
    ncols = 1 + max(len(r.gallery) for r in rows)
    first = as_array(rows[0].query)
    height = width / (ncols + 0.5) * first.shape[0] / first.shape[1] + 0.42
    layout = ConstrainedLayoutEngine(w_pad=0.03, h_pad=0.03)
    fig = Figure((width, height * len(rows) + 0.65), layout=layout)
    grid = fig.subplots(
        len(rows), ncols, squeeze=False, width_ratios=[1.25, *[1.0] * (ncols - 1)]
    )
    for row, axes in zip(rows, grid, strict=True):
        _draw_ranking(axes, row)
    if title:
        fig.suptitle(title, fontsize=11)
    legend = "✓ right   ✗ wrong   junk: same camera or badly cut, not counted"
    if any(r.distances is not None for r in rows):
        legend += "   below: distance to the query"
    fig.supxlabel(legend, fontsize=8.5)
    return fig


def _draw_ranking(axes: Sequence[Axes], row: Ranked) -> None:
    """Draw the query into the first of ``axes``, its ranking into the others."""
    draw_picture(axes[0], as_array(row.query), PALETTE["black"])
    axes[0].set_title("query", fontsize=9, pad=3)
    rank = 0
    for i, ax in enumerate(axes[1:]):
        if i >= len(row.gallery):  # another row is longer
            ax.set_axis_off()
            continue
        image = as_array(row.gallery[i])
        if row.junk[i]:
            grey = image.mean(axis=2, keepdims=True).repeat(3, axis=2)
            pale = (0.4 * grey + 0.6 * 225).astype(np.uint8)
            draw_picture(ax, pale, UNCOUNTED, "dotted")
            ax.set_title("junk", fontsize=9, pad=3, color="#595959")
        else:
            rank += 1
            sign, color = ("✓", RIGHT) if row.right[i] else ("✗", WRONG)
            draw_picture(ax, image, color)
            ax.set_title(f"{rank} {sign}", fontsize=9, pad=3, color=color)
        if row.distances is not None:
            ax.set_xlabel(f"{row.distances[i]:.2f}", fontsize=8, labelpad=2)


def ranked_row(
    result: Retrieval,
    i: int,
    query: Sequence[Sample],
    gallery: Sequence[Sample],
    *,
    k: int = 10,
) -> Ranked:
    """The ranking of one query, for ``ranked_galleries``.

    Args:
        result: The evaluation of ``query`` against ``gallery``.
        i: Which of the evaluated queries (those that have a true match).
        query: The samples that were described and evaluated.
        gallery: Likewise.
        k: Gallery images to show.
    """
    place = int(result.queries[i])  # among all queries, as they were given
    top = result.ranked(place, k)
    images = [gallery[j].path for j in top.indices.tolist()]
    marks = top.right.tolist(), top.junk.tolist(), top.distances.tolist()
    return Ranked(query[place].path, images, *marks)


def as_array(image: Picture) -> NDArray[Any]:
    """The picture as a uint8 array [H, W, 3].

    Raises:
        DplibError: The file cannot be read, or the array is not of that kind.
    """
    if isinstance(image, (str, Path)):
        return np.asarray(decoding.read(image))
    if isinstance(image, Image.Image):
        return np.asarray(decoding.rgb(image))
    array = np.asarray(image)
    if array.ndim != 3 or array.shape[2] != 3 or array.dtype != np.uint8:
        raise DplibError(
            f"A picture must be H×W×3 of uint8; this is {array.shape} of {array.dtype}."
        )
    return array


def draw_picture(
    ax: Axes, array: NDArray[Any], border: str | None, style: str = "solid"
) -> None:
    """Draw a picture [H, W, 3] without ticks, in a border of that colour and style."""
    ax.imshow(array, interpolation="nearest")
    ax.set_xticks([])
    ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set_visible(border is not None)
        spine.set(linewidth=2.5, linestyle=style, edgecolor=border)
