"""What a check prints, for every way in which an answer can go wrong."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from dplib.lessons import checks


@pytest.fixture(autouse=True)
def _double() -> Iterator[None]:
    @checks.exercise("99.1", praise="Twice is twice.")
    def _(answer: Any) -> str | None:
        got = answer(torch.tensor([1.0, 2.0]))
        if torch.equal(got, torch.tensor([1.0, 4.0])):
            return "you squared instead of doubling"
        torch.testing.assert_close(got, torch.tensor([2.0, 4.0]))
        return None

    @checks.exercise("99.2")
    def _(answer: Any) -> str | None:
        return None if abs(answer - 0.5) < 1e-6 else "the mean has two terms, not one"

    yield
    for id in ("99.1", "99.2"):
        del checks._checkers[id]


def said(capsys: pytest.CaptureFixture[str], id: str, answer: Any) -> str:
    checks.check(id, answer)
    out, err = capsys.readouterr()
    assert err == "" and out.startswith(f"{id}  ") and out.count("\n") == 1
    return out


def _stub(x: Any) -> Any:
    raise NotImplementedError


@pytest.mark.parametrize(
    "untried",
    [None, ..., _stub, lambda x: ..., lambda x: None],
    ids=["None", "dots", "stub", "gives dots", "no return"],
)
def test_not_tried(capsys: pytest.CaptureFixture[str], untried: Any) -> None:
    assert "Not tried yet" in said(capsys, "99.1", untried)


def test_right_and_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    assert "✓ Right. Twice is twice." in said(capsys, "99.1", lambda x: 2 * x)
    assert "you squared" in said(capsys, "99.1", lambda x: x**2)
    assert "✓ Right" in said(capsys, "99.2", 0.5)
    assert "two terms" in said(capsys, "99.2", 1.0)


def test_an_exception_in_the_answer_is_told_with_its_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def broken(x: Any) -> Any:
        y = x * 2
        return y[7] / 0

    out = said(capsys, "99.1", broken)
    assert "IndexError" in out and "line 3 of your function: return y[7] / 0" in out


def test_wrong_number_of_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    assert "the arguments it expects" in said(capsys, "99.1", lambda: 1)


def test_another_type_or_shape(capsys: pytest.CaptureFixture[str]) -> None:
    out = said(capsys, "99.1", lambda x: torch.zeros(3, 1))
    assert "(Tensor of shape (3, 1)) differs from what was expected" in out
    assert "your answer (str) is of another type" in said(capsys, "99.2", "a half")


def test_unknown_id(capsys: pytest.CaptureFixture[str]) -> None:
    assert "There is no exercise '99.7'" in said(capsys, "99.7", 1)


def test_ids_are_those_of_the_lesson() -> None:
    assert checks.ids(99) == ["99.1", "99.2"]
    assert checks.ids(98) == []


@pytest.mark.parametrize(
    ("guess", "measured", "words"),
    [
        (50, 72.0, "You said 50 %; it is 72 %: too low, by 22 %. Why?"),
        (90, 72.0, "too high, by 18 %"),
        (72000, 72.0, "it is asked in %.)"),
        (0.7, 72.0, "(A share? It is asked in %.)"),
        (70, torch.tensor(72.0), "well predicted"),
        (float("nan"), 72.0, "not a number"),
        ("camera", "Camera", "as you said"),
        ("person", "camera", "not as you said"),
    ],
)
def test_predictions(
    capsys: pytest.CaptureFixture[str], guess: Any, measured: Any, words: str
) -> None:
    checks.predict("99.p1", guess)
    assert "Noted" in capsys.readouterr().out
    checks.reveal("99.p1", measured, within=3, unit="%")
    assert words in capsys.readouterr().out


def test_no_prediction(capsys: pytest.CaptureFixture[str]) -> None:
    checks.predict("99.p2", 1)
    checks.predict("99.p2", ...)  # taken back
    assert "No prediction yet" in capsys.readouterr().out
    checks.reveal("99.p2", 0.123456)
    assert "You made no prediction; it is 0.1235" in capsys.readouterr().out


def test_a_choice_takes_a_letter_and_says_why_it_is_wrong(
    capsys: pytest.CaptureFixture[str],
) -> None:
    mistakes = {"a": "that is too much", "b": None, "c": "that is too little"}
    checks.choice("99.3", mistakes, praise="Enough is enough.")
    try:
        for right in ("b", " B ", "(b)", "b."):
            assert "✓ Right. Enough is enough." in said(capsys, "99.3", right)
        assert "✗ Not yet: that is too much" in said(capsys, "99.3", "a")
        assert "✗ Not yet: that is too little" in said(capsys, "99.3", "C")
        for other in ("d", "", 2, "ab"):
            out = said(capsys, "99.3", other)
            assert '✗ Not yet: give one of the letters "a", "b" and "c"' in out
        assert "Not tried yet" in said(capsys, "99.3", ...)
    finally:
        del checks._checkers["99.3"]
