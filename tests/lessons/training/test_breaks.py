"""The break-it gallery: its runs, its signs, what the quiz says."""

import json
import math
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import record_breaks

from dplib import DplibError
from dplib.lessons.training import breaks
from dplib.lessons.training.breaks import Quiz


def test_runs_are_those_that_the_recorder_plants() -> None:
    runs = breaks.load()
    assert list(runs) == list(record_breaks.BUGS)
    record = json.loads((files("dplib") / "assets/records/breaks.json").read_text())
    for name, run in runs.items():
        bug = record_breaks.BUGS[name]
        assert (run.what, run.clue, run.cure) == (bug.what, bug.clue, bug.cure)
        assert run.rank1 == record["runs"][name]["rank1"]
        assert tuple(run.curves) == tuple(breaks.COLUMNS) == record_breaks.COLUMNS
        points = {len(y) for y in run.curves.values()} | {len(run.iterations)}
        assert points == {len(record["runs"][name]["curves"]["part"])}
        assert run.iterations[:2].tolist() == [5.5, 15.5]  # of 1..10 and 11..20
        assert run.chance == pytest.approx(math.log(record["num_ids"]))


def test_band_spans_the_healthy_runs() -> None:
    runs = breaks.load()
    band = breaks.healthy(runs)
    assert [r.seed for r in band.runs] == [0, 1, 2]
    for c in breaks.COLUMNS:
        low, high = band.curves[c]
        stack = np.stack([r.curves[c] for r in band.runs])
        assert (low <= stack).all() and (stack <= high).all()
        assert ((stack == low).any(0) & (stack == high).any(0)).all()
    assert band.map == (min(r.map for r in band.runs), max(r.map for r in band.runs))
    ends = [r.curves["part"][-5:].mean() for r in band.runs]
    assert band.span("part", "end") == (min(ends), max(ends))
    broken = {n: r for n, r in runs.items() if not n.startswith("healthy")}
    with pytest.raises(DplibError, match="healthy"):
        breaks.healthy(broken)


def test_signs_are_all_seen_in_their_own_run_and_in_no_other() -> None:
    quiz = Quiz()
    signs = breaks.signs(quiz.band)
    assert tuple(sorted(signs)) == quiz.options
    for run in quiz.runs.values():
        shown = [n for n, own in signs.items() if all(s.shown_by(run) for s in own)]
        assert shown == [run.name]


def test_a_sound_training_shows_no_bug_but_that_of_testing() -> None:
    band = Quiz().band
    for run in band.runs:
        shown = [
            name
            for name, own in breaks.signs(band).items()
            if all(s.shown_by(run) for s in own)
        ]
        assert shown == ["statistics at training only"]


def test_letters_hide_the_order_and_the_seed_decides_it() -> None:
    orders = [[r.name for r in Quiz(seed=s).runs.values()] for s in (0, 0, 1)]
    assert orders[0] == orders[1] != orders[2]
    assert sorted(orders[0]) == sorted(orders[2]) == list(Quiz().options)
    assert list(Quiz().runs) == list("ABCDEFGHIJ")
    planted = [n for n in record_breaks.BUGS if not n.startswith("healthy")]
    assert orders[0] != planted and orders[0] != sorted(planted)


def test_verdicts_name_what_was_seen() -> None:
    quiz = Quiz()
    for letter, run in quiz.runs.items():
        right, why = quiz.judge(letter, run.name)
        assert right and run.clue in why and run.cure in why
        for other in set(quiz.options) - {run.name}:
            right, why = quiz.judge(letter, other)
            assert not right and why.startswith(f"With “{other}”, ")
            assert "; here " in why and "(healthy runs: " in why
            assert run.what not in why  # a wrong guess gives nothing away


def test_a_verdict_quotes_the_curve() -> None:
    quiz = Quiz()
    letter = next(k for k, r in quiz.runs.items() if r.name == "linear head")
    curves = quiz.runs[letter].curves
    _, why = quiz.judge(letter, "squared distances")
    assert f"the gradient's norm starts at {curves['grad_norm'][0]:.1f} (" in why
    _, why = quiz.judge(letter, "one image a person")
    assert f"ends at {100 * curves['active'][-5:].mean():.0f} % (" in why
    _, why = quiz.judge(letter, "shuffled labels")
    assert f"ends at {curves['part'][-5:].mean():.2f} (" in why
    assert why.endswith(f"guessing: {math.log(500):.2f}).")
    _, why = quiz.judge(letter, "frozen BatchNorm")
    assert f"after 30 iterations is {curves['ranking'][2]:.2f} (" in why


def test_the_lesson_lists_every_run_by_letter_with_its_diagnosis() -> None:
    """The list for those without a kernel says what the quiz says, in its order."""
    lesson = Path(__file__).parents[3] / "notebooks/05_training.ipynb"
    outputs = [
        o
        for c in json.loads(lesson.read_text("utf-8"))["cells"]
        for o in c.get("outputs", ())
    ]
    texts = ["".join(o.get("data", {}).get("text/markdown", "")) for o in outputs]
    (folded,) = [t for t in texts if "<summary>All ten: " in t]
    items = [f"- **{k} · {r.name}.** {r.diagnosis}" for k, r in Quiz().runs.items()]
    assert len(items) == 10 and "\n".join(items) in folded


def test_judge_refuses_what_it_does_not_know() -> None:
    with pytest.raises(DplibError, match="'Z'"):
        Quiz().judge("Z", "linear head")
    with pytest.raises(DplibError, match="'a ghost'"):
        Quiz().judge("A", "a ghost")


def test_score() -> None:
    quiz = Quiz()
    assert quiz.score({}) == (0, 0)
    assert quiz.score({k: r.name for k, r in quiz.runs.items()}) == (10, 10)
    assert quiz.score(dict.fromkeys(quiz.runs, "linear head")) == (1, 10)
