"""Which checks a reader has passed, read from the outputs of their saved notebooks.

No other record is kept. If a cell has been changed since it was last run, the verdict
of that run still counts.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

from dplib import DplibError
from dplib.lessons import checks

# The number of the lesson, also where Colab, a browser or a system named a copy:
# "Copy of 01_….ipynb", "01_… (1).ipynb", "01_…-Copy1.ipynb", "01_….ipynb.txt".
_NAME = re.compile(
    r"(?!\.)(?:[^\d]*(?:\(\d+\))?[^\d]*[^\dA-Za-z])?(\d\d)_[a-z].*\.ipynb(\.txt|\.json)?",
    re.I,
)
_HEADING = re.compile(r"^#+ Exercise (\d+\.\d+) · (.+?) \(difficulty", re.M)
_VERDICT = re.compile(r"^(\d+\.p?\d+)  (.*)$", re.M)


class Check(NamedTuple):
    """One exercise in a reader's notebook, and the latest verdict of its check."""

    id: str
    title: str
    state: str  # right, not yet, not tried


class Lesson(NamedTuple):
    """A reader's notebook, its exercises, and the number of predictions made."""

    path: Path
    checks: list[Check]
    predicted: int
    predictions: int
    problem: str = ""  # why it could not be read; it then counts as not tried


def read(folder: str | Path) -> list[Lesson]:
    """The lessons in ``folder``, in order.

    A notebook that cannot be read is among them, with its ``problem`` and with every
    exercise not tried.

    Raises:
        DplibError: The folder does not exist, holds no lesson, or none of them can be
            read as a notebook.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DplibError(
            f"{folder} is not a folder: give the one that `python -m dplib lessons "
            "DIR` wrote, or my-lessons"
        )
    names = {p: _NAME.fullmatch(p.name) for p in folder.iterdir()}
    numbers = {p: int(m[1]) for p, m in names.items() if m and checks.ids(int(m[1]))}
    if not numbers:
        others = sorted(p.name for p in names if p.suffix == ".ipynb")
        also = (
            f". The name of a lesson has its number and title, as 00_quickstart.ipynb; "
            f"here are {', '.join(others[:3])}: rename them"
        )
        raise DplibError(
            f"{folder} holds no lesson: `python -m dplib lessons {folder}` writes them"
            + (also if others else "")
        )
    order = sorted(numbers, key=lambda p: (numbers[p], p.name))
    lessons = [_read(p, numbers[p]) for p in order]
    if all(lesson.problem for lesson in lessons):
        raise DplibError("\n".join(lesson.problem for lesson in lessons))
    return lessons


def _read(path: Path, number: int) -> Lesson:
    titles: dict[str, str] = {}
    said: dict[str, str] = {}
    asked: set[str] = set()
    problem = ""
    try:
        for cell in _cells(path):
            kind = cell["cell_type"]
            # format 3 calls the source of a code cell its input and knows headings
            source = "".join(cell["source"] if "source" in cell else cell["input"])
            if kind == "heading":
                kind, source = "markdown", f"{'#' * int(cell['level'])} {source}"
            if kind == "markdown":
                titles |= dict(_HEADING.findall(source))
            elif kind == "code":  # raw cells hold notes
                asked |= set(re.findall(r'predict\("(\d+\.p\d+)"', source))
                said |= dict(_VERDICT.findall(_printed(cell)))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as e:
        problem = _problem(path, e)
        said = {}
    known = {i: titles.get(i, "") for i in checks.ids(number)}
    found = [Check(i, title, _state(said.get(i))) for i, title in known.items()]
    made = sum(
        "You said" in said.get(i, "") or "Noted" in said.get(i, "") for i in asked
    )
    return Lesson(path, found, made, len(asked), problem)


def _cells(path: Path) -> list[dict[str, Any]]:
    """The cells of a notebook, also of one in format 3, where sheets hold them."""
    notebook = json.loads(path.read_text("utf-8-sig"))
    if "cells" not in notebook and "worksheets" in notebook:
        return [cell for sheet in notebook["worksheets"] for cell in sheet["cells"]]
    return list(notebook["cells"])


def _problem(path: Path, error: Exception) -> str:
    """What is wrong with a notebook, and how to go on without losing what is in it."""
    try:
        start = path.read_bytes()[: 1 << 20]
    except OSError as e:
        return (
            f"{path} cannot be read ({e.strerror or e}): check that it is a file and "
            "that you may read it"
        )
    if not start.strip():
        why = "it is empty"
    elif re.search(rb"^(<<<<<<<|>>>>>>>) ", start, re.M):
        why = "it holds the marks of a Git merge (<<<<<<<): keep one of the two sides"
    elif start.lstrip()[:1] == b"<":
        why = "it is a web page: download the notebook itself, not the page that shows"
        why += " it"
    elif isinstance(error, UnicodeDecodeError):
        why = "its text is not UTF-8: save it as UTF-8"
    elif isinstance(error, json.JSONDecodeError):
        why = f"it is damaged or cut off at line {error.lineno}: {error.msg}"
    else:
        why = "it is JSON, but not that of a notebook"
    spare = path.parent / ".ipynb_checkpoints" / f"{path.stem}-checkpoint.ipynb"
    earlier = f"JupyterLab kept an earlier state in {spare}. " if spare.exists() else ""
    return (
        f"{path} cannot be read as a notebook: {why}. {earlier}If it is still open in "
        "JupyterLab, save it again. Otherwise rename it, so that your work is kept, "
        f"and `python -m dplib lessons {path.parent}` writes a fresh copy beside it"
    )


def _printed(cell: dict[str, Any]) -> str:
    return "".join(
        "".join(output["text"])
        for output in cell.get("outputs", [])
        if output.get("output_type") == "stream"
    )


def _state(said: str | None) -> str:
    if said is None or said.startswith("Not tried"):
        return "not tried"
    return "right" if said.startswith("✓") else "not yet"
