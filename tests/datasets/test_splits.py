"""Validation splits: who is held out, and what stays."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from dplib import datasets
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
