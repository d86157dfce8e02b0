"""Imports run one way: import-linter's contracts hold, and nothing gets around them."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "dplib"

# Commands load PyTorch when they are run, so that `--help` answers in a moment.
COMMANDS = {
    f"cli/{n}.py"
    for n in ("doctor", "evaluation", "experiments", "lessons", "training")
}
OPTIONAL = {
    "torch.utils.tensorboard": "TensorBoard is no dependency",
    "h5py": "nor is h5py, which reads CUHK03's file",
    "psutil": "nor is psutil; it tells the memory on Windows",
}
# the doctor looks whether they can be imported, and says what to do when not
EXAMINED = {"torch", "torchvision", "torchvision.ops"}


def inner_imports(code: str) -> set[str]:
    """The modules that functions of this code import."""
    functions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
    found: set[str] = set()
    for function in ast.walk(ast.parse(code)):
        if isinstance(function, functions):
            for node in ast.walk(function):
                if isinstance(node, ast.Import):
                    found |= {name.name for name in node.names}
                elif isinstance(node, ast.ImportFrom):
                    found.add(f"{'.' * node.level}{node.module or ''}")
    return found


def hidden(file: str, code: str) -> set[str]:
    """Those that stand in a function without one of the reasons above."""
    found = inner_imports(code) - set(OPTIONAL)
    if file == "cli/doctor.py":
        found -= EXAMINED
    return {m for m in found if file not in COMMANDS or m.partition(".")[0] != "dplib"}


@pytest.mark.parametrize(
    "file", [p.relative_to(PACKAGE).as_posix() for p in sorted(PACKAGE.rglob("*.py"))]
)
def test_no_import_hides_in_a_function(file: str) -> None:
    assert hidden(file, (PACKAGE / file).read_text("utf-8")) == set()


def test_hidden_imports_are_found() -> None:
    code = (
        "import json\n"
        "def f():\n    import numpy\n    import psutil\n"
        "class A:\n    async def g(self):\n        from dplib.losses import margin\n"
        "def h():\n    def i():\n        from . import model\n"
    )
    assert hidden("losses.py", code) == {"numpy", "dplib.losses", "."}
    assert hidden("cli/training.py", code) == {"numpy", "."}
    torch = "def f():\n    import torch\n"
    assert hidden("cli/doctor.py", torch) == set()
    assert hidden("cli/training.py", torch) == {"torch"}


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """import-linter on the package in this folder."""
    program = shutil.which("lint-imports", path=str(Path(sys.executable).parent))
    assert program, "import-linter is not installed: pip install -e '.[test]'"
    return subprocess.run(
        [program, "--no-cache"],
        cwd=folder,
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONPATH": str(folder), "PYTHONUTF8": "1"},
    )


def test_the_layers_hold() -> None:
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 kept, 0 broken" in done.stdout


@pytest.mark.parametrize(
    ("file", "line", "broken"),
    [
        ("losses.py", "from dplib.lessons import checks", "Imports run one way"),
        ("datasets/splits.py", "from dplib import model", "Imports run one way"),
        ("seeing/gates.py", "from dplib.evidence import tables", "Imports run one way"),
        ("evidence/tables.py", "from dplib import seeing", "Imports run one way"),
        ("losses.py", "def f():\n    from dplib import cli", "Imports run one way"),
        ("new.py", "", "Imports run one way"),
        ("losses.py", "from dplib.datasets import splits", "nothing of the data sets"),
        ("backbones.py", "from dplib import losses", "No circle"),
    ],
)
def test_an_import_the_wrong_way_is_found(
    tmp_path: Path, file: str, line: str, broken: str
) -> None:
    shutil.copytree(
        PACKAGE,
        tmp_path / "dplib",
        ignore=shutil.ignore_patterns("assets", "__pycache__"),
    )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    with (tmp_path / "dplib" / file).open("a", encoding="utf-8") as f:
        f.write(f"\n{line}\n")
    done = lint(tmp_path)
    assert done.returncode == 1
    reported = [x for x in done.stdout.splitlines() if x.endswith(" BROKEN")]
    assert any(broken in x for x in reported)


# --- the figure in the README ---------------------------------------------------------


def contract(name: str) -> dict[str, Any]:
    """The contract of this id in pyproject.toml."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    (found,) = (
        c for c in settings["tool"]["importlinter"]["contracts"] if c["id"] == name
    )
    return dict(found)


def configured() -> list[set[str]]:
    """The layers of pyproject.toml, the highest first."""
    return [set(re.findall(r"\w+", layer)) for layer in contract("layers")["layers"]]


def drawn() -> list[set[str]]:
    """The layers of the README's figure: what stands between two arrows."""
    readme = (ROOT / "README.md").read_text("utf-8")
    figure = readme.partition("<!-- layers:")[2].split("```")[1]
    return [
        set(re.findall(r"^ *(\w+)(?:/|\.py)  ", part, re.M))
        for part in re.split(r"^ *↓$", figure, flags=re.M)
    ]


def test_the_readme_draws_the_layers_that_are_checked() -> None:
    assert drawn() == configured()


def test_the_readme_names_every_folder_and_flat_file() -> None:
    there = {p.stem for p in PACKAGE.glob("*.py")} - {"__init__"}
    there |= {p.parent.name for p in PACKAGE.glob("*/__init__.py")}
    named = [name for layer in drawn() for name in layer]
    assert sorted(named) == sorted(there)


def test_the_paper_is_the_same_in_both_contracts() -> None:
    (paper,) = (layer for layer in configured() if "model" in layer)
    sources = set(contract("paper")["source_modules"])
    assert {f"dplib.{name}" for name in paper} == sources


def test_each_lesson_has_its_room() -> None:
    built = {p.stem[3:] for p in (ROOT / "notebooks/src").glob("[0-9][0-9]_*.py")}
    rooms = {p.parent.name for p in (PACKAGE / "lessons").glob("*/__init__.py")}
    assert rooms == built
