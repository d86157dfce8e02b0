"""Lessons that nbval runs: where they draw and write, and their solutions, tried."""

from __future__ import annotations

import functools
import os
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from nbformat.v4 import new_code_cell
from nbval.plugin import IPyNbCell
from solutions import ids_of, parts_of

from dplib import datasets, files

# what the whole of lesson 0, the main job, must come to
MAIN_JOB = """
best = max(r["rank1"] for r in record["baselines"].values())
assert record["rank1"] > 4 * best, record
"""
_FOLDER = pytest.StashKey[str]()


# All processes of a session share the drawn people; results go to a folder of each.


def pytest_configure(config: pytest.Config) -> None:
    folder = tempfile.mkdtemp(prefix="dplib-nbval-")
    config.stash[_FOLDER] = folder
    for name in ("data", "out"):
        (Path(folder) / name).mkdir()
    if not hasattr(config, "workerinput"):  # xdist's workers inherit it
        os.environ["DPLIB_DATA"] = str(Path(folder) / "data")
    os.environ["DPLIB_OUT"] = str(Path(folder) / "out")


def pytest_unconfigure(config: pytest.Config) -> None:
    shutil.rmtree(config.stash[_FOLDER], ignore_errors=True)


@functools.cache
def _draw_once() -> None:
    """Draw ToyMarket unless another process of this session has done so."""
    data = Path(os.environ["DPLIB_DATA"])
    with files.locked(data / "drawing.lock", seconds=600):
        datasets.load("toymarket", data)


def pytest_runtest_setup(item: pytest.Item) -> None:
    if isinstance(item, IPyNbCell):
        _draw_once()


# A reader runs an exercise's stub, then fills it in and goes on: so does nbval. What
# the later cells print is compared with what they printed when only stubs had run.


class Solved(IPyNbCell):
    """The folded solution of an exercise and its check, run after the stub."""

    def runtest(self) -> None:
        super().runtest()
        said = "".join(o.text for o in self.test_outputs if "text" in o)
        assert "  ✓ Right" in said, said

    def repr_failure(self, excinfo: Any, style: Any = None) -> Any:
        if excinfo.errisinstance(AssertionError):
            return f"{self.name}: the folded solution is not right: {excinfo.value}"
        return super().repr_failure(excinfo)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items[:] = [
        i
        for item in items
        for i in (item, *(_more(item) if isinstance(item, IPyNbCell) else ()))
    ]


def _more(cell: IPyNbCell) -> Iterator[IPyNbCell]:
    """What is run after `cell`: solutions of its exercises, a last look at the end."""
    for id in ids_of(cell.cell):
        exercise = parts_of(cell.parent.nb, id)
        code = f"{exercise.solution}\n{exercise.check}"
        yield _cell_after(cell, Solved, f"solution of {id}", code)
    code_cells = [c for c in cell.parent.nb.cells if c.cell_type == "code"]
    if cell.path.stem == "00_quickstart" and cell.cell is code_cells[-1]:
        yield _cell_after(cell, IPyNbCell, "the trained net is better", MAIN_JOB)


def _cell_after(cell: IPyNbCell, kind: type[IPyNbCell], name: str, code: str) -> Any:
    return kind.from_parent(
        cell.parent,
        name=f"{cell.name}, {name}",
        cell_num=cell.cell_num,
        cell=new_code_cell(code),
        options=defaultdict(bool),
    )
