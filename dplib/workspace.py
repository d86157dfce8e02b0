"""Where a reader's data and results go: the same answer for lessons and commands."""

import os
from pathlib import Path


def checkout() -> Path | None:
    """The project's folder when dplib is imported from a checkout, else None."""
    root = Path(__file__).resolve().parents[1]
    is_checkout = (root / "pyproject.toml").is_file() and (root / "notebooks").is_dir()
    return root if is_checkout else None


def folders() -> tuple[Path, Path]:
    """The folder of the data sets and the folder for results, as absolute paths.

    The environment variables DPLIB_DATA and DPLIB_OUT decide; without them it is
    ``data`` and ``runs/lessons`` in the checkout, or in the working folder when dplib
    is an installed wheel. Neither folder is created here.
    """
    base = checkout() or Path.cwd()
    data = os.environ.get("DPLIB_DATA") or base / "data"
    out = os.environ.get("DPLIB_OUT") or base / "runs" / "lessons"
    return Path(data).absolute(), Path(out).absolute()
