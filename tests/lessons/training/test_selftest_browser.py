"""The self-test in a real browser: every question answered, wrongly, then rightly."""

import browser

from dplib.lessons.training import selftest

CELL = (
    "from dplib.lessons.training import selftest_widgets\nselftest_widgets.self_test()"
)
# the browser waits for a picture, and the self-test has none
PICTURE = """
import ipywidgets
from dplib import plots
from matplotlib.figure import Figure
ipywidgets.Image(value=plots.png(Figure()))
"""


def test_self_test(lab: browser.Lab) -> None:
    """The verdict is the question's, and the score is ``selftest.score``'s."""
    with browser.notebook(lab, [CELL, PICTURE]) as page:
        groups = page.locator(".widget-radio-box")
        assert groups.count() == len(selftest.QUESTIONS)
        answers: dict[int, int] = {}
        for number, q in enumerate(selftest.QUESTIONS):
            wrong = (q.right + 1) % len(q.choices)
            for chosen, sign in ((wrong, "✗ No."), (q.right, "✓ Right.")):
                groups.nth(number).locator("input").nth(chosen).click()
                answers[number] = chosen
                right, said = selftest.score(answers)
                score = f"{right} right of {said} answered, {len(selftest.QUESTIONS)}"
                page.get_by_text(score).wait_for(timeout=60_000)
                # in its own question, not elsewhere
                box = page.locator(".widget-vbox:has(> .widget-radio)").nth(number)
                assert sign in box.inner_text()
        n = len(selftest.QUESTIONS)
        assert page.get_by_text(f"{n} right of {n} answered").count() == 1
