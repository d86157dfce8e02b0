"""The ranked gallery in a real browser: a key moves the slider."""

from pathlib import Path

import browser

SET_UP = """
import tempfile
import numpy as np, torch
from pathlib import Path
from PIL import Image
from dplib import evaluation, widgets
from dplib.datasets import Sample
from dplib.descriptors import Descriptors

folder = Path(tempfile.mkdtemp())
samples = []
for i in range(24):
    rng = np.random.default_rng(i)
    path = folder / f"{i}.png"
    Image.fromarray(rng.integers(0, 256, (16, 8, 3), np.uint8)).save(path)
    samples.append(Sample(path, 1 + i % 4, 1 + i // 4 % 3))
features = torch.randn(24, 8, generator=torch.Generator().manual_seed(0))
pids = torch.tensor([s.pid for s in samples])
cams = torch.tensor([s.camid for s in samples])
both = Descriptors(features, pids, cams)
query = Descriptors(*(x[:8] for x in both))
result = evaluation.evaluate(query, both)
"""
WIDGET = "widgets.ranked_gallery(result, samples[:8], samples)"


def test_slider_changes_label_and_picture(tmp_path: Path) -> None:
    """Moving the slider shows the next query's AP and match ranks, and its list."""
    scope: dict[str, object] = {}
    exec(SET_UP, scope)
    result = scope["result"]
    with browser.notebook(tmp_path, [SET_UP, WIDGET]) as page:
        label = page.locator(".widget-label", has_text="pid ").first
        before = label.inner_text()
        browser.press(page)
        said = label.inner_text()
        ranks = ", ".join(map(str, result.match_ranks[1].tolist()))  # type: ignore[attr-defined]
        assert said != before and said.endswith(f"true matches at ranks {ranks}")
        assert f"AP {float(result.ap[1]):.2f}" in said  # type: ignore[attr-defined]
        page.screenshot(path=tmp_path / "widget.png")
