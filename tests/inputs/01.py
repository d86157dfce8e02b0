"""Valid inputs of lesson 1's exercises."""

import re
from typing import Any

import numpy as np
import torch

_ODD = ["Thumbs.db", "cam3-person7-0003.jpg.part", "cam-person7-0003.jpg", "cam3.jpg"]


def _file(rng: np.random.Generator) -> tuple[Any, ...]:
    """A name that belongs to the data set, one that differs from it, or neither."""
    digits = [int(10 ** rng.uniform(0, 6)) for _ in range(3)]
    pid = rng.choice([-1, 0, digits[1]])
    name = f"cam{digits[0]}-person{pid}-{digits[2]:04d}.jpg"
    kind = rng.integers(4)
    if kind == 0:
        place = rng.integers(len(name))
        name = name[:place] + name[place + 1 :]
    elif kind == 1:
        place = rng.integers(len(name))
        name = name[:place] + rng.choice(list("0x-_.c")) + name[place + 1 :]
    elif kind == 2 and rng.random() < 0.1:
        name = str(rng.choice(_ODD))
    return (name,)


def _read(pattern: Any, name: str) -> Any:
    match = re.fullmatch(pattern, name)
    return match and (int(match["pid"]), int(match["camid"]))


def _gallery(rng: np.random.Generator) -> tuple[Any, ...]:
    n = rng.integers(1, 9)
    pids = torch.from_numpy(rng.choice([-1, 0, 4, 7], n))
    cams = torch.from_numpy(rng.integers(1, 4, n))
    return int(rng.choice([4, 7])), int(rng.integers(1, 4)), pids, cams


def _batch(rng: np.random.Generator) -> tuple[Any, ...]:
    """A P x K batch or one that is nearly one."""
    p, k = (int(x) for x in rng.integers(1, 4, 2))
    labels = np.repeat(rng.permutation(9)[:p], k)
    labels = rng.permutation(labels)
    if rng.random() < 0.5:
        labels[rng.integers(len(labels))] = rng.integers(9)
    wrong = int(rng.integers(4)), int(rng.integers(1, 4))
    p, k = (p, k) if wrong[0] else (wrong[1], k)
    return labels.tolist(), p, k


INPUTS = {"1.1": _file, "1.2": _gallery, "1.4": _batch}
RUN = {"1.1": _read}
