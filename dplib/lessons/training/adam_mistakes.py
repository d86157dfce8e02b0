"""Cases for the check of exercise 5.5, a step of Adam, and how it goes wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

Betas = tuple[float, float]
Step = tuple[Tensor, Tensor, Tensor]


def _case(m: list[float], v: list[float], t: int, g: list[float], *rest: Any) -> Any:
    double = torch.float64
    m_, v_, g_ = (torch.tensor(x, dtype=double) for x in (m, v, g))
    return m_, v_, t, g_, *rest


CASES = {
    "the second step of the worked example": _case(
        [1.0], [1.0], 1, [-2.0], 0.3, (0.5, 0.75), 0.0
    ),
    "a new Adam (m = 0, v = 0, t = 0)": _case(
        [0.0, 0.0], [0.0, 0.0], 0, [3.0, -0.5], 0.2, (0.9, 0.99), 1e-8
    ),
    "a memory of 3 steps and eps = 0.5": _case(
        [1.5, -0.25], [4.0, 0.5], 3, [-2.0, 0.75], 0.5, (0.8, 0.9), 0.5
    ),
    "a memory of 40 steps and eps = 0.125": _case(
        [0.5, -2.0], [3.0, 8.0], 40, [4.0, 1.5], 2.0, (0.9, 0.98), 0.125
    ),
}


def _parts(m: Tensor, v: Tensor, g: Tensor, betas: Betas) -> tuple[Tensor, Tensor]:
    """The new running means."""
    b1, b2 = betas
    return b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g**2


def right_step(
    m: Tensor, v: Tensor, t: int, g: Tensor, lr: float, betas: Betas, eps: float
) -> Step:
    """The new m, the new v, and what is added to the weight."""
    m, v = _parts(m, v, g, betas)
    return m, v, -lr * _made_up(m, v, t + 1, betas, eps)


def _made_up(m: Tensor, v: Tensor, t: int, betas: Betas, eps: float) -> Tensor:
    b1, b2 = betas
    return (m / (1 - b1**t)) / ((v / (1 - b2**t)).sqrt() + eps)


def _moved(change: Callable[..., Tensor]) -> Callable[..., Step]:
    """The right means, and another change of the weight."""

    def wrong(
        m: Tensor, v: Tensor, t: int, g: Tensor, lr: float, betas: Betas, eps: float
    ) -> Step:
        m, v = _parts(m, v, g, betas)
        return m, v, change(m, v, t, g, lr, betas, eps)

    return wrong


def _kept(means: Callable[..., tuple[Tensor, Tensor]]) -> Callable[..., Step]:
    """Other means, and the change that follows from them."""

    def wrong(
        m: Tensor, v: Tensor, t: int, g: Tensor, lr: float, betas: Betas, eps: float
    ) -> Step:
        m, v = means(m, v, g, betas)
        return m, v, -lr * _made_up(m, v, t + 1, betas, eps)

    return wrong


def _exchanged(
    m: Tensor, v: Tensor, t: int, g: Tensor, lr: float, betas: Betas, eps: float
) -> Step:
    return right_step(m, v, t, g, lr, betas[::-1], eps)


def _corrected_kept(*arguments: Any) -> Step:
    m, v, change = right_step(*arguments)
    t, (b1, b2) = arguments[2] + 1, arguments[5]
    return m / (1 - b1**t), v / (1 - b2**t), change


def _swapped(*arguments: Any) -> Step:
    m, v, change = right_step(*arguments)
    return v, m, change


ADAM: dict[str, Callable[..., Any]] = {
    "the correction for the start at 0 is missing: divide the new m by 1 - beta1^t and "
    "the new v by 1 - beta2^t, t counting this step": _moved(
        lambda m, v, t, g, lr, b, eps: -lr * m / (v.sqrt() + eps)
    ),
    "you correct v alone; m starts at 0 as well": _moved(
        lambda m, v, t, g, lr, b, eps: (
            -lr * m / ((v / (1 - b[1] ** (t + 1))).sqrt() + eps)
        )
    ),
    "you correct m alone; v starts at 0 as well": _moved(
        lambda m, v, t, g, lr, b, eps: (
            -lr * m / (1 - b[0] ** (t + 1)) / (v.sqrt() + eps)
        )
    ),
    "the correction counts the steps before this one; this one is number t + 1": _moved(
        lambda m, v, t, g, lr, b, eps: -lr * _made_up(m, v, t, b, eps)
    ),
    "v is a mean of the squares of the gradients; the square is missing": _kept(
        lambda m, v, g, b: (b[0] * m + (1 - b[0]) * g, b[1] * v + (1 - b[1]) * g)
    ),
    "you took the absolute value in place of the square for v": _kept(
        lambda m, v, g, b: (b[0] * m + (1 - b[0]) * g, b[1] * v + (1 - b[1]) * g.abs())
    ),
    "eps is inside the root; add it to the root": _moved(
        lambda m, v, t, g, lr, b, eps: (
            -lr * m / (1 - b[0] ** (t + 1)) / (v / (1 - b[1] ** (t + 1)) + eps).sqrt()
        )
    ),
    "eps is missing: add it to the root": _moved(
        lambda m, v, t, g, lr, b, eps: -lr * _made_up(m, v, t + 1, b, 0.0)
    ),
    "the root is missing: the divisor is the root of v, plus eps": _moved(
        lambda m, v, t, g, lr, b, eps: (
            -lr * m / (1 - b[0] ** (t + 1)) / (v / (1 - b[1] ** (t + 1)) + eps)
        )
    ),
    "beta1 and beta2 are exchanged: the first belongs to m, the second to v": (
        _exchanged
    ),
    "beta and 1 - beta are exchanged: the share beta of the old mean is kept": _kept(
        lambda m, v, g, b: _parts(m, v, g, (1 - b[0], 1 - b[1]))
    ),
    "the factors 1 - beta before the new values are missing": _kept(
        lambda m, v, g, b: (b[0] * m + g, b[1] * v + g**2)
    ),
    "your change has the sign of m; the weight moves against it": _moved(
        lambda m, v, t, g, lr, b, eps: lr * _made_up(m, v, t + 1, b, eps)
    ),
    "the change is made of the new gradient alone; take m in its place": _moved(
        lambda m, v, t, g, lr, b, eps: (
            -lr * g / ((v / (1 - b[1] ** (t + 1))).sqrt() + eps)
        )
    ),
    "lr is missing in the change": _moved(
        lambda m, v, t, g, lr, b, eps: -_made_up(m, v, t + 1, b, eps)
    ),
    "you give back the corrected m and v; the memory is without the correction, which "
    "is made anew in each step": _corrected_kept,
    "m and v are swapped: m comes first": _swapped,
}
