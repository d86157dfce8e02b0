"""Valid inputs of lesson 7's exercises."""

from typing import Any

import numpy as np


def _runs(rng: np.random.Generator) -> tuple[Any, ...]:
    seeds, queries = rng.integers(1, 4), rng.integers(1, 7)
    more, less = rng.integers(0, 100, (2, seeds, queries)).astype(float)
    return more, less, rng.integers(0, 4, queries)


def _ps(rng: np.random.Generator) -> tuple[Any, ...]:
    """Some in the neighbourhood of the levels, none equal to another."""
    n = int(rng.integers(1, 6))
    return ((rng.permutation(60)[:n] / 600 + 1e-4).tolist(),)


def _values(rng: np.random.Generator) -> tuple[Any, ...]:
    n = int(rng.integers(1, 6))
    return rng.integers(40, 50, n).astype(float).tolist(), int(rng.integers(1, n + 1))


INPUTS = {"7.1": _runs, "7.2": _ps, "7.3": _values}
