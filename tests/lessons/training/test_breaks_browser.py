"""The break-it gallery in a real browser: letter, diagnosis, result, score."""

from pathlib import Path

import browser

from dplib.lessons.training.breaks import Quiz

WIDGET = "from dplib.lessons.training import breaks_widgets\nbreaks_widgets.gallery()"


def test_a_diagnosis_is_judged_and_counted(lab: browser.Lab, tmp_path: Path) -> None:
    """What the page says is what dplib says; letter and result change the picture."""
    quiz = Quiz()
    with browser.notebook(lab, [WIDGET], width=800) as page:
        letter, guess = (page.locator(".widget-dropdown select").nth(i) for i in (0, 1))
        with browser.changed(page):
            letter.select_option("C")
        wrong = next(o for o in quiz.options if o != quiz.runs["C"].name)
        guess.select_option(wrong)
        page.get_by_text(f"✗ No. {quiz.judge('C', wrong).why}").wait_for()
        assert page.get_by_text("0 right of 1 diagnosed, 10 runs").is_visible()
        guess.select_option(quiz.runs["C"].name)
        page.get_by_text(
            f"✓ Right. {quiz.judge('C', quiz.runs['C'].name).why}"
        ).wait_for()
        assert page.get_by_text("1 right of 1 diagnosed, 10 runs").is_visible()
        with browser.changed(page):
            page.locator(".widget-checkbox input").check()
        with browser.changed(page):
            letter.select_option("D")
        page.get_by_text("What was planted here?").wait_for()
        browser.assert_own_size(page)
        page.set_viewport_size({"width": 1600, "height": 900})
        page.wait_for_timeout(500)
        browser.assert_own_size(page)
        page.screenshot(path=tmp_path / "widget.png")
