"""The gallery as a widget: letters, verdicts, score, the result on demand."""

from typing import Any

from dplib import plots
from dplib.lessons.training import breaks_figures, breaks_widgets
from dplib.lessons.training.breaks import Quiz


def parts(box: Any) -> tuple[Any, ...]:
    """letter, result, picture, diagnosis, verdict, total."""
    row, picture, guess, verdict, total = box.children
    return (*row.children, picture, guess, verdict, total)


def test_each_letter_shows_its_run() -> None:
    letter, _, picture, *_ = parts(breaks_widgets.gallery())
    quiz = Quiz()
    assert tuple(letter.options) == tuple(quiz.runs)
    for k, run in quiz.runs.items():
        letter.value = k
        fig = breaks_figures.curves(run, quiz.band, title=f"Run {k}")
        assert picture.value == plots.png(fig)


def test_verdict_and_score_are_the_quiz_s() -> None:
    letter, _, _, guess, verdict, total = parts(breaks_widgets.gallery(seed=3))
    quiz = Quiz(seed=3)
    assert total.value == "0 right of 0 diagnosed, 10 runs"
    assert tuple(guess.options) == (breaks_widgets.ASK, *quiz.options)
    for n, (k, run) in enumerate(quiz.runs.items()):
        letter.value = k
        assert guess.value == breaks_widgets.ASK
        assert verdict.value == "What was planted here?"
        wrong = next(o for o in quiz.options if o != run.name)
        guess.value = wrong
        assert verdict.value == f"✗ No. {quiz.judge(k, wrong).why}"
        assert total.value.startswith(f"{n} right of {n + 1} diagnosed")
        guess.value = run.name
        assert verdict.value == f"✓ Right. {quiz.judge(k, run.name).why}"
        assert total.value.startswith(f"{n + 1} right of {n + 1} diagnosed")


def test_an_answer_is_kept_with_its_run() -> None:
    letter, _, _, guess, verdict, total = parts(breaks_widgets.gallery())
    quiz = Quiz()
    guess.value = "linear head"
    letter.value = "B"
    guess.value = "linear head"  # the same diagnosis of another run
    said = verdict.value
    letter.value = "A"
    assert guess.value == "linear head"
    assert verdict.value.endswith(quiz.judge("A", "linear head").why) != said
    assert total.value.startswith("0 right of 2")
    guess.value = breaks_widgets.ASK  # taken back
    assert total.value.startswith("0 right of 1")


def test_the_result_is_shown_on_demand() -> None:
    _, result, picture, *_ = parts(breaks_widgets.gallery())
    quiz, hidden = Quiz(), bytes(picture.value)
    result.value = True
    fig = breaks_figures.curves(quiz.runs["A"], quiz.band, result=True, title="Run A")
    assert picture.value == plots.png(fig) != hidden
    result.value = False
    assert picture.value == hidden
