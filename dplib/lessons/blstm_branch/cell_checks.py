"""Checks of lesson 3's recurrence: the cell, and the pass in both directions."""

from collections.abc import Callable
from functools import partial
from itertools import permutations
from typing import Any

import torch
from torch import Tensor

from dplib.lessons.causes import blame
from dplib.lessons.checks import exercise

Cell = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]


def random(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


# --------------------------------------------------------------------- 3.1, the cell


def _lstm_cell(
    s: Tensor,
    h: Tensor,
    c: Tensor,
    w: Tensor,
    r: Tensor,
    b: Tensor,
    *,
    order: str = "ifgo",
    squash: Callable[[Tensor], Tensor] = torch.tanh,
    keep: Callable[[Tensor], Tensor] = torch.sigmoid,
    show: Callable[[Tensor], Tensor] = torch.tanh,
) -> tuple[Tensor, Tensor]:
    """The cell, with some of its parts replaceable."""
    blocks = (s @ w.T + h @ r.T + b).chunk(4, dim=1)
    z = dict(zip(order, blocks, strict=True))
    c = keep(z["f"]) * c + z["i"].sigmoid() * squash(z["g"])
    return z["o"].sigmoid() * show(c), c


def _arguments(seed: int, n: int, inputs: int, units: int) -> tuple[Tensor, ...]:
    shapes = (n, inputs), (n, units), (n, units)
    weights = (4 * units, inputs), (4 * units, units), (4 * units,)
    return tuple(random(seed + i, *x) for i, x in enumerate((*shapes, *weights)))


def _old_cell(s: Tensor, h: Tensor, c: Tensor, *weights: Tensor) -> Any:
    _, new = _lstm_cell(s, h, c, *weights)
    h, _ = _lstm_cell(s, h, c, *weights, show=lambda _: c.tanh())
    return h, new


def _orders() -> dict[str, Callable[..., Any]]:
    """A mistake for every wrong order of the four blocks."""
    return {
        f"you read the four blocks as {', '.join(order)}; PyTorch stacks them in the "
        "order i, f, g, o": partial(_lstm_cell, order="".join(order))
        for order in permutations("ifgo")
        if "".join(order) != "ifgo"
    }


@exercise("3.1", praise="Four blocks, two states, and nothing else.")
def _cell(answer: Callable[..., Any]) -> str | None:
    zero = [torch.zeros(shape) for shape in ((4, 1), (4, 1), (4,))]
    one = torch.ones(1, 1)
    return blame(
        answer,
        right=_lstm_cell,
        cases={
            "the example by hand (all weights 0, c = 2)": (one, one, 2 * one, *zero),
            "random weights, 2 rows of 3 channels and 4 units,": _arguments(0, 2, 3, 4),
            "random weights, 3 rows of 5 channels and 2 units,": _arguments(9, 3, 5, 2),
        },
        mistakes={
            "the two states are right but in the order (c, h); return (h, c)": (
                lambda *case: _lstm_cell(*case)[::-1]
            ),
            "you return the hidden state alone; return both states, (h, c)": (
                lambda *case: _lstm_cell(*case)[0]
            ),
            "the hidden state shows tanh of the cell, h = o · tanh(c); you left the "
            "tanh out": partial(_lstm_cell, show=lambda c: c),
            "the hidden state must use the new cell; you used the old one": _old_cell,
            "the candidate g is a tanh, so that it may be negative; you took the "
            "sigmoid": partial(_lstm_cell, squash=torch.sigmoid),
            "the candidate g has no tanh in your cell": partial(
                _lstm_cell, squash=lambda z: z
            ),
            "you add to the old cell without the forget gate": partial(
                _lstm_cell, keep=torch.ones_like
            ),
            "the old cell is missing: c = f · c + i · g": partial(
                _lstm_cell, keep=torch.zeros_like
            ),
            "the gates need the last hidden state too: R h is missing": (
                lambda s, h, c, w, r, b: _lstm_cell(s, 0 * h, c, w, r, b)
            ),
            "the bias b is missing": (
                lambda s, h, c, w, r, b: _lstm_cell(s, h, c, w, r, 0 * b)
            ),
            "the gates f, i and o are sigmoids; the forget gate of yours is a tanh": (
                partial(_lstm_cell, keep=torch.tanh)
            ),
            **_orders(),
        },
    )


# ---------------------------------------------------------------- 3.2, both directions


def _pass(
    cell: Cell,
    s: Tensor,
    units: int,
    *,
    start: float = 0.0,
    cells: bool = False,
    swap: bool = False,
) -> Tensor:
    """The states after each row, read from row 1 on: [N, H, U]."""
    h = torch.full((len(s), units), start)
    c = h.clone()
    states = []
    for row in s.unbind(1):
        h, c = cell(row, h, c)[:: -1 if swap else 1]
        states.append(c if cells else h)
    return torch.stack(states, 1)


def _both(
    down: Cell,
    up: Cell,
    s: Tensor,
    units: int,
    *,
    turn: Callable[[Tensor], Tensor] = lambda x: x.flip(1),
    back: Callable[[Tensor], Tensor] = lambda x: x.flip(1),
    join: Callable[[Tensor, Tensor], Tensor] = lambda a, b: torch.cat([a, b], 2),
    **options: Any,
) -> Tensor:
    """Both passes side by side, with some of their parts replaceable."""
    first = _pass(down, s, units, **options)
    return join(first, back(_pass(up, turn(s), units, **options)))


def _without_reset(down: Cell, up: Cell, s: Tensor, units: int) -> Tensor:
    """The second pass begins with the states that the first has left."""
    h = c = torch.zeros(len(s), units)
    states: list[list[Tensor]] = [[], []]
    for found, cell, rows in ((0, down, s), (1, up, s.flip(1))):
        for row in rows.unbind(1):
            h, c = cell(row, h, c)
            states[found].append(h)
    return torch.cat([torch.stack(x, 1) for x in (states[0], states[1][::-1])], 2)


def _forgetful(down: Cell, up: Cell, s: Tensor, units: int) -> Tensor:
    """Every row begins with zero states."""
    n, rows, _ = s.shape
    alone = s.reshape(n * rows, 1, -1)
    return _both(down, up, alone, units).reshape(n, rows, -1)


def _adding(row: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    return h + row, c


def _some_cell(seed: int, inputs: int, units: int) -> Cell:
    w, r, b = _arguments(seed, 1, inputs, units)[3:]

    def lstm_cell(row: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        # states of another shape than [N, U] stop here, as they do in nn.LSTMCell
        together = torch.cat([row, torch.cat([h, c], 1)[:, : h.shape[1]]], 1)
        row, h = together.split([row.shape[1], h.shape[1]], 1)
        return _lstm_cell(row, h, c, w, r, b)

    return lstm_cell


@exercise("3.2", praise="Two passes, each with a state of its own.")
def _bidirectional(answer: Callable[..., Any]) -> str | None:
    small = torch.tensor([[[1.0], [2.0], [4.0]]])
    few, more = random(0, 2, 3, 2), random(1, 3, 4, 3)
    return blame(
        answer,
        right=_both,
        cases={
            "cells that add up the rows 1, 2, 4": (_adding, _adding, small, 1),
            "two LSTM cells with 3 units, 3 rows of 2 channels,": (
                *(_some_cell(2, 2, 3), _some_cell(20, 2, 3)),
                *(few, 3),
            ),
            "two LSTM cells with 2 units, 4 rows of 3 channels,": (
                *(_some_cell(40, 3, 2), _some_cell(60, 3, 2)),
                *(more, 2),
            ),
        },
        mistakes={
            "the second pass reads from head to foot like the first; it must begin "
            "with the last row": partial(_both, turn=lambda s: s, back=lambda x: x),
            "the second pass is left in the order of reading: place 1 holds the state "
            "of the last row; put its states back in the order of the rows": partial(
                _both, back=lambda x: x
            ),
            "the second pass reads from head to foot, and only its states are turned "
            "round: the rows must be turned before they are read": partial(
                _both, turn=lambda s: s
            ),
            "you turned the channels (axis 2) instead of the rows (axis 1)": partial(
                _both, turn=lambda s: s.flip(2), back=lambda x: x.flip(2)
            ),
            "you turned the rows and the channels; the channels stay as they are": (
                partial(_both, turn=lambda s: s.flip(1, 2))
            ),
            "you turned the channels of the second pass's states; only its rows have "
            "to be put back": partial(_both, back=lambda x: x.flip(1, 2)),
            "the second pass begins with the states that the first has left; both "
            "begin with zeros": _without_reset,
            "every row begins with zero states, so that nothing is carried from row to "
            "row": _forgetful,
            "both passes use the first cell; the second direction has its own": (
                lambda down, up, s, units: _both(down, down, s, units)
            ),
            "the two cells have changed places: `down` reads from head to foot": (
                lambda down, up, s, units: _both(up, down, s, units)
            ),
            "the states of `down` come first in the result, then those of `up`": (
                partial(_both, join=lambda a, b: torch.cat([b, a], 2))
            ),
            "you added the two states; they stand side by side, as 2 U channels": (
                partial(_both, join=lambda a, b: a + b)
            ),
            "you joined the states along the rows (axis 1); join them along the "
            "channels (axis 2)": partial(_both, join=lambda a, b: torch.cat([a, b], 1)),
            "you return the cells c; the layer gives the hidden states h": partial(
                _both, cells=True
            ),
            "you took the two states in the order (c, h), so that the cell's c is "
            "returned and passed on as h; a cell gives (h, c)": partial(
                _both, swap=True
            ),
            "the channels of the two directions alternate in your result; first come "
            "all units of `down`, then all of `up`: torch.cat": partial(
                _both, join=lambda a, b: torch.stack([a, b], 3).flatten(2)
            ),
            "the states must begin with zeros": partial(_both, start=1.0),
        },
    )
