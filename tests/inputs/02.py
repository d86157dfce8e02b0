"""Valid inputs of lesson 2's exercises."""

from typing import Any

import numpy as np
import torch
from torch import nn


def _fb(rng: np.random.Generator) -> tuple[Any, ...]:
    return (torch.from_numpy(rng.normal(size=rng.integers(1, 5, 4))),)


def _layers(rng: np.random.Generator) -> tuple[Any, ...]:
    n = rng.integers(5)
    sizes = zip(*rng.integers(1, 5, (2, n)), rng.integers(0, 4, n), strict=True)
    return ([tuple(map(int, size)) for size in sizes],)


def _net(rng: np.random.Generator) -> tuple[Any, ...]:
    torch.manual_seed(int(rng.integers(1000)))
    net = nn.Sequential(nn.Conv2d(3, 2, 3, padding=1), nn.Tanh(), nn.AvgPool2d(2))
    h, w = sorted((2 * rng.integers(1, 4, 2)).tolist())
    return net, torch.randn(3, h, w), int(rng.integers(h // 2))


def _moved(rng: np.random.Generator) -> tuple[Any, ...]:
    n, h, c = rng.integers(1, [4, 9, 4])
    a, b = torch.from_numpy(rng.normal(size=(2, n, h, c)))
    return a, b, int(rng.integers(1 - h, h))


INPUTS = {"2.1": _fb, "2.2": _layers, "2.3": _net, "2.4": _moved}
