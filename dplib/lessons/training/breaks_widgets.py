"""The break-it gallery: diagnose broken trainings, on ``breaks_figures``' drawings."""

from __future__ import annotations

import ipywidgets

from dplib import plots
from dplib.lessons import view
from dplib.lessons.training import breaks_figures
from dplib.lessons.training.breaks import Quiz

ASK = "choose …"


def gallery(*, seed: int = 0) -> ipywidgets.Widget:
    """Choose a run by its letter, look at its curves, choose a diagnosis, read why.

    ``seed`` orders the letters. The latest diagnosis of each run counts.
    """
    quiz = Quiz(seed=seed)
    answers: dict[str, str] = {}
    letter = ipywidgets.Dropdown(options=list(quiz.runs), description="run")
    guess = ipywidgets.Dropdown(options=[ASK, *quiz.options], description="diagnosis")
    result = ipywidgets.Checkbox(description="show the result", indent=False)
    verdict, total = ipywidgets.HTML(), ipywidgets.HTML()
    picture = view.picture()

    def draw(change: object = None) -> None:
        fig = breaks_figures.curves(
            quiz.runs[letter.value],
            quiz.band,
            result=result.value,
            title=f"Run {letter.value}",
        )
        picture.value = plots.png(fig)

    def judge(change: object = None) -> None:
        if guess.value == ASK:
            answers.pop(letter.value, None)
            verdict.value = "What was planted here?"
        else:
            answers[letter.value] = guess.value
            right, why = quiz.judge(letter.value, guess.value)
            verdict.value = f"{'✓ Right.' if right else '✗ No.'} {why}"
        right_ones, said = quiz.score(answers)
        total.value = f"{right_ones} right of {said} diagnosed, {len(quiz.runs)} runs"

    def turn(change: object = None) -> None:
        guess.value = answers.get(letter.value, ASK)
        judge()  # the other run may have the same diagnosis
        draw()

    letter.observe(turn, names="value")
    guess.observe(judge, names="value")
    result.observe(draw, names="value")
    turn()
    row = view.row([letter, result])
    return ipywidgets.VBox([row, picture, guess, verdict, total])
