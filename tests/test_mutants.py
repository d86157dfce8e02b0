"""Checks refuse every small mutant of their solution that changes a result.

Whether it does is decided by random inputs (``tests/inputs``), not by the check.
``python tools/mutants.py`` prints the table.
"""

from pathlib import Path

import pytest
from answers import built, desk, trials

from dplib.lessons.causes import Cause

lessons = pytest.mark.parametrize(
    ("source", "id"), [pytest.param(*pair, id=pair[1]) for pair in built()]
)


@lessons
def test_mutants_that_change_a_result_are_refused(source: Path, id: str) -> None:
    found = trials(source, id)
    changing = [t for t in found if t.differs]
    assert changing, "a solution without a mutant that changes anything"
    let_pass = [f"{t.mutant.what}: {t.differs}" for t in changing if t.said.right]
    assert let_pass == [], f"{len(let_pass)} of {len(changing)} are accepted"


@lessons
def test_mutants_that_change_nothing_are_right(source: Path, id: str) -> None:
    """Another way to the same results is no mistake."""
    refused = [t for t in trials(source, id) if not (t.differs or t.said.right)]
    assert [f"{t.mutant.what}: {t.said.text}" for t in refused] == []


@lessons
def test_no_check_breaks_down(source: Path, id: str) -> None:
    """Not for results of the form that the solution has."""
    broken = [t for t in trials(source, id) if t.said.crashed and t.same_form]
    assert [f"{t.mutant.what}: {t.said.text}" for t in broken] == []


@lessons
def test_a_cause_is_named_only_where_it_is_the_cause(source: Path, id: str) -> None:
    """What a mutant gives is what the mistake that the check names gives.

    This holds for all inputs, not only for those that the check tries, and the inputs
    of the check tell the mistakes from each other.
    """
    place = desk(source, id)
    for trial in trials(source, id):
        cause = trial.said.mistake
        if isinstance(cause, Cause):
            assert place.unlike(cause) == "", f"{trial.mutant.what}: {cause}"
