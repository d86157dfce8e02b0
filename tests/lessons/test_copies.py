"""Finding, copying, running and building lessons, on small notebooks of our own."""

import io
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import build_notebooks as tool
import nbformat
import pytest
from PIL import Image

from dplib import DplibError, workspace
from dplib.lessons import copies

ALT = "A small white square, drawn for a test of the alternative text of pictures."
SOURCE = """# %% [markdown]
# # A tiny lesson

# %% tags=["setup"]

# %% [markdown]
# ## Counting
# Some prose.

# %% tags=["nbval-check-output"]
from dplib.lessons import checks
checks.predict("99.p1", ...)

# %%
import sys
print("  50%|#####     | 5/10 [00:01<00:01, 5.0it/s]", end="\\r", file=sys.stderr)
print("decoding: 48/48 in 00:01, BtR 1.20", file=sys.stderr)
print("done")
"""


def make(*cells: str) -> Any:
    """A notebook: texts that begin with # are markdown."""
    new = nbformat.v4
    made = [
        new.new_markdown_cell(c) if c.startswith("#") else new.new_code_cell(c)
        for c in cells
    ]
    return new.new_notebook(cells=made)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with one lesson, found by dplib.lessons."""
    src = tmp_path / "notebooks/src"
    src.mkdir(parents=True)
    (src / "setup_cell.txt").write_text("a = 1\n")
    (src / "00_tiny.py").write_text(SOURCE)
    monkeypatch.setattr(workspace, "checkout", lambda: tmp_path)
    return tmp_path


def test_find_and_copy(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nb = make("# One", "x = 1")
    nb.cells[1].outputs = [nbformat.v4.new_output("stream", text="old")]
    nb.cells[1].execution_count = 7
    nb.metadata.dplib = {"source_hash": "?"}
    nbformat.write(nb, project / "notebooks/00_tiny.ipynb")
    (project / "notebooks/notes.ipynb").write_text("not a lesson")
    assert list(copies.find_lessons()) == ["00_tiny"]
    for name in (0, "0", "00", "00_t"):
        assert copies.find_lesson(name).name == "00_tiny.ipynb"
    with pytest.raises(DplibError, match=r"'7' is not a lesson\. The lessons: 00_tiny"):
        copies.find_lesson("7")
    (copy,) = copies.copy_lessons(project / "mine")
    copied = nbformat.read(copy, as_version=4)
    assert copied.cells[1].outputs == [] and copied.cells[1].execution_count is None
    assert "dplib" not in copied.metadata
    copy.write_text("a reader's work")
    assert copies.copy_lessons(project / "mine", ["00"]) == []
    assert copy.read_text() == "a reader's work"
    assert "yours already" in capsys.readouterr().out
    assert sorted(p.name for p in copy.parent.iterdir()) == ["00_tiny.ipynb"]


def test_no_lesson_yet(project: Path) -> None:
    with pytest.raises(DplibError, match="make notebooks"):
        copies.copy_lessons(project / "mine")


def test_execute_relays_and_writes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "07_x.ipynb"
    picture = (
        "from dplib import plots\nfrom matplotlib.figure import Figure\n"
        f"plots.show(Figure((1, 1)), alt={ALT!r})"
    )
    counting = (
        "import os\nfrom dplib import bars\nprint(os.environ['WORD'])\n"
        "for _ in bars.bar(range(3), 'counting'): pass"
    )
    nbformat.write(make("# Count", counting, "# Look\n```\n# no\n```", picture), path)
    env = {"WORD": "hello", "PYTHONPATH": str(Path(__file__).parents[2])}
    done = copies.execute(path, tmp_path / "out", env=env)
    out, err = capsys.readouterr()
    assert "[ 1/2] Count\nhello\n" in out and "[ 2/2] Look\n" in out
    # the kernel draws no bar, as what it prints ends up in no terminal
    assert err == "counting: 3/3 in 00:00\n"
    nb = nbformat.read(done.notebook, as_version=4)
    image = nb.cells[3].outputs[0]
    assert image.metadata["image/png"]["alt"] == ALT
    html = done.html.read_text("utf-8")
    assert f'alt="{ALT}"' in html and done.seconds > 0
    assert sorted(p.name for p in done.html.parent.iterdir()) == [
        "07_x.html",
        "07_x.ipynb",
    ]


def test_a_failing_cell_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "07_x.ipynb"
    nbformat.write(make("# Begin", "x = 1", "## Divide", "x / 0", "print('no')"), path)
    with pytest.raises(DplibError, match=r"cell 2 of 3 \(Divide\) failed: ZeroDiv"):
        copies.execute(path, tmp_path / "out")
    out, err = capsys.readouterr()
    assert "x / 0" in err and "no\n" not in out
    nb = nbformat.read(tmp_path / "out/07_x.ipynb", as_version=4)
    assert nb.cells[3].outputs[0].ename == "ZeroDivisionError"


def test_a_dead_kernel_is_told(tmp_path: Path) -> None:
    path = tmp_path / "07_x.ipynb"
    nbformat.write(make("import os\nos._exit(1)"), path)
    with pytest.raises(DplibError, match=r"cell 1 of 1 \(set-up\): the kernel died"):
        copies.execute(path, tmp_path / "out", progress=False)


def test_what_is_no_notebook(tmp_path: Path) -> None:
    path = tmp_path / "07_x.ipynb"
    path.write_text("{}{")
    with pytest.raises(DplibError, match="cannot be read as a notebook"):
        copies.execute(path, tmp_path / "out")


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_ctrl_c_interrupts_the_cell_and_keeps_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "07_x.ipynb"
    waiting = (
        "import time\ntry:\n    print('waiting', flush=True)\n    time.sleep(600)\n"
        "except KeyboardInterrupt:\n    print('saved')"
    )
    nbformat.write(make("# Wait", waiting, "print('never')"), path)
    program = (
        "import sys\nfrom dplib import DplibError\nfrom dplib.lessons import copies\n"
        "try:\n    copies.execute(sys.argv[1], sys.argv[2])\n"
        "except DplibError as e:\n    print('ERROR', e)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", program, str(path), str(tmp_path / "out")],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    guard = threading.Timer(120, process.kill)
    guard.start()
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if line == "waiting\n":
            time.sleep(0.2)
            process.send_signal(signal.SIGINT)
    guard.cancel()
    assert process.wait() == 0, said
    assert "saved" in said and "never" not in said
    assert "interrupted by you in cell 1 of 2 (Wait)" in said
    assert "saved" in (tmp_path / "out/07_x.ipynb").read_text()


# ---------------------------------------------------------------------- the build


def test_build_then_prose_then_code(project: Path) -> None:
    source = project / "notebooks/src/00_tiny.py"
    assert tool.state(source).startswith("stale: not built")
    tool.build(source, progress=False)
    path = tool.built(source)
    nb = nbformat.read(path, as_version=4)
    assert tool.state(source) == "fresh"
    assert [c.source for c in nb.cells][1] == "a = 1"
    assert [c.execution_count for c in nb.cells if c.cell_type == "code"] == [1, 2, 3]
    assert [o.name for o in nb.cells[4].outputs] == ["stdout"], "the bar is dropped"
    assert set(nb.metadata) == {"kernelspec", "language_info", "dplib"}
    first = path.read_bytes()
    tool.build(source, progress=False)
    assert path.read_bytes() == first, "the same bytes from the same source"

    source.write_text(SOURCE.replace("Some prose", "Other prose"))
    assert tool.state(source) == "prose"
    tool.update_prose(source)
    assert tool.state(source) == "fresh"
    assert "Other prose" in path.read_text() and "done" in path.read_text()

    source.write_text(SOURCE.replace('"done"', '"over"'))
    assert tool.state(source).startswith("stale: its code cells")
    nb.cells[4].outputs[0].text = "better\n"
    nbformat.write(nb, path)
    assert tool.state(source).startswith("edited by hand")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('print("done")', 'print("oh", file=sys.stderr)', "prints to stderr: oh"),
        ('print("done")', "import os; print(os.getcwd())", "a path of this machine"),
        ('print("done")', 'print("/home/me/x")', "a path of this machine: /home/me"),
        ("# %%\nimport", '# %% tags=["nbval-check-output"]\nimport', "progress bar"),
        ('["setup"]\n', '["setup"]\nx = 1\n', "leave the cell tagged setup empty"),
    ],
)
def test_build_refuses(project: Path, old: str, new: str, words: str) -> None:
    source = project / "notebooks/src/00_tiny.py"
    assert old in SOURCE
    source.write_text(SOURCE.replace(old, new))
    with pytest.raises(DplibError, match=words):
        tool.build(source, progress=False)
    assert not tool.built(source).exists()


def test_hash_follows_imports_checks_and_assets(tmp_path: Path) -> None:
    package = tmp_path / "dplib"
    texts = {
        "__init__": "",
        "a": "from . import b\nfrom .room import e\n",
        "b": "def f():\n    from dplib.c import g\n",
        "c": "x = 1\n",
        "d": "x = 1\n",
        "room/__init__": "from dplib.room.inner import f\n",
        "room/inner": "def f(): return 1\n",
        "room/e": "from . import sibling\nfrom .sibling import y\n",
        "room/sibling": "y = 1\n",
        "lessons/__init__": "",
        "lessons/checks": "",
        "lessons/tiny/__init__": "",
        "lessons/tiny/checks": "x = 3\n",
        "lessons/other/checks": "x = 4\n",
    }
    for name, text in texts.items():
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / f"{name}.py").write_text(text)
    asset = package / "assets/toy.bin"
    asset.parent.mkdir()
    asset.write_bytes(b"1")
    code = "from dplib import a\nfrom dplib.lessons import checks\n"
    nb = make("# T", code + '%pip list\na.load("toy")')

    def now() -> str:
        return tool.source_hash(nb, "04_tiny", package)

    before = now()
    for path, text in (
        (package / "d.py", "x = 2\n"),
        (package / "c.py", "x = 1  # as before\n"),
        (package / "lessons/other/checks.py", "x = 5\n"),
    ):
        path.write_text(text)
        assert now() == before, path
    for path, text in (
        (package / "c.py", "x = 2\n"),
        (package / "room/inner.py", "def f(): return 2\n"),
        (package / "room/sibling.py", "y = 2\n"),
        (package / "lessons/tiny/checks.py", "x = 6\n"),
        (asset, "2"),
    ):
        path.write_text(text)
        assert now() != before, path
        before = now()
    nb.cells[0].source = "# Other"
    assert now() == before


def test_check_mode_builds_nothing(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    listed = sorted((project / "notebooks/src").glob("*.py"))
    monkeypatch.setattr(tool, "sources", lambda: listed)
    assert tool.main(["--check"]) == 1
    assert "00_tiny: stale: not built yet" in capsys.readouterr().out
    assert tool.main(["05"]) == 1
    assert not tool.built(listed[0]).exists()


# ----------------------------------------------------------------- the set-up cell


def test_set_up_cell_is_short_and_finds_the_checkout(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    text = (root / "notebooks/src/setup_cell.txt").read_text("utf-8")
    lines = [line for line in text.splitlines() if line]
    assert len(lines) <= 12 and max(map(len, lines)) <= 88
    program = text.replace("%pip install", "pass  # ")
    out = subprocess.run(
        [sys.executable, "-S", "-c", program + "\nprint(DATA.name, OUT.name)"],
        cwd=root / "notebooks",
        env={k: v for k, v in os.environ.items() if not k.startswith("DPLIB_")},
        capture_output=True,
        text=True,
    )
    assert out.stdout == "data lessons\n", out.stderr
    out = subprocess.run(
        [sys.executable, "-S", "-c", program],
        cwd=tmp_path,
        env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
        capture_output=True,
        text=True,
    )
    assert "No dplib: pip install it, or name it in DPLIB_SOURCE" in out.stderr


def test_folders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DPLIB_DATA", raising=False)
    monkeypatch.setenv("DPLIB_OUT", str(tmp_path / "o"))
    root = Path(__file__).parents[2]
    assert workspace.folders() == (root / "data", tmp_path / "o")
    monkeypatch.setattr(workspace, "checkout", lambda: None)
    monkeypatch.delenv("DPLIB_OUT")
    assert workspace.folders() == (tmp_path / "data", tmp_path / "runs/lessons")


def test_picture_is_a_png() -> None:
    from matplotlib.figure import Figure

    from dplib import plots

    assert Image.open(io.BytesIO(plots.png(Figure((1, 1))))).size == (100, 100)
