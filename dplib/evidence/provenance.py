"""How a result came about: command, commit, date, versions."""

import importlib.metadata
import json
import os
import platform
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dplib import __version__, workspace


def record(seed: int, name: str, root: Path) -> dict[str, Any]:
    """Of a command of ``python -m dplib`` run on the data set ``name`` at ``root``."""
    words = [Path(a).name if Path(a).is_absolute() else a for a in sys.argv[1:]]
    made: dict[str, Any] = {
        "command": shlex.join(["python", "-m", "dplib", *words]),
        "seed": seed,
        "data": name,
        **circumstances(),
    }
    drawn = root / "toymarket.json"
    if drawn.is_file():
        made["toymarket"] = json.loads(drawn.read_text("utf-8"))
    return made


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
