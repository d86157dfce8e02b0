"""Valid inputs of lesson 0's exercises."""

from typing import Any

import numpy as np


def _ranks(rng: np.random.Generator) -> list[int]:
    """The ranks of one query's matches, in any order."""
    return (1 + rng.permutation(12)[: rng.integers(1, 5)]).tolist()


def _queries(rng: np.random.Generator) -> tuple[Any, ...]:
    return ([_ranks(rng) for _ in range(rng.integers(1, 5))],)


INPUTS = {"0.1": _queries, "0.2": lambda rng: (_ranks(rng),)}
