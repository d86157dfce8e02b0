"""Valid inputs of lesson 1's exercises."""

import re
from typing import Any

import numpy as np
import torch

_RIGHT = (  # the parts of a name
    ["cam"],
    ["3", "12", "7654321"],
    ["-person"],
    ["7", "-1", "0", "7654321"],
    ["-"],
    ["0003", "1", "7654321"],
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
    """Pids and cameras of some queries and of a gallery."""
    q, g = (int(n) for n in rng.integers(1, 9, 2))
    query = rng.choice([2, 4, 7], q), rng.integers(1, 4, q)
    gallery = rng.choice([-1, 0, 2, 4, 7], g), rng.integers(1, 4, g)
    return tuple(torch.from_numpy(x) for x in (*query, *gallery))


def _crop(rng: np.random.Generator) -> tuple[Any, ...]:
    """An image, some tries, and two numbers that place the box."""
    h, w = (int(n) for n in rng.integers(20, 200, 2))
    tries = rng.uniform((0.2, 0.3), (1.0, 3.0), (int(rng.integers(1, 6)), 2))
    tries[rng.random(len(tries)) < 0.1] = 1.0, h / w  # as large as the image
    u, v = rng.random(2)
    return h, w, [(float(a), float(r)) for a, r in tries], float(u), float(v)


def _labels(rng: np.random.Generator) -> tuple[Any, ...]:
    """Labels of images in any order, P, K, and a way to shuffle."""
    labels = rng.choice([3, 5, 8, 13, 21], int(rng.integers(5, 25)))
    p, k = rng.integers(1, 1 + len(set(labels.tolist()))), rng.integers(2, 6)
    shuffle = (_turned, _moved, sorted)[rng.integers(3)]
    return labels.tolist(), int(p), int(k), shuffle


def _turned(x: Any) -> list[Any]:
    return list(x)[::-1]


def _moved(x: Any) -> list[Any]:
    return [*list(x)[1:], *list(x)[:1]]


def _statistic(rng: np.random.Generator) -> tuple[Any, ...]:
    """Values and cameras of some images."""
    n = int(rng.integers(3, 12))
    return rng.normal(size=n), rng.integers(1, 4, n)


INPUTS = {
    "1.1": _file,
    "1.2": _gallery,
    "1.3": _crop,
    "1.5": _labels,
    "1.6": _statistic,
}
RUN = {"1.1": _read}
