"""Lesson 5's mistakes: each differs from the right answer and from all others."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from dplib import losses, presets, training
from dplib.lessons.causes import Cause, blame
from dplib.lessons.training import mistakes, step_mistakes
from dplib.lessons.training.recorded import compare

EXACT = {"rtol": 1e-6, "atol": 0.0}
SETS: dict[str, tuple[Any, Any, Any, dict[str, float]]] = {
    "total": (mistakes.right_total, mistakes.total_cases(), mistakes.TOTAL, {}),
    "agreement": (
        mistakes.right_agreement,
        mistakes.slopes(),
        mistakes.AGREEMENT,
        {},
    ),
    "rate": (mistakes.right_rate, mistakes.RATE_CASES, mistakes.RATE, EXACT),
    "step": (
        step_mistakes.right_trace,
        step_mistakes.CASES,
        step_mistakes.STEP,
        {},
    ),
    "compare": (
        lambda *lists: tuple(compare(*lists)),
        mistakes.SEED_CASES,
        mistakes.COMPARE,
        {},
    ),
}
EACH = [(name, words) for name, (_, _, found, _) in SETS.items() for words in found]


@pytest.mark.parametrize(("name", "words"), EACH)
def test_each_mistake_is_told_by_its_own_sentence(name: str, words: str) -> None:
    right, cases, found, how = SETS[name]
    said = blame(found[words], right, cases, found, **how)
    assert isinstance(said, Cause) and said == words


def test_the_right_ones_are_those_of_dplib() -> None:
    for out, labels, lambdas, margin in mistakes.total_cases().values():
        want = losses.deep_person_loss(out, labels, lambdas, margin).total
        got = mistakes.right_total(out, labels, lambdas, margin)
        torch.testing.assert_close(got, want)
    paper = presets.get("paper")
    for epoch in (0, 99.5, 100, 120, 150):
        got_rate = mistakes.right_rate(epoch, paper.lr, 100, 150)
        assert got_rate == pytest.approx(training.learning_rate(paper, epoch))


def test_the_right_step_is_that_of_torch() -> None:
    def step(net: Any, optimiser: Any, loss: Any, lr: float, limit: float) -> Any:
        optimiser.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(net.parameters(), limit)
        for group in optimiser.param_groups:
            group["lr"] = lr
        optimiser.step()
        return norm

    def traced(limit: float) -> Any:
        return step_mistakes.trace(step, limit)

    assert blame(traced, step_mistakes.right_trace, step_mistakes.CASES) is None
