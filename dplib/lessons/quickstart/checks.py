"""Checks of lesson 0."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from dplib.lessons.causes import blame
from dplib.lessons.checks import choice, exercise

Ranks = Sequence[Sequence[int]]


def _rank_one(ranks_per_query: Ranks) -> float:
    first = [min(ranks) == 1 for ranks in ranks_per_query]
    return sum(first) / len(first)


@exercise("0.1", praise="Only the best rank of each query counts.")
def _check_rank_one(answer: Callable[..., Any]) -> str | None:
    return blame(
        answer,
        right=_rank_one,
        cases=[
            ([[2, 5], [1, 3], [4, 1]],),
            ([[2, 4], [1], [1, 2, 9], [3], [7, 1]],),
            ([[3], [2, 6]],),
            ([[1], [1, 2]],),
        ],
        mistakes={
            "that is the number of queries; rank-1 is their share, between 0 and 1": (
                lambda r: sum(min(x) == 1 for x in r)
            ),
            "that is in percent; give a share between 0 and 1": (
                lambda r: 100 * _rank_one(r)
            ),
            "you looked at the first number of each list, but the ranks of a query may "
            "come in any order, as in [4, 1]": (
                lambda r: sum(x[0] == 1 for x in r) / len(r)
            ),
            "you divided by the number of matches; divide by the number of queries": (
                lambda r: sum(min(x) == 1 for x in r) / sum(map(len, r))
            ),
            "that is the mean of 1/rank of the first match; rank-1 gives a query 1 if "
            "that rank is 1, and 0 otherwise": (
                lambda r: sum(1 / min(x) for x in r) / len(r)
            ),
            "you asked for all matches of a query to be at rank 1; one of them is "
            "enough": lambda r: sum(max(x) == 1 for x in r) / len(r),
            "that is the share of queries whose first image is wrong": (
                lambda r: 1 - _rank_one(r)
            ),
        },
    )


def _average_precision(ranks: Sequence[int]) -> float:
    precisions = [j / r for j, r in enumerate(sorted(ranks), start=1)]
    return sum(precisions) / len(precisions)


@exercise("0.2", praise="Each match counts with the precision at its rank.")
def _check_average_precision(answer: Callable[..., Any]) -> str | None:
    return blame(
        answer,
        right=_average_precision,
        cases=[([2, 5],), ([9, 1, 2],), ([3],), ([1, 3, 4, 10],), ([6, 2],)],
        mistakes={
            "at rank 5 of [2, 5] two matches have been found, so the precision is 2/5 "
            "there; you took 1/5": lambda r: sum(1 / x for x in r) / len(r),
            "you added the precisions up; AP is their mean": (
                lambda r: _average_precision(r) * len(r)
            ),
            "the ranks may come in any order, as in [9, 1, 2]: sort them first": (
                lambda r: sum(j / x for j, x in enumerate(r, 1)) / len(r)
            ),
            "that is the precision at the last match; AP is their mean": (
                lambda r: len(r) / max(r)
            ),
            "that is the precision at the first match; AP is their mean": (
                lambda r: 1 / min(r)
            ),
            "the first match is number 1, not 0: you counted the matches before each "
            "one": lambda r: sum(j / x for j, x in enumerate(sorted(r))) / len(r),
            "that is in percent; give a share between 0 and 1": (
                lambda r: 100 * _average_precision(r)
            ),
        },
    )


def _match_ranks(distance: Tensor, same_pid: Tensor, junk: Tensor) -> Tensor:
    order = distance.argsort()
    counted = order[~junk[order]]
    return same_pid[counted].nonzero().flatten() + 1


def _galleries() -> dict[str, tuple[Tensor, ...]]:
    """The lesson's gallery, one without junk and a longer one."""
    distance = torch.tensor([0.9, 0.6, 0.5, 0.1, 0.7, 0.3, 0.4])
    same_pid = torch.tensor([1, 0, 0, 1, 0, 0, 1]).bool()
    junk = torch.tensor([0, 0, 1, 1, 0, 0, 0]).bool()
    generator = torch.Generator().manual_seed(5)
    many = torch.randperm(40, generator=generator)
    return {
        "the gallery of section 3": (distance, same_pid, junk),
        "the same gallery without junk": (distance, same_pid, torch.zeros(7).bool()),
        "a gallery of 40 images": (many / 40, many % 7 == 3, many % 5 == 1),
    }


@exercise("0.3", praise="With 0.1 and 0.2 this is the whole evaluation of one query.")
def _check_match_ranks(answer: Callable[..., Any]) -> str | None:
    return blame(
        answer,
        right=_match_ranks,
        cases=_galleries(),
        mistakes={
            "the nearest image has rank 1, not 0: you counted from 0": (
                lambda d, s, j: _match_ranks(d, s, j) - 1
            ),
            "you put the farthest image first; a ranking begins with the nearest": (
                lambda d, s, j: _match_ranks(-d, s, j)
            ),
            "junk still takes a rank: remove it from the list before you count": (
                lambda d, s, j: _match_ranks(d, s & ~j, torch.zeros_like(j))
            ),
            "you did not leave out the junk": (
                lambda d, s, j: _match_ranks(d, s, torch.zeros_like(j))
            ),
            "you kept the junk and left out the images that count: negate the mask": (
                lambda d, s, j: _match_ranks(d, s, ~j)
            ),
            "these are the ranks of the images of other people": (
                lambda d, s, j: _match_ranks(d, ~s, j)
            ),
            "these are the numbers of the images in the gallery; give their ranks": (
                lambda d, s, j: d.argsort()[(s & ~j)[d.argsort()]]
            ),
            "you did not sort: these are places in the gallery's own order": (
                lambda d, s, j: s[~j].nonzero().flatten() + 1
            ),
            "the ranks are right, but give them in ascending order": (
                lambda d, s, j: (_places(d, j) + 1)[s & ~j]
            ),
        },
    )


def _places(distance: Tensor, junk: Tensor) -> Tensor:
    """Of each image: how many images that count are nearer."""
    return ((distance < distance[:, None]) & ~junk).sum(1)


def _chance(matches: Sequence[int], counted: Sequence[int]) -> float:
    shares = [m / c for m, c in zip(matches, counted, strict=True)]
    return sum(shares) / len(shares)


@exercise("0.4", praise="A result is worth what it has above this line.")
def _check_chance(answer: Callable[..., Any]) -> str | None:
    return blame(
        answer,
        right=_chance,
        cases=[([3, 1], [12, 8]), ([2], [5]), ([4, 6, 1], [10, 30, 90])],
        mistakes={
            "you divided all matches by all images; take each query's share first": (
                lambda m, c: sum(m) / sum(c)
            ),
            "you added the shares up; the expected rank-1 is their mean over the "
            "queries": lambda m, c: _chance(m, c) * len(m),
            "you used 1 match for every query; the more matches a query has, the more "
            "likely one of them is first": lambda m, c: _chance([1] * len(m), c),
            "that is in percent; give a share between 0 and 1": (
                lambda m, c: 100 * _chance(m, c)
            ),
            "you left the matches out of the images that can be first": (
                lambda m, c: _chance(m, [y - x for x, y in zip(m, c, strict=True)])
            ),
            "that is the probability of a wrong first image": (
                lambda m, c: 1 - _chance(m, c)
            ),
        },
    )


choice(
    "0.5",
    {
        "a": "boxes with the pid -1 are left out in both cases, since nothing was "
        "changed about pids",
        "b": None,
        "c": "query images are not part of the gallery, so no query can find itself",
        "d": "more images are ranked without the rule, not fewer: it had left some out",
    },
    praise="To find somebody where they just stood proves nothing.",
)
