"""Right answers of other types are right, and typical mistakes are rightly named."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from answers import Desk, Said, built, desk, wrong_answers

from dplib.lessons.causes import Cause

lessons = pytest.mark.parametrize(
    ("source", "id"), [pytest.param(*pair, id=pair[1]) for pair in built()]
)
INTEGERS = (torch.int64, torch.int32, torch.int16)


def numpy(result: Any) -> Any:
    return result.numpy()


def nested(result: Any) -> Any:
    return result.tolist()


TENSORS: dict[str, Callable[[Any], Any]] = {"array": numpy, "list": nested}
FLOATS = {"float64": lambda r: r.double(), "float32": lambda r: r.float()}
INTS = {
    "int64": lambda r: r.long(),
    "int32": lambda r: r.int(),
    "float32": lambda r: r.float(),
    "array of int32": lambda r: r.int().numpy(),
}
ARRAYS = {"tensor": torch.as_tensor, "list": nested}
NUMBERS = {
    "np.float64": np.float64,
    "np.float32": np.float32,
    "tensor of float64": lambda r: torch.tensor(r, dtype=torch.float64),
    "tensor of float32": lambda r: torch.tensor(r, dtype=torch.float32),
    "array": np.array,
}
WHOLE = {
    "np.int64": np.int64,
    "np.int32": np.int32,
    "tensor": torch.tensor,
    "float": float,
}
TRUTHS = {"np.bool_": np.bool_, "tensor": torch.tensor}


def forms(result: Any) -> dict[str, Callable[[Any], Any]]:
    """Ways to give back the same numbers: name → conversion of the result."""
    if isinstance(result, torch.Tensor):
        if result.requires_grad:  # that a gradient flows may be asked for
            return FLOATS if result.is_floating_point() else {}
        numbers = FLOATS if result.is_floating_point() else {}
        numbers = INTS if result.dtype in INTEGERS else numbers
        return TENSORS | numbers
    if isinstance(result, np.ndarray):
        return ARRAYS
    if isinstance(result, bool):
        return TRUTHS
    if isinstance(result, int):
        return WHOLE
    if isinstance(result, float):
        return {"float": float, **NUMBERS}
    if isinstance(result, list | tuple):
        return _sequences(result)
    return {}


def _sequences(result: list[Any] | tuple[Any, ...]) -> dict[str, Callable[[Any], Any]]:
    """The same of another kind, and each member in another form."""
    kind = type(result) if type(result) in (list, tuple) else tuple
    found: dict[str, Callable[[Any], Any]] = {
        "tuple": tuple,
        "list": list,
        **{
            f"members: {name}": lambda r, n=name: kind(
                forms(x).get(n, lambda y: y)(x) for x in r
            )
            for member in result
            for name in forms(member)
        },
    }
    numbers = all(isinstance(x, bool | int | float | np.number) for x in result)
    if result and numbers:
        found |= {"array": np.array, "tensor": torch.tensor}
    return found


class Other:
    """The solution's function, whose results are given back in another form."""

    def __init__(self, function: Callable[..., Any], name: str) -> None:
        self.function, self.name = function, name

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        result = self.function(*arguments, **named)
        return forms(result).get(self.name, lambda r: r)(result)


def solved(place: Desk) -> Any:
    answer = place.judge(place.parts.solution).answer
    assert answer is not None
    return answer


class Watched:
    """Notes which forms the results of a function can have."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function, self.names = function, set[str]()

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        result = self.function(*arguments, **named)
        self.names |= set(forms(result))
        return result


@lessons
def test_results_of_other_types_are_right(source: Path, id: str) -> None:
    place = desk(source, id)
    answer = solved(place)
    if not callable(answer):
        return
    watched = Watched(answer)
    assert place.hear(watched).right
    said = {name: place.hear(Other(answer, name)) for name in sorted(watched.names)}
    assert {n: s.text for n, s in said.items() if not s.right} == {}


@lessons
def test_the_mistake_that_is_named_is_the_one_that_was_made(
    source: Path, id: str
) -> None:
    """For the wrong answers of ``tests/wrong_answers``; mutants: test_mutants.py."""
    place = desk(source, id)
    for code in wrong_answers(source).get(id, []):
        cause = place.judge(code).mistake
        if isinstance(cause, Cause):
            assert place.unlike(cause) == "", f"{code}\n→ {cause}"


@lessons
def test_the_cases_of_a_check_tell_its_mistakes_apart(source: Path, id: str) -> None:
    place = desk(source, id)
    said = [place.judge(code) for code in wrong_answers(source).get(id, [])]
    assert [pair for cause in causes(said) for pair in place.doubles(cause)] == []


def causes(said: list[Said]) -> list[Cause]:
    """One for each call of blame: its mistakes are those of all."""
    found = {id(s.mistake.mistakes): s.mistake for s in said if is_cause(s)}
    return list(found.values())


def is_cause(said: Said) -> bool:
    return isinstance(said.mistake, Cause)
