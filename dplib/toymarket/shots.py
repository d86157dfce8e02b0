"""Which pictures ToyMarket has: who is taken when, by which camera, how disturbed.

Everything here is drawn from the set's seed, before any picture is rendered. A person
is seen by two to six cameras, in tracks of two to four moments; test people have one
query per camera, and for some moments the same view in a hand-drawn box (``gt_bbox``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from dplib.toymarket.people import (
    CUES,
    DIFFICULTY,
    FIRST_DISTRACTOR,
    FIRST_JUNK,
    pick,
    rng_for,
)
from dplib.toymarket.pictures import Conditions, usual_yaw

IMAGE_FOLDERS = ("bounding_box_train", "bounding_box_test", "query", "gt_bbox")


class Shot(NamedTuple):
    """One image of the set: its place, who is on it, how it is taken."""

    folder: str
    file: str
    pid: int
    person: int
    camera: int
    conditions: Conditions


@dataclass(frozen=True)
class Settings:
    """What a drawn set depends on; ``toymarket.json`` holds it."""

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


def split(s: Settings) -> tuple[list[int], list[int]]:
    """Pids for training and test: whole groups, interleaved as in Market-1501."""
    pids = np.arange(1, s.train_pids + s.test_pids + 1)
    groups = [
        pids[i : i + DIFFICULTY.group] for i in range(0, len(pids), DIFFICULTY.group)
    ]
    order = rng_for("split", s.seed).permutation(len(groups))
    line = np.concatenate([groups[i] for i in order])
    return sorted(line[: s.train_pids].tolist()), sorted(line[s.train_pids :].tolist())


def _conditions(
    s: Settings, key: tuple[int, ...], base_yaw: float, track_light: int
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


def _person_shots(s: Settings, pid: int, test: bool) -> Iterator[Shot]:
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
            folder = "query" if k == asked else IMAGE_FOLDERS[int(test)]
            name = _file(pid, camera, sequence, frame, 0 if k == asked else 1)
            yield Shot(folder, name, pid, pid, camera, c)
            if test and k in boxed:  # the same moment in a hand-drawn box
                name = _file(pid, camera, sequence, frame, 0)
                fair = c._replace(shift_x=0.0, shift_y=0.0, scale=1.0)
                yield Shot("gt_bbox", name, pid, pid, camera, fair)


def _stray_shot(s: Settings, index: int, junk: bool) -> Shot:
    """A distractor (pid 0), or junk (pid -1): a box that holds no proper person."""
    code = CUES.index(s.cues)
    first = FIRST_JUNK if junk else FIRST_DISTRACTOR
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


Task = tuple[str, int]  # role and number; one task draws all images of one person


def list_tasks(s: Settings) -> list[Task]:
    """Everybody of the set, and every box of junk."""
    train, test = split(s)
    tasks = [("train", p) for p in train] + [("test", p) for p in test]
    tasks += [("distractor", i) for i in range(s.distractors)]
    return tasks + [("junk", i) for i in range(s.junk)]


def shots_of(s: Settings, task: Task) -> Iterable[Shot]:
    """All images of one task; they depend on the settings and on nothing else."""
    role, number = task
    if role in ("train", "test"):
        return _person_shots(s, number, role == "test")
    return [_stray_shot(s, number, role == "junk")]
