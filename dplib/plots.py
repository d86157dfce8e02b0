"""Static figures: one palette, one way to show them, alt text always.

Every function returns a matplotlib.figure.Figure (pyplot would show it twice); in a
lesson, ``plots.show(fig, alt="…")`` puts it on the page. No meaning rests on colour
alone: signs, line styles and labels say the same.
"""

import html
import io
import math
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from numpy.typing import NDArray
from PIL import Image

from dplib import DplibError
from dplib.evaluation import Retrieval
from dplib.samples import Sample

# Okabe and Ito's colours, told apart with every common colour blindness
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
MIN_ALT = 60

Picture = Image.Image | NDArray[Any] | str | Path


def png(fig: Figure, dpi: int = 100) -> bytes:
    """`fig` as a PNG file without the marks of its maker: same figure, same bytes.

    One with photographs is reduced to 256 colours, a third of the size: lessons are
    committed with their figures.
    """
    buffer = io.BytesIO()
    fig.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    if any(ax.get_images() for ax in fig.axes):
        picture = Image.open(buffer).convert("RGB").quantize(256, kmeans=1)
        buffer = io.BytesIO()
        picture.save(buffer, format="png", optimize=True)
    return buffer.getvalue()


def show(fig: Figure, *, alt: str, dpi: int = 100) -> None:
    """Show `fig` in a notebook with its alternative text.

    `alt` states the finding in at least 60 characters, for those who cannot see the
    figure. It goes into the output's metadata (the web page's ``alt``), and folded
    below the figure, since JupyterLab and GitHub drop it from pictures.
    Raises DplibError when `alt` is too short.
    """
    alt = " ".join(alt.split())
    if len(alt) < MIN_ALT:
        raise DplibError(
            f"The alt text {alt!r} has {len(alt)} characters; it needs at least "
            f"{MIN_ALT}: say what the figure shows and what follows from it."
        )
    from IPython.display import HTML, display

    display(
        {"image/png": png(fig, dpi), "text/plain": "<Figure>"},
        metadata={"image/png": {"alt": alt}},
        raw=True,
    )
    folded = f"<summary>The figure in words</summary>{html.escape(alt)}"
    display(HTML(f"<details>{folded}</details>"))


class Live:
    """A place in a notebook's output where a figure is drawn anew while a cell runs.

    ``live(draw, *args)`` shows ``draw(*args)``, at most every few seconds, so that
    drawing does not slow what is drawn; ``close()`` empties the place.
    """

    def __init__(self, every: float = 3.0) -> None:
        self.every, self._next = every, 0.0
        self._handle: Any = None

    def __call__(self, draw: Callable[..., Figure], *args: Any) -> None:
        from IPython.display import Image as Picture
        from IPython.display import display

        now = time.monotonic()
        if now < self._next:
            return
        picture = Picture(png(draw(*args)))
        if self._handle is None:
            self._handle = display(picture, display_id=True)
        else:
            self._handle.update(picture)
        self._next = time.monotonic() + self.every

    def close(self) -> None:
        from IPython.display import HTML

        if self._handle is not None:
            self._handle.update(HTML(""))


# ------------------------------------------------------------------------ pictures


def contact_sheet(
    images: Sequence[Picture],
    ncols: int = 8,
    *,
    titles: Sequence[str] | None = None,
    borders: Sequence[str | None] | None = None,
    title: str = "",
    width: float = 8.0,
) -> Figure:
    """`images` (PIL images, H×W×3 uint8 arrays or paths) in rows of `ncols`.

    `titles` are written above the images, `borders` are palette names or None.
    `width` is that of the figure in inches.
    """
    if not images:
        raise DplibError("contact_sheet got no images: there is nothing to show.")
    for what, given in (("titles", titles), ("borders", borders)):
        if given is not None and len(given) != len(images):
            raise DplibError(f"{len(given)} {what} for {len(images)} images.")
    arrays = [_array(image) for image in images]
    nrows = math.ceil(len(arrays) / ncols)
    height = width / ncols * arrays[0].shape[0] / arrays[0].shape[1] + 0.2 * bool(
        titles
    )
    layout = ConstrainedLayoutEngine(w_pad=0.02, h_pad=0.02)
    fig = Figure((width, nrows * height + 0.4 * bool(title)), layout=layout)
    axes = fig.subplots(nrows, ncols, squeeze=False).flat
    for i, ax in enumerate(axes):
        if i >= len(arrays):
            ax.set_axis_off()
            continue
        _picture(ax, arrays[i], PALETTE[b] if borders and (b := borders[i]) else None)
        if titles:
            ax.set_title(titles[i], fontsize=8, pad=3)
    if title:
        fig.suptitle(title, fontsize=11)
    return fig


class Ranked(NamedTuple):
    """One query and the first of its ranking, nearest first."""

    query: Picture
    gallery: Sequence[Picture]
    right: Sequence[bool]
    junk: Sequence[bool]
    distances: Sequence[float] | None = None


def ranked_gallery(
    query_image: Picture,
    gallery_images: Sequence[Picture],
    right: Iterable[Any],
    junk: Iterable[Any],
    distances: Iterable[Any] | None = None,
    *,
    title: str = "A query and its ranking",
    width: float = 9.0,
) -> Figure:
    """A query on the left, its ranking to the right, nearest first.

    Right matches have a blue border and ✓, wrong ones a vermilion border and ✗; junk
    (not counted by the protocol) is greyed, labelled and takes no rank. `right`, `junk`
    and `distances` are as long as `gallery_images` (lists, arrays or tensors).
    """
    row = Ranked(
        query_image,
        gallery_images,
        [bool(x) for x in right],
        [bool(x) for x in junk],
        None if distances is None else [float(x) for x in distances],
    )
    return ranked_galleries([row], title=title, width=width)


def ranked_galleries(
    rows: Sequence[Ranked], *, title: str = "", width: float = 9.0
) -> Figure:
    """Several rankings below each other, drawn as in :func:`ranked_gallery`."""
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
    first = _array(rows[0].query)
    height = width / (ncols + 0.5) * first.shape[0] / first.shape[1] + 0.42
    layout = ConstrainedLayoutEngine(w_pad=0.03, h_pad=0.03)
    fig = Figure((width, height * len(rows) + 0.65), layout=layout)
    grid = fig.subplots(
        len(rows), ncols, squeeze=False, width_ratios=[1.25, *[1.0] * (ncols - 1)]
    )
    for row, axes in zip(rows, grid, strict=True):
        _picture(axes[0], _array(row.query), PALETTE["black"])
        axes[0].set_title("query", fontsize=9, pad=3)
        rank = 0
        for i, ax in enumerate(axes[1:]):
            if i >= len(row.gallery):
                ax.set_axis_off()
                continue
            image = _array(row.gallery[i])
            if row.junk[i]:
                grey = image.mean(axis=2, keepdims=True).repeat(3, axis=2)
                _picture(
                    ax, (0.4 * grey + 0.6 * 225).astype(np.uint8), UNCOUNTED, "dotted"
                )
                ax.set_title("junk", fontsize=9, pad=3, color="#595959")
            else:
                rank += 1
                sign, color = ("✓", RIGHT) if row.right[i] else ("✗", WRONG)
                _picture(ax, image, color)
                ax.set_title(f"{rank} {sign}", fontsize=9, pad=3, color=color)
            if row.distances is not None:
                ax.set_xlabel(f"{row.distances[i]:.2f}", fontsize=8, labelpad=2)
    if title:
        fig.suptitle(title, fontsize=11)
    legend = "✓ right   ✗ wrong   junk: same camera or badly cut, not counted"
    if any(r.distances is not None for r in rows):
        legend += "   below: distance to the query"
    fig.supxlabel(legend, fontsize=8.5)
    return fig


def ranked_row(
    result: Retrieval,
    i: int,
    query: Sequence[Sample],
    gallery: Sequence[Sample],
    *,
    k: int = 10,
) -> Ranked:
    """Query i of `result` and its k first gallery images, for `ranked_galleries`.

    `query` and `gallery` are the samples that were described and evaluated.
    """
    i = int(result.queries[i])
    top = result.ranked(i, k)
    images = [gallery[j].path for j in top.indices.tolist()]
    marks = top.right.tolist(), top.junk.tolist(), top.distances.tolist()
    return Ranked(query[i].path, images, *marks)


def _array(image: Picture) -> NDArray[Any]:
    """`image` as an H×W×3 uint8 array."""
    if isinstance(image, (str, Path)):
        try:
            with Image.open(image) as opened:
                return np.asarray(opened.convert("RGB"))
        except OSError as e:
            raise DplibError(f"{image} cannot be shown: {e}") from e
    if isinstance(image, Image.Image):
        return np.asarray(image.convert("RGB"))
    array = np.asarray(image)
    if array.ndim != 3 or array.shape[2] != 3 or array.dtype != np.uint8:
        raise DplibError(
            f"A picture must be H×W×3 of uint8; this is {array.shape} of {array.dtype}."
        )
    return array


def _picture(
    ax: Axes, array: NDArray[Any], border: str | None, style: str = "solid"
) -> None:
    ax.imshow(array, interpolation="nearest")
    ax.set_xticks([])
    ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set_visible(border is not None)
        spine.set(linewidth=2.5, linestyle=style, edgecolor=border)


# -------------------------------------------------------------------------- curves
