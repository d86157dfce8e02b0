"""environment.yml and the Makefile say the same as pyproject.toml."""

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PROJECT = PYPROJECT["project"]


def test_conda_environment_lists_core_and_notebooks_exactly() -> None:
    env = yaml.safe_load((ROOT / "environment.yml").read_text("utf-8"))
    (by_pip,) = (d["pip"] for d in env["dependencies"] if isinstance(d, dict))
    wanted = PROJECT["dependencies"] + PROJECT["optional-dependencies"]["notebooks"]
    assert by_pip == [*wanted, "-e ."]
    conda = [d for d in env["dependencies"] if isinstance(d, str)]
    assert conda == [f"python{PROJECT['requires-python']}", "pip"]


def test_core_leaves_out_what_breaks_a_hosted_kernel() -> None:
    names = {re.split(r"[<>=!~ \[]", d)[0].lower() for d in PROJECT["dependencies"]}
    assert not names & {"jupyterlab", "ipykernel", "ipython", "nbgrader", "notebook"}


def test_torch_is_not_capped() -> None:
    for dep in PROJECT["dependencies"]:
        if dep.startswith(("torch>", "torchvision>")):
            assert "<" not in dep


def test_makefile_installs_torch_as_pyproject_asks() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for dep in PROJECT["dependencies"]:
        if dep.startswith("torch"):
            assert f"'{dep}'" in makefile


def test_every_make_target_is_explained() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    explained = set(re.findall(r"^([a-z]+):.*?## \S", makefile, re.M))
    wanted = {"help", "setup", "run", "lab", "test", "lint", "notebooks", "bench"}
    assert wanted <= explained
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.M)
    assert phony and set(phony.group(1).split()) == explained


def test_wheel_holds_code_assets_and_lessons_and_nothing_else(tmp_path: Path) -> None:
    pytest.importorskip("hatchling", reason="hatchling builds the wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("dplib-*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    wanted = {str(p.relative_to(ROOT)) for p in (ROOT / "dplib").rglob("*.py")}
    assets = [p for p in (ROOT / "dplib/assets").rglob("*") if p.is_file()]
    wanted |= {p.relative_to(ROOT).as_posix() for p in assets}
    built = (ROOT / "notebooks").glob("*.ipynb")
    wanted |= {f"dplib/assets/lessons/{p.name}" for p in built}
    assert wanted == {n for n in names if ".dist-info/" not in n}
