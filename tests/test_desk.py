"""What the trials of mutants find out about checks that are good, weak and wrong."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from answers import Desk, Trial, alike
from mutants import Mutant
from solutions import Exercise

from dplib.lessons import checks
from dplib.lessons.causes import Cause, blame

STUB = "def add_up(xs):\n    return ..."
SOLUTION = """def add_up(xs):
    total = 0
    for x in xs:
        total += x
    return total
"""
LATE = SOLUTION.replace("xs:", "xs[1:]:")
Checker = Callable[[Any], str | None]


def numbers(rng: np.random.Generator) -> tuple[Any, ...]:
    return (rng.integers(1, 5, rng.integers(6)).tolist(),)


def late(xs: list[int]) -> int:
    return sum(xs[1:])


@pytest.fixture
def put() -> Iterator[Callable[..., Desk]]:
    def desk(checker: Checker, **found: Any) -> Desk:
        checks.exercise("99.1")(checker)
        parts = Exercise("k = 1", STUB, SOLUTION, "check('99.1', add_up)")
        return Desk("99.1", parts, {"INPUTS": {"99.1": numbers}, **found})

    yield desk
    del checks._checkers["99.1"]


def good(answer: Any) -> str | None:
    cases = [([],), ([3],), ([1, 2, 4],)]
    return blame(answer, sum, cases, {"you left out the first": late})


def weak(answer: Any) -> str | None:
    return None if answer([1]) == 1 else "it should be 1"


def accepted(found: list[Trial]) -> set[str]:
    return {t.mutant.what for t in found if t.differs and t.said.right}


def test_a_good_check_refuses_all_that_changes_a_result(put: Any) -> None:
    found = put(good).trials()
    changing = [t for t in found if t.differs]
    assert len(changing) > 5 and accepted(found) == set()
    assert all(t.said.right for t in found if not t.differs)


def test_a_weak_check_is_found_out(put: Any) -> None:
    assert accepted(put(weak).trials()) == {"line 4: total += x → total = x"}


def test_a_check_that_breaks_down_is_told_from_one_that_refuses(put: Any) -> None:
    def breaks(answer: Any) -> str | None:
        assert answer([2, 2]) == 4
        return None

    broken = [t for t in put(breaks).trials() if t.said.crashed and t.same_form]
    assert "line 2: 0 → 1" in {t.mutant.what for t in broken}
    assert not any(t.said.crashed for t in put(good).trials())


def test_an_endless_mutant_is_refused(put: Any) -> None:
    endless = "def add_up(xs):\n    while True:\n        pass"
    trial = put(good).trial(Mutant("endless", endless))
    assert "endless loop" in trial.said.text and "TimeoutError" in trial.differs


def test_an_answer_that_cannot_be_run_is_refused(put: Any) -> None:
    trial = put(good).trial(Mutant("no name", "add_up = subtract"))
    assert trial.differs and not trial.said.right and not trial.same_form


def test_a_named_cause_is_held_against_the_answer(put: Any) -> None:
    place = put(good)
    cause = place.judge(LATE).mistake
    assert isinstance(cause, Cause) and place.unlike(cause) == ""
    # The same for the inputs of the check, and another mistake for longer lists
    at_most = SOLUTION.replace("xs:", "xs[1:3]:")
    cause = place.judge(at_most).mistake
    assert isinstance(cause, Cause) and "not" in place.unlike(cause)


def test_mistakes_that_no_case_tells_apart_are_listed(put: Any) -> None:
    def vague(answer: Any) -> str | None:
        mistakes = {"first": late, "last": lambda xs: sum(xs[:-1]), "none": sum}
        return blame(answer, sum, [([2, 2],)], mistakes)

    place = put(vague)
    cause = place.judge(LATE).mistake
    assert set(place.doubles(cause)) == {"first = last", "right = none"}


def test_functions_of_other_arguments_are_called_by_run_and_blamed(put: Any) -> None:
    def doubled(answer: Any) -> str | None:
        wrong = {"you left out the first": lambda k: late([k, k])}
        return blame(lambda k: answer([k, k]), lambda k: 2 * k, [(3,), (4,)], wrong)

    place = put(
        doubled,
        RUN={"99.1": lambda answer, xs: answer([1, *xs])},
        BLAMED={"99.1": lambda function, xs: function(len(xs))},
    )
    assert place.wanted[0] == ("gives", 1 + sum(place.inputs[0][0]))
    assert place.unlike(place.judge(LATE).mistake) == ""
    assert "needs BLAMED" in put(doubled).unlike(place.judge(LATE).mistake)


def test_a_function_needs_inputs(put: Any) -> None:
    place = put(good, INPUTS={})
    with pytest.raises(pytest.fail.Exception, match=r"99.1 has no INPUTS"):
        place.trials()


@pytest.mark.parametrize(
    ("got", "want", "equal"),
    [
        (("gives", 1), ("gives", np.float32(1)), True),
        (("gives", 1), ("gives", 1.001), False),
        (("gives", 1e-5), ("gives", 2e-5), False),
        (("gives", [1, 2]), ("gives", (1, 2)), True),
        (("gives", ("7", "2")), ("gives", ("7", "2")), True),
        (("gives", ("7", "2")), ("gives", ("2", "7")), False),
        (("gives", None), ("gives", 0), False),
        (("gives", None), ("gives", None), True),
        (("gives", "KeyError"), ("raises", "KeyError"), False),
        (("raises", "KeyError"), ("raises", "IndexError"), True),
    ],
)
def test_alike(got: Any, want: Any, equal: bool) -> None:
    assert alike(got, want) is equal
