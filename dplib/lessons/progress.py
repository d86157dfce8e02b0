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

_NAME = re.compile(r"(\d\d)_\w+\.ipynb")
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


def read(folder: str | Path) -> list[Lesson]:
    """The lessons in ``folder``, in order.

    Raises:
        DplibError: The folder does not exist, holds no lesson, or holds one that cannot
            be read as a notebook.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DplibError(
            f"{folder} is not a folder: give the one that `python -m dplib lessons "
            "DIR` wrote, or my-lessons"
        )
    paths = [p for p in sorted(folder.iterdir()) if _NAME.fullmatch(p.name)]
    if not paths:
        raise DplibError(
            f"{folder} holds no lesson: `python -m dplib lessons {folder}` writes them"
        )
    return [_read(p) for p in paths]


def _read(path: Path) -> Lesson:
    try:
        cells = json.loads(path.read_text("utf-8"))["cells"]
        titles: dict[str, str] = {}
        said: dict[str, str] = {}
        asked: set[str] = set()
        for cell in cells:
            source = "".join(cell["source"])
            if cell["cell_type"] == "markdown":
                titles |= dict(_HEADING.findall(source))
            else:
                asked |= set(re.findall(r'predict\("(\d+\.p\d+)"', source))
                said |= dict(_VERDICT.findall(_printed(cell)))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as e:
        raise DplibError(
            f"{path} cannot be read as a notebook ({e}): save it again in JupyterLab, "
            "or remove it and copy the lesson anew"
        ) from e
    number = int(path.name[:2])
    known = {i: titles.get(i, "") for i in checks.ids(number)}
    found = [Check(i, title, _state(said.get(i))) for i, title in known.items()]
    made = sum(
        "You said" in said.get(i, "") or "Noted" in said.get(i, "") for i in asked
    )
    return Lesson(path, found, made, len(asked))


def _printed(cell: dict[str, Any]) -> str:
    return "".join(
        "".join(output["text"])
        for output in cell["outputs"]
        if output.get("output_type") == "stream"
    )


def _state(said: str | None) -> str:
    if said is None or said.startswith("Not tried"):
        return "not tried"
    return "right" if said.startswith("✓") else "not yet"
