"""Checks of lesson 6."""

from collections.abc import Callable, Sequence
from typing import Any

import torch

from dplib.descriptors import Descriptors
from dplib.lessons.checks import choice, exercise

_RANKS = [[2, 3, 6], [9, 1], [4], [2]]  # first matches at ranks 2, 1, 4 and 2
_CMC = [0.25, 0.75, 0.75, 1.0, 1.0]
# One camera's boxes of each query; the other boxes are of other cameras or people
_QUERY = Descriptors(torch.eye(2), torch.tensor([3, 4]), torch.tensor([1, 2]))
_BOXES = Descriptors(
    torch.tensor([[1, 0], [0, 1], [0.6, 0.8], [0, -1], [-1, 0], [0, 1]]),
    torch.tensor([3, 3, 3, 4, 4, 4]),
    torch.tensor([1, 1, 2, 2, 2, 1]),
)


@exercise("6.1", praise="Each query makes one step, at its first match.")
def _cmc(answer: Callable[..., Any]) -> str | None:
    got = [float(x) for x in answer(_RANKS, 5)]
    if len(got) != 5:
        return f"length is 5, your list has {len(got)} values"
    if _near(got, [4 * x for x in _CMC]):
        return "those are numbers of queries; divide by how many queries there are"
    if _near(got, [0.25, 0.5, 0, 0.25, 0]):
        return (
            "those are the shares that step up at rank k alone; a query that has "
            "stepped up stays up: add over the ranks up to k"
        )
    if _near(got, [0, *_CMC[:4]]):
        return "yours is one rank late: a match at rank k counts at k already"
    if _near(got, [0, 0.5, 0.5, 0.75, 0.75]):
        return "the ranks need not come in order: [9, 1] has a match at rank 1"
    if any(_near(got, [x / n for x in (1, 3, 4, 5, 5)]) for n in (4, 7)):
        return (
            "you counted every match; a query counts once, at its best rank, and the "
            "share is of the queries"
        )
    if not _near(got, _CMC):
        wanted = ", ".join(f"{x:g}" for x in _CMC)
        return f"for {_RANKS} and 5 it should be {wanted}; yours: {_show(got)}"
    if not _near(answer([[1, 2, 3], [3]], 4), [0.5, 0.5, 1, 1]):
        return "for [[1, 2, 3], [3]] and 4 it should be 0.5, 0.5, 1, 1"
    return None


@exercise("6.2", praise="Never above the AP by steps.")
def _trapezoid(answer: Callable[[Sequence[int]], Any]) -> str | None:
    got, first = float(answer([2, 3, 6])), float(answer([1, 4]))
    if abs(got - 5 / 9) < 1e-6:
        return "that is AP by steps; each match's mean with the precision just before"
    if abs(got - 0.3) < 1e-6:
        return (
            "that is the precision just before each match alone; take its mean with "
            "the precision at the match, j / r"
        )
    if abs(got - (0.25 + (1 / 3 + 2 / 3) / 2 + (2 / 6 + 3 / 6) / 2) / 3) < 1e-6:
        return (
            "just before rank r only r - 1 pictures have been seen: the precision "
            "there is (j - 1) / (r - 1), not (j - 1) / r"
        )
    if abs(got - (0.25 + 7 / 12 + 7 / 12) / 3) < 1e-6:
        return (
            "you joined the precision at one match to that at the next; in between it "
            "falls: just before rank r it is (j - 1) / (r - 1)"
        )
    if abs(got - 0.3 * 0.5 - 5 / 18) > 1e-6:
        return f"for [2, 3, 6] it should be {0.15 + 5 / 18:.4f}, yours is {got:.4f}"
    if abs(first - (0.5 + (1 / 3 + 1 / 2) / 2) / 2) < 1e-6:
        return (
            "a match at rank 1 has no picture before it: the precision before it is "
            "taken as 1, not 0 (see [1, 4])"
        )
    if abs(first - (1 + (1 / 3 + 1 / 2) / 2) / 2) > 1e-6:
        return f"for [1, 4] it should be 0.7083, yours is {first:.4f}"
    return None


choice(
    "6.3",
    {
        "a": "if less noise were the cause, the curve of `<=` would rise as well; it "
        "falls to 0",
        "b": None,
        "c": "nobody is dropped: `<` and `<=` look at the same wrong pictures, and "
        "differ for those at the very distance of the match",
        "d": "at the right end all pictures have one value, those of other people too, "
        "and rank-1 is 100 % all the same",
    },
    praise="A rank must count whoever cannot be told apart.",
)


@exercise("6.4", praise="Rows of length 1, one for each query.")
def _pool(answer: Callable[..., Any]) -> str | None:
    got = torch.as_tensor(answer(_QUERY, _BOXES)).float()
    if got.shape != (2, 2):
        return f"expected a row for each of 2 queries, [2, 2]; got {list(got.shape)}"
    half = 0.5**0.5
    if _same(got, [[0.5, 0.5], [-0.5, -0.5]]):
        return "the mean of unit vectors is shorter than 1: scale it to length 1 again"
    if _same(got, [[1, 1], [-1, -1]]):
        return "that is the sum of the boxes; take their mean, then scale it to 1"
    if _same(got, [[0.6644, 0.7474], [-1, 0]]):
        return (
            "you took the pid's boxes of every camera; only those of the query's own "
            "camera belong to it: the others are what is searched for"
        )
    if _same(got, [[0.4472, 0.8944], [-0.8944, -0.4472]]):
        return "you took everybody's boxes of the camera; take the query's pid only"
    if _same(got, [[half, half], [0, 0]]):
        return "boxes may be negative too: take the mean, not the largest value"
    if _same(got, [[0.8944, 0.4472], [-1, 0]]):
        return "the query's own picture is not to be added: the boxes contain it"
    if not _same(got, [[half, half], [-half, -half]]):
        return (
            "two boxes (1, 0) and (0, 1) of the query's pid and camera should give "
            f"({half:.3f}, {half:.3f}); yours: {_show(got[0].tolist())}"
        )
    return None


def _near(got: Sequence[Any], want: Sequence[float]) -> bool:
    pairs = zip(got, want, strict=False)
    return len(got) == len(want) and all(abs(float(a) - b) < 1e-6 for a, b in pairs)


def _same(got: torch.Tensor, want: list[list[float]]) -> bool:
    return bool(torch.allclose(got, torch.tensor(want).float(), atol=1e-3))


def _show(values: Sequence[float]) -> str:
    return ", ".join(f"{x:.3g}" for x in values)
