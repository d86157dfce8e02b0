"""A widget in a real browser: JupyterLab serves a notebook, a key moves the slider."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))),
    None,
)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
]
SET_UP = """
import sys, tempfile
import numpy as np, torch
from pathlib import Path
from PIL import Image
sys.path.insert(0, {root!r})
from dplib import evaluation, widgets
from dplib.datasets import Sample
from dplib.descriptors import Descriptors

folder = Path(tempfile.mkdtemp())
samples = []
for i in range(24):
    rng = np.random.default_rng(i)
    path = folder / f"{{i}}.png"
    Image.fromarray(rng.integers(0, 256, (16, 8, 3), np.uint8)).save(path)
    samples.append(Sample(path, 1 + i % 4, 1 + i // 4 % 3))
features = torch.randn(24, 8, generator=torch.Generator().manual_seed(0))
pids = torch.tensor([s.pid for s in samples])
cams = torch.tensor([s.camid for s in samples])
both = Descriptors(features, pids, cams)
query = Descriptors(*(x[:8] for x in both))
"""
WIDGET = """
result = evaluation.evaluate(query, both)
widgets.ranked_gallery(result, samples[:8], samples)
"""


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[str]:
    """The address of a JupyterLab with settings of its own, showing nb.ipynb."""
    if CHROMIUM is None:
        pytest.skip("no chromium here: install it to run the browser tests")
    root = str(Path(__file__).resolve().parents[1])
    cells = [SET_UP.format(root=root), WIDGET]
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
    nb.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    work = tmp_path / "work"
    work.mkdir()
    nbformat.write(nb, work / "nb.ipynb")
    env = dict(os.environ)
    for kind in ("CONFIG", "DATA", "RUNTIME"):
        env[f"JUPYTER_{kind}_DIR"] = str(tmp_path / kind)
    settings = tmp_path / "DATA" / "lab" / "settings"
    settings.mkdir(parents=True)
    (settings / "overrides.json").write_text(
        json.dumps(  # with windowing, cells off the screen are not in the page
            {
                "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"},
                "@jupyterlab/apputils-extension:notification": {
                    "fetchNews": "false",
                    "checkForUpdates": False,
                },
            }
        )
    )
    log = tmp_path / "lab.log"
    command = [sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root"]
    command += ["--ip=127.0.0.1", "--port=0", "--IdentityProvider.token=t"]
    command += [f"--LabApp.user_settings_dir={tmp_path / 'user'}"]
    command += [f"--LabApp.app_settings_dir={settings}"]
    with log.open("w") as f:
        server = subprocess.Popen(command, cwd=work, env=env, stdout=f, stderr=f)
    try:
        yield _address(log, server) + "/lab/tree/nb.ipynb?token=t&reset"
    finally:
        server.terminate()
        server.wait()


def _address(log: Path, server: subprocess.Popen[bytes]) -> str:
    while server.poll() is None:
        found = re.search(r"http://127\.0\.0\.1:\d+", log.read_text())
        if found:
            try:
                urllib.request.urlopen(f"{found[0]}/api?token=t")
                return found[0]
            except OSError:
                pass
        time.sleep(0.3)
    raise AssertionError(f"JupyterLab did not start: {log.read_text()[-2000:]}")


def test_slider_changes_label_and_picture(lab: str, tmp_path: Path) -> None:
    """Moving the slider of the ranked gallery changes its text and its picture."""
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1200, "height": 900})
        page.goto(lab)
        page.locator(".jp-Notebook").wait_for(timeout=120_000)
        page.get_by_text("Python 3 (ipykernel) | Idle").wait_for(timeout=120_000)
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_text("Run All Cells", exact=True).click()
        picture = page.locator(".jp-OutputArea img.widget-image")
        try:
            picture.wait_for(timeout=180_000)
        except sync_api.TimeoutError:
            page.screenshot(path=tmp_path / "no_widget.png")
            raise AssertionError(page.locator("body").inner_text()[-3000:]) from None
        label = page.locator(".widget-label", has_text="pid ").first
        before = picture.get_attribute("src"), label.inner_text()
        handle = page.locator(".widget-slider .noUi-handle").first
        handle.focus()
        handle.press("ArrowRight")
        page.wait_for_function(
            "old => document.querySelector('.jp-OutputArea img.widget-image')"
            ".getAttribute('src') !== old",
            arg=before[0],
            timeout=60_000,
        )
        assert label.inner_text() != before[1]
        page.screenshot(path=tmp_path / "widget.png")
        browser.close()
