"""The command in a record runs again, and tells nothing of the machine."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from dplib.evidence import provenance


def words_of(command: str, folder: Path, **variables: str) -> list[str]:
    """The words that a shell makes of the command."""
    program = "import json, sys; print(json.dumps(sys.argv[1:]))"
    said = subprocess.run(
        ["sh", "-c", command.replace("python -m dplib", '"$PY" -c "$PROGRAM"', 1)],
        env={**os.environ, "PY": sys.executable, "PROGRAM": program, **variables},
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return list(json.loads(said))


@pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX shell")
def test_the_command_gives_the_same_words_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = tmp_path / "my work", tmp_path / "else where" / "a $set"
    here.mkdir()
    monkeypatch.chdir(here)
    words = [
        "evaluate", f"{here}/runs/it's {{split}}", "--root", str(there),
        f"--csv={there}", "--pattern", r"(?P<pid>\d+)_c(?P<camid>\d+)",
        "--metrics-json", "out/m.json", f"--lists={here}/l", "-o", "../x",
        str(tmp_path / "weights.pt"),
    ]  # fmt: skip
    command, outside = provenance.again(words)
    assert str(tmp_path) not in command and str(tmp_path) not in json.dumps(outside)
    assert outside == {
        "ROOT": "a $set, outside the working folder",
        "FILE": "weights.pt, outside the working folder",
    }
    got = words_of(command, here, ROOT=str(there), FILE=str(tmp_path / "weights.pt"))
    assert [str(Path(here, w)) if w.startswith("runs/") else w for w in got] == [
        w.replace(f"--lists={here}/l", "--lists=l") for w in words
    ]


def test_a_command_without_paths_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = ["train", "toy", "--seed", "3", "--weights", "none"]
    assert provenance.again(plain) == (f"python -m dplib {shlex.join(plain)}", {})
    folder = Path.cwd() / "data"
    assert provenance.again(["data", "verify", "folder", "--root", str(folder)]) == (
        "python -m dplib data verify folder --root data",
        {},
    )
