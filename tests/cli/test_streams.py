"""Standard output takes every character, and a reader that leaves ends nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


def dplib(*args: object, **settings: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "dplib", *map(str, args)],
        capture_output=True,
        env={**os.environ, "PYTHONUTF8": "0", **settings},
    )


@pytest.mark.parametrize("page", ["cp1252", "cp437", "ascii", "latin-1", "cp932"])
@pytest.mark.parametrize(
    "args", [("--help",), ("data", "list"), ("doctor",), ("train", "--help")]
)
def test_a_legacy_code_page(tmp_path: Path, page: str, args: tuple[str, ...]) -> None:
    if page != "cp1252" and args == ("doctor",):
        pytest.skip("takes seconds; once is enough")
    done = dplib(*args, PYTHONIOENCODING=page, DPLIB_DATA=str(tmp_path / "Müller 東"))
    assert b"Traceback" not in done.stderr + done.stdout
    assert done.returncode == 0 or args == ("doctor",)
    assert done.stdout.decode(page)


def test_signs_stay_different_and_names_readable(tmp_path: Path) -> None:
    done = dplib(
        *("data", "list", "--root", tmp_path / "Zoë 東"), PYTHONIOENCODING="ascii"
    )
    said = done.stdout.decode("ascii")
    assert ". toymarket" in said and "-> python -m dplib data toymarket" in said
    assert r"Zo\xeb \u6771" in said
    wrong = dplib("data", "verify", "東", PYTHONIOENCODING="cp1252")
    assert wrong.returncode == 1
    assert wrong.stderr.decode("cp1252").startswith(r"Error: unknown data set '\u6771'")


def left_alone(program: str, *args: str) -> tuple[int, bytes]:
    """The exit code and stderr of a program whose reader takes one line and leaves."""
    process = subprocess.Popen(
        [sys.executable, "-c", program, *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout and process.stderr
    process.stdout.readline()
    process.stdout.close()
    error = process.stderr.read()
    process.stderr.close()
    return process.wait(), error


@pytest.mark.parametrize(("fails", "code"), [(False, 0), (True, 1)])
def test_a_closed_pipe_keeps_the_work_and_the_exit_code(
    tmp_path: Path, fails: bool, code: int
) -> None:
    result = tmp_path / "result"
    program = (
        "import pathlib, sys\n"
        "from dplib import DplibError\n"
        "from dplib.cli import app\n"
        "@app.app.command()\n"
        "def shout(path: str, fails: bool) -> None:\n"
        "    for i in range(20_000):\n        print('a line', i)\n"
        "    pathlib.Path(path).write_text('the result')\n"
        "    if fails:\n        raise DplibError('it failed')\n"
        f"sys.argv = ['dplib', 'shout', {str(result)!r}, {str(fails)!r}]\n"
        "app.main()\n"
    )
    got, error = left_alone(program)
    assert (got, error.decode()) == (code, "Error: it failed\n" if fails else "")
    assert result.read_text() == "the result"
