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
        (50, 72.0, "You said 50 %; it is 72 %: too low, by 22 points. Why?"),
        (90, 76.5, "You said 90 %; it is 76.5 %: too high, by 13.5 points. Why?"),
        (68, 72.5, "too low, by 4.5 points"),
        (72000, 72.4, "You said 72,000 %; it is 72.4 %: too high, by 71,928 points"),
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


@pytest.mark.parametrize(
    ("guess", "measured", "unit", "words"),
    [
        (1, 3, "rows", "You said 1 row; it is 3 rows: too low, by 2 rows. Why?"),
        (4, 3.0, "pixel rows", "it is 3 pixel rows: too high, by 1 pixel row. Why?"),
        (1.5, 2.5, "points", "You said 1.5 points; it is 2.5 points: too low, by 1 po"),
        (-1, 2, "points", "You said -1 point; it is 2 points: too low, by 3 points"),
        (55.5, 48.0, "(pixel row)", "You said pixel row 55.5; it is pixel row 48: too"),
        (55.5, 48.0, "(pixel row)", "too high, by 7.5 pixel rows. Why?"),
        (47, 48.0, "(pixel row)", "too low, by 1 pixel row. Why?"),
        (48000, 48.0, "(pixel row)", "it is asked in pixel rows.)"),
        (
            0.5,
            2.0,
            "million",
            "You said 0.5 million; it is 2 million: too low, by 1.5 ",
        ),
        (1, 13116, "", "You said 1; it is 13,116: too low, by 13,115. Why?"),
        (torch.tensor(13115.0), 1, "", "You said 13,115; it is 1: too high, by 13,114"),
        (9999.7, 1234.0, "", "You said 10,000; it is 1234: too high, by 8766. Why?"),
        (True, False, "", "You said True; it is False"),
        (1e20, 1.0, "", "You said 1e+20; it is 1"),
    ],
)
def test_units_and_large_numbers_are_in_plain_english(
    capsys: pytest.CaptureFixture[str],
    guess: Any,
    measured: Any,
    unit: str,
    words: str,
) -> None:
    checks.predict("99.p1", guess)
    capsys.readouterr()
    checks.reveal("99.p1", measured, unit=unit)
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
        for right in ("b", " B "):
            assert "✓ Right. Enough is enough." in said(capsys, "99.3", right)
        assert "✗ Not yet: that is too much" in said(capsys, "99.3", "a")
        assert "✗ Not yet: that is too little" in said(capsys, "99.3", "C")
        for other in ("d", "", 2, "ab"):
            out = said(capsys, "99.3", other)
            assert '✗ Not yet: give one of the letters "a", "b" and "c"' in out
        assert "Not tried yet" in said(capsys, "99.3", ...)
    finally:
        del checks._checkers["99.3"]
