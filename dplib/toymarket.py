"""ToyMarket: a drawn person re-identification set in Market-1501's layout.

People (`toypeople`) are drawn (`toyfigures`), put before a camera's place and seen
through its optics (`toyscenes`), one picture at a time (`toypictures`); here is when
each picture is taken and how the set is laid out. It is a stand-in for Market-1501
(§4.1 of the paper) that anybody can make in a minute, with the truth about each
image's occlusion, blur, box and viewpoint in ``nuisance.csv``.
"""

from __future__ import annotations

import csv
import errno
import hashlib
import io
import json
import math
import os
import shutil
import signal
import tempfile
import warnings
from collections.abc import Iterable, Iterator
from concurrent.futures import (
    BrokenExecutor,
    Executor,
    ProcessPoolExecutor,
    as_completed,
)
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from dplib import DplibError
from dplib.toybody import Identity
from dplib.toypeople import (
    CUES,
    DIFFICULTY,
    DISTRACTORS,
    JUNK,
    Difficulty,
    check,
    identity,
    pick,
    rng_for,
    whole,
)
from dplib.toypictures import VIEWPOINTS, Conditions, draw, render, usual_yaw

__all__ = [
    "CUES",
    "DIFFICULTY",
    "VERSION",
    "VIEWPOINTS",
    "Conditions",
    "Difficulty",
    "Identity",
    "Shot",
    "draw",
    "generate",
    "generator_hash",
    "identity",
]

VERSION = "1.0"
FOLDERS = ("bounding_box_train", "bounding_box_test", "query", "gt_bbox")
_SOURCES = (
    "toybody", "toycloth", "toyheads", "toyfigures", "toyscenes", "toypeople",
    "toypictures", "toymarket",
)  # fmt: skip


def generator_hash() -> str:
    """First 12 hex digits of the SHA-256 of the drawing code (any line endings)."""
    digest = hashlib.sha256()
    for name in _SOURCES:
        source = (Path(__file__).parent / f"{name}.py").read_bytes()
        digest.update(source.replace(b"\r\n", b"\n"))
    return digest.hexdigest()[:12]


# --- the set ------------------------------------------------------------------------


class Shot(NamedTuple):
    """One image of the set: its place, who is on it, how it is taken."""

    folder: str
    file: str
    pid: int
    person: int
    camera: int
    conditions: Conditions


@dataclass(frozen=True)
class _Settings:
    train_pids: int
    test_pids: int
    seed: int
    cues: str
    generator: str

    @property
    def distractors(self) -> int:
        return 2 * self.test_pids

    @property
    def junk(self) -> int:
        return self.test_pids * 3 // 2


def _split(s: _Settings) -> tuple[list[int], list[int]]:
    """Pids for training and test: whole groups, interleaved as in Market-1501."""
    pids = np.arange(1, s.train_pids + s.test_pids + 1)
    groups = [
        pids[i : i + DIFFICULTY.group] for i in range(0, len(pids), DIFFICULTY.group)
    ]
    order = rng_for("split", s.seed).permutation(len(groups))
    line = np.concatenate([groups[i] for i in order])
    return sorted(line[: s.train_pids].tolist()), sorted(line[s.train_pids :].tolist())


def _conditions(
    s: _Settings, key: tuple[int, ...], base_yaw: float, track_light: int
) -> Conditions:
    """The nuisances of one image, rounded to what ``nuisance.csv`` holds."""
    d, rng = DIFFICULTY, rng_for("box", s.seed, CUES.index(s.cues), *key)
    rough = 2.5 if rng.random() < d.bad_box else 1.0
    u = rng.random(4)
    occlusion = float(rng.uniform(*d.occlusion)) if u[0] < d.occluded else 0.0
    blur = float(rng.uniform(*d.blur)) if u[1] < d.blurred else 0.0
    dx, dy, ds = (float(np.clip(v, -2.5, 2.5)) * rough for v in rng.normal(size=3))
    seeds = rng.integers(1 << 32, size=3).tolist()
    yaw = (base_yaw + float(rng.normal(0, d.yaw[1]))) % 360
    return Conditions(
        seeds[0],
        round(occlusion, 3),
        round(blur, 3),
        round(dx * d.shift[0], 4),
        round(dy * d.shift[1], 4),
        round(min(1.7, max(0.5, d.scale[0] + ds * d.scale[1])), 4),
        round(float(rng.random()), 4),
        round(yaw, 2),
        seeds[1],
        track_light if u[2] < d.light_shared else seeds[2],
        d.clutter,
    )


def _file(pid: int, camera: int, sequence: int, frame: int, box: int) -> str:
    head = "-1" if pid < 0 else f"{pid:04d}"
    return f"{head}_c{camera}s{sequence}_{frame:06d}_{box:02d}.jpg"


def _person_shots(s: _Settings, pid: int, test: bool) -> Iterator[Shot]:
    """All images of one pid: tracks in several cameras, some moments in each."""
    code, d = CUES.index(s.cues), DIFFICULTY
    rng = rng_for("track", s.seed, code, pid)
    count = 1 + int(rng.choice(6, p=np.array(d.cameras) / sum(d.cameras)))
    for camera in sorted(rng.permutation(6)[: max(2, count)] + 1):
        camera = int(camera)
        track = rng_for("track", s.seed, code, pid, camera)
        n = int(track.choice([2, 3, 4], p=[0.5, 0.35, 0.15]))
        if test:  # one moment more for the query
            n = int(track.choice([2, 3, 4], p=[0.15, 0.4, 0.45]))
        sequence, start = int(track.integers(1, 7)), int(track.integers(900, 90_000))
        base_yaw = usual_yaw(int(track.integers(1 << 32)), camera)
        light = int(track.integers(1 << 32))
        asked = int(track.integers(n)) if test else -1
        extra = int(track.choice([1, 2], p=[0.75, 0.25]))
        boxed = {asked, *((asked + i) % n for i in range(1, extra + 1))}
        for k in range(n):
            frame = start + 25 * k + int(track.integers(10))
            key = (int(test), pid, camera, k)
            c = _conditions(s, key, base_yaw, light)
            folder = "query" if k == asked else FOLDERS[int(test)]
            name = _file(pid, camera, sequence, frame, 0 if k == asked else 1)
            yield Shot(folder, name, pid, pid, camera, c)
            if test and k in boxed:  # the same moment in a hand-drawn box
                name = _file(pid, camera, sequence, frame, 0)
                fair = c._replace(shift_x=0.0, shift_y=0.0, scale=1.0)
                yield Shot("gt_bbox", name, pid, pid, camera, fair)


def _stray_shot(s: _Settings, index: int, junk: bool) -> Shot:
    """A distractor (pid 0), or junk (pid -1): a box that holds no proper person."""
    code = CUES.index(s.cues)
    first = JUNK if junk else DISTRACTORS
    rng = rng_for("track", s.seed, code, first + index)
    camera = int(rng.integers(1, 7))
    base_yaw = usual_yaw(int(rng.integers(1 << 32)), camera)
    light = int(rng.integers(1 << 32))
    c = _conditions(s, (2 + junk, index, camera, 0), base_yaw, light)
    if junk:
        kind = pick(rng, legs=0.25, head=0.1, half=0.25, ground=0.25, crowd=0.15)
        u = float(rng.uniform(0.8, 1.2))
        sign = float(rng.choice([-1, 1]))
        c = {
            "legs": c._replace(shift_y=-0.5 * u, scale=1.3),
            "head": c._replace(shift_y=0.62 * u, scale=1.6),
            "half": c._replace(shift_x=sign * 0.45 * u),
            "ground": c._replace(scale=0.34 * u, shift_y=0.2, shift_x=sign * 0.2),
            "crowd": c._replace(clutter=7.0, occlusion=0.6, shift_x=sign * 0.2),
        }[kind]
        c = c._replace(
            shift_x=round(c.shift_x, 4), shift_y=round(c.shift_y, 4),
            scale=round(c.scale, 4),
        )  # fmt: skip
    pid = -1 if junk else 0
    frame = 40 * index + int(rng.integers(40))
    name = _file(pid, camera, int(rng.integers(1, 7)), frame, 1)
    return Shot("bounding_box_test", name, pid, first + index, camera, c)


_Task = tuple[str, int]  # role and number; one task draws all images of one person


def _tasks(s: _Settings) -> list[_Task]:
    train, test = _split(s)
    tasks = [("train", p) for p in train] + [("test", p) for p in test]
    tasks += [("distractor", i) for i in range(s.distractors)]
    return tasks + [("junk", i) for i in range(s.junk)]


def _shots(s: _Settings, task: _Task) -> Iterable[Shot]:
    role, number = task
    if role in ("train", "test"):
        return _person_shots(s, number, role == "test")
    return [_stray_shot(s, number, role == "junk")]


_COLUMNS = (
    "folder", "file", "pid", "camid", "person", "seed", "occlusion", "blur", "shift_x",
    "shift_y", "scale", "pose", "viewpoint", "background", "light", "clutter",
    "generator",
)  # fmt: skip


def _write(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def _draw_tasks(folder: str, s: _Settings, tasks: list[_Task]) -> list[list[str]]:
    """Draw these people's images into the folder; returns their rows."""
    rows = []
    for task in tasks:
        for shot in _shots(s, task):
            c = shot.conditions
            who = identity(shot.person, s.seed, s.cues)
            data, _ = render(who, shot.camera, c, s.cues)
            _write(Path(folder, shot.folder, shot.file), data)
            rows.append(
                [shot.folder, shot.file, str(shot.pid), str(shot.camera),
                 str(shot.person), str(c.seed), f"{c.occlusion:.3f}", f"{c.blur:.3f}",
                 f"{c.shift_x:.4f}", f"{c.shift_y:.4f}", f"{c.scale:.4f}",
                 f"{c.pose:.4f}", f"{c.yaw:.2f}", str(c.background), str(c.light),
                 f"{c.clutter:.2f}", s.generator]
            )  # fmt: skip
    return rows


def _ignore_interrupt() -> None:
    """In a worker: Ctrl-C reaches all processes, only the parent answers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _draw_all(
    folder: Path, s: _Settings, workers: int, progress: bool
) -> list[list[str]]:
    tasks = _tasks(s)
    bar = tqdm(
        total=len(tasks), desc="drawing ToyMarket", unit="person", disable=not progress
    )
    rows: list[list[str]] = []
    with bar:
        if workers == 1:
            for task in tasks:
                rows += _draw_tasks(str(folder), s, [task])
                bar.update()
            return rows
        chunks = [tasks[i : i + 8] for i in range(0, len(tasks), 8)]
        pool: Executor = ProcessPoolExecutor(
            min(workers, len(chunks)), initializer=_ignore_interrupt
        )
        try:
            with warnings.catch_warnings():  # workers touch neither threads nor torch
                warnings.simplefilter("ignore", DeprecationWarning)
                jobs = {
                    pool.submit(_draw_tasks, str(folder), s, c): len(c) for c in chunks
                }
            for job in as_completed(jobs):
                rows += job.result()
                bar.update(jobs[job])
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
    return rows


def _state(folder: Path, s: _Settings) -> str:
    """Why the set in the folder must be redrawn; empty if it is as asked."""
    try:
        record = json.loads((folder / "toymarket.json").read_text("utf-8"))
        images = record["images"]
        found = {k: record["settings"][k] for k in asdict(s)}
    except (OSError, ValueError, KeyError, TypeError):
        return "its toymarket.json is damaged"
    for key, value in asdict(s).items():
        if found[key] != value:
            return f"it has {key}={found[key]}, asked is {key}={value}"
    for name in FOLDERS:
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

    The bytes depend on the arguments and the drawing code, not on ``workers``
    (None: one per processor). The set is written under a temporary name and renamed
    when complete; an error or an interrupt removes it.

    Returns:
        The set's folder: four folders of JPEGs, ``nuisance.csv``, ``toymarket.json``.

    Raises:
        DplibError: a bad argument, a full disk, or a folder in the way that
            ``generate`` did not make.
    """
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
    root = Path(root)
    target = root / "ToyMarket"
    s = _Settings(
        int(train_pids),
        int(test_pids),
        int(seed),
        cues,
        f"{VERSION}:{generator_hash()}",
    )
    if target.exists():
        check(
            (target / "toymarket.json").is_file() or not any(target.iterdir()),
            f"{target}: holds files but no toymarket.json, so it was not drawn by this "
            "program and is left alone; move it away or choose another root",
        )
        if any(target.iterdir()):
            why = _state(target, s)
            if not why:
                return target
            print(f"Redrawing {target}: {why}.")
    temp = None
    try:
        root.mkdir(parents=True, exist_ok=True)
        temp = Path(tempfile.mkdtemp(prefix=".ToyMarket-", dir=root))
        made = temp / "ToyMarket"
        for name in FOLDERS:
            (made / name).mkdir(parents=True)
        rows = _draw_all(made, s, workers or os.cpu_count() or 1, progress)
        _finish(made, s, rows)
        if target.exists():
            target.rename(temp / "old")
        made.rename(target)
    except OSError as e:
        if temp is not None and (temp / "old").exists() and not target.exists():
            (temp / "old").rename(target)
        if e.errno == errno.ENOSPC:
            need = _megabytes(s)
            raise DplibError(
                f"{root}: the disk is full; ToyMarket with {s.train_pids} + "
                f"{s.test_pids} people needs about {need} MB there. Free some space, "
                "choose another root, or ask for fewer people"
            ) from e
        raise DplibError(
            f"{root}: ToyMarket could not be written ({e}); check that the folder can "
            "be written to, or choose another root"
        ) from e
    except BrokenExecutor as e:
        raise DplibError(
            f"{root}: a drawing process ended before its time (short of memory?); "
            "nothing was kept; try again with workers=1"
        ) from e
    finally:
        if temp is not None:
            shutil.rmtree(temp, ignore_errors=True)
    return target


def _megabytes(s: _Settings) -> int:
    images = 10 * s.train_pids + 22 * s.test_pids + s.distractors + s.junk
    return max(1, math.ceil(images * 4.4 / 1024))  # blocks of 4 KB on most disks


def _finish(made: Path, s: _Settings, rows: list[list[str]]) -> None:
    order = {name: i for i, name in enumerate(FOLDERS)}
    rows.sort(key=lambda r: (order[r[0]], r[1]))
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(_COLUMNS)
    table.writerows(rows)
    _write(made / "nuisance.csv", text.getvalue().encode())
    images = {name: sum(r[0] == name for r in rows) for name in FOLDERS}
    record = {"settings": asdict(s), "images": images}
    _write(made / "toymarket.json", (json.dumps(record, indent=2) + "\n").encode())
