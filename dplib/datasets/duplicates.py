"""Copies of one picture in a data set, which make a model look better than it is.

A query whose copy is in the gallery is found without any knowledge of people, and a
copy in the training set has been learned by heart.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from pathlib import Path

from dplib import bars, files
from dplib.incoming import decoding
from dplib.samples import ReIDData


def same_bytes(data: ReIDData) -> list[list[Path]]:
    """Images whose files have the same content; only files of equal size are read.

    Args:
        data: The data set; of each file the first list counts that has it.

    Returns:
        Groups of two or more paths, each in the order of train, query, gallery. A file
        that cannot be read is in none; whatever decodes it later names it.
    """
    return same_files(_paths(data))


def same_files(paths: Iterable[Path]) -> list[list[Path]]:
    """The paths, each given once, in groups as ``same_bytes`` has them."""
    alike = _groups(paths, _size)
    return [same for group in alike for same in _groups(group, _digest)]


def same_pixels(data: ReIDData, *, progress: bool = True) -> list[list[Path]]:
    """Images with the same pixels in whatever file: every image is decoded.

    Args:
        data: The data set.
        progress: Whether to show how far it is.

    Returns:
        Groups as ``same_bytes`` gives them.

    Raises:
        DatasetError: An image cannot be read.
    """
    bar = bars.bar(_paths(data), "comparing pixels", disable=not progress)
    return _groups(bar, _pixels)


def describe(data: ReIDData, groups: list[list[Path]], alike: str) -> str:
    """What these copies are, in a sentence or two; "" where there are none.

    Args:
        data: The data set.
        groups: What one of the functions above found.
        alike: In what they are the same: "byte for byte".
    """
    if not groups:
        return ""
    train, query, gallery = (
        {s.path for s in part} for part in (data.train, data.query, data.gallery)
    )
    asked = sum(len(query & set(g)) for g in groups if gallery & set(g))
    learned = sum(len(train & set(g)) for g in groups if (query | gallery) & set(g))
    copies, images = sum(len(g) - 1 for g in groups), len(_paths(data))
    first, second = (_below(p, data.root) for p in groups[0][:2])
    return (
        f"{copies:,} of {images:,} images are copies of another one, {alike}, such as "
        f"{first} and {second}. {asked:,} queries have a copy in the gallery, "
        f"{learned:,} training images one in query or gallery: they make the results "
        "look better than they are; leave copies out"
    )


def _below(path: Path, root: Path) -> str:
    """The path from the data set's folder, where it lies in it."""
    below = path.relative_to(root) if path.is_relative_to(root) else path
    return files.readable(below)


def _paths(data: ReIDData) -> list[Path]:
    everything = (*data.train, *data.query, *data.gallery)
    return list(dict.fromkeys(s.path for s in everything))


def _groups(
    paths: Iterable[Path], key: Callable[[Path], Hashable | None]
) -> list[list[Path]]:
    """The paths by their key, where two or more share one; those without are left."""
    found: dict[Hashable, list[Path]] = defaultdict(list)
    for path in paths:
        if (k := key(path)) is not None:
            found[k].append(path)
    return [group for group in found.values() if len(group) > 1]


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


def _digest(path: Path) -> bytes | None:
    try:
        with path.open("rb") as f:
            return hashlib.file_digest(f, "blake2b").digest()
    except OSError:
        return None


def _pixels(path: Path) -> Hashable:
    image = decoding.read(path)
    return image.size, hashlib.blake2b(image.tobytes()).digest()
