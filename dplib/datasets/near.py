"""Images that show next to nothing new: copies of one file, frames one after the other.

Where all images of a person may be from one camera (the protocol "same_camera"), a
query must not be found by its own picture. Two images of one person are near copies
when their files have the same content or when, in one folder and from one camera,
their names differ in the last number alone, by 1: ``1_0007.jpg`` and ``1_0008.jpg``.

Names do not tell frames of a film from photographs that were counted, so these are
near copies as well. Frames that were taken at a step (0005, 0010) are not.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence

import numpy as np

from dplib.datasets import duplicates
from dplib.samples import ReIDData, Sample

SAID = (
    "near copies of each other (the same file, or names whose last number differs by 1)"
)


def left_out(data: ReIDData) -> np.ndarray | None:
    """Which gallery images do not count for which query.

    Args:
        data: The data set; files of equal size are read.

    Returns:
        Pairs [n, 2] int64 of a query and a gallery image that is the query's own or a
        near copy, for ``evaluation.evaluate(left_out=...)``; None unless the protocol
        is "same_camera".
    """
    if data.protocol != "same_camera":
        return None
    found = near(data.query, data.gallery)
    pairs = [(i, j) for i, images in enumerate(found) for j in sorted(images)]
    return np.array(pairs, np.int64).reshape(-1, 2)


def near(samples: Sequence[Sample], others: Sequence[Sample]) -> list[set[int]]:
    """The near copies of each sample, itself among them, as indices into ``others``."""
    paths = dict.fromkeys(s.path for s in (*samples, *others))
    group = {p: p for p in paths}
    for same in duplicates.same_files(paths):
        group |= dict.fromkeys(same, same[0])
    place: dict[Hashable, set[int]] = defaultdict(set)
    for j, s in enumerate(others):
        place[s.pid, group[s.path]].add(j)
        for key in _frames(s, 0):
            place[key].add(j)
    found = []
    for s in samples:
        keys = [(s.pid, group[s.path]), *_frames(s, -1), *_frames(s, 1)]
        found.append(set().union(*(place.get(k, ()) for k in keys)))
    return found


def _frames(sample: Sample, step: int) -> Iterator[Hashable]:
    """What identifies the frame that is ``step`` later; nothing without a number."""
    name = unicodedata.normalize("NFC", sample.path.stem)
    if m := re.fullmatch(r"(.*?)([0-9]+)([^0-9]*)", name, re.S):
        number = int(m[2]) + step
        yield sample.pid, sample.camid, sample.path.parent, m[1], number, m[3]
