"""Lessons that nbval runs draw and write in a folder of their test process."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

_FOLDER = pytest.StashKey[str]()


def pytest_configure(config: pytest.Config) -> None:
    folder = tempfile.mkdtemp(prefix="dplib-nbval-")
    config.stash[_FOLDER] = folder
    for name in ("data", "out"):
        (Path(folder) / name).mkdir()
    os.environ["DPLIB_DATA"] = str(Path(folder) / "data")
    os.environ["DPLIB_OUT"] = str(Path(folder) / "out")


def pytest_unconfigure(config: pytest.Config) -> None:
    shutil.rmtree(config.stash[_FOLDER], ignore_errors=True)
