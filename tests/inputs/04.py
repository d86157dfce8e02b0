"""Valid inputs of lesson 4's exercises."""

from typing import Any

import numpy as np
import torch
from torch import Tensor


def _points(rng: np.random.Generator, n: int) -> Tensor:
    """Descriptors; at times two are equal, and at times the numbers are large."""
    fm = torch.from_numpy(rng.normal(size=(n, rng.integers(1, 4)))).float()
    if rng.random() < 0.3:
        fm[-1] = fm[0]
    return fm * float(rng.choice([1, 1, 10]))


def _labels(rng: np.random.Generator, n: int) -> Tensor:
    """Two or three pids, each at least twice, in any order."""
    few = np.concatenate([[0, 0, 1, 1], rng.integers(3 if n > 5 else 2, size=n - 4)])
    few[few == 2] = 2 if (few == 2).sum() > 1 else 1
    return torch.from_numpy(rng.permutation(few) + 3)


def _batch(rng: np.random.Generator) -> tuple[Any, ...]:
    """Distances, both masks and a margin."""
    n = int(rng.integers(4, 8))
    distances, labels = torch.cdist(*[_points(rng, n)] * 2), _labels(rng, n)
    same = labels[:, None] == labels
    itself = torch.eye(n).bool()
    if rng.random() < 0.3:  # some triplets lie exactly at the margin
        distances = distances.round()
    return distances, same & ~itself, ~same, float(rng.choice([0.1, 0.5, 1, 2]))


def _with_slope(answer: Any, fm: Tensor) -> Any:
    """The distances, and the gradient of their sum, each weighted otherwise."""
    fm = fm.clone().requires_grad_()
    d = answer(fm)
    weights = torch.arange(d.numel()).reshape(d.shape) % 7
    (slope,) = torch.autograd.grad((d * weights).sum(), fm)
    return [d.round(decimals=2), slope.round(decimals=2)]


INPUTS = {
    "4.1": lambda rng: (_points(rng, int(rng.integers(1, 6))),),
    "4.2": lambda rng: (_labels(rng, int(rng.integers(4, 9))),),
    "4.3": _batch,
    "4.4": _batch,
}
RUN = {"4.1": _with_slope}
