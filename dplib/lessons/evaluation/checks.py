"""Checks of lesson 6.

Each checker runs the reader's function on several inputs and compares the results with
those of ``dplib`` and of common mistakes (``mistakes.py``). A mistake is named only if
it explains every result.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dplib.lessons.checks import choice, exercise
from dplib.lessons.evaluation import mistakes
from dplib.lessons.evaluation.mistakes import named, near, numbers, show


@exercise("6.1", praise="AP asks about every match, INP about the last one.")
def _ap_and_inp(answer: Callable[[Tensor], Any]) -> str | None:
    got = [numbers(answer(*case)) for case in mistakes.LISTS]
    if any(g.shape != (2,) for g in got):
        return f"return a pair of two numbers, AP and INP; yours: {show(got[0])}"
    want = [
        np.array([mistakes.ap(*case), mistakes.inp(*case)]) for case in mistakes.LISTS
    ]
    if near(got, [w[::-1] for w in want]):
        return "these are the right numbers in the wrong order: AP comes first"
    both = (("AP", mistakes.AP_MISTAKES), ("INP", mistakes.INP_MISTAKES))
    for i, (name, known) in enumerate(both):
        mine, due = [g[i] for g in got], [w[i] for w in want]
        if near(mine, due):
            continue
        if words := named(mine, mistakes.LISTS, known):
            return words
        bad = next(c for c in range(len(due)) if not near(mine[c], due[c]))
        return (
            f"{name}: for right = {mistakes.LISTS[bad][0].int().tolist()} it should be "
            f"{due[bad]:.4f}; yours is {mine[bad]:.4f}"
        )
    return None


@exercise("6.2", praise="Each query makes one step, at its first match.")
def _curve(answer: Callable[[Tensor], Any]) -> str | None:
    got = [numbers(answer(*case)) for case in mistakes.MANY]
    want = [numbers(mistakes.cmc(*case)) for case in mistakes.MANY]
    if all(near(g, w) for g, w in zip(got, want, strict=True)):
        return None
    if words := named(got, mistakes.MANY, mistakes.CMC_MISTAKES):
        return words
    for case, g, w in zip(mistakes.MANY, got, want, strict=True):
        q, n = case[0].shape
        if g.shape != w.shape:
            return (
                f"for right of shape [{q}, {n}] the result has {n} values, one for "
                f"each rank; yours has shape {list(g.shape)}"
            )
        if not near(g, w):
            break
    return (
        f"for right = {case[0].int().tolist()} it should be {show(w)}; yours: {show(g)}"
    )


# --- 6.3: ties ------------------------------------------------------------------------

choice(
    "6.3",
    {
        "a": "`<` does not look at how much the descriptors know: with all distances "
        "equal, how many wrong pictures are strictly nearer than a match?",
        "b": None,
        "c": "the descriptors are the same, but the ranks are made from the distances; "
        "what is `d < d` when all distances are equal?",
        "d": "nothing is drawn at random here: `<` puts a match before every wrong "
        "picture at its distance",
    },
    praise="A rank must count every picture that cannot be told apart from the match.",
)


@exercise("6.4", praise="People are drawn, and all their queries come with them.")
def _people(answer: Callable[..., Any]) -> str | None:
    got = [numbers(answer(*(x.copy() for x in case))) for case in mistakes.SAMPLES]
    want = [mistakes.interval(*case) for case in mistakes.SAMPLES]
    if all(near(g, w) for g, w in zip(got, want, strict=True)):
        return None
    if words := named(got, mistakes.SAMPLES, mistakes.INTERVAL_MISTAKES):
        return words
    if got[0].shape != (2,):
        return f"return a pair, the two ends; yours has shape {list(got[0].shape)}"
    bad = next(i for i, w in enumerate(want) if not near(got[i], w))
    values, _, drawn = mistakes.SAMPLES[bad]
    return (
        f"for {len(values)} queries of {drawn.shape[1]} people and {len(drawn)} draws "
        f"it should be {show(want[bad])}; yours: {show(got[bad])}. Try the two draws "
        "of the worked example one at a time: their means are 0.5 and 0.75"
    )


@exercise("6.5", praise="Rows of length 1, one for each query.")
def _pool(answer: Callable[..., Any]) -> str | None:
    got = [numbers(answer(*case)) for case in mistakes.BOXED]
    want = [numbers(mistakes.pooled(mistakes.mean)(*case)) for case in mistakes.BOXED]
    if all(near(g, w) for g, w in zip(got, want, strict=True)):
        return None
    for g, w in zip(got, want, strict=True):
        if g.shape != w.shape:
            return (
                f"{len(w)} queries and features of {w.shape[1]} values need a result "
                f"of shape {list(w.shape)}; yours has {list(g.shape)}"
            )
    if words := named(got, mistakes.BOXED, mistakes.POOL_MISTAKES):
        return words
    bad = next(i for i, w in enumerate(want) if not near(got[i], w))
    row = next(r for r in range(len(want[bad])) if not near(got[bad][r], want[bad][r]))
    query, boxes = mistakes.BOXED[bad]
    mine = (boxes.pids == query.pids[row]) & (boxes.camids == query.camids[row])
    return (
        f"query {row} of {len(want[bad])} has the boxes "
        f"{show(boxes.features[mine])}, so its row should be "
        f"{show(want[bad][row])}; yours: {show(got[bad][row])}"
    )


@exercise("6.6", praise="Near from both sides.")
def _reciprocal(answer: Callable[..., Any]) -> str | None:
    got = []
    for order, i, k in mistakes.ORDERS:
        result = answer(order.clone(), i, k)
        found = numbers(sorted(result) if isinstance(result, set) else result)
        if found.ndim != 1:
            return (
                "return the indices of the neighbours, as a list or a tensor of one "
                f"dimension; yours has shape {list(found.shape)}"
            )
        if (isinstance(result, Tensor) and result.dtype == torch.bool) or (
            getattr(result, "dtype", None) == np.bool_
        ):
            return "that is a mask; return the indices of the pictures where it is true"
        got.append(np.unique(found))
    want = [np.sort(mistakes.mutual(0, 0)(*case)) for case in mistakes.ORDERS]
    if all(near(g, w) for g, w in zip(got, want, strict=True)):
        return None
    sets = {
        words: lambda *case, wrong=wrong: np.sort(wrong(*case))
        for words, wrong in mistakes.RECIPROCAL_MISTAKES.items()
    }
    if words := named(got, mistakes.ORDERS, sets):
        return words
    bad = next(c for c, w in enumerate(want) if not near(got[c], w))
    order, i, k = mistakes.ORDERS[bad]
    return (
        f"for order = {order[:, : k + 1].tolist()} (its first k + 1 columns), i = {i} "
        f"and k = {k} it should be {[int(x) for x in want[bad]]}; yours: "
        f"{[int(x) if x == int(x) else float(x) for x in got[bad]]}"
    )
