"""Valid inputs of lesson 5's exercises."""

from typing import Any

import numpy as np
import torch
from torch import Tensor


def _slopes(rng: np.random.Generator) -> tuple[Any, ...]:
    shape = rng.integers(1, 4, rng.integers(1, 4))
    return (torch.from_numpy(rng.normal(size=(rng.integers(1, 4), *shape))),)


def _through_losses(answer: Any, slopes: Tensor) -> Any:
    """Losses with these gradients at fb, all through one graph."""
    fb = torch.ones(slopes.shape[1:], dtype=slopes.dtype, requires_grad=True)
    shared = 0.5 * fb.square()
    return answer([(shared * s).sum() for s in slopes], fb)


def _schedule(rng: np.random.Generator) -> tuple[Any, ...]:
    start = int(rng.integers(0, 20))
    epochs = start + int(rng.integers(1, 20))
    return int(rng.integers(0, epochs + 1)), float(rng.uniform(1, 9)), start, epochs


def _gradients(rng: np.random.Generator) -> tuple[Any, ...]:
    shapes = [rng.integers(1, 4, rng.integers(1, 3)) for _ in range(rng.integers(1, 4))]
    grads = [torch.from_numpy(rng.normal(size=s)) for s in shapes]
    return grads, float(rng.uniform(0.1, 6))


INPUTS = {"5.1": _slopes, "5.2": _schedule, "5.3": _gradients}
RUN = {"5.1": _through_losses}
