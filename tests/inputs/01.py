"""Valid inputs of lesson 1's exercises."""

import re
from typing import Any

import numpy as np
import torch

from dplib.lessons.data_preparation.checks import _NAMES, _STRANGERS

_ODD = [*_NAMES, *_STRANGERS]


def _file(rng: np.random.Generator) -> tuple[Any, ...]:
    """A name that belongs to the data set, one that differs from it, or neither."""
    digits = [int(10 ** rng.uniform(0, 6)) for _ in range(3)]
    pid = rng.choice([-1, 0, digits[1]])
    name = f"cam{digits[0]}-person{pid}-{digits[2]:04d}.jpg"
    kind, place = rng.integers(4), rng.integers(len(name))
    if kind == 0:
        name = name[:place] + name[place + 1 :]
    elif kind == 1:
        name = name[:place] + rng.choice(list("0x-_.c")) + name[place + 1 :]
    elif kind == 2:
        name = str(rng.choice(_ODD))
    return (name,)


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
    labels = rng.choice([3, 7, 9, 12, 16, 33], rng.integers(1, 15)).tolist()
    p, k = (int(x) for x in rng.integers(1, 4, 2))
    return labels, p, k, [_turned, _backwards][rng.integers(2)]


def _values(rng: np.random.Generator) -> tuple[Any, ...]:
    n = rng.integers(2, 9)
    return rng.normal(size=n) + rng.integers(3), rng.integers(1, 4, n)


INPUTS = {"1.1": _file, "1.2": _gallery, "1.3": _crop, "1.5": _people, "1.6": _values}
RUN = {"1.1": _read}
