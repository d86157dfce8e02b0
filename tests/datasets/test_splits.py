"""Validation splits: who is held out, and what stays."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from dplib import datasets
from dplib.datasets import splits
from dplib.samples import DatasetError, ReIDData, Sample


@pytest.mark.parametrize("seed", range(5))
def test_validation_split_properties(market: ReIDData, seed: int) -> None:
    val = datasets.validation_split(market, 3, seed)
    train, held = {s.pid for s in val.train}, {s.pid for s in val.gallery}
    assert len(train) == 5 and len(held) == 3 and not train & held
    assert {s.pid for s in val.query} <= held
    parts = [*val.train, *val.query, *val.gallery]
    assert sorted(parts) == sorted(market.train)  # every image once, none of the test
    assert val.query
    for q in val.query:
        assert any(g.pid == q.pid and g.camid != q.camid for g in val.gallery)
    per_camera = Counter((s.pid, s.camid) for s in val.query)
    assert set(per_camera.values()) == {1}


def test_validation_split_is_seeded(market_home: Path) -> None:
    def load(seed: int) -> ReIDData:
        return datasets.load("market1501", market_home, val_pids=3, seed=seed)

    assert load(1) == load(1)
    assert len({tuple(load(s).query) for s in range(6)}) > 3
    assert load(0).name == "market1501-val3"


def test_validation_split_keeps_a_cameras_only_image_in_the_gallery() -> None:
    images = [(pid, cam, i) for pid in range(1, 7) for cam in (1, 2) for i in range(2)]
    images = [x for x in images if x[1] == 1 or x[2] == 0]  # camera 2: one image each
    train = [Sample(Path(f"{p}-{c}-{i}"), p, c) for p, c, i in images]
    data = ReIDData("x", Path(), train, [], [])
    val = datasets.validation_split(data, 3)
    assert {s.camid for s in val.query} == {1}
    assert Counter(s.camid for s in val.gallery) == {1: 3, 2: 3}


@pytest.mark.parametrize("pids", [-1, 7, 8, 100])
def test_validation_split_of_too_many_pids(market: ReIDData, pids: int) -> None:
    with pytest.raises(DatasetError, match=rf"val_pids={pids}.*8 training.*1 to 6"):
        datasets.validation_split(market, pids)


def test_validation_split_draws_only_pids_seen_by_two_cameras(market: ReIDData) -> None:
    train = [s for s in market.train if s.pid < 5 or s.camid == 1]
    one_camera = replace(market, train=train)
    val = datasets.validation_split(one_camera, 3)
    assert {s.pid for s in val.gallery} == {2, 3, 4}
    with pytest.raises(DatasetError, match="3 of them seen by two cameras"):
        datasets.validation_split(one_camera, 4)


# --- own folders: split_rows ----------------------------------------------------------


def rows(two: int, one: int = 0) -> tuple[list[Sample], dict[int, str]]:
    """People seen by two cameras, then people seen by one; two images of each view."""
    cams = {pid: (1, 2) if pid <= two else (1,) for pid in range(1, two + one + 1)}
    samples = [
        Sample(Path(f"{pid}-{cam}-{i}"), pid, cam)
        for pid, views in cams.items()
        for cam in views
        for i in range(2)
    ]
    return samples, {pid: f"who {pid}" for pid in cams}


def sides(two: int, one: int, share: float, seed: int) -> tuple[set[int], set[int]]:
    samples, names = rows(two, one)
    train, _, gallery = splits.split_rows(samples, share, seed, names)
    return {s.pid for s in train}, {s.pid for s in gallery}


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize(
    ("two", "one", "share", "tested", "alone"),
    [
        (16, 0, 0.5, 8, 0),  # as many as the toy recipe wants in a batch are left
        (10, 6, 0.5, 5, 3),  # either kind has its share
        (4, 40, 0.25, 1, 10),
        (10, 0, 0.01, 1, 0),  # at least one can be queried
        (1, 30, 0.1, 1, 3),
        (3, 0, 0.9, 1, 0),  # at least two are left to train on
        (10, 0, 0.99, 8, 0),
        (5, 2, 1, 5, 2),
    ],
)
def test_the_share_of_people_is_exact(
    two: int, one: int, share: float, tested: int, alone: int, seed: int
) -> None:
    train, ranked = sides(two, one, share, seed)
    assert len({p for p in ranked if p <= two}) == tested
    assert len({p for p in ranked if p > two}) == alone
    assert train == set(range(1, two + one + 1)) - ranked


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.77])
@pytest.mark.parametrize("seed", range(5))
def test_each_person_who_is_added_moves_one_at_most(share: float, seed: int) -> None:
    """Also one whom a single camera has seen, and one who gets a second camera."""
    _, before = sides(20, 10, share, seed)
    for one in range(11, 25):
        _, now = sides(20, one, share, seed)
        assert len((before ^ now) - {20 + one}) <= 1
        before = now
    for two in range(21, 30):  # person `two` is seen by the other camera as well
        _, now = sides(two, 44 - two, share, seed)
        assert len((before ^ now) - {two}) <= 2  # one of either kind
        before = now


def test_the_order_of_the_images_decides_nothing() -> None:
    samples, names = rows(9, 4)
    one = splits.split_rows(samples, 0.5, 3, names)
    other = splits.split_rows(samples[::-1], 0.5, 3, names)
    assert [sorted(part) for part in one] == [sorted(part) for part in other]
