"""The check of exercise 1.5, the PK sampler."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from dplib.lessons.causes import blame
from dplib.lessons.checks import exercise

Shuffle = Callable[[list[int]], list[int]]
_Batches = list[list[int]]


def _turned_around(x: Iterable[int]) -> list[int]:
    return list(x)[::-1]


def _moved_on(x: Iterable[int]) -> list[int]:
    x = list(x)
    return [*x[1:], *x[:1]]


def _unchanged(x: Iterable[int]) -> list[int]:
    return list(x)


def _appearing(labels: Iterable[int]) -> list[int]:
    return list(dict.fromkeys(labels))


def _ascending(labels: Iterable[int]) -> list[int]:
    return sorted(set(labels))


def _drawn(images: list[int], k: int, shuffle: Shuffle) -> list[int]:
    found: list[int] = []
    while len(found) < k:
        found += shuffle(images)
    return found[:k]


def _pk_batches(
    labels: Sequence[int],
    p: int,
    k: int,
    shuffle: Shuffle,
    *,
    people: Shuffle | None = None,
    images: Shuffle | None = None,
    draw: Callable[..., list[int]] = _drawn,
    distinct: Callable[[Iterable[int]], list[int]] = _ascending,
    rest: bool = False,
) -> _Batches:
    """The batches of an epoch, or what a mistake in one of its steps makes of them."""
    order = (people or shuffle)(distinct(labels))
    found = []
    for start in range(0, len(order) - (0 if rest else p - 1), p):
        batch: list[int] = []
        for person in order[start : start + p]:
            own = [i for i, x in enumerate(labels) if x == person]
            batch += draw(own, k, images or shuffle)
        found.append(batch)
    return found


def _epochs() -> dict[str, tuple[Any, ...]]:
    example = [7, 7, 7, 9, 9, 12, 12, 12]
    mixed = [4, 30, 4, 8, 30, 15, 4, 8, 21, 21, 8, 4, 30, 15, 21, 8]
    even = [5, 6, 5, 6, 8, 8, 9, 9]
    lone = [3, 1, 1, 1, 2, 2, 2, 2]
    pair = [1, 1, 2, 2, 2, 2, 2]
    return {
        "the example, with lists turned around": (example, 2, 3, _turned_around),
        "16 mixed images, P = 2, K = 3, with lists moved on by one": (
            *(mixed, 2, 3),
            _moved_on,
        ),
        "the same, with lists left as they are": (mixed, 2, 3, _unchanged),
        "four people, P = 4, K = 2": (even, 4, 2, _moved_on),
        "a person with one image, P = 3, K = 4": (lone, 3, 4, _turned_around),
        "a person with two images, P = 2, K = 5": (pair, 2, 5, _turned_around),
        "one person in each batch, P = 1, K = 2": (example, 1, 2, _moved_on),
    }


@exercise("1.5", praise="A sampler is tested in just this way.")
def _check_pk_batches(answer: Callable[..., Any]) -> str | None:
    def listed(*x: Any) -> Any:  # a generator of batches is as good as a list
        found = answer(*x)
        return found if isinstance(found, (Tensor, np.ndarray)) else list(found)

    def but(**change: Any) -> Callable[..., _Batches]:
        return lambda *x: _pk_batches(*x, **change)

    return blame(
        listed,
        right=_pk_batches,
        cases=_epochs(),
        mistakes={
            "the people are not shuffled: every epoch would compose the same batches": (
                but(people=_unchanged)
            ),
            "the images of a person are not shuffled: some would never be used": (
                but(images=_unchanged)
            ),
            "nothing is shuffled: call shuffle on the people and on each one's "
            "images": (but(people=_unchanged, images=_unchanged)),
            "these are the people in the order in which they appear; shuffle the "
            "ascending list": but(distinct=_appearing),
            "the people left over at the end, fewer than P, must not make a batch": (
                but(rest=True)
            ),
            "a person with fewer than K images must give them again, up to K": (
                but(draw=lambda own, k, shuffle: shuffle(own)[:k])
            ),
            "take no more than K images of a person": (
                but(draw=lambda own, k, shuffle: shuffle(own) * -(-k // len(own)))
            ),
            "a person with fewer than K images must give all of them again; you "
            "repeated one of them": (
                but(
                    draw=lambda own, k, shuffle: (
                        (s := shuffle(own)) + [s[-1]] * (k - len(s))
                    )[:k]
                )
            ),
            "a person with fewer than K images must give all of them again; you "
            "filled up with the first of them": (
                but(
                    draw=lambda own, k, shuffle: (
                        (s := shuffle(own)) + [s[0]] * (k - len(s))
                    )[:k]
                )
            ),
            "cut to K images after shuffling, not before: the last images of a person "
            "would never be used": (
                but(draw=lambda own, k, shuffle: _drawn(own[:k], k, shuffle))
            ),
            "P and K are exchanged: a batch holds P people with K images each": (
                lambda labels, p, k, shuffle: _pk_batches(labels, k, p, shuffle)
            ),
            "these are the labels; give the indices of the images": (
                lambda labels, p, k, shuffle: [
                    [labels[i] for i in b] for b in _pk_batches(labels, p, k, shuffle)
                ]
            ),
            "give a list of batches, each of them a list; you gave one long list": (
                lambda *x: [i for b in _pk_batches(*x) for i in b]
            ),
        },
    )
