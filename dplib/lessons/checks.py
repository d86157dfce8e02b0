"""The checks of exercises and predictions: they print a verdict and never raise.

The checkers of a lesson stand in ``checks.py`` of its room, which is imported when one
of its exercises is checked for the first time::

    from dplib.lessons.checks import exercise

    @exercise("0.1")
    def _rank_one(answer):
        if answer([True, False]) != 1.0:
            return "you counted the queries, not the share of them"
        return None  # right

A checker takes the reader's function or value. It returns None if that is right, and
otherwise a sentence that describes the mistake. It does not have to guard against an
answer that raises, that is still unfinished, or that has an unexpected type: those
cases are handled here. :func:`dplib.lessons.causes.blame` compares a function with the
right one and with those that make the usual mistakes, which is most of a checker.
"""

import functools
import importlib
import linecache
import math
import numbers
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, TypeVar

import torch

from dplib.lessons import ROOMS

Checker = Callable[[Any], str | None]
_C = TypeVar("_C", bound=Checker)

_checkers: dict[str, tuple[Checker, str]] = {}
_guesses: dict[str, Any] = {}


def exercise(id: str, *, praise: str = "") -> Callable[[_C], _C]:
    """Register the decorated function as the checker of exercise `id`.

    `praise` is printed after the word "Right".
    """

    def register(checker: _C) -> _C:
        _checkers[id] = (checker, praise)
        return checker

    return register


def choice(id: str, mistakes: Mapping[str, str | None], *, praise: str = "") -> None:
    """Register an exercise whose answer is a letter, one of the keys of `mistakes`.

    `mistakes` says for each letter why it is wrong; for the right one it has None.
    """
    *first, last = (f'"{letter}"' for letter in mistakes)

    @exercise(id, praise=praise)
    def _(answer: Any) -> str | None:
        letter = answer.strip().lower() if isinstance(answer, str) else ""
        if letter not in mistakes:
            return f"give one of the letters {', '.join(first)} and {last}"
        return mistakes[letter]


def ids(lesson: int) -> list[str]:
    """The ids of the exercises of `lesson` that have a checker, in order."""
    _load(str(lesson))
    return sorted(i for i in _checkers if i.split(".")[0] == str(lesson))


def check(id: str, answer: Any) -> None:
    """Print whether `answer`, a function or a value, is right, and if not, why not.

    The exercise counts as not tried yet if the answer is `...` or None, or a function
    that returns one of these or raises NotImplementedError.
    """
    _load(id.split(".")[0])
    if id not in _checkers:
        known = ", ".join(sorted(_checkers)) or "none"
        print(f"{id}  There is no exercise {id!r}; there are: {known}.")
        return
    checker, praise = _checkers[id]
    print(f"{id}  {_verdict(checker, praise, answer)}")


def _verdict(checker: Checker, praise: str, answer: Any) -> str:
    if answer is None or answer is ...:
        return "Not tried yet: put your answer in place of the dots."
    watched = _Watched(answer) if callable(answer) else answer
    try:
        mistake = checker(watched)
    except _NotTriedError as e:
        return f"Not tried yet: {e}"
    except _AnswerError as e:
        return f"✗ Your code stopped with {e}"
    except Exception as e:
        if isinstance(watched, _Watched):
            kind = f"what your function gives back ({_brief(watched.last)})"
        else:
            kind = f"your answer ({_brief(answer)})"
        how = (
            "differs from"
            if isinstance(e, AssertionError)
            else "is of another type than"
        )
        return f"✗ Not yet: {kind} {how} what was expected: {_first_line(e)}"
    if mistake is None:
        return f"✓ Right. {praise}".rstrip()
    return f"✗ Not yet: {mistake}"


class _NotTriedError(Exception):
    pass


class _AnswerError(Exception):
    """The reader's own code raised an error; the text says which one, and where."""


class _Watched:
    """The reader's function, wrapped so that its errors differ from the checker's."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function, self.last = function, None
        functools.update_wrapper(self, function, updated=())

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            self.last = result = self.function(*args, **kwargs)
        except NotImplementedError:
            raise _NotTriedError("fill in the function, then run this again.") from None
        except Exception as e:
            raise _AnswerError(_in_words(e, self.function)) from e
        if result is ...:
            raise _NotTriedError("put your code in place of the dots.")
        if result is None:
            raise _NotTriedError("your function gives back nothing (no `return`?).")
        return result


def _in_words(error: Exception, function: Callable[..., Any]) -> str:
    """The type and text of `error`, and the line of the reader's code it came from."""
    text = f"{type(error).__name__}: {_first_line(error)}"
    code = getattr(function, "__code__", None)
    found: TracebackType | None = None
    step = error.__traceback__
    while step is not None:
        if code is not None and step.tb_frame.f_code.co_filename == code.co_filename:
            found = step
        step = step.tb_next
    if found is None or code is None:
        return f"{text} (was it called with the arguments it expects?)"
    line = linecache.getline(code.co_filename, found.tb_lineno).strip()
    where = f"line {found.tb_lineno - code.co_firstlineno + 1} of your function"
    return f"{text}, in {where}" + (f": {line}" if line else "")


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _brief(value: Any) -> str:
    shape = getattr(value, "shape", None)
    name = type(value).__name__
    return f"{name} of shape {tuple(shape)}" if shape is not None else name


def _load(lesson: str) -> None:
    """Import the checkers of `lesson`; Python does so only once."""
    if int(lesson) < len(ROOMS):
        importlib.import_module(f"dplib.lessons.{ROOMS[int(lesson)]}.checks")


# -------------------------------------------------------------------- predictions


def predict(id: str, guess: Any) -> None:
    """Note the reader's guess before the result is shown, for :func:`reveal`."""
    _guesses.pop(id, None)
    if guess is None or guess is ...:
        print(f"{id}  No prediction yet: put yours in place of the dots.")
        return
    _guesses[id] = guess
    print(f"{id}  Noted: {guess}. Now look.")


def reveal(id: str, measured: Any, *, within: float = 0.0, unit: str = "") -> None:
    """Print the reader's guess next to the result.

    A number counts as well predicted if it is at most `within` away from the result.
    Other values are compared as text, whatever their case. If the reader has made no
    guess, only the result is printed.

    `unit` stands behind the numbers and ends in "s" if it has a plural ("rows"). A unit
    in brackets, "(pixel row)", is what the numbers count off: pixel row 48.
    """
    said = _guesses.get(id)
    came = f"it is {_in(unit, measured)}"
    if said is None:
        print(f"{id}  You made no prediction; {came}.")
        return
    start = f"{id}  You said {_in(unit, said)}; {came}"
    try:
        difference = float(said) - float(measured)
    except (TypeError, ValueError):
        agree = str(said).strip().lower() == str(measured).strip().lower()
        print(f"{start}: {'as you said' if agree else 'not as you said. Why?'}")
        return
    if not math.isfinite(difference):
        print(f"{start}: one of the two is not a number.")
    elif abs(difference) <= within:
        print(f"{start}: well predicted.")
    else:
        how = "high" if difference > 0 else "low"
        step = _step(unit)
        print(f"{start}: too {how}, by {_in(step, abs(difference))}. Why?")
        if unit and abs(float(said)) >= 1000 * abs(float(measured)) > 0:
            asked = step if unit != "%" else unit
            print(f"      (A thousand times too high or more: it is asked in {asked}.)")
        if unit == "%" and 0 < float(said) < 1 <= float(measured):
            print("      (A share? It is asked in %.)")


def _in(unit: str, value: Any) -> str:
    """`value` with its unit: "12.5 %", "1 row", "3 rows", "pixel row 48"."""
    number = _number(value)
    if unit.startswith("("):
        return f"{unit.strip('()')} {number}"
    if number in ("1", "-1"):
        unit = unit.removesuffix("s")
    return f"{number} {unit}".rstrip()


def _step(unit: str) -> str:
    """The unit of a difference: of shares in percent, it is percentage points."""
    if unit.startswith("("):
        return f"{unit.strip('()')}s"
    return "points" if unit == "%" else unit


def _number(value: Any) -> str:
    if isinstance(value, torch.Tensor) and value.numel() == 1:
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        return str(value)
    size: Any = abs(value)
    if 9999.5 <= size < 1e15:
        return f"{value:,.0f}"
    return str(value) if isinstance(value, numbers.Integral) else f"{value:.4g}"
