"""Checks of lesson 0."""

from collections.abc import Callable, Sequence
from typing import Any

from dplib.lessons.checks import choice, exercise

_RANKS = [[2, 4], [1], [1, 2, 9], [3], [7, 1]]  # 3 of 5 queries are right at rank 1


@exercise("0.1", praise="Only the best rank of each query counts.")
def _rank_one(answer: Callable[[Any], Any]) -> str | None:
    got = answer(_RANKS)
    if got == 3:
        return "that is the number of queries; rank-1 is their share, in [0, 1]"
    if abs(got - 60) < 1e-6:
        return "that is in percent; give a share in [0, 1]"
    if abs(got - 2 / 5) < 1e-6:
        return "[7, 1] has a match at rank 1: the ranks need not come in order"
    if abs(got - 3 / sum(map(len, _RANKS))) < 1e-6:
        return "you divided by the number of matches; divide by the number of queries"
    return _close(got, 3 / 5, _RANKS)


@exercise("0.2", praise="Each match counts with the precision at its rank.")
def _average_precision(answer: Callable[[Sequence[int]], Any]) -> str | None:
    got = answer([2, 4])
    if abs(got - (1 / 2 + 1 / 4) / 2) < 1e-6:
        return (
            "for [2, 4] you took 1/2 and 1/4: at rank 4 two matches have been found, "
            "so the precision there is 2/4"
        )
    if abs(got - 2 / 4) < 1e-6 and abs(answer([1, 4]) - 2 / 4) < 1e-6:
        return (
            "you gave the precision at the last match; AP is the mean over all matches"
        )
    if abs(got - 1.0) < 1e-6:
        return "you added the precisions up; AP is their mean"
    mistake = _close(got, 0.5, [2, 4]) or _close(answer([1, 3]), 5 / 6, [1, 3])
    if mistake is None and abs(answer([9, 1, 2]) - 7 / 9) > 1e-6:
        return "the ranks may come in any order, as in [9, 1, 2]: sort them first"
    return mistake


choice(
    "0.3",
    {
        "a": "there are more pictures to rank, but look at the numbers: it rises",
        "b": None,
        "c": "the descriptors stay, but which pictures count does not; look at the "
        "numbers above",
        "d": "queries are not in the gallery, so none finds itself, and rank-1 stays "
        "below 100 %; what is found are other pictures from the same camera",
    },
    praise="Finding somebody where they just stood proves nothing.",
)


def _close(got: float, want: float, given: object) -> str | None:
    if abs(got - want) < 1e-6:
        return None
    return f"for {given} your function gives {got:.4g}, it should be {want:.4g}"
