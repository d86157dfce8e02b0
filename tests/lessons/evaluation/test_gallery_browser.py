"""The ranked gallery in a real browser: a key moves the slider."""

from pathlib import Path

import browser

WIDGET = "widgets.ranked_gallery(result, samples[:8], samples)"


def test_slider_changes_label_and_picture(lab: browser.Lab, tmp_path: Path) -> None:
    """Moving the slider shows the next query's AP and match ranks, and its list."""
    scope: dict[str, object] = {}
    exec(browser.RANKED, scope)
    result = scope["result"]
    with browser.notebook(lab, [browser.RANKED, WIDGET]) as page:
        label = page.locator(".widget-html-content", has_text="pid ").first
        before = label.inner_text()
        browser.press(page)
        said = label.inner_text()
        ranks = ", ".join(map(str, result.match_ranks[1].tolist()))  # type: ignore[attr-defined]
        assert said != before and said.endswith(f"true matches at ranks {ranks}")
        assert f"AP {float(result.ap[1]):.2f}" in said  # type: ignore[attr-defined]
        page.screenshot(path=tmp_path / "widget.png")
