"""The architecture of Deep-Person (figure 2), which every lesson shows near its top.

The part that a lesson is about is drawn in colour, all others are grey.
"""

from __future__ import annotations

from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from dplib import DplibError
from dplib.plots import BRANCHES, PALETTE

_QUIET = "#767676"  # still legible on white


class _Box(NamedTuple):
    """One step of the network: where it stands, its text, its colour when it counts."""

    x: float
    y: float
    width: float
    text: str
    color: str


_PART, _GLOBAL, _RANKING = (BRANCHES[b].color for b in ("BpI", "BgI", "BtR"))
_SHARED = PALETTE["sky"]
_TOP, _MIDDLE, _BOTTOM = 3.0, 1.5, 0.0
_LAST = [(12.9, y, 1.9) for y in (_TOP, _MIDDLE, _BOTTOM)]
_BOXES = {
    "images": _Box(0.0, _MIDDLE, 1.5, "images\n$P \\cdot K$ a batch", _SHARED),
    "backbone": _Box(2.0, _MIDDLE, 1.5, "backbone", _SHARED),
    "fb": _Box(4.0, _MIDDLE, 1.5, "feature map\n$f_b$", _SHARED),
    "rows": _Box(6.0, _TOP, 1.8, "rows\n$S_1, \\ldots, S_H$", _PART),
    "blstm": _Box(8.3, _TOP, 1.8, "BLSTM and FC\n$O_1, \\ldots, O_H$", _PART),
    "part_head": _Box(10.6, _TOP, 1.8, "classifier", _PART),
    "part_loss": _Box(*_LAST[0], "identification\n$L_\\mathrm{cls\\_p}$", _PART),
    "fm": _Box(6.0, _MIDDLE, 1.8, "average\n$f_m$", _SHARED),
    "global_fc": _Box(8.3, _MIDDLE, 1.8, "FC", _GLOBAL),
    "global_head": _Box(10.6, _MIDDLE, 1.8, "classifier", _GLOBAL),
    "global_loss": _Box(
        12.9, _MIDDLE, 1.9, "identification\n$L_\\mathrm{cls\\_g}$", _GLOBAL
    ),
    "distances": _Box(10.6, _BOTTOM, 1.8, "distances\n$D(f_m, f_m')$", _RANKING),
    "ranking_loss": _Box(*_LAST[2], "triplet\n$L_\\mathrm{trp}$", _RANKING),
}
_ARROWS = (
    ("images", "backbone"),
    ("backbone", "fb"),
    ("fb", "rows"),
    ("rows", "blstm"),
    ("blstm", "part_head"),
    ("part_head", "part_loss"),
    ("fb", "fm"),
    ("fm", "global_fc"),
    ("global_fc", "global_head"),
    ("global_head", "global_loss"),
    ("fm", "distances"),
    ("distances", "ranking_loss"),
)
_LOSSES = ("part_loss", "global_loss", "ranking_loss")

# what each lesson is about, in the order of the lessons
PARTS: dict[str, tuple[str, ...]] = {
    "quickstart": tuple(_BOXES),
    "data_preparation": ("images",),
    "part_sequences": ("backbone", "fb", "rows"),
    "blstm_branch": ("rows", "blstm", "part_head", "part_loss"),
    "batch_hard_triplet": ("fm", "distances", "ranking_loss"),
    "training": _LOSSES,
    "evaluation": ("images", "backbone", "fb", "fm"),
    "ablations": ("rows", "blstm", "part_head", *_LOSSES),
}
_ABOUT = {
    "quickstart": "all of it",
    "data_preparation": "the batches of images",
    "part_sequences": "the feature map and its rows",
    "blstm_branch": "the part branch BpI, from the rows to its loss",
    "batch_hard_triplet": "the ranking branch BtR, from fm to the triplet loss",
    "training": "the three losses, which are added up",
    "evaluation": "the way from an image to fm, which is all that a test needs",
    "ablations": "the branches that are left out in turn",
}


def figure(lesson: str) -> Figure:
    """Draw the architecture with the part that a lesson is about in colour.

    Args:
        lesson: The name of the lesson's room, a key of ``PARTS``.

    Raises:
        DplibError: There is no such lesson.
    """
    bright = _known(lesson)
    fig = Figure((9.6, 3.3))
    ax = fig.add_axes((0, 0, 1, 1))
    ax.set(xlim=(-0.2, 15.0), ylim=(-1.0, 4.3))
    ax.set_axis_off()
    for start, end in _ARROWS:
        _arrow(ax, _BOXES[start], _BOXES[end], start in bright and end in bright)
    for name, box in _BOXES.items():
        _box(ax, box, name in bright)
    kept = lesson == "evaluation"
    ax.text(
        *(3.75, _BOTTOM - 0.1),
        "At test time only this path is used:\nimages are compared by $f_m$.",
        ha="center",
        va="center",
        fontsize=10,
        color=PALETTE["black"] if kept else _QUIET,
    )
    for y, name in ((_TOP, "BpI"), (_MIDDLE, "BgI"), (_BOTTOM, "BtR")):
        first = {"BpI": "rows", "BgI": "global_fc", "BtR": "distances"}[name]
        ax.text(
            *(_BOXES[first].x, y + 0.57),
            name,
            fontsize=10,
            fontweight="bold",
            color=BRANCHES[name].color if first in bright else _QUIET,
        )
    return fig


def alt(lesson: str) -> str:
    """The alternative text of ``figure``.

    Args:
        lesson: The name of the lesson's room, a key of ``PARTS``.

    Raises:
        DplibError: There is no such lesson.
    """
    _known(lesson)
    return (
        "The architecture of Deep-Person: images enter a backbone, which gives the "
        "feature map fb. Three branches follow. BpI takes the rows of fb through a "
        "BLSTM and fully connected layers to a classifier and an identification loss; "
        "BgI takes fm, the average of fb, through a fully connected layer to another "
        "classifier and loss; BtR compares fm between images for the triplet loss. At "
        f"test time fm alone is used. In colour, this lesson's part: {_ABOUT[lesson]}."
    )


def _known(lesson: str) -> tuple[str, ...]:
    if lesson not in PARTS:
        raise DplibError(f"lesson={lesson!r}: choose one of {', '.join(PARTS)}")
    return PARTS[lesson]


def _box(ax: Axes, box: _Box, bright: bool) -> None:
    height = 0.86
    patch = FancyBboxPatch(
        (box.x, box.y - height / 2),
        box.width,
        height,
        boxstyle="round,pad=0,rounding_size=0.12",
        facecolor=(box.color, 0.16) if bright else "white",
        edgecolor=box.color if bright else _QUIET,
        linewidth=2.2 if bright else 0.9,
    )
    ax.add_patch(patch)
    ax.text(
        *(box.x + box.width / 2, box.y),
        box.text,
        ha="center",
        va="center",
        fontsize=9.5,
        color="black" if bright else _QUIET,
    )


def _arrow(ax: Axes, start: _Box, end: _Box, bright: bool) -> None:
    """From the right edge of a box to the left edge of another, or its lower edge."""
    drop = start.y > end.y
    tail = (start.x + start.width / 2, start.y - 0.43) if drop else None
    style = {
        "arrowstyle": "-|>",
        "color": end.color if bright else _QUIET,
        "lw": 1.8 if bright else 0.9,
        "shrinkA": 0,
        "shrinkB": 0,
    }
    if tail is not None:
        style["connectionstyle"] = "angle,angleA=-90,angleB=180,rad=6"
    elif end.y > start.y:
        tail = (start.x + start.width / 2, start.y + 0.43)
        style["connectionstyle"] = "angle,angleA=90,angleB=180,rad=6"
    else:
        tail = (start.x + start.width, start.y)
    ax.annotate("", xy=(end.x, end.y), xytext=tail, arrowprops=style)
