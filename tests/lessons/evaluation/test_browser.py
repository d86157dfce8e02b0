"""The explorer of rankings in a real browser: keys and clicks change what it shows."""

from pathlib import Path
from typing import Any

import browser

RESULTS = """
from dplib.lessons.evaluation import widgets

distances = torch.cdist(query.features, both.features)
flipped = evaluation.evaluate(query, both, distances=-distances)
blocks = torch.cdist(query.features, both.features, p=1)
city = evaluation.evaluate(query, both, distances=blocks)
"""
WIDGET = """
widgets.ranking_explorer(
    {"near": result, "city": city}, samples[:8], samples, reranked={"near": flipped}
)
"""


def test_each_control_changes_text_and_pictures(
    lab: browser.Lab, tmp_path: Path
) -> None:
    """The text is that of the result shown; both pictures follow each control."""
    scope: dict[str, Any] = {}
    exec(browser.RANKED + RESULTS, scope)
    describe = scope["widgets"].describe
    queries, plain, flipped = scope["samples"], scope["result"].ap, scope["flipped"]
    # which query is second in an order: each time another one
    second = {
        "worst AP first": int(plain.argsort()[1]),
        "re-ranking harms most": int((flipped.ap - plain).argsort()[1]),
    }
    with browser.notebook(lab, [browser.RANKED, RESULTS + WIDGET]) as page:
        text = page.locator(".widget-html-content", has_text="pid ").first
        assert text.inner_text() == describe(scope["result"], 0, queries, "near")
        with browser.changed(page, 1):
            browser.press(page)
        assert text.inner_text() == describe(scope["result"], 1, queries, "near")
        with browser.changed(page, 0), browser.changed(page, 1):
            page.locator(".widget-checkbox input").first.click()
        name = "near, re-ranked"
        assert text.inner_text() == describe(flipped, 1, queries, name)
        variant, order = page.locator(".widget-dropdown select").all()
        for label, i in second.items():
            with browser.changed(page, 0), browser.changed(page, 1):
                order.select_option(label)
            assert text.inner_text() == describe(flipped, i, queries, name)
        with browser.changed(page, 0), browser.changed(page, 1):
            variant.select_option("city")
        assert text.inner_text() == describe(scope["city"], i, queries, "city")
        assert page.locator(".widget-checkbox input").first.is_disabled()
        page.screenshot(path=tmp_path / "explorer.png")
