"""ToyMarket: a drawn person re-identification set in Market-1501's layout.

It is a stand-in for Market-1501 (§4.1 of the paper) that anybody can make in a minute,
with the truth about each image's occlusion, blur, box and viewpoint in
``nuisance.csv``. This module writes the set; ``shots`` decides which pictures it has,
and ``pictures`` draws them.
"""

from __future__ import annotations

import csv
import errno
import io
import json
import math
import os
import signal
import tempfile
import warnings
from concurrent.futures import (
    BrokenExecutor,
    Executor,
    ProcessPoolExecutor,
    as_completed,
)
from dataclasses import asdict
from pathlib import Path

from dplib import DplibError, bars
from dplib.toymarket.people import CUES, check, identity, whole
from dplib.toymarket.pictures import render
from dplib.toymarket.shots import IMAGE_FOLDERS, Settings, Task, list_tasks, shots_of

VERSION = "1.0"
# The stamp of every drawn set and of every record that was made with one. It names
# what is drawn, so it changes when a picture changes: tests/toymarket/
# holds the statements of the drawing code, and sixteen pictures to the last pixel.
GENERATOR = "6d52255f1826"


def generator_hash() -> str:
    """Twelve hex digits that stand for what the drawing code draws."""
    return GENERATOR


_COLUMNS = (
    "folder", "file", "pid", "camid", "person", "seed", "occlusion", "blur", "shift_x",
    "shift_y", "scale", "pose", "viewpoint", "background", "light", "clutter",
    "generator",
)  # fmt: skip


def _write(path: Path, data: bytes) -> None:
    """Plainly: it is the whole set that appears at once, not each of its 10,748 files.

    A full disk is left to `generate`, which knows how much space the set needs.
    """
    path.write_bytes(data)


def _draw_tasks(folder: str, settings: Settings, tasks: list[Task]) -> list[list[str]]:
    """Draw these people's images into the folder; returns their rows."""
    rows = []
    for task in tasks:
        for shot in shots_of(settings, task):
            c = shot.conditions
            who = identity(shot.person, settings.seed, settings.cues)
            data, _ = render(who, shot.camera, c, settings.cues)
            _write(Path(folder, shot.folder, shot.file), data)
            rows.append(
                [shot.folder, shot.file, str(shot.pid), str(shot.camera),
                 str(shot.person), str(c.seed), f"{c.occlusion:.3f}", f"{c.blur:.3f}",
                 f"{c.shift_x:.4f}", f"{c.shift_y:.4f}", f"{c.scale:.4f}",
                 f"{c.pose:.4f}", f"{c.yaw:.2f}", str(c.background), str(c.light),
                 f"{c.clutter:.2f}", settings.generator]
            )  # fmt: skip
    return rows


def _ignore_interrupt() -> None:
    """In a worker: Ctrl-C reaches all processes, only the parent answers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _draw_all(
    folder: Path, settings: Settings, workers: int, progress: bool
) -> list[list[str]]:
    todo = list_tasks(settings)
    bar = bars.bar(
        total=len(todo), desc="drawing ToyMarket", unit="person", disable=not progress
    )
    rows: list[list[str]] = []
    with bar:
        if workers == 1:
            for task in todo:
                rows += _draw_tasks(str(folder), settings, [task])
                bar.update()
            return rows
        chunks = [todo[i : i + 8] for i in range(0, len(todo), 8)]
        pool: Executor = ProcessPoolExecutor(
            min(workers, len(chunks)), initializer=_ignore_interrupt
        )
        try:
            with warnings.catch_warnings():  # workers touch neither threads nor torch
                warnings.simplefilter("ignore", DeprecationWarning)
                jobs = {
                    pool.submit(_draw_tasks, str(folder), settings, c): len(c)
                    for c in chunks
                }
            for job in as_completed(jobs):
                rows += job.result()
                bar.update(jobs[job])
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
    return rows


def _difference(folder: Path, settings: Settings) -> str:
    """Why the set in the folder must be redrawn; empty if it is as asked."""
    try:
        record = json.loads((folder / "toymarket.json").read_text("utf-8"))
        images = record["images"]
        present = {k: record["settings"][k] for k in asdict(settings)}
    except (OSError, ValueError, KeyError, TypeError):
        return "its toymarket.json is damaged"
    for key, value in asdict(settings).items():
        if present[key] != value:
            return f"it has {key}={present[key]}, asked is {key}={value}"
    for name in IMAGE_FOLDERS:
        have = len(list((folder / name).glob("*.jpg")))
        if have != images.get(name):
            return f"{name} holds {have} images of {images.get(name)}"
    if not (folder / "nuisance.csv").is_file():
        return "its nuisance.csv is missing"
    return ""


def generate(
    root: str | os.PathLike[str],
    *,
    train_pids: int = 600,
    test_pids: int = 200,
    seed: int = 0,
    workers: int | None = None,
    cues: str = "layout",
    progress: bool = True,
) -> Path:
    """Draw ToyMarket into ``root/ToyMarket``, unless it is there as asked.

    The bytes depend on the arguments and the drawing code, not on ``workers``.
    The set is written under a temporary name and renamed when complete; an error or
    an interrupt removes it and leaves an earlier set as it was.

    Args:
        root: The folder above the set; it is made when it is not there.
        train_pids: Number of people to train on, at least 2.
        test_pids: Number of people to be searched for, at least 2. There are twice as
            many distractors and one and a half times as many boxes of junk.
        seed: Decides who these people are and how they are taken.
        workers: Number of processes; None takes one per processor.
        cues: What tells people apart, ``"layout"`` or ``"global"``: see `identity`.
        progress: Whether to show a progress bar.

    Returns:
        The set's folder: four folders of JPEGs, ``nuisance.csv``, ``toymarket.json``.

    Raises:
        DplibError: A bad argument, a full disk, or a folder in the way that
            ``generate`` did not make.
    """
    settings = _checked(train_pids, test_pids, seed, workers, cues)
    root = Path(root)
    target = root / "ToyMarket"
    if _is_as_asked(target, settings):
        return target
    check(
        root.is_dir() or not root.exists(),
        f"{root} is a file; choose a folder as `root`",
    )
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(
            prefix=".ToyMarket-", dir=root, ignore_cleanup_errors=True
        ) as temporary:
            made = Path(temporary, "ToyMarket")
            for name in IMAGE_FOLDERS:
                (made / name).mkdir(parents=True)
            rows = _draw_all(made, settings, workers or os.cpu_count() or 1, progress)
            _finish(made, settings, rows)
            _swap(made, target, Path(temporary, "old"))
    except OSError as e:
        raise _not_written(root, settings, e) from e
    except BrokenExecutor as e:
        raise DplibError(
            f"{root}: a drawing process ended before its time (short of memory?); "
            "nothing was kept; try again with workers=1"
        ) from e
    return target


def _checked(
    train_pids: int, test_pids: int, seed: int, workers: int | None, cues: str
) -> Settings:
    """The arguments of `generate` as settings, or DplibError that names a bad one."""
    for name, value, least in (
        ("train_pids", train_pids, 2),
        ("test_pids", test_pids, 2),
        ("seed", seed, 0),
        ("workers", 1 if workers is None else workers, 1),
    ):
        check(
            whole(value) and value >= least,
            f"{name}={value!r}: expected a whole number, at least {least}",
        )
    check(
        train_pids + test_pids <= 9999,
        f"train_pids + test_pids = {train_pids + test_pids}: names have four digits; "
        "ask for 9999 people at most",
    )
    check(cues in CUES, f"cues={cues!r}: expected one of {', '.join(CUES)}")
    stamp = f"{VERSION}:{generator_hash()}"
    return Settings(int(train_pids), int(test_pids), int(seed), cues, stamp)


def _is_as_asked(target: Path, settings: Settings) -> bool:
    """Whether the set stands already; prints why where it must be drawn again.

    Raises:
        DplibError: The folder holds something else.
    """
    if not target.exists() or not any(target.iterdir()):
        return False
    check(
        (target / "toymarket.json").is_file(),
        f"{target}: holds files but no toymarket.json, so it was not drawn by this "
        "program and is left alone; move it away or choose another `root`",
    )
    why = _difference(target, settings)
    if why:
        print(f"Redrawing {target}: {why}.")
    return not why


def _swap(made: Path, target: Path, old: Path) -> None:
    """Put ``made`` in the place of ``target``; when that fails, the old one is back."""
    try:
        if target.exists():
            target.rename(old)
        made.rename(target)
    finally:
        if old.exists() and not target.exists():
            old.rename(target)


def _not_written(root: Path, settings: Settings, error: OSError) -> DplibError:
    if error.errno == errno.ENOSPC:
        return DplibError(
            f"{root}: the disk is full; ToyMarket with {settings.train_pids} + "
            f"{settings.test_pids} people needs about {_megabytes(settings)} MB there. "
            "Free some space, choose another `root`, or ask for fewer people"
        )
    return DplibError(
        f"{root}: ToyMarket could not be written ({error.strerror or error}); check "
        "that this folder can be written to, or choose another `root`"
    )


def _megabytes(settings: Settings) -> int:
    images = (
        10 * settings.train_pids
        + 22 * settings.test_pids
        + settings.distractors
        + settings.junk
    )
    return max(1, math.ceil(images * 4.4 / 1024))  # blocks of 4 KB on most disks


def _finish(made: Path, settings: Settings, rows: list[list[str]]) -> None:
    order = {name: i for i, name in enumerate(IMAGE_FOLDERS)}
    rows.sort(key=lambda r: (order[r[0]], r[1]))
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(_COLUMNS)
    table.writerows(rows)
    _write(made / "nuisance.csv", text.getvalue().encode())
    images = {name: sum(r[0] == name for r in rows) for name in IMAGE_FOLDERS}
    record = {"settings": asdict(settings), "images": images}
    _write(made / "toymarket.json", (json.dumps(record, indent=2) + "\n").encode())
