"""A reader's progress is what stands in their saved notebooks."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import nbformat
import pytest

from dplib import DplibError
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
        "0.2": "not tried",
        "0.3": "not tried",
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
        with pytest.raises(DplibError, match="cannot be read as a notebook"):
            progress.read(tmp_path)
