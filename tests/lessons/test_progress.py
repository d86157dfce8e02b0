"""A reader's progress is what stands in their saved notebooks."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path

import nbformat
import pytest

from dplib import DplibError
from dplib.cli.lessons import show_progress
from dplib.lessons import checks, progress

RIGHT = "def rank_one(r):\n    return sum(min(x) == 1 for x in r) / len(r)"
WRONG = "def rank_one(r):\n    return sum(min(x) == 1 for x in r)"


def printed(code: str) -> str:
    """What a cell with this code prints: the real checks, not imitations."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(
            code,
            {"check": checks.check, "predict": checks.predict, "reveal": checks.reveal},
        )
    return out.getvalue()


def write(folder: Path, *codes: str, run: bool = True) -> Path:
    heading = "### Exercise 0.1 · rank-1 (difficulty 1, 5 minutes)"
    cells = [nbformat.v4.new_markdown_cell(heading)]
    for code in codes:
        outputs = [nbformat.v4.new_output("stream", text=printed(code))] if run else []
        cells.append(nbformat.v4.new_code_cell(code, outputs=outputs))
    path = folder / "00_quickstart.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


@pytest.mark.parametrize(
    ("code", "state"),
    [
        (RIGHT, "right"),
        (WRONG, "not yet"),
        ("def rank_one(r):\n    return ...", "not tried"),
        ("def rank_one(r):\n    return r[99]", "not yet"),
    ],
)
def test_state_of_an_exercise(tmp_path: Path, code: str, state: str) -> None:
    write(tmp_path, code + '\ncheck("0.1", rank_one)')
    (lesson,) = progress.read(tmp_path)
    assert {c.id: c.state for c in lesson.checks} == {
        "0.1": state,
        **dict.fromkeys(("0.2", "0.3", "0.4", "0.5"), "not tried"),
    }


def test_what_was_not_run_does_not_count(tmp_path: Path) -> None:
    write(tmp_path, RIGHT + '\ncheck("0.1", rank_one)', run=False)
    (lesson,) = progress.read(tmp_path)
    assert {c.state for c in lesson.checks} == {"not tried"}


def test_predictions_are_counted(tmp_path: Path) -> None:
    write(tmp_path, 'predict("0.p1", 5)\nreveal("0.p1", 7)', 'predict("0.p2", ...)')
    (lesson,) = progress.read(tmp_path)
    assert (lesson.predicted, lesson.predictions) == (1, 2)


def test_folders_without_lessons_and_broken_files(tmp_path: Path) -> None:
    with pytest.raises(DplibError, match="nowhere is not a folder"):
        progress.read(tmp_path / "nowhere")
    with pytest.raises(DplibError, match="holds no lesson: `python -m dplib lessons"):
        progress.read(tmp_path)
    for text in ("{", "[]", '{"cells": [{}]}', '{"cells": 3}'):
        (tmp_path / "00_quickstart.ipynb").write_text(text)
        with pytest.raises(DplibError, match=r"cannot be read as .*rename it, so that"):
            progress.read(tmp_path)
    (tmp_path / "00_quickstart.ipynb").rename(tmp_path / "notes.ipynb")
    with pytest.raises(DplibError, match=r"holds no lesson.* are notes.ipynb: rename"):
        progress.read(tmp_path)


SOLVED = RIGHT + '\ncheck("0.1", rank_one)'


def states(folder: Path) -> dict[str, list[str]]:
    """The states of each file's exercises."""
    return {x.path.name: [c.state for c in x.checks] for x in progress.read(folder)}


DONE = ["right", *["not tried"] * 4]


def test_raw_cells_and_attachments_are_notes(tmp_path: Path) -> None:
    path = write(tmp_path, SOLVED)
    nb = nbformat.read(path, 4)
    drawn = nbformat.v4.new_markdown_cell("![me](attachment:me.png)")
    drawn.attachments = {"me.png": {"image/png": "aGVsbG8="}}
    note = 'my notes: predict("0.p1", 5)\n0.2  ✓ Right'
    nb.cells[1:1] = [nbformat.v4.new_raw_cell(note), drawn]
    nbformat.validate(nb)
    nbformat.write(nb, path)
    assert states(tmp_path) == {"00_quickstart.ipynb": DONE}
    assert progress.read(tmp_path)[0].predictions == 0


def test_a_notebook_of_format_3(tmp_path: Path) -> None:
    path = write(tmp_path, SOLVED)
    nb = nbformat.read(path, 4)
    path.write_text(nbformat.v3.writes_json(nbformat.convert(nb, 3)), "utf-8")
    assert "worksheets" in json.loads(path.read_text("utf-8"))
    assert states(tmp_path) == {"00_quickstart.ipynb": DONE}
    assert progress.read(tmp_path)[0].checks[0].title == "rank-1"


@pytest.mark.parametrize(
    "name",
    [
        "Copy of 00_quickstart.ipynb",
        "Copy of Copy of 00_quickstart.ipynb",
        "Kopie von 00_quickstart.ipynb",
        "Copy (2) of 00_quickstart.ipynb",
        "00_quickstart (1).ipynb",
        "00_quickstart(1).ipynb",
        "00_quickstart-Copy1.ipynb",
        "00_quickstart - Copy (3).ipynb",
        "00_quickstart.ipynb.txt",
        "00_quickstart.ipynb.json",
        "00_QUICKSTART.IPYNB",
        "my_00_quickstart.ipynb",
    ],
)
def test_copies_as_browsers_and_colab_name_them(tmp_path: Path, name: str) -> None:
    write(tmp_path, SOLVED).rename(tmp_path / name)
    assert states(tmp_path) == {name: DONE}


@pytest.mark.parametrize(
    "name", ["._00_quickstart.ipynb", "2024-01_plan.ipynb", "00_quickstart.html"]
)
def test_names_that_are_no_lessons(tmp_path: Path, name: str) -> None:
    write(tmp_path, SOLVED)
    (tmp_path / name).write_bytes(b"\x00\x05\x16\x07")
    assert states(tmp_path) == {"00_quickstart.ipynb": DONE}


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "it is empty"),
        (b'{"cells": [\n{"cell_ty', "cut off at line 2"),
        (b'{\n<<<<<<< HEAD\n"cells": []\n=======\n', "marks of a Git merge"),
        (b"<!DOCTYPE html><html>", "it is a web page"),
        ('{"cells": [], "a": "\u00e9"}'.encode("latin-1"), "its text is not UTF-8"),
        (b'{"cells": [{"source": ""}]}', "not that of a notebook"),
        (None, "check that it is a file"),
    ],
)
def test_a_damaged_notebook_does_not_end_the_others(
    tmp_path: Path,
    content: bytes | None,
    found: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write(tmp_path, SOLVED)
    bad = tmp_path / "01_data_preparation.ipynb"
    if content is None:
        bad.mkdir()
    else:
        bad.write_bytes(content)
    good, other = progress.read(tmp_path)
    assert not good.problem and good.checks[0].state == "right"
    assert str(bad) in other.problem and found in other.problem
    show_progress([good, other])
    said = capsys.readouterr().out
    assert "00_quickstart: 1 of 5 exercises right" in said
    total = 5 + len(checks.ids(1))
    assert f"\n1 of {total} exercises right, 0 not yet" in said
    assert "remove" not in said and (content is None or "rename it, so" in said)


def test_the_state_that_jupyter_kept_is_named(tmp_path: Path) -> None:
    spare = tmp_path / ".ipynb_checkpoints" / "00_quickstart-checkpoint.ipynb"
    spare.parent.mkdir()
    write(tmp_path, SOLVED).rename(spare)
    (tmp_path / "00_quickstart.ipynb").write_bytes(b"")
    with pytest.raises(DplibError, match="kept an earlier state in") as e:
        progress.read(tmp_path)
    assert str(spare) in str(e.value)


def test_two_copies_of_a_lesson_count_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, SOLVED).rename(tmp_path / "00_quickstart (1).ipynb")
    write(tmp_path, WRONG + '\ncheck("0.1", rank_one)')
    show_progress(progress.read(tmp_path))
    assert "\n1 of 5 exercises right, 0 not yet" in capsys.readouterr().out
