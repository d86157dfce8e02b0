"""Lesson 0's checks take any type of number, and name the mistake."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from dplib.lessons.checks import check

FORMS = [float, np.float32, np.array, torch.tensor, lambda x: torch.tensor([x])[0]]


def said(capsys: pytest.CaptureFixture[str], id: str, answer: object) -> str:
    check(id, answer)
    return capsys.readouterr().out


@pytest.mark.parametrize("form", FORMS)
def test_shares_may_be_of_any_type(
    capsys: pytest.CaptureFixture[str], form: Callable[[float], Any]
) -> None:
    def rank_one(lists: Any) -> Any:
        return form(float(np.mean([1 in x for x in lists])))

    def ap(ranks: Any) -> Any:
        return form(float((np.arange(1, len(ranks) + 1) / np.sort(ranks)).mean()))

    def by_chance(matches: Any, counted: Any) -> Any:
        return form(float((np.array(matches) / np.array(counted)).mean()))

    for id, answer in (("0.1", rank_one), ("0.2", ap), ("0.4", by_chance)):
        assert "✓ Right" in said(capsys, id, answer)


def ranks(distance: Any, same_pid: Any, junk: Any) -> torch.Tensor:
    """Without sorting the gallery: another way to the same ranks."""
    mine = distance[same_pid & ~junk].sort().values
    return (distance[~junk] <= mine[:, None]).sum(1)


@pytest.mark.parametrize(
    "form",
    [torch.Tensor.int, torch.Tensor.float, torch.Tensor.numpy, torch.Tensor.tolist],
)
def test_ranks_may_be_of_any_type(
    capsys: pytest.CaptureFixture[str], form: Callable[[torch.Tensor], Any]
) -> None:
    assert "✓ Right" in said(capsys, "0.3", lambda *x: form(ranks(*x)))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda r: r.flip(0), "it should be [2, 5]"),
        (lambda r: r[:1], "the shape should be [2]"),
        (lambda r: r - 1, "counted from 0"),
        (lambda r: 7, "the shape should be"),
        (lambda r: "2, 5", "gives back a str"),
    ],
)
def test_wrong_ranks(
    capsys: pytest.CaptureFixture[str], change: Callable[..., Any], words: str
) -> None:
    text = said(capsys, "0.3", lambda *x: change(ranks(*x)))
    assert "✗ Not yet" in text and words in text


def test_ranks_in_the_gallerys_order(capsys: pytest.CaptureFixture[str]) -> None:
    def answer(distance: Any, same_pid: Any, junk: Any) -> Any:
        nearer = (distance[~junk] <= distance[:, None]).sum(1)
        return nearer[same_pid & ~junk]

    assert "in ascending order" in said(capsys, "0.3", answer)
