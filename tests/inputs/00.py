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
    """Distances without ties, who shows the query's person, what is junk."""
    n = int(rng.integers(1, 12))
    distance = torch.from_numpy(rng.permutation(n) / 8).float()
    same_pid, junk = torch.from_numpy(rng.random((2, n)) < [[0.5], [0.3]])
    return distance, same_pid, junk


def _counts(rng: np.random.Generator) -> tuple[Any, ...]:
    """Matches of each query, and the images that count for it."""
    matches = rng.integers(1, 9, int(rng.integers(1, 5)))
    return matches.tolist(), (matches + rng.integers(0, 90, len(matches))).tolist()


INPUTS = {
    "0.1": _queries,
    "0.2": lambda rng: (_ranks(rng),),
    "0.3": _gallery,
    "0.4": _counts,
}
