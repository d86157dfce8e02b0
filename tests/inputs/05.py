"""Valid inputs of lesson 5's exercises."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from dplib.model import Outputs


def _outputs(rng: np.random.Generator) -> tuple[Any, ...]:
    n = 2 * int(rng.integers(2, 5))
    labels = torch.from_numpy(rng.permutation(np.arange(n) // 2))
    fm, part, whole = torch.from_numpy(rng.normal(size=(3, n, 5)))
    lambdas = rng.choice([0.0, 0.5, 1.0, 2.0], 3).tolist()
    return Outputs(fm, part, whole), labels, lambdas, float(rng.uniform(0.1, 2))


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


def _step(rng: np.random.Generator) -> tuple[Any, ...]:
    x = torch.from_numpy(rng.normal(size=(4, 3))).float()
    return int(rng.integers(99)), x, float(rng.uniform(0.01, 1)), rng.uniform(0.1, 9)


def _two_steps(answer: Any, seed: int, x: Tensor, lr: float, limit: float) -> Any:
    """The norms, and the weights after each of two steps; one layer is not used."""
    torch.manual_seed(seed)
    net = nn.ModuleList([nn.Linear(3, 2), nn.Linear(2, 2), nn.Linear(2, 2)])
    groups = [{"params": net[0].parameters()}, {"params": net[1:].parameters()}]
    optimiser = torch.optim.SGD(groups, lr=7.0)
    found = []
    for rate in (lr, 2 * lr):
        loss = net[1](net[0](x)).square().mean()
        found.append(answer(net, optimiser, loss, rate, limit))
        found += [w.detach().clone() for w in net.parameters()]
    return found


def _adam(rng: np.random.Generator) -> tuple[Any, ...]:
    """Memories of any age, and of a new Adam; eps large enough to be seen."""
    shape = rng.integers(1, 4, rng.integers(1, 3))
    t = int(rng.choice([0, 1, 2, 5, 30]))
    m, g = torch.from_numpy(rng.normal(size=(2, *shape)))
    v = torch.from_numpy(rng.uniform(0.1, 4, shape))
    betas = float(rng.uniform(0.3, 0.95)), float(rng.uniform(0.3, 0.99))
    if t == 0:
        m, v = 0 * m, 0 * v
    return m, v, t, g, float(rng.uniform(0.1, 1)), betas, float(rng.uniform(0.1, 1))


def _seeds(rng: np.random.Generator) -> tuple[Any, ...]:
    """Differences of both signs, some of them 0, but not their mean."""
    n = int(rng.integers(1, 6))
    baseline, changes = rng.normal(size=n), rng.normal(0.3, 2, n)
    changes[1:][rng.random(n - 1) < 0.2] = 0
    return (baseline + changes).tolist(), baseline.tolist()


INPUTS = {
    "5.1": _outputs,
    "5.2": _slopes,
    "5.3": _schedule,
    "5.4": _step,
    "5.5": _adam,
    "5.6": _seeds,
}
RUN = {"5.2": _through_losses, "5.4": _two_steps}
BLAMED = {"5.4": lambda function, seed, x, lr, limit: function(limit)}
