"""Checks of lesson 7."""

from collections.abc import Callable, Sequence
from itertools import combinations, product
from typing import Any

import numpy as np

from dplib.lessons.causes import blame, numbers
from dplib.lessons.checks import choice, exercise

_PIDS = np.array([9, 4, 9, 9, 4, 7])
_MORE = np.array([[50.0, 30, 70, 20, 10, 90], [60, 10, 40, 80, 20, 30]])
_LESS = np.array([[40.0, 35, 50, 30, 10, 60], [30, 20, 45, 60, 25, 50]])


def _totals(pids: Any, d: Any) -> Any:
    return np.stack([d[:, pids == p].sum(1) for p in np.unique(pids)], 1)


@exercise("7.1", praise="Whoever is drawn brings all of their queries along.")
def _by_person(answer: Callable[..., Any]) -> str | None:
    got = np.asarray(answer(_MORE, _LESS, _PIDS), float)
    right = _totals(_PIDS, _MORE - _LESS)
    if got.shape == right.T.shape:
        return "the shape is [people, seeds]; a row for each seed, please: transpose it"
    if got.shape == _MORE.shape:
        return "there is a column for each query; add up those of the same pid"
    if got.shape == (3,):
        return "the seeds are gone; keep a row for each, they are drawn later"
    if got.shape != right.shape:
        return f"expected shape {right.shape}, seeds and people; yours {got.shape}"
    if np.allclose(got, -right):
        return (
            "the sign is reversed: subtract `less` from `more`, so that a positive "
            "value means the first variant is better"
        )
    means = right / [2, 1, 3]
    if np.allclose(got, means):
        return (
            "those are means over a person's queries; we need sums, for whoever has "
            "more queries weighs more in mAP"
        )
    first = np.stack([right[:, i] for i in (2, 0, 1)], 1)
    if np.allclose(got, first):
        return "people stand in the order in which they first appear; sort by pid"
    if np.allclose(got, np.abs(right)):
        return "you took absolute values; a loss must stay a loss"
    if not np.allclose(got, right):
        return f"for pids {_PIDS.tolist()} it should be {right.tolist()}; yours: {got}"
    return None


_LISTS = [  # the second tells no correction from one that begins at the largest p
    ([0.030, 0.001, 0.045, 0.013],),
    ([0.001, 0.03, 0.045, 0.06],),
    ([0.02, 0.9, 0.01],),
    ([0.04, 0.03],),
    ([0.06, 0.09],),
    ([0.001, 0.5, 0.015],),
    ([0.2],),
]


def _by_size(ps: Sequence[float]) -> list[int]:
    return sorted(range(len(ps)), key=lambda i: ps[i])


def _in_steps(ps: Sequence[float], order: Sequence[int]) -> list[bool]:
    """Each p of this order against the next level, up to the first failure."""
    found = [False] * len(ps)
    for rank, i in enumerate(order):
        if ps[i] >= 0.05 / (len(ps) - rank):
            break
        found[i] = True
    return found


def _right_holm(ps: Sequence[float]) -> list[bool]:
    return _in_steps(ps, _by_size(ps))


def _without_stop(ps: Sequence[float]) -> list[bool]:
    order = _by_size(ps)
    return [p < 0.05 / (len(ps) - order.index(i)) for i, p in enumerate(ps)]


def _from_the_largest(ps: Sequence[float]) -> list[bool]:
    """Hochberg: the largest p that is below its level takes all smaller ones along."""
    below = [p for p, found in zip(ps, _without_stop(ps), strict=True) if found]
    return [p <= max(below, default=0) for p in ps]


@exercise("7.2", praise="The first failure ends it, however small the next p / level.")
def _holm(answer: Callable[..., Any]) -> str | None:
    given = numbers(answer(*_LISTS[0]))
    if not isinstance(given, np.ndarray) or not np.isin(given, (0, 1)).all():
        return "give a list with True or False for each p, neither levels nor p"
    return blame(
        answer,
        _right_holm,
        _LISTS,
        {
            "each p stands against 0.05 alone: nothing is corrected": (
                lambda ps: [p < 0.05 for p in ps]
            ),
            "that is Bonferroni, 0.05 / m for all m; after a success Holm holds the "
            "next p against 0.05 / (m - 1)": lambda ps: [
                p < 0.05 / len(ps) for p in ps
            ],
            "in [0.030, 0.001, 0.045, 0.013] 0.045 is below 0.05 / 1, but 0.030 failed "
            "before it; after the first failure all larger p fail, too": _without_stop,
            "you begin at the largest p, and when it holds all hold; Holm begins at "
            "the smallest and stops at the first failure": _from_the_largest,
            "you go through the ps in the order given; the smallest comes first": (
                lambda ps: _in_steps(ps, range(len(ps)))
            ),
            "True and False have changed places: True is found": (
                lambda ps: [not found for found in _right_holm(ps)]
            ),
            "the answers are in the order of size; give them in that of the ps": (
                lambda ps: sorted(_right_holm(ps), reverse=True)
            ),
        },
    )


_VALUES = [40.0, 47.0, 52.0, 44.0]


@exercise("7.3", praise="A gain that no model earned.")
def _best_of(answer: Callable[..., Any]) -> str | None:
    given = answer(_VALUES, 2)
    found = numbers(given)
    if not isinstance(found, np.ndarray) or found.size != 1:
        return f"one number, please: the mean over all choices; yours: {given!r}"
    got = float(found.item())
    right = float(np.mean([max(c) for c in combinations(_VALUES, 2)]))
    again = float(np.mean([max(c) for c in product(_VALUES, repeat=2)]))
    if abs(got - max(_VALUES)) < 1e-6:
        return (
            "that is the best of all runs; only 2 of the 4 are trained, and which 2 is "
            "chance: average over all choices"
        )
    if abs(got - max(_VALUES[:2])) < 1e-6:
        return "you took the first 2 runs; average over all choices of 2"
    if abs(got - np.mean(_VALUES)) < 1e-6:
        return "that is the mean of all runs: nobody picked the best"
    if abs(got - (right - np.mean(_VALUES))) < 1e-6:
        return "that is the gain over the mean; give the expected best itself"
    if abs(got - np.mean(sorted(_VALUES)[-2:])) < 1e-6:
        return "that is the mean of the best 2; each choice of 2 has one best"
    if abs(got - again) < 1e-6:
        return "you draw with replacement; the same run is not made twice"
    if abs(got - right) > 1e-6:
        return (
            f"for {_VALUES} and 2 it should be {right:.2f}, exactly: the mean over all "
            f"choices, not some drawn at random; yours: {got:.2f}"
        )
    if abs(float(answer(_VALUES, 1)) - np.mean(_VALUES)) > 1e-6:
        return f"the best of 1 is the mean of all choices, {np.mean(_VALUES):.2f}"
    if abs(float(answer([40.0, 40.0, 46.0], 2)) - 44.0) > 1e-6:
        return "for [40, 40, 46] and 2 it should be 44: two runs may come out alike"
    return None


choice(
    "7.4",
    {
        "a": "87.74 - 84.14 is 3.60 and 69.82 - 63.41 is 6.41: the arithmetic is right",
        "b": None,
        "c": "PDC and Spindle use poses, which is said; that is no slip of the claim",
        "d": "mAP and rank-1 are both given, for both methods",
    },
    praise="Against JLML, 2.64 and 4.32 points are left.",
)
