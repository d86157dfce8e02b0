"""Checks of lesson 1."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dplib.lessons.causes import blame
from dplib.lessons.checks import choice, exercise
from dplib.lessons.data_preparation import sampler_check as sampler_check  # 1.5

# ------------------------------------------------------------------- 1.1: the pattern

_NAME = "cam12-person7-0003.jpg"
_LONG = "12345678901234567890"
# each differs from _NAME in one respect: name → pid, camid, what is special about it
_NAMES = {
    "cam12-person-1-0003.jpg": (
        "-1",
        "12",
        "a junk box has the pid -1, with its minus",
    ),
    "cam12-person0-0003.jpg": ("0", "12", "a distractor has the pid 0"),
    "cam1-person7-0003.jpg": ("7", "1", "a camera number may have one digit"),
    f"cam{_LONG}-person7-0003.jpg": ("7", _LONG, "a camera number may be long"),
    f"cam12-person{_LONG}-0003.jpg": (_LONG, "12", "a pid may be long"),
    "cam12-person7-1.jpg": ("7", "12", "a running number may have one digit"),
    f"cam12-person7-{_LONG}.jpg": ("7", "12", "a running number may be long"),
}
_STRANGERS = {
    "cam12-person7-0003.jpg.part": "goes on after .jpg",
    "cam12-person7-0003xjpg": "has no dot before jpg: write \\.",
    "cam12-person7-0003jpg": "has no dot before jpg",
    "cam12-person7.jpg": "has no running number",
    "cam12-person7-.jpg": "has no digit in the running number",
    "cam12-person7-00x3.jpg": "has a letter in the running number",
    "cam12-personX-0003.jpg": "has no pid: a pid is digits, with or without a minus",
    "cam12-person-0003.jpg": "has no digit in the pid",
    "cam12-person7--0003.jpg": "has a minus before the running number",
    "cam12-person--1-0003.jpg": "has a pid with two minus signs",
    "cam12-person+7-0003.jpg": "has a pid with a plus sign",
    "cam-person7-0003.jpg": "has no digit in the camera number",
    "camX-person7-0003.jpg": "has a letter for the camera",
    "cam-12-person7-0003.jpg": "has a camera number with a minus",
    "old-cam12-person7-0003.jpg": "has something before cam",
    "cam12-person7-0003.JPG": "ends in capitals",
    "cam12-person7-0003.png": "is no .jpg file",
    "cam12person7-0003.jpg": "lacks the hyphen before person",
    "Thumbs.db": "is not an image",
}


@exercise("1.1", praise="The same pattern loads such a folder in Further C.")
def _pattern(answer: Any) -> str | None:
    if not isinstance(answer, str | re.Pattern):
        return 'give the pattern as a string, such as r"cam(?P<camid>…)…"'
    try:
        pattern = re.compile(answer)
    except re.error as e:
        return f"that is not a regular expression: {e}"
    if missing := sorted({"pid", "camid"} - set(pattern.groupindex)):
        return f"it has no group named {' and '.join(missing)}: write (?P<name>…)"
    if mistake := _reads(pattern, _NAME, "7", "12", ""):
        return mistake
    for name, (pid, camid, why) in _NAMES.items():
        if mistake := _reads(pattern, name, pid, camid, f": {why}"):
            return mistake
    for name, fault in _STRANGERS.items():
        if pattern.fullmatch(name):
            return f"it matches {name}, which {fault}"
    return None


def _reads(
    pattern: re.Pattern[str], name: str, pid: str, camid: str, why: str
) -> str | None:
    match = pattern.fullmatch(name)
    if match is None:
        return f"it does not match {name} from end to end{why}"
    found = match["pid"], match["camid"]
    if found == (camid, pid):
        return f"pid and camid are exchanged: {name} shows pid {pid} in camera {camid}"
    if found != (pid, camid):
        return (
            f"in {name} it finds pid {found[0]} and camera {found[1]}; they should be "
            f"{pid} and {camid}"
        )
    return None


# ----------------------------------------------------------------------- 1.2: the mask


def _counts(query_pids: Tensor, query_cams: Tensor, pids: Tensor, cams: Tensor) -> Any:
    own = (query_pids[:, None] == pids) & (query_cams[:, None] == cams)
    return ~((pids == -1) | own)


def _queries() -> dict[str, tuple[Tensor, ...]]:
    example = ([7, 4], [2, 5], [7, 7, 4, 4, -1, 0], [2, 5, 2, 5, 2, 2])
    pids = [7, 7, 4, 4, -1, 0, -1, 0, 2, 2, 5]
    cams = [2, 5, 2, 5, 2, 2, 5, 5, 7, 4, 2]
    longer = ([4, 7, 2], [5, 5, 7], pids, cams)
    return {
        "the example": tuple(torch.tensor(x) for x in example),
        "three queries and eleven images": tuple(torch.tensor(x) for x in longer),
    }


@exercise(
    "1.2", praise="Distractors count, and so do other people in the query's camera."
)
def _check_counts(answer: Callable[..., Any]) -> str | None:
    def pid(qp: Tensor, qc: Tensor, p: Tensor, c: Tensor) -> Tensor:
        return qp[:, None] == p

    def cam(qp: Tensor, qc: Tensor, p: Tensor, c: Tensor) -> Tensor:
        return qc[:, None] == c

    def junk(qp: Tensor, qc: Tensor, p: Tensor, c: Tensor) -> Tensor:
        return (p == -1).expand(len(qp), -1)

    not_both = "only images that share pid *and* camera with the query are left out"
    return blame(
        answer,
        right=_counts,
        cases=_queries(),
        mistakes={
            "the mask is inverted: True is for the images that count": (
                lambda *x: ~_counts(*x)
            ),
            "junk (pid -1) still counts; it is left out for every query": (
                lambda *x: ~(pid(*x) & cam(*x))
            ),
            "the query's pid in the query's camera still counts: apply the rule": (
                lambda *x: ~junk(*x)
            ),
            f"you left out every image of the query's camera and every image of its "
            f"pid; {not_both}. ~(a & b) is ~a | ~b": (
                lambda *x: ~(junk(*x) | pid(*x) | cam(*x))
            ),
            f"you left out the whole camera of the query; {not_both}": (
                lambda *x: ~(junk(*x) | cam(*x))
            ),
            f"you left out the query's pid in every camera, so nothing right remains; "
            f"{not_both}": lambda *x: ~(junk(*x) | pid(*x)),
            "you left out the distractors (pid 0); they count, as wrong answers": (
                lambda *x: _counts(*x) & (x[2] != 0)
            ),
            "the table is turned: one row for each query, one column for each image": (
                lambda *x: _counts(*x).T
            ),
            "this is the mask of the right images; wrong answers count, too": (
                lambda *x: _counts(*x) & pid(*x)
            ),
            "junk (pid -1) still counts, and the mask is inverted": (
                lambda *x: pid(*x) & cam(*x)
            ),
        },
    )


# ------------------------------------------------------------------------ 1.3: the box

Tries = Sequence[tuple[float, float]]
_Box = tuple[int, int, int, int]


def _sizes(h: int, w: int, tries: Tries, rounded: Any = round) -> list[tuple[int, int]]:
    return [
        (rounded((a * r * h * w) ** 0.5), rounded((a * h * w / r) ** 0.5))
        for a, r in tries
    ]


def _placed(h: int, w: int, size: tuple[int, int], u: float, v: float) -> _Box:
    return int(u * (h - size[0] + 1)), int(v * (w - size[1] + 1)), *size


def _fitting(h: int, w: int, sizes: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    return [*((a, b) for a, b in sizes if a <= h and b <= w), (h, w)]


def _crop_box(h: int, w: int, tries: Tries, u: float, v: float) -> _Box:
    return _placed(h, w, _fitting(h, w, _sizes(h, w, tries))[0], u, v)


_CROPS: dict[str, tuple[Any, ...]] = {
    "the example": (100, 50, [(0.9, 2.5), (0.64, 2.0)], 0.5, 0.5),
    "a box as large as the image": (100, 50, [(1.0, 2.0), (0.64, 2.0)], 0.9, 0.3),
    "a box as high as the image": (100, 50, [(0.8, 2.5), (0.64, 2.0)], 0.5, 0.5),
    "a box as wide as the image": (100, 50, [(0.8, 1.6), (0.64, 2.0)], 0.5, 0.5),
    "a box that fits after it is rounded": (
        *(100, 50, [(0.9, 2.2356), (0.64, 2.0)]),
        *(0.5, 0.5),
    ),
    "a box near the bottom": (256, 128, [(0.7, 2.2)], 0.97, 0.03),
    "two boxes that fit": (256, 128, [(0.7, 2.2), (0.64, 2.0), (0.9, 2.1)], 0.3, 0.95),
    "no box that fits": (256, 128, [(0.95, 2.9), (0.8, 2.8)], 0.4, 0.8),
    "a box that is too wide, then one that fits": (
        *(100, 50, [(0.5, 0.8), (0.5, 1.5)]),
        *(0.99, 0.01),
    ),
    "a box that is too high, then one that fits": (
        *(50, 100, [(0.7, 1.0), (0.66, 0.6)]),
        *(0.2, 0.999),
    ),
}


@exercise(
    "1.3", praise="This is torchvision's random crop, without its random numbers."
)
def _check_crop_box(answer: Callable[..., Any]) -> str | None:
    def sized(size: Callable[..., tuple[int, int]]) -> Callable[..., _Box]:
        return lambda h, w, t, u, v: _placed(h, w, size(h, w, t), u, v)

    def smaller(fits: Callable[..., bool]) -> Callable[..., _Box]:
        return sized(
            lambda h, w, t: next((s for s in _sizes(h, w, t) if fits(*s, h, w)), (h, w))
        )

    return blame(
        answer,
        right=_crop_box,
        cases=_CROPS,
        mistakes={
            "height and width of the box are exchanged: r is height/width": (
                sized(
                    lambda h, w, t: _fitting(
                        h, w, _sizes(h, w, [(a, 1 / r) for a, r in t])
                    )[0]
                )
            ),
            "you took the first try even where it does not fit": (
                sized(lambda h, w, t: [*_sizes(h, w, t), (h, w)][0])
            ),
            "you took the last try that fits; take the first": (
                sized(
                    lambda h, w, t: (fits := _fitting(h, w, _sizes(h, w, t)))[
                        max(len(fits) - 2, 0)
                    ]
                )
            ),
            "u and v are exchanged: u places the top, v the left side": (
                lambda h, w, t, u, v: _crop_box(h, w, t, v, u)
            ),
            "the + 1 is missing where the box is placed, so the last position is never "
            "used": lambda h, w, t, u, v: (
                int(u * (h - (s := _crop_box(h, w, t, u, v))[2])),
                int(v * (w - s[3])),
                *s[2:],
            ),
            "height and width must be rounded to the nearest whole number; you rounded "
            "them down": (
                sized(lambda h, w, t: _fitting(h, w, _sizes(h, w, t, int))[0])
            ),
            "top and left must be rounded down; you rounded to the nearest number": (
                lambda h, w, t, u, v: (
                    round(u * (h - (s := _crop_box(h, w, t, u, v))[2] + 1)),
                    round(v * (w - s[3] + 1)),
                    *s[2:],
                )
            ),
            "the + 1 is missing where the box is placed, and top and left must be "
            "rounded down, not to the nearest number": (
                lambda h, w, t, u, v: (
                    round(u * (h - (s := _crop_box(h, w, t, u, v))[2])),
                    round(v * (w - s[3])),
                    *s[2:],
                )
            ),
            "round height and width first, and then test whether the box fits": (
                sized(
                    lambda h, w, t: next(
                        (round(tall), round(wide))
                        for tall, wide in _fitting(h, w, _sizes(h, w, t, float))
                    )
                )
            ),
            "the order is (top, left, height, width); you gave (left, top, width, "
            "height)": lambda *x: tuple(_crop_box(*x)[i] for i in (1, 0, 3, 2)),
            "the order is (top, left, height, width); you gave (height, width, top, "
            "left)": lambda *x: tuple(_crop_box(*x)[i] for i in (2, 3, 0, 1)),
            "give top, left, height and width; you gave top, left, bottom and right": (
                lambda *x: (
                    *(b := _crop_box(*x))[:2],
                    b[0] + b[2],
                    b[1] + b[3],
                )
            ),
            "a box as high as the image fits: compare with <=": (
                smaller(lambda tall, wide, h, w: tall < h and wide <= w)
            ),
            "a box as wide as the image fits: compare with <=": (
                smaller(lambda tall, wide, h, w: tall <= h and wide < w)
            ),
            "a box as high or as wide as the image fits: compare with <=": (
                smaller(lambda tall, wide, h, w: tall < h and wide < w)
            ),
        },
    )


choice(
    "1.4",
    {
        "a": "a seeded generator goes on from draw to draw, so its numbers differ. Try "
        "another seed in the cell above: the boxes stay the same",
        "b": None,
        "c": "the five boxes have a quarter of the area, so nothing enlarged them to "
        "64 %. Work out the width of a box with width/height 2",
        "d": "the box is 64 pixels wide, as wide as the upright image. In an image of "
        "128 pixels across and 64 down, many such boxes fit, and they would differ",
    },
    praise="Check what a library means by a word, and look at what it returns.",
)


# --------------------------------------------------------- 1.6: explained by the camera


def _explained(values: np.ndarray, cameras: np.ndarray) -> float:
    means = np.array([values[cameras == c].mean() for c in cameras])
    return float(means.var() / values.var())


def _statistics() -> dict[str, tuple[np.ndarray, ...]]:
    values = np.array([1.0, 3.0, 2.0, 4.0, 2.0, 3.0])
    uneven = np.array([0.5, 0.1, 0.4, 0.9, 0.7, 0.2, 0.3, 0.8])
    return {
        "the example": (values, np.array([1, 1, 1, 2, 2, 2])),
        "cameras with different numbers of images": (
            uneven,
            np.array([4, 1, 4, 1, 1, 6, 1, 6]),
        ),
        "one camera": (values, np.ones(6, int)),
    }


@exercise("1.6", praise="The share is also known as eta squared.")
def _check_explained(answer: Callable[..., Any]) -> str | None:
    def per_camera(values: np.ndarray, cameras: np.ndarray) -> list[np.ndarray]:
        return [values[cameras == c] for c in np.unique(cameras)]

    return blame(
        answer,
        right=_explained,
        cases=_statistics(),
        mistakes={
            "that is the share which the camera does not explain": (
                lambda v, c: 1 - _explained(v, c)
            ),
            "you took the variance of one mean per camera; a camera with more images "
            "must count more, so put its mean in the place of each of its images": (
                lambda v, c: np.var([x.mean() for x in per_camera(v, c)]) / v.var()
            ),
            "you compared standard deviations; compare variances": (
                lambda v, c: _explained(v, c) ** 0.5
            ),
            "that is the variance of the camera means; divide it by that of the "
            "values": lambda v, c: _explained(v, c) * v.var(),
            "the variance of the values divides by N - 1 (ddof=1), that of the means "
            "by N; use the same for both": (
                lambda v, c: _explained(v, c) * v.var() / v.var(ddof=1)
            ),
            "the variance of the means divides by N - 1 (ddof=1), that of the values "
            "by N; use the same for both": (
                lambda v, c: _explained(v, c) * v.var(ddof=1) / v.var()
            ),
            "these are the variances within the cameras, which the camera does not "
            "explain; take the variance of the cameras' means": (
                lambda v, c: np.mean([x.var() for x in per_camera(v, c)]) / v.var()
            ),
            "you took the plain mean of the variances within the cameras; a camera "
            "with more images must count more": (
                lambda v, c: 1 - np.mean([x.var() for x in per_camera(v, c)]) / v.var()
            ),
            "you divided the variance of the values by that of the means": (
                lambda v, c: np.inf if _explained(v, c) == 0 else 1 / _explained(v, c)
            ),
            "that is in percent; give a share between 0 and 1": (
                lambda v, c: 100 * _explained(v, c)
            ),
        },
    )
