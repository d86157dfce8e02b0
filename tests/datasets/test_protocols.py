"""Every published set, from the names of its files to AP worked out by hand.

One person queries from one camera. The nearest image in the gallery is of the same
person and the same camera, which the protocol leaves out; then come junk (where the set
has some), another person, and the matches of other cameras. Whoever forgets one of
these rules gets another AP, which the tests below show, too.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from imitations import put

from dplib import datasets, evaluation
from dplib.descriptors import Descriptors
from dplib.samples import ReIDData, Sample


class View(NamedTuple):
    """An image of the gallery: who, which camera, and how far from the query."""

    pid: int
    cam: int
    distance: float


QUERY = (5, 1)  # pid and camera
SAME_CAMERA = View(5, 1, 0.1)
OTHERS = [  # in the order of their distance; right, wrong, right, wrong
    View(5, 2, 0.3),
    View(6, 2, 0.4),
    View(5, 3, 0.5),
    View(6, 1, 0.6),
]
AP = (1 / 1 + 2 / 3) / 2  # matches at ranks 1 and 3
AP_WITH_SAME_CAMERA = (1 / 1 + 2 / 2 + 3 / 4) / 3  # at ranks 1, 2 and 4
# one place further back each, where junk at rank 1 is not left out
AP_WITH_JUNK = (1 / 2 + 2 / 4) / 2
JUNK = View(-1, 2, 0.2)
DISTRACTOR = View(0, 3, 0.45)  # ranked, as a wrong one: matches at ranks 1 and 4
AP_WITH_DISTRACTOR = (1 / 1 + 2 / 4) / 2

Named = Callable[[int, int, int], str]  # the name of a file by pid, camera, number


def three_folders(home: Path, name: Named, views: list[View]) -> None:
    """Market-1501's layout, with two people to train on."""
    numbers = iter(range(1, 99))
    for pid in (2, 3):
        for cam in (1, 2):
            put(home / "bounding_box_train" / name(pid, cam, next(numbers)), pid)
    put(home / "query" / name(*QUERY, next(numbers)))
    put(home / "query" / name(6, 1, next(numbers)))
    for view in views:
        put(home / "bounding_box_test" / name(view.pid, view.cam, next(numbers)))


def market(root: Path, views: list[View]) -> None:
    def name(pid: int, cam: int, n: int) -> str:
        who = f"{pid:04d}" if pid >= 0 else "-1"
        return f"{who}_c{cam}s1_{n:06d}_00.jpg"

    three_folders(root / "Market-1501-v15.09.15", name, views)


def duke(root: Path, views: list[View]) -> None:
    three_folders(
        root / "DukeMTMC-reID", lambda p, c, n: f"{p:04d}_c{c}_f{n:07d}.jpg", views
    )


def cuhk03np(root: Path, views: list[View]) -> None:
    three_folders(
        root / "cuhk03-np" / "labeled", lambda p, c, n: f"{p:04d}_c{c}_{n}.png", views
    )


def msmt(root: Path, views: list[View]) -> None:
    home, lists = root / "MSMT17_V1", dict[str, list[str]]()
    numbers = iter(range(1, 99))

    def add(part: str, folder: str, pid: int, cam: int) -> None:
        n = next(numbers)
        name = f"{pid:04d}/{pid:04d}_{n:03d}_{cam:02d}_0303morning_{n:04d}_0.jpg"
        put(home / folder / name)
        lists.setdefault(part, []).append(f"{name} {pid}")

    for part in ("train", "val"):
        for pid in (0, 1):
            for cam in (1, 2):
                add(part, "train", pid, cam)
    add("query", "test", *QUERY)
    add("query", "test", 6, 1)
    for view in views:
        add("gallery", "test", view.pid, view.cam)
    for part, lines in lists.items():
        (home / f"list_{part}.txt").write_text("\n".join(lines) + "\n")


SETS: dict[str, Callable[[Path, list[View]], None]] = {
    "market1501": market,
    "dukemtmc": duke,
    "cuhk03np": cuhk03np,
    "msmt17": msmt,
}
FIRST = {"msmt17": 10_001}  # added to the pids of its test


def measured(name: str, root: Path, views: list[View]) -> tuple[ReIDData, Any]:
    """The set as it is loaded, and the query's result for descriptors on a line."""
    SETS[name](root, views)
    data = datasets.load(name, root)
    first = FIRST.get(name, 0)
    where = {(v.pid + first, v.cam): v.distance for v in views}

    def described(samples: list[Sample], at: list[float]) -> Descriptors:
        return Descriptors(
            torch.tensor(at)[:, None],
            torch.tensor([s.pid for s in samples]),
            torch.tensor([s.camid for s in samples]),
        )

    asked = [s for s in data.query if (s.pid, s.camid) == (QUERY[0] + first, QUERY[1])]
    query = described(asked, [0.0])
    at = [where[s.pid, s.camid] for s in data.gallery]
    gallery = described(data.gallery, at)
    assert len(asked) == 1 and len(data.gallery) == len(views)
    return data, evaluation.evaluate(query, gallery, protocol=data.protocol)


@pytest.mark.parametrize("name", SETS)
def test_the_match_of_the_querys_own_camera_is_left_out(
    name: str, tmp_path: Path
) -> None:
    data, found = measured(name, tmp_path, [SAME_CAMERA, *OTHERS])
    assert data.protocol == "market1501"
    assert float(found.ap[0]) == pytest.approx(AP, abs=1e-6)
    assert abs(AP - AP_WITH_SAME_CAMERA) > 0.05
    assert found.rank1 == 1


@pytest.mark.parametrize("name", SETS)
def test_a_wrong_one_of_the_querys_own_camera_is_ranked(
    name: str, tmp_path: Path
) -> None:
    near = View(6, 1, 0.05)  # in front of all
    _, found = measured(name, tmp_path, [SAME_CAMERA, near, *OTHERS[:3]])
    assert float(found.ap[0]) == pytest.approx((1 / 2 + 2 / 4) / 2, abs=1e-6)
    assert found.rank1 == 0


def test_junk_is_left_out_and_distractors_are_ranked(tmp_path: Path) -> None:
    """Market-1501 alone has them, by its pids -1 and 0."""
    views = [SAME_CAMERA, JUNK, DISTRACTOR, *OTHERS]
    data, found = measured("market1501", tmp_path, views)
    assert {s.pid for s in data.gallery} == {-1, 0, 5, 6}
    # right, wrong (6), wrong (0), right, wrong
    assert float(found.ap[0]) == pytest.approx(AP_WITH_DISTRACTOR, abs=1e-6)
    assert found.rank1 == 1


def test_junk_alone_changes_nothing(tmp_path: Path) -> None:
    _, found = measured("market1501", tmp_path, [JUNK, *OTHERS])
    assert float(found.ap[0]) == pytest.approx(AP, abs=1e-6)
    assert abs(AP - AP_WITH_JUNK) > 0.05


def test_person_0_of_msmt17_is_a_person(tmp_path: Path) -> None:
    """Its lists count from 0: nobody there is a distractor or shares a training pid."""
    data, found = measured("msmt17", tmp_path, [View(0, 2, 0.2), *OTHERS])
    assert set(data.labels) == {1, 2}
    assert {s.pid for s in data.gallery} == {10_001, 10_006, 10_007}
    # as a wrong one at rank 1 person 0 is ranked like any other
    assert float(found.ap[0]) == pytest.approx((1 / 2 + 2 / 4) / 2, abs=1e-6)
