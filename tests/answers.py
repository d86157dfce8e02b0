"""Try answers to the exercises: what a check says of them, and what they really do."""

from __future__ import annotations

import contextlib
import copy
import functools
import io
import itertools
import runpy
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import build_notebooks as tool
import numpy as np
import pytest
import torch
from lesson_stats import exercises
from mutants import Mutant, Steps, limited, mutants
from solutions import Exercise, parts_of

from dplib.lessons import checks
from dplib.lessons.causes import Cause, numbers, same

ROOT = Path(__file__).parents[1]
SOURCES = tool.sources(ROOT)
INPUTS = 200  # random inputs for each exercise
FEWER = 60  # of them, to tell an answer from the mistake that is named
CRASHES = ("than what was expected", "differs from what was expected")

Outcome = tuple[str, Any]  # ("gives", result) or ("raises", the error's type)


class Said(NamedTuple):
    """What the check says of an answer."""

    text: str
    mistake: str | None  # as the checker gave it back; it may be a Cause
    answer: Any  # the object that was checked, None if there is none

    @property
    def right(self) -> bool:
        return "✓ Right" in self.text

    @property
    def crashed(self) -> bool:
        return any(words in self.text for words in CRASHES)


class Trial(NamedTuple):
    """A mutant, what the check says of it, and the first input that tells it apart."""

    mutant: Mutant
    said: Said
    differs: str  # "" if its results are those of the solution for all inputs
    same_form: bool  # where it differs, it gives as many numbers in the same shape


@functools.cache
def exercise(source: Path, id: str) -> Exercise:
    return parts_of(tool.read_source(source), id)


def built(choices: bool = False) -> list[tuple[Path, str]]:
    """All exercises whose answer is code, with `choices` those with a letter, too."""
    return [
        (source, id)
        for source in SOURCES
        for id in exercises(tool.read_source(source))
        if choices or "answer = ..." not in exercise(source, id).stub
    ]


class Desk:
    """Where the answers to one exercise are tried."""

    def __init__(self, id: str, parts: Exercise, found: dict[str, Any]) -> None:
        self.id, self.parts = id, parts
        self.steps = Steps()
        self.base: dict[str, Any] = {"__name__": "lesson", "__step__": self.steps}
        with _quiet():
            exec(self.parts.before, self.base)
        checks._load(id.split(".")[0])
        self.run: Callable[..., Any] = found.get("RUN", {}).get(id, _call)
        self.blamed: Callable[..., Any] = found.get("BLAMED", {}).get(id, _call)
        self.inputs = list(_inputs(found, id))

    def judge(self, code: str) -> Said:
        """What the check says of `code` in place of the stub."""
        space = dict(self.base)
        heard: list[Said] = []
        space["check"] = lambda id, answer: heard.append(self.hear(answer))
        self.steps.reset()
        try:
            with _quiet():
                exec(limited(code), space)
                exec(self.parts.check, space)
        except Exception as e:
            return Said(f"stops with {type(e).__name__}: {e}", None, None)
        return heard[-1]

    def hear(self, answer: Any) -> Said:
        checker, praise = checks._checkers[self.id]
        given: list[str | None] = [None]

        def heard(watched: Any) -> str | None:
            given.append(checker(watched))
            return given[-1]

        self.steps.reset()
        with _quiet():
            text = checks._verdict(heard, praise, answer)
        return Said(text, given[-1], answer)

    def outcome(
        self,
        answer: Any,
        arguments: tuple[Any, ...],
        run: Callable[..., Any] | None = None,
    ) -> Outcome:
        self.steps.reset()
        torch.manual_seed(0)
        try:
            with _quiet():
                return "gives", (run or self.run)(answer, *copy.deepcopy(arguments))
        except Exception as e:
            return "raises", type(e).__name__

    @functools.cached_property
    def wanted(self) -> list[Outcome]:
        """What the solution gives for each input: it raises for none."""
        answer = self.judge(self.parts.solution).answer
        if self.inputs == [()] and callable(answer):
            pytest.fail(f"{self.id} has no INPUTS in tests/inputs")
        found = [self.outcome(answer, arguments) for arguments in self.inputs]
        for arguments, (kind, value) in zip(self.inputs, found, strict=True):
            assert kind == "gives", f"{self.id}: {value} for {arguments}"
        return found

    def compare(self, answer: Any) -> tuple[str, bool]:
        """The first input for which an answer differs, and whether only in numbers."""
        for arguments, want in zip(self.inputs, self.wanted, strict=True):
            got = self.outcome(answer, arguments)
            if not alike(got, want):
                return f"for {arguments} {got}, not {want}", _same_form(got, want)
        return "", True

    def between(
        self, one: Any, other: Any, run: Callable[..., Any] | None = None
    ) -> str:
        """An input for which two answers differ; "" if there is none."""
        compared = 0
        for arguments in self.inputs[:FEWER]:
            got = self.outcome(one, arguments, run)
            want = self.outcome(other, arguments, run)
            if not alike(got, want):
                return f"for {arguments} {got}, not {want}"
            compared += got[0] == "gives"
        return "" if compared else f"{self.id} needs BLAMED: both raise for all inputs"

    def unlike(self, cause: Cause) -> str:
        """An input for which the answer is not what the mistake would have made it."""
        return self.between(cause.answer, cause.wrong, self.blamed)

    def doubles(self, cause: Cause) -> list[str]:
        """Mistakes that no case of the check tells from another, or from none."""
        functions = {"right": cause.right, **cause.mistakes}
        results = {
            words: [self.outcome(made, case, _call) for case in cause.cases]
            for words, made in functions.items()
        }
        return [
            f"{a} = {b}"
            for (a, x), (b, y) in itertools.combinations(results.items(), 2)
            if all(alike(*pair) for pair in zip(x, y, strict=True))
        ]

    def trial(self, mutant: Mutant) -> Trial:
        said = self.judge(mutant.code)
        if said.answer is None:
            return Trial(mutant, said, said.text, False)
        return Trial(mutant, said, *self.compare(said.answer))

    def trials(self) -> list[Trial]:
        """All mutants of the solution."""
        return [self.trial(mutant) for mutant in mutants(self.parts.solution)]


@functools.cache
def desk(source: Path, id: str) -> Desk:
    return Desk(id, exercise(source, id), inputs_of(source))


@functools.cache
def trials(source: Path, id: str) -> list[Trial]:
    """All mutants of the solution of an exercise, tried."""
    return desk(source, id).trials()


def wrong_answers(source: Path) -> dict[str, list[str]]:
    """The typical mistakes in tests/wrong_answers: exercise → code."""
    path = ROOT / "tests/wrong_answers" / f"{source.name[:2]}.py"
    return runpy.run_path(str(path))["WRONG"] if path.is_file() else {}


@functools.cache
def inputs_of(source: Path) -> dict[str, Any]:
    path = ROOT / "tests/inputs" / f"{source.name[:2]}.py"
    return runpy.run_path(str(path)) if path.is_file() else {}


def _inputs(found: dict[str, Any], id: str) -> Iterator[tuple[Any, ...]]:
    """Random inputs; one without arguments for an answer that is a value."""
    make = found.get("INPUTS", {}).get(id)
    if make is None:
        yield ()
        return
    rng = np.random.default_rng(0)
    for _ in range(INPUTS):
        yield make(rng)


def _call(answer: Any, *arguments: Any) -> Any:
    return answer(*arguments) if arguments else answer


def alike(got: Outcome, want: Outcome) -> bool:
    """Equal, apart from rounding, the type of the numbers, and that of an error."""
    if got[0] != want[0] or got[0] == "raises":
        return got[0] == want[0]
    if same(got[1], want[1], rtol=1e-4, atol=1e-6):
        return True
    if numbers(want[1]) is not None:
        return False
    try:
        return bool(got[1] == want[1])
    except (RuntimeError, ValueError):
        return False


def _same_form(got: Outcome, want: Outcome) -> bool:
    """Whether both give results that only their values tell apart."""
    return got[0] == want[0] == "gives" and _form(got[1]) == _form(want[1])


def _form(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_form(v) for v in value]
    if isinstance(value, torch.Tensor | np.ndarray):
        return list(value.shape)
    return type(value).__name__ if numbers(value) is None else "number"


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with np.errstate(all="ignore"):
            yield
