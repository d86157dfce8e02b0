"""Checks of lesson 5."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dplib.lessons.causes import blame, numbers
from dplib.lessons.checks import exercise
from dplib.lessons.training import adam_mistakes, mistakes, step_mistakes
from dplib.lessons.training.recorded import compare


@exercise("5.1", praise="The three losses, weighted and added.")
def _total(answer: Callable[..., Any]) -> str | None:
    cases = mistakes.total_cases()
    try:
        wrong = blame(answer, mistakes.right_total, cases, mistakes.TOTAL)
    except Exception as e:
        if not any(
            words in str(e)
            for words in ("multiply sequence", "TripletResult", "to tuple")
        ):
            raise
        return (
            "batch_hard_triplet gives back a tuple with several results; the loss is "
            "its field .loss"
        )
    if wrong:
        return wrong
    out, *rest = next(iter(cases.values()))
    leaf = out._replace(fm=out.fm.clone().requires_grad_())
    given = answer(leaf, *rest)
    if not isinstance(given, Tensor) or not given.requires_grad:
        return (
            "the value is right, but no gradient can flow through it: add the losses "
            "as tensors, without item() or detach()"
        )
    return None


@exercise("5.2", praise="Each gradient is one long vector.")
def _agreement(answer: Callable[[list[Tensor], Tensor], Any]) -> str | None:
    def call(slopes: Tensor) -> Any:
        fb = torch.ones(slopes.shape[1:], requires_grad=True)
        shared = 0.5 * fb.square()  # its slope at 1 is 1, and the losses share it
        return answer([(shared * s).sum() for s in slopes], fb)

    try:
        return blame(
            call, mistakes.right_agreement, mistakes.slopes(), mistakes.AGREEMENT
        )
    except Exception as e:
        if "backward through the graph a second time" not in str(e):
            raise
        return (
            "the losses share a graph, which is freed after your first gradient: with "
            "retain_graph=True it is kept for the next loss"
        )


@exercise("5.3", praise="Constant at first, and a thousandth at the end.")
def _schedule(answer: Callable[..., Any]) -> str | None:
    def call(*arguments: float) -> float:
        return float(answer(*arguments))

    return blame(
        call,
        mistakes.right_rate,
        mistakes.RATE_CASES,
        mistakes.RATE,
        rtol=1e-6,
        atol=0,
    )


@exercise("5.4", praise="Shortened as a whole, and only if it is too long.")
def _step(answer: Callable[..., Any]) -> str | None:
    def call(limit: float) -> Any:
        return step_mistakes.trace(answer, limit)

    right, cases = step_mistakes.right_trace, step_mistakes.CASES
    try:
        return blame(call, right, cases, step_mistakes.STEP)
    except Exception as e:
        if "NoneType" not in str(e):
            raise
        return (
            "you calculate with None, which is the grad of a weight that the loss does "
            f"not depend on: leave such weights out ({e})"
        )


@exercise("5.5", praise="Two running means, made up for their start, and a step.")
def _adam(answer: Callable[..., Any]) -> str | None:
    given = answer(*copy.deepcopy(next(iter(adam_mistakes.CASES.values()))))
    if not isinstance(given, Sequence | Tensor | np.ndarray) or len(given) != 3:
        return "give back three things: the new m, the new v, the change of the weight"
    return blame(
        answer, adam_mistakes.right_step, adam_mistakes.CASES, adam_mistakes.ADAM
    )


@exercise("5.6", praise="Seed by seed, the noise that both runs share drops out.")
def _compare(answer: Callable[..., Any]) -> str | None:
    first = numbers(answer(*next(iter(mistakes.SEED_CASES.values()))))
    if not isinstance(first, np.ndarray) or first.shape != (2,):
        return "give back two numbers: the mean difference, and how many seeds agree"
    return blame(
        lambda *lists: tuple(answer(*lists)),
        lambda *lists: tuple(compare(*lists)),
        mistakes.SEED_CASES,
        mistakes.COMPARE,
    )
