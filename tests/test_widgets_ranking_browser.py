"""The explorer of rankings in a real browser: keys and clicks change what it shows."""

from pathlib import Path

import browser
from test_widgets_browser import SET_UP

RESULTS = """
from dplib import widgets_ranking

distances = torch.cdist(query.features, both.features)
flipped = evaluation.evaluate(query, both, distances=-distances)
"""
WIDGET = """
widgets_ranking.ranking_explorer(
    {"near": result}, samples[:8], samples, reranked={"near": flipped}
)
"""


def test_slider_and_checkbox_change_text_and_pictures(tmp_path: Path) -> None:
    """The text is that of the result shown; both pictures follow each control."""
    scope: dict[str, object] = {}
    exec(SET_UP + RESULTS, scope)
    describe = scope["widgets_ranking"].describe  # type: ignore[attr-defined]
    queries = scope["samples"]
    with browser.notebook(tmp_path, [SET_UP, RESULTS + WIDGET]) as page:
        text = page.locator(".widget-html-content", has_text="pid ").first
        assert text.inner_text() == describe(scope["result"], 0, queries, "near")
        with browser.changed(page, 1):
            browser.press(page)
        assert text.inner_text() == describe(scope["result"], 1, queries, "near")
        with browser.changed(page, 0), browser.changed(page, 1):
            page.locator(".widget-checkbox input").first.click()
        name = "near, re-ranked"
        assert text.inner_text() == describe(scope["flipped"], 1, queries, name)
        page.screenshot(path=tmp_path / "explorer.png")
