"""A mistake is named only where it was made; numbers are equal whatever their type."""

import re
from typing import Any

import numpy as np
import pytest
import torch

from dplib.lessons.causes import Cause, blame, difference, numbers, same, shown

CASES = [([2, 4],), ([9, 1, 2],), ([1],)]


def ap(ranks: list[int]) -> float:
    return sum(k / r for k, r in enumerate(sorted(ranks), 1)) / len(ranks)


def unsorted(ranks: list[int]) -> float:
    return sum(k / r for k, r in enumerate(ranks, 1)) / len(ranks)


def added(ranks: list[int]) -> float:
    return ap(ranks) * len(ranks)


MISTAKES = {"the ranks may come in any order": unsorted, "AP is the mean": added}


def test_a_right_answer_has_no_mistake() -> None:
    assert blame(ap, ap, CASES, MISTAKES) is None
    assert blame(lambda r: torch.tensor(ap(r)), ap, CASES, MISTAKES) is None


def test_a_mistake_is_named_with_the_function_that_makes_it() -> None:
    said = blame(added, ap, CASES, MISTAKES)
    assert isinstance(said, Cause) and said == "AP is the mean"
    assert said.wrong is said.answer is added and said.right is ap
    assert said.cases == CASES and said.mistakes is MISTAKES


def test_two_mistakes_at_once_are_not_put_down_to_one_of_them() -> None:
    # For [2, 4] alone the sum of unsorted ranks is the sum of sorted ones
    said = blame(lambda r: unsorted(r) * len(r), ap, CASES, MISTAKES)
    assert not isinstance(said, Cause)
    assert said == "for [2, 4] it should be 0.5; yours: 1"


def test_the_case_that_differs_is_told() -> None:
    said = blame(lambda r: 0.5, ap, CASES)
    assert said == "for [9, 1, 2] it should be 0.7777778; yours: 0.5"
    named = {"ranks that are not sorted": ([9, 1, 2],)}
    assert "for ranks that are not sorted it" in str(blame(lambda r: 1, ap, named))


def test_an_answer_that_changes_its_argument_harms_no_later_call() -> None:
    def destroys(x: list[int]) -> float:
        result = ap(x)
        x.clear()
        return result

    assert blame(destroys, ap, CASES, MISTAKES) is None
    x = torch.ones(2)
    assert blame(lambda t: t.add_(1), lambda t: t + 1, [(x,)]) is None
    assert x.tolist() == [1, 1]


def test_a_mistake_that_fails_in_a_case_is_not_made() -> None:
    def fails(ranks: list[int]) -> float:
        raise ZeroDivisionError

    said = blame(lambda r: 7, ap, CASES, {"fails": fails})
    assert said is not None and not isinstance(said, Cause)


@pytest.mark.parametrize(
    "other",
    [
        [[1, 2], [3, 4]],
        ((1.0, 2.0), (3.0, 4.0)),
        np.array([[1, 2], [3, 4]], np.int32),
        torch.tensor([[1.0, 2], [3, 4]], requires_grad=True),
        [torch.tensor([1, 2]), np.array([3.0, 4.0])],
    ],
    ids=["list", "tuple", "array", "tensor", "mixed"],
)
def test_numbers_are_the_same_whatever_their_type(other: Any) -> None:
    want = torch.tensor([[1, 2], [3, 4]])
    assert same(other, want) and same(want, other)
    assert not same(other, want.T) and not same(other, [1, 2, 3, 4])


@pytest.mark.parametrize(
    ("got", "want", "equal"),
    [
        (True, np.bool_(True), True),
        (torch.tensor(True), True, True),
        (np.int64(3), 3.0, True),
        (torch.tensor([3]), 3, False),  # another shape
        (float("nan"), torch.tensor(torch.nan), True),
        (float("nan"), 0.0, False),
        (float("inf"), float("-inf"), False),
        (1.0 + 1e-6, 1.0, True),
        (1.001, 1.0, False),
        ("1", 1, False),
        (None, 0, False),
        ({"a": 1}, 1, False),
        ([1, "x"], [1, 2], False),
        (np.array(["1"]), [1], False),
        ([], [], True),
        ([], [1], False),
        ([[1, 2], [3]], ([1.0, 2.0], torch.tensor([3])), True),
        ([[1, 2], [3]], [[1, 2], [3], [4]], False),
        ([[1, 2], [3]], [[1, 2], [4]], False),
    ],
)
def test_same(got: Any, want: Any, equal: bool) -> None:
    assert same(got, want) is equal


def test_tolerances_are_those_of_the_checker() -> None:
    assert same(3.1e-7, 3e-7) and not same(3.1e-7, 3e-7, atol=0)
    assert same(1.05, 1.0, rtol=0.1) and not same(1.05, 1.0)
    assert blame(lambda: 3.1e-7, lambda: 3e-7, [()], atol=0) is not None


@pytest.mark.parametrize(
    ("got", "want", "words"),
    [
        ([1, 2], [1, 2, 3], "the shape should be [3]; yours: [2]"),
        (np.arange(2), torch.tensor([1.0, 2.5]), "be [1, 2.5]; yours: [0, 1]"),
        (True, False, "it should be False; yours: True"),
        ("a", 1, "your function gives back a str; expected 1"),
        (torch.arange(20) + (torch.arange(20) > 6), range(20), "[7] should be 7; you"),
        ([[1], [2]], [[1, 2], [3]], "result 1 is wrong: the shape should be [2]"),
        ([[1, 2], [3]], [[1, 2]], "it should be [[1, 2]]; yours: [[1, 2], [3]]"),
        ((1, [2, 3]), (1, 2), "it should be (1, 2); yours: (1, [2, 3])"),
        ([[1, 2], [3]], [[1, 2], [3], [4]], "3 results are expected; yours: 2"),
    ],
)
def test_difference(got: Any, want: Any, words: str) -> None:
    assert words in difference(got, want)


def test_what_is_no_number_is_none() -> None:
    assert numbers("abc") is None and numbers([1, None]) is None


def test_shown_is_short() -> None:
    assert shown(([1, 2.5], np.bool_(True), "x")) == "([1, 2.5], True, 'x')"
    assert shown(torch.zeros(4, 5)) == "values of shape [4, 5]"
    assert re.fullmatch(r"0\.3333333", shown(1 / 3))
