"""The lessons as a reader leaves them: every solution in its place, run as a whole.

``test_notebooks`` tries each solution by itself; here a solution must also fit all that
follows. Lesson 0 is left out: its run is the main job, minutes long, and its exercises
feed nothing.
"""

from __future__ import annotations

import ast
import os
from pathlib import Path
from typing import Any

import build_notebooks as tool
import nbformat
import pytest
from lesson_stats import code_cells
from test_notebooks import SOURCES, parts_of, stubs, tags

from dplib.lessons import copies

ROOT = Path(__file__).parents[1]
SHORT = [s for s in SOURCES if not s.name.startswith("00")]


def solved(source: Path) -> Any:
    """The lesson with each solution in place of its stub, its check kept."""
    nb = tool.read_source(source)
    for cell in nb.cells:
        for id in (t.split(":")[1] for t in tags(cell) if t.startswith("exercise:")):
            body = ast.parse(tool.plain_code([cell])).body
            calls = [ast.unparse(n) for n in body if "check(" in ast.unparse(n)]
            cell.source = "\n".join([parts_of(source, id)[2], *calls])
    return nb


def printed(cell: Any) -> str:
    return "".join(o.text for o in cell.outputs if o.output_type == "stream")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    """nbval's folder, where the lessons have drawn already, or one of our own."""
    return os.environ.get("DPLIB_DATA") or str(tmp_path_factory.mktemp("data"))


@pytest.mark.parametrize("source", SHORT, ids=[s.stem for s in SHORT])
def test_the_solved_lesson_runs_whole(source: Path, data: str, tmp_path: Path) -> None:
    nb = solved(source)
    env = {"DPLIB_DATA": data, "DPLIB_OUT": str(tmp_path), "PYTHONPATH": str(ROOT)}
    copies.run_cells(nb, tool.built(source).parent, env=env, progress=False)
    cells = code_cells(nb)
    said = "".join(printed(c) for c in cells)
    for id in stubs(nb):
        assert f"{id}  ✓ Right" in said, f"{id} in the whole lesson"
    before = code_cells(nbformat.read(tool.built(source), as_version=4))
    for now, then in zip(cells, before, strict=True):
        if "nbval-check-output" in tags(now) and "check(" not in now.source:
            assert printed(now) == printed(then), (
                f"changed by the answers:\n{now.source}"
            )
