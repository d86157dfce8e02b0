"""Notebooks in JupyterLab in a real browser, for the tests of widgets.

JupyterLab is started once (the fixture ``lab`` of tests/lessons/conftest.py).
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import nbformat
import pytest

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
]
PICTURE = ".jp-OutputArea img.widget-image"
HANDLE = ".widget-slider .noUi-handle"
TOKEN = "t"
# The kernel goes on with what it has imported, but with nothing else.
START = """%reset -f
import sys
import ipywidgets
sys.path.insert(0, {!r})
ipywidgets.Widget.close_all()"""


def find(chromium: Any) -> str:
    """An installed Chrome or Chromium, else playwright's own; else ``missing``."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    found = next(filter(None, map(shutil.which, names)), chromium.executable_path)
    if not Path(found).exists():
        missing("no Chrome or Chromium here: tools/get_chromium.sh gets one")
    return str(found)


def missing(what: str) -> NoReturn:
    """Skip the test; where CI is set, in the project's own checks, let it fail."""
    if os.environ.get("CI", "").lower() not in ("", "0", "false"):
        pytest.fail(f"{what}; with CI set no browser test may be skipped")
    pytest.skip(what)


class Lab(NamedTuple):
    """A JupyterLab that runs, the folder it serves, and a browser to see it in."""

    address: str
    folder: Path
    executable: str  # the browser's
    profile: Path  # its cache lasts from test to test


@contextlib.contextmanager
def lab(root: Path) -> Iterator[Lab]:
    """Start JupyterLab in ``root``, with settings of its own, and end it afterwards."""
    try:
        from playwright import sync_api
    except ImportError:
        missing("playwright is not installed: pip install playwright")
    with sync_api.sync_playwright() as p:
        executable = find(p.chromium)
    work = root / "work"
    work.mkdir()
    with _server(root, work) as address:
        yield Lab(address, work, executable, root / "profile")


@contextlib.contextmanager
def notebook(
    lab: Lab, cells: Sequence[str], *, width: int = 1280, height: int = 900
) -> Iterator[Any]:
    """A playwright page in which ``cells`` have run and the first picture is there.

    The notebook is a file of its own. All notebooks have one kernel, so that PyTorch is
    imported once; it forgets the names and widgets of the notebook before. The cells
    can import dplib and find the checkout's ToyMarket by ``workspace.folders()``.
    Errors of the page fail the test when the block ends.
    """
    from playwright import sync_api

    root = str(Path(__file__).resolve().parents[1])
    code = [nbformat.v4.new_code_cell(c) for c in (START.format(root), *cells)]
    nb = nbformat.v4.new_notebook(cells=code)
    nb.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    name = f"nb{len(list(lab.folder.iterdir()))}.ipynb"
    nbformat.write(nb, lab.folder / name)
    # Playwright ends with the test: it would leave an event loop running, in which no
    # other test of this process could call asyncio.run.
    with sync_api.sync_playwright() as p, _kernel(lab, name):
        context = p.chromium.launch_persistent_context(
            lab.profile,
            executable_path=lab.executable,
            args=FLAGS,
            viewport={"width": width, "height": height},
        )
        page = context.pages[0]
        errors: list[str] = []
        page.on("pageerror", lambda e: errors.append(str(e)))
        page.goto(f"{lab.address}/lab/tree/{name}?token={TOKEN}&reset")
        page.locator(".jp-Notebook").wait_for(timeout=120_000)
        page.get_by_text("Python 3 (ipykernel) | Idle").wait_for(timeout=120_000)
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_text("Run All Cells", exact=True).click()
        try:
            page.locator(PICTURE).first.wait_for(timeout=180_000)
        except sync_api.TimeoutError:
            page.screenshot(path=lab.folder / f"{name}.png")
            said = page.locator("body").inner_text()[-3000:]
            raise AssertionError(said) from None
        yield page
        assert not errors, errors
        context.close()


def press(page: Any, key: str = "ArrowRight", *, slider: int = 0, n: int = 0) -> None:
    """Press ``key`` on the slider's handle; back when picture ``n`` has changed."""
    handle = page.locator(HANDLE).nth(slider)
    handle.focus()
    with changed(page, n):
        handle.press(key)


def assert_own_size(page: Any, n: int = 0) -> None:
    """Picture ``n`` is neither stretched nor wider than what surrounds it."""
    image = page.locator(PICTURE).nth(n)
    shown, own = image.evaluate("e => [e.clientWidth, e.naturalWidth]")
    room, needed = image.evaluate(
        "e => [e.parentElement.clientWidth, e.parentElement.scrollWidth]"
    )
    assert shown == min(own, room), f"{own} px shown in {shown} of {room}"
    assert needed == room, "a scroll bar"


@contextlib.contextmanager
def changed(page: Any, n: int = 0) -> Iterator[None]:
    """What happens in the block must change picture ``n`` of the page."""
    before = page.locator(PICTURE).nth(n).get_attribute("src")
    yield
    page.wait_for_function(
        "([s, n, old]) => document.querySelectorAll(s)[n].getAttribute('src') !== old",
        arg=[PICTURE, n, before],
        timeout=60_000,
    )


@contextlib.contextmanager
def _server(root: Path, work: Path) -> Iterator[str]:
    """The address of a JupyterLab that has settings of its own and serves ``work``."""
    env = dict(os.environ)
    for kind in ("CONFIG", "DATA", "RUNTIME"):
        env[f"JUPYTER_{kind}_DIR"] = str(root / kind)
    settings = root / "DATA" / "lab" / "settings"
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
    log = root / "lab.log"
    command = [sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root"]
    command += ["--ip=127.0.0.1", "--port=0", f"--IdentityProvider.token={TOKEN}"]
    command += [f"--LabApp.user_settings_dir={root / 'user'}"]
    command += [f"--LabApp.app_settings_dir={settings}"]
    with log.open("w") as f:
        server = subprocess.Popen(command, cwd=work, env=env, stdout=f, stderr=f)
    try:
        yield _address(log, server)
    finally:
        server.terminate()
        server.wait()


@contextlib.contextmanager
def _kernel(lab: Lab, notebook: str) -> Iterator[None]:
    """Give the kernel of all notebooks to this one; it ends when the block fails."""
    running = _ask(lab.address, "api/kernels")
    kernel = running[0] if running else _ask(lab.address, "api/kernels", "POST")
    wanted = {"path": notebook, "name": notebook, "type": "notebook", "kernel": kernel}
    _ask(lab.address, "api/sessions", "POST", wanted)
    try:
        yield
    except BaseException:
        _ask(lab.address, f"api/kernels/{kernel['id']}", "DELETE")
        raise


def _ask(address: str, path: str, method: str = "GET", content: Any = None) -> Any:
    """What the server's interface answers, from JSON."""
    url = f"{address}/{path}?token={TOKEN}"
    body = None if content is None else json.dumps(content).encode()
    request = urllib.request.Request(url, body, method=method)
    with urllib.request.urlopen(request) as answer:
        return json.loads(answer.read() or "null")


def _address(log: Path, server: subprocess.Popen[bytes]) -> str:
    while server.poll() is None:
        found = re.search(r"http://127\.0\.0\.1:\d+", log.read_text())
        if found:
            try:
                _ask(found[0], "api")
                return found[0]
            except OSError:
                pass
        time.sleep(0.3)
    raise AssertionError(f"JupyterLab did not start: {log.read_text()[-2000:]}")


# twenty-four noisy pictures and their ranking, as a notebook cell
RANKED = """
import tempfile
import numpy as np, torch
from pathlib import Path
from PIL import Image
from dplib import evaluation
from dplib.descriptors import Descriptors
from dplib.lessons.evaluation import widgets
from dplib.samples import Sample

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
