"""The commands of the lessons: quickstart, lessons, lab, progress."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import nbformat
import pytest
from commands import rows_of, run

from dplib import DplibError, workspace
from dplib.cli import lessons
from dplib.cli.lessons import show_progress
from dplib.lessons import copies
from dplib.lessons.progress import Check, Lesson

METRICS = {
    "rank1": 0.7,
    "map": 0.5,
    "minp": 0.2,
    "seconds": 200.0,
    "seed": 0,
    "baselines": {"chance": {"rank1": 0.01, "map": 0.02}},
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose lesson 0 writes the metrics that it finds in its folder."""
    code = (
        "import os, shutil\nfrom pathlib import Path\n"
        "out = Path(os.environ['DPLIB_OUT'])\n"
        "print('data:', os.environ['DPLIB_DATA'])\n"
        "print('resumed' if (out / 'toy/checkpoint.pt').exists() else 'anew')\n"
        "(out / 'toy').mkdir(exist_ok=True)\n(out / 'toy/checkpoint.pt').touch()\n"
        f"shutil.copy({str(tmp_path / 'given.json')!r}, out / 'metrics.json')"
    )
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    (tmp_path / "notebooks").mkdir()
    nbformat.write(nb, tmp_path / "notebooks/00_quickstart.ipynb")
    monkeypatch.setattr(workspace, "checkout", lambda: tmp_path)
    monkeypatch.delenv("DPLIB_DATA", raising=False)
    (tmp_path / "given.json").write_text(json.dumps(METRICS))
    return tmp_path


def test_quickstart_prints_the_table_and_starts_anew_when_done(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        lessons.quickstart(None, None)
        said = capsys.readouterr().out
        assert "anew" in said and f"data: {project / 'data'}" in said
        assert rows_of(said) == {
            "Deep-Person": {"rank-1": "70.0", "mAP": "50.0", "mINP": "20.0"},
            "chance": {"rank-1": "1.0", "mAP": "2.0", "mINP": "–"},
        }
        assert "make lab" in said
    out = project / "runs/quickstart"
    names = {p.name for p in out.iterdir()}
    assert names >= {"00_quickstart.ipynb", "00_quickstart.html", "metrics.json"}
    (out / "metrics.json").unlink()  # as after an interrupt
    lessons.quickstart(None, None)
    assert "resumed" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["{", json.dumps({"rank1": 1}), "[]"])
def test_quickstart_checks_the_metrics(project: Path, text: str) -> None:
    (project / "given.json").write_text(text)
    with pytest.raises(DplibError, match="its metrics are not in"):
        lessons.quickstart(None, None)


def test_lab_copies_the_lessons_and_starts_jupyterlab(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Any] = []

    def start(command: list[str], cwd: Path) -> Any:
        started.append((command, cwd))
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr("subprocess.run", start)
    run("lab", "--no-browser", "--port=9999")
    ((command, cwd),) = started
    assert command[1:5] == ["-m", "jupyterlab", "--no-browser", "--port=9999"]
    assert [p.name for p in cwd.iterdir()] == ["00_quickstart.ipynb"]
    assert cwd == project / "my-lessons"


def test_lessons_command(project: Path) -> None:
    assert "written" in run("lessons", project / "mine", "0")
    assert "yours already" in run("lessons", project / "mine")


def test_find_lesson_error_before_anything_is_built(
    project: Path, monkeypatch: Any
) -> None:
    (project / "notebooks/00_quickstart.ipynb").unlink()
    assert copies.find_lessons() == {}
    with pytest.raises(DplibError, match="none is built yet: run `make notebooks`"):
        lessons.quickstart(None, None)


def test_progress_reads_the_readers_copies(tmp_path: Path) -> None:
    run("lessons", tmp_path, "0")
    said = run("progress", tmp_path)
    assert "00_quickstart: 0 of 5 exercises right, 0 of 3 predictions made" in said
    assert "· 0.2   average precision" in said


def test_each_state_has_its_sign_and_is_counted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    states = {"0.1": "right", "0.2": "not yet", "0.3": "not tried", "0.4": "right"}
    checks = [Check(i, f"title {i}", state) for i, state in states.items()]
    first = Lesson(Path("00_quickstart.ipynb"), checks, 1, 2)
    second = Lesson(Path("01_data.ipynb"), [Check("1.1", "rank-1", "not yet")], 0, 3)
    show_progress([first, second])
    assert capsys.readouterr().out.splitlines() == [
        "00_quickstart: 2 of 4 exercises right, 1 of 2 predictions made",
        "  ✓ 0.1   title 0.1",
        "  ✗ 0.2   title 0.2",
        "  · 0.3   title 0.3",
        "  ✓ 0.4   title 0.4",
        "01_data: 0 of 1 exercises right, 0 of 3 predictions made",
        "  ✗ 1.1   rank-1",
        "2 of 5 exercises right, 2 not yet (✗), 1 not tried (·)",
    ]
