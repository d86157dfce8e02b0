"""Valid inputs of lesson 6's exercises."""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from dplib.descriptors import Descriptors


def _lists(rng: np.random.Generator, q: int) -> Tensor:
    """q ranked lists, each with at least one match."""
    right = torch.from_numpy(rng.random((q, rng.integers(1, 9))) < 0.3)
    right[torch.arange(q), torch.from_numpy(rng.integers(right.shape[1], size=q))] = 1
    return right


def _people(rng: np.random.Generator) -> tuple[Any, ...]:
    """Values of queries, whose they are, and some draws of people."""
    pids = rng.choice([2, 5, 11], rng.integers(1, 8))
    drawn = rng.choice(np.unique(pids), (rng.integers(1, 9), rng.integers(1, 5)))
    return rng.random(len(pids)), pids, drawn


def _boxes(rng: np.random.Generator) -> tuple[Any, ...]:
    """Queries of different people and cameras, each with one box or more."""
    n, c = int(rng.integers(1, 5)), int(rng.integers(2, 5))
    who = np.stack([rng.integers(0, 3, n), rng.integers(0, 3, n)])
    rows = np.concatenate([np.arange(n), rng.integers(n, size=rng.integers(6))])
    extra = rng.integers(0, 3, (2, 4))
    every = rng.permutation(np.concatenate([who[:, rows], extra], 1), axis=1)
    boxes = torch.from_numpy(every)

    def unit(m: int) -> Tensor:
        return F.normalize(torch.from_numpy(rng.normal(size=(m, c))))

    query = Descriptors(unit(n), *torch.from_numpy(who).unbind())
    return query, Descriptors(unit(boxes.shape[1]), *boxes.unbind())


def _order(rng: np.random.Generator) -> tuple[Any, ...]:
    """Points, each with the others in the order of their distance, itself first."""
    n = int(rng.integers(3, 10))
    points = rng.normal(size=(n, 2))
    distances = np.linalg.norm(points[:, None] - points, axis=-1)
    order = torch.from_numpy(distances.argsort(1))
    return order, int(rng.integers(n)), int(rng.integers(1, n))


INPUTS = {
    "6.1": lambda rng: (_lists(rng, 1)[0],),
    "6.2": lambda rng: (_lists(rng, int(rng.integers(1, 5))),),
    "6.4": _people,
    "6.5": _boxes,
    "6.6": _order,
}
