"""Valid inputs of lesson 0's exercises."""

from typing import Any

import numpy as np
import torch


def _ranks(rng: np.random.Generator) -> list[int]:
    """The ranks of one query's matches, in any order."""
    return (1 + rng.permutation(12)[: rng.integers(1, 5)]).tolist()


def _queries(rng: np.random.Generator) -> tuple[Any, ...]:
    return ([_ranks(rng) for _ in range(rng.integers(1, 5))],)


def _gallery(rng: np.random.Generator) -> tuple[Any, ...]:
    """Distances, all different; at least one match that counts."""
    n = rng.integers(1, 12)
    distance = torch.from_numpy(rng.permutation(100)[:n] / 100)
    same, junk = torch.from_numpy(rng.random((2, n)) < 0.4)
    place = rng.integers(n)
    same[place], junk[place] = True, False
    return distance, same, junk


def _matches(rng: np.random.Generator) -> tuple[Any, ...]:
    counted = rng.integers(1, 20, rng.integers(1, 6))
    return rng.integers(1, counted + 1).tolist(), counted.tolist()


INPUTS = {
    "0.1": _queries,
    "0.2": lambda rng: (_ranks(rng),),
    "0.3": _gallery,
    "0.4": _matches,
}
