"""How a result came about: command, commit, date, versions."""

import importlib.metadata
import json
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dplib import __version__, workspace


def record(seed: int, name: str, root: Path) -> dict[str, Any]:
    """Of a command of ``python -m dplib`` run on the data set ``name`` at ``root``."""
    command, outside = again(sys.argv[1:])
    made: dict[str, Any] = {
        "command": command,
        **({"outside": outside} if outside else {}),
        "seed": seed,
        "data": name,
        **circumstances(),
    }
    drawn = root / "toymarket.json"
    if drawn.is_file():
        made["toymarket"] = json.loads(drawn.read_text("utf-8"))
    return made


def again(words: Sequence[str]) -> tuple[str, dict[str, str]]:
    """The command that does the same again from the same working folder.

    Paths below that folder are written from there. A path elsewhere would tell of the
    machine, so a variable of the shell stands for it; set it, and the command runs.

    Args:
        words: The words after ``python -m dplib``.

    Returns:
        The command, and what each variable in it stands for.
    """
    outside: dict[str, str] = {}
    found: dict[str, str] = {}  # the path of each variable
    parts, option = [], ""
    for word in words:
        flag, sign, value = word.partition("=") if word[:2] == "--" else ("", "", word)
        written = _relative(value)
        if written is None:
            stem = (flag or option).strip("-").upper().replace("-", "_") or "FILE"
            same = [v for v, path in found.items() if path == value]
            taken = sum(v.rstrip("0123456789") == stem for v in found)
            variable = same[0] if same else stem + (str(taken + 1) if taken else "")
            found[variable] = value
            outside[variable] = f"{Path(value).name}, outside the working folder"
            parts.append(f'{flag}{sign}"${variable}"')
        else:
            parts.append(shlex.quote(f"{flag}{sign}{written}"))
        option = word if word[:1] == "-" and not sign else ""
    return " ".join(["python", "-m", "dplib", *parts]), outside


def _relative(word: str) -> str | None:
    """A path from the working folder; None where it is elsewhere, else the word."""
    if not Path(word).is_absolute():
        return word
    try:
        return Path(word).relative_to(Path.cwd()).as_posix()
    except ValueError:
        return None


def circumstances() -> dict[str, Any]:
    """When, from which code and on what a result was made."""
    now = datetime.now(UTC).strftime("%Y-%m-%d")
    here = {"cores": os.cpu_count(), "versions": versions()}
    return {"date": now, "commit": commit(), **here}


def commit() -> str | None:
    """The checkout's commit, "+changes" when files differ from it; None without git."""
    root = workspace.checkout()
    if root is None:
        return None
    git = ["git", "-C", str(root)]
    try:
        head, status = (
            subprocess.run(
                [*git, *a], capture_output=True, text=True, check=True
            ).stdout
            for a in (["rev-parse", "HEAD"], ["status", "--porcelain"])
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return head.strip() + ("+changes" if status.strip() else "")


def versions() -> dict[str, str]:
    """Versions that decide a run's result, for its record."""
    found = {"python": platform.python_version(), "dplib": __version__}
    for name in ("torch", "torchvision", "numpy", "pillow"):
        found[name] = importlib.metadata.version(name)
    return found
