"""Checks of lesson 6: ``*mistakes.py`` have the inputs, right answers and mistakes."""

from collections.abc import Callable
from typing import Any

import numpy as np
from torch import Tensor

from dplib.lessons.causes import Cause, blame, numbers, same
from dplib.lessons.checks import choice, exercise
from dplib.lessons.evaluation import mistakes, neighbour_mistakes


@exercise("6.1", praise="AP asks about every match, INP about the last one.")
def _ap_and_inp(answer: Callable[[Tensor], Any]) -> str | None:
    swapped = True
    for case in mistakes.LISTS:
        pair = numbers(answer(*case))
        if not isinstance(pair, np.ndarray) or pair.shape != (2,):
            return "return a pair of two numbers, AP and INP"
        swapped &= same(pair[::-1], mistakes.both(*case))
    if swapped:
        return "these are the right numbers in the wrong order: AP comes first"
    for place, name in enumerate(("AP", "INP")):
        words = blame(
            _part(answer, place),
            _part(mistakes.both, place),
            mistakes.LISTS,
            mistakes.OF_ONE_LIST[name],
        )
        if words is not None:
            return words if isinstance(words, Cause) else f"{name}: {words}"
    return None


def _part(function: Callable[[Tensor], Any], place: int) -> Callable[[Tensor], Any]:
    """The function that returns one of the two numbers alone."""
    return lambda right: function(right)[place]


@exercise("6.2", praise="Each query makes one step, at its first match.")
def _curve(answer: Callable[[Tensor], Any]) -> str | None:
    return blame(answer, mistakes.cmc, mistakes.MANY, mistakes.OF_THE_CURVE)


choice(
    "6.3",
    {
        "a": "`<` does not look at how much the descriptors know: with all distances "
        "equal, how many wrong images are strictly nearer than a match?",
        "b": None,
        "c": "the descriptors are the same, but the ranks are made from the distances; "
        "what is `d < d` when all distances are equal?",
        "d": "nothing is drawn at random here: `<` puts a match before every wrong "
        "image at its distance",
    },
    praise="A rank must count every image that cannot be told apart from the match.",
)


@exercise("6.4", praise="People are drawn, and all their queries come with them.")
def _people(answer: Callable[..., Any]) -> str | None:
    return blame(answer, mistakes.interval, mistakes.SAMPLES, mistakes.OF_THE_INTERVAL)


@exercise("6.5", praise="Rows of length 1, one for each query.")
def _pool(answer: Callable[..., Any]) -> str | None:
    right = mistakes.pooled(mistakes.mean)
    return blame(answer, right, mistakes.BOXED, mistakes.OF_THE_POOL)


@exercise("6.6", praise="Near from both sides.")
def _reciprocal(answer: Callable[..., Any]) -> str | None:
    first = answer(*neighbour_mistakes.ORDERS["the worked example and image 0"])
    if isinstance(first, Tensor | np.ndarray) and str(first.dtype).endswith("bool"):
        return "that is a mask; return the indices of the images where it is true"
    if isinstance(found := numbers(first), np.ndarray) and found.ndim == 0:
        return "that is one number; return a list of the neighbours' indices"

    def in_order(order: Tensor, i: int, k: int) -> Any:
        """Any order is right, and so is a set."""
        found = answer(order, i, k)
        found = numbers(sorted(found) if isinstance(found, set) else found)
        if isinstance(found, np.ndarray) and found.ndim == 1:
            return np.sort(found)
        return found

    return blame(
        in_order,
        neighbour_mistakes.mutual(0, 0),
        neighbour_mistakes.ORDERS,
        neighbour_mistakes.OF_NEIGHBOURS,
    )
