"""Valid inputs of lesson 6's exercises."""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from dplib.descriptors import Descriptors


def ranks(rng: np.random.Generator) -> list[int]:
    """The ranks of one query's matches, in any order."""
    return (1 + rng.permutation(9)[: rng.integers(1, 5)]).tolist()


def _queries(rng: np.random.Generator) -> tuple[Any, ...]:
    found = [ranks(rng) for _ in range(rng.integers(1, 5))]
    return found, int(rng.integers(1, 10))


def _boxes(rng: np.random.Generator) -> tuple[Any, ...]:
    """Queries of different people and cameras, each with one box or more."""
    n, c = int(rng.integers(1, 5)), int(rng.integers(2, 5))
    who = np.stack([rng.integers(0, 3, n), rng.integers(0, 3, n)])
    rows = np.concatenate([np.arange(n), rng.integers(n, size=rng.integers(6))])
    extra = rng.integers(0, 3, (2, 4))
    boxes = torch.from_numpy(np.concatenate([who[:, rows], extra], 1))

    def unit(m: int) -> torch.Tensor:
        return F.normalize(torch.from_numpy(rng.normal(size=(m, c))))

    query = Descriptors(unit(n), *torch.from_numpy(who).unbind())
    return query, Descriptors(unit(boxes.shape[1]), *boxes.unbind())


INPUTS = {"6.1": _queries, "6.2": lambda rng: (sorted(ranks(rng)),), "6.4": _boxes}
