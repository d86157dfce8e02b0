"""Valid inputs of lesson 3's exercises."""

from typing import Any

import numpy as np
import torch
from torch import Tensor


def _so_far(s: Tensor) -> Tensor:
    return s.cumsum(1)


def _halved(s: Tensor) -> Tensor:
    """Each state is half the one before and the row: later rows weigh more."""
    h, states = torch.zeros_like(s[:, 0]), []
    for row in s.unbind(1):
        h = 0.5 * h + row
        states.append(h)
    return torch.stack(states, 1)


def _alone(s: Tensor) -> Tensor:
    return 2 * s


def _later(s: Tensor) -> Tensor:
    return s.flip(1).cumsum(1).flip(1)


def _neighbours(s: Tensor) -> Tensor:
    return s + 1e-6 * s.roll(1, 1)


def _sequence(rng: np.random.Generator) -> Tensor:
    n, h, c = rng.integers(1, 5, 3)
    s = torch.from_numpy(rng.integers(-3, 4, (n, h, c))).double()
    return s + (s == 0).double() * float(rng.integers(2))


def _floats(rng: np.random.Generator, *shape: int) -> Tensor:
    return torch.from_numpy(rng.normal(size=shape)).float()


def _weights(rng: np.random.Generator, c: int, u: int) -> list[Tensor]:
    return [_floats(rng, *shape) for shape in ((4 * u, c), (4 * u, u), (4 * u,))]


def _cell(rng: np.random.Generator) -> tuple[Any, ...]:
    n, c, u = (int(x) for x in rng.integers(1, 5, 3))
    states = _floats(rng, n, u), _floats(rng, n, u)
    return _floats(rng, n, c), *states, *_weights(rng, c, u)


def _two_cells(rng: np.random.Generator) -> tuple[Any, ...]:
    n, rows, c, u = (int(x) for x in rng.integers(1, 5, 4))

    def cell(row: Tensor, h: Tensor, state: Tensor, *weights: Tensor) -> Any:
        found = torch.nn.LSTMCell(c, u)
        w, r, b = (torch.nn.Parameter(x) for x in weights)
        found.weight_ih, found.weight_hh, found.bias_ih = w, r, b
        torch.nn.init.zeros_(found.bias_hh)
        return tuple(x.detach() for x in found(row, (h, state)))

    def with_weights() -> Any:
        weights = _weights(rng, c, u)
        return lambda row, h, state: cell(row, h, state, *weights)

    return with_weights(), with_weights(), _floats(rng, n, rows, c), u


def _head(rng: np.random.Generator) -> tuple[Any, ...]:
    n, rows, u, ids = (int(x) for x in rng.integers(2, 5, 4))
    return rows, u, ids, _floats(rng, n, rows, 2 * u)


def _applied(build: Any, rows: int, units: int, ids: int, h: Tensor) -> Any:
    """What a head gives, in training and in eval mode, with weights of ours."""
    module, found = build(rows, units, ids), []
    for i, p in enumerate(module.parameters()):
        values = torch.randn(p.shape, generator=torch.Generator().manual_seed(i))
        p.data = values
    for mode in (True, False):
        with torch.no_grad():
            found.append(module.train(mode)(h))
    return found


def _context(rng: np.random.Generator) -> tuple[Any, ...]:
    contexts = [_so_far, _halved, _alone, _later, _neighbours]
    return contexts[rng.integers(5)], _sequence(rng)


def _sizes(rng: np.random.Generator) -> tuple[Any, ...]:
    return tuple(int(x) for x in rng.integers(1, [20, 10, 5]))


INPUTS = {
    "3.1": _cell,
    "3.2": _two_cells,
    "3.3": _head,
    "3.4": _sizes,
    "3.5": _context,
}
RUN = {"3.3": _applied}
