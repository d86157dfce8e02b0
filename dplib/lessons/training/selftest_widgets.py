"""The self-test as a widget: choose an answer, read why."""

from __future__ import annotations

from typing import Any

import ipywidgets

from dplib.lessons.training import selftest


def self_test() -> ipywidgets.Widget:
    """All questions below each other; a choice shows its verdict and the reason."""
    answers: dict[int, int] = {}
    total = ipywidgets.Label()

    def count() -> None:
        right, said = selftest.score(answers)
        total.value = (
            f"{right} right of {said} answered, {len(selftest.QUESTIONS)} questions"
        )

    def one(number: int, q: selftest.Question) -> ipywidgets.Widget:
        title = ipywidgets.HTML(
            f"<b>{number + 1}.</b> {q.text} <i>(lesson {q.lesson})</i>"
        )
        choice = ipywidgets.RadioButtons(
            options=[(text, i) for i, text in enumerate(q.choices)],
            index=None,
            layout=ipywidgets.Layout(width="auto"),
        )
        verdict = ipywidgets.HTML()

        def judge(change: dict[str, Any]) -> None:
            if change["new"] is None:
                return
            answers[number] = change["new"]
            sign = "✓ Right." if change["new"] == q.right else "✗ No."
            verdict.value = f"{sign} {q.why}"
            count()

        choice.observe(judge, names="value")
        return ipywidgets.VBox([title, choice, verdict])

    count()
    rows = [one(i, q) for i, q in enumerate(selftest.QUESTIONS)]
    return ipywidgets.VBox([*rows, total])
