"""Valid inputs of lesson 1's exercises."""

import re
from typing import Any

import numpy as np
import torch

_RIGHT = (  # the parts of a name
    ["cam"],
    ["3", "10", "7654321"],
    ["-person"],
    ["7", "-1", "0", "20", "7654321"],
    ["-"],
    ["0003", "1", "765432"],
    [".jpg"],
)
_WRONG = (
    ["", "old-cam"],
    ["", "x", "-3", "3x"],
    ["person", "_person", "xperson", "--person", "-"],
    ["", "--1", "+7", "x", "7x", "-"],
    ["", "x", "_"],
    ["", "x", "-1", "1x"],
    ["jpg", "xjpg", ".png", ".jpg.part", ".JPG", ""],
)


def _file(rng: np.random.Generator) -> tuple[Any, ...]:
    """A name that belongs to the data set, or one with a part that does not."""
    name = [str(rng.choice(parts)) for parts in _RIGHT]
    if rng.random() < 0.6:
        place = rng.integers(len(name))
        name[place] = str(rng.choice(_WRONG[place]))
    return ("".join(name),)


def _read(pattern: Any, name: str) -> Any:
    match = re.fullmatch(pattern, name)
    return match and (match["pid"], match["camid"])


def _gallery(rng: np.random.Generator) -> tuple[Any, ...]:
    n, q = rng.integers(1, [9, 4])
    people = rng.choice([4, 7], q), rng.integers(1, 4, q)
    images = rng.choice([-1, 0, 4, 7], n), rng.integers(1, 4, n)
    return tuple(torch.from_numpy(x) for x in (*people, *images))


def _crop(rng: np.random.Generator) -> tuple[Any, ...]:
    """Images and tries of all sizes: some fit, some do not."""
    h, w = (int(x) for x in rng.integers(1, 40, 2))
    tries = rng.uniform([0.5, 0.3], [1, 3], (rng.integers(1, 5), 2))
    u, v = rng.random(2).tolist()
    return h, w, [tuple(t) for t in tries.tolist()], u, v


def _turned(items: Any) -> list[Any]:
    """In place of chance: the last one first, then the others."""
    items = list(items)
    return [*items[-1:], *items[:-1]]


def _backwards(items: Any) -> list[Any]:
    return list(items)[::-1]


def _people(rng: np.random.Generator) -> tuple[Any, ...]:
    labels = rng.choice([3, 5, 8, 13, 21, 40], rng.integers(1, 15)).tolist()
    p, k = (int(x) for x in rng.integers(1, 4, 2))
    return labels, p, k, [_turned, _backwards][rng.integers(2)]


def _values(rng: np.random.Generator) -> tuple[Any, ...]:
    n = rng.integers(2, 9)
    return rng.normal(size=n) + rng.integers(3), rng.integers(1, 4, n)


INPUTS = {"1.1": _file, "1.2": _gallery, "1.3": _crop, "1.5": _people, "1.6": _values}
RUN = {"1.1": _read}
