"""Memory, the machine and the record of a benchmark, for those in this folder.

python benchmarks/record.py      # prints the machine as it is recorded
"""

from __future__ import annotations

import ctypes
import importlib.metadata
import json
import os
import platform
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import peers
import torch

from dplib import __version__, files

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path(__file__).parent / "results"


def status(key: str) -> int:
    """KiB of this process (Linux); OSError elsewhere."""
    lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    return next(int(x.split()[1]) for x in lines if x.startswith(key))


def peak_memory(run: Callable[[], Any]) -> tuple[Any, float | None]:
    """What ``run`` gives, and the MiB it held above what was held before (Linux)."""
    if hasattr(
        libc := ctypes.CDLL(None) if os.name == "posix" else None, "malloc_trim"
    ):
        libc.malloc_trim(0)  # what was freed before is not to be had for nothing
    try:
        Path("/proc/self/clear_refs").write_text("5", "utf-8")  # forget the peak so far
        before = status("VmRSS")
    except OSError:
        return run(), None
    return run(), (status("VmHWM") - before) / 1024


def free_memory() -> float | None:
    """MiB that may still be taken (Linux)."""
    try:
        lines = Path("/proc/meminfo").read_text("utf-8").splitlines()
    except OSError:
        return None
    return next(int(x.split()[1]) / 1024 for x in lines if x.startswith("MemAvailable"))


def machine() -> dict[str, Any]:
    """The machine and the versions; no names or paths."""
    cpu, memory = platform.processor() or platform.machine(), None
    if Path("/proc/cpuinfo").is_file():
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        names = [
            x.split(":", 1)[1].strip() for x in lines if x.startswith("model name")
        ]
        cpu = names[0] if names else cpu
    if hasattr(os, "sysconf"):
        pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        memory = round(pages / 2**30, 1)
    peers.available()  # puts their folder on the path
    versions = {"python": platform.python_version(), "dplib": __version__}
    for name in dict.fromkeys(("torch", "numpy", "pillow", *peers.PACKAGES.values())):
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "absent"
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "torch threads": torch.get_num_threads(),
        "memory GiB": memory,
        "system": platform.system(),
        "versions": versions,
    }


def commit() -> str | None:
    """The checkout's, "+changes" when files differ from it; None without git."""
    try:
        found, changed = (
            subprocess.run(
                ["git", "-C", str(ROOT), *a], capture_output=True, text=True, check=True
            ).stdout.strip()
            for a in (["rev-parse", "HEAD"], ["status", "--porcelain", "-uno"])
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return found + ("+changes" if changed else "")


def write(name: str, result: dict[str, Any]) -> None:
    """results/NAME.json, with the machine, the date, the commit and the command."""
    record = {
        "command": f"python benchmarks/{name}.py",
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "commit": commit(),
        "machine": machine(),
        **result,
    }
    files.write(RESULTS / f"{name}.json", json.dumps(record, indent=1) + "\n")
    print(f"written: benchmarks/results/{name}.json")


if __name__ == "__main__":
    print(json.dumps(machine(), indent=1))
