"""Checks refuse every small mutant of their solution that changes a result.

Whether it does is decided by random inputs (``tests/inputs``), not by the check.
``python tools/try_mutants.py`` prints the table.
"""

import re
from pathlib import Path

import pytest
from answers import Trial, built, desk, trials

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


# A sentence that quotes what it saw claims no cause
QUOTES = re.compile(
    r"yours: |it (matches|does not match) |should be .*, (it|yours) is "
)


@lessons
def test_a_sentence_without_a_cause_is_for_one_mistake_or_says_what_was_seen(
    source: Path, id: str
) -> None:
    """Or for results of another form than the solution's, which is seen as well."""
    place = desk(source, id)
    groups: dict[str, list[Trial]] = {}
    for trial in trials(source, id):
        said = trial.said.mistake
        if said is not None and not isinstance(said, Cause) and trial.same_form:
            groups.setdefault(said, []).append(trial)
    for said, (first, *others) in groups.items():
        for trial in others if not QUOTES.search(said) else ():
            other = place.between(first.said.answer, trial.said.answer)
            assert other == "", f"{first.mutant.what}, {trial.mutant.what}: {said}"
