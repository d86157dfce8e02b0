"""Checks of lesson 3."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from dplib.lessons.checks import choice, exercise


def _sum_so_far(s: Tensor) -> Tensor:
    """A reader whose state after row t is the sum of the rows read."""
    return s.cumsum(1)


@exercise("3.1", praise="Turned round twice: once to read, once to put in order.")
def _foot_to_head(answer: Callable[[Any, Tensor], Tensor]) -> str | None:
    s = torch.tensor([[[1.0, 10.0], [2.0, 20.0], [4.0, 40.0]]])  # [1, 3, 2]
    want = torch.tensor([[[7.0, 70.0], [6.0, 60.0], [4.0, 40.0]]])
    got = answer(_sum_so_far, s)
    if got.shape != want.shape:
        return f"the states have shape {tuple(got.shape)}, expected {tuple(want.shape)}"
    if torch.equal(got, want.flip(1)):
        return (
            "read from the foot up, but left in the order of reading: place 1 holds "
            "the state of the last row; turn the states round again"
        )
    if torch.equal(got, _sum_so_far(s).flip(1)):
        return (
            "read from head to foot, and only the states turned round: the sequence "
            "must be turned before it is read"
        )
    if torch.equal(got, _sum_so_far(s)):
        return "that is head to foot: nothing was turned round along the rows (axis 1)"
    if torch.equal(got, _sum_so_far(s.flip(2)).flip(2)):
        return "you turned the channels (axis 2); rows are axis 1"
    if not torch.equal(got, want):
        return (
            f"with a reader that adds up the rows {s[0, :, 0].tolist()}, the states "
            f"should be {want[0, :, 0].tolist()}; yours are {got[0, :, 0].tolist()}"
        )
    return None


@exercise("3.2", praise="The second layer reads both directions of the first.")
def _lstm_parameters(answer: Callable[[int, int, int], int]) -> str | None:
    got, one = answer(10, 3, 2), answer(10, 3, 1)
    right = _count(10, 3, 2)
    if got == right and one == _count(10, 3, 1) and answer(5, 2, 3) == _count(5, 2, 3):
        return None
    if got == _count(10, 3, 2, biases=1):
        return "PyTorch keeps two biases for each gate, bias_ih and bias_hh: count both"
    if 2 * got == right:
        return "that is one direction; the other has weights of its own"
    if 4 * got == right:
        return "that is one gate; there are four, i, f, g and o"
    if one == _count(10, 3, 1) and got == 2 * one:
        return (
            "the second layer does not read the rows of fb but what the first layer "
            "says: 2 · units inputs"
        )
    if one == _count(10, 3, 1) and got == _count(10, 3, 2, second=1):
        return (
            "the second layer reads both directions of the first: 2 · units inputs, "
            "not units"
        )
    return f"for 10 inputs, 3 units, 2 layers you give {got:,}; it is {right:,}"


def _count(
    inputs: int, units: int, layers: int, biases: int = 2, second: int = 2
) -> int:
    sizes = [inputs, *[second * units] * (layers - 1)]
    return sum(8 * units * (n + units + biases) for n in sizes)


def _faint(s: Tensor) -> Tensor:
    """Two units: the row itself, and next to nothing of the rows so far."""
    return torch.cat([s, 1 + 1e-6 * s.cumsum(1)], 2)


def _tiny(s: Tensor) -> Tensor:
    """The sum of the rows so far, so small that any usual tolerance hides it.

    A power of two keeps it exact.
    """
    return 2.0**-40 * s.cumsum(1)


@exercise("3.3", praise="A test that needs nothing but forward passes.")
def _depends(answer: Callable[[Any, Tensor], Tensor]) -> str | None:
    # The second image alone has anything in row 2: whoever looks at one image misses it
    s = torch.tensor([[[1.0], [0.0], [2.0]], [[1.0], [3.0], [2.0]]])  # [2, 3, 1]
    given = s.clone()
    got = torch.as_tensor(answer(_sum_so_far, given))
    want = torch.ones(3, 3).tril().bool()  # O_t depends on rows 1 … t
    if got.shape != want.shape:
        return f"the matrix has shape {tuple(got.shape)}, expected (3, 3)"
    if torch.equal(got.bool(), want.T):
        return (
            "outputs and rows are swapped: [t, k] is output t, row k, and you have "
            "covered row t"
        )
    first = want.clone()
    first[:, 1] = False
    if torch.equal(got.bool(), first):
        return (
            "row 2 matters in the second image only, and you found nothing there: ask "
            "whether output t of any image changes, not of the first or of all"
        )
    if not torch.equal(given, s) or (got.bool() & ~want).any():
        return (
            "rows that were covered stay covered when the next is: work on a copy, "
            "s.clone(), and leave the reader's sequence as it was"
        )
    if got.dtype != torch.bool:
        return f"a boolean matrix was asked for, this one is {got.dtype}"
    if not torch.equal(got, want):
        return (
            "with a context that adds up the rows read so far, O_t depends on rows "
            f"1 to t: expected {want.int().tolist()}, got {got.int().tolist()}"
        )
    alone = torch.as_tensor(answer(lambda x: 2 * x, s.clone() + 1))
    if not torch.equal(alone, torch.eye(3, dtype=torch.bool)):
        return "with rows that are judged alone the matrix must be diagonal"
    tiny = torch.as_tensor(answer(_tiny, s.clone() + 1))
    if not torch.equal(tiny, want):
        return (
            "any change counts, however small: here outputs change by less than a "
            "millionth, and you let that pass; compare with !=, without a tolerance"
        )
    faint = torch.as_tensor(answer(_faint, s.clone() + 1))
    if not torch.equal(faint, want):
        return (
            "any change counts, of any unit and however small: here one of two units "
            "changes by a millionth; compare with !=, and ask for any, not all"
        )
    return None


choice(
    "3.4",
    {
        "a": "the frozen BatchNorm has a learned scale too, and sleeps",
        "b": None,
        "c": "the × 100 net has no batch statistics, hence no such noise, and learns",
        "d": "the × 100 net subtracts nothing, and learns; its start is rough, "
        "but it wakes",
    },
    praise="Differences that nobody sees teach nothing.",
)
