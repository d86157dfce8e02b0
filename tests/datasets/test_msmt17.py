"""MSMT17 in its real layouts, both versions."""

from __future__ import annotations

from pathlib import Path

import pytest
from imitations import write_msmt

from dplib import datasets
from dplib.samples import DISTRACTOR, JUNK, DatasetError


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(
    "place", [".", "MSMT17_V{}", "msmt17/MSMT17_V{}", "MSMT17_V{0}/MSMT17_V{0}"]
)
def test_msmt17_of_both_versions(tmp_path: Path, version: int, place: str) -> None:
    home = write_msmt(tmp_path / place.format(version), version)
    data = datasets.load("msmt17", tmp_path)
    assert data.root == home
    assert len(data.train) == 9 and len(data.query) == 4 and len(data.gallery) == 4
    assert {s.camid for s in data.train} == {1, 4, 15}
    assert {s.camid for s in data.query} == {1, 14}
    assert all(s.path.is_file() for s in (*data.train, *data.query, *data.gallery))


def test_msmt17s_pid_0_is_a_person_in_training_and_another_in_test(
    tmp_path: Path,
) -> None:
    write_msmt(tmp_path / "MSMT17_V1")
    data = datasets.load("msmt17", tmp_path)
    assert list(data.labels) == [1, 2, 3]
    assert {s.pid for s in data.query} == {s.pid for s in data.gallery}
    assert {s.pid for s in data.query} == {10_001, 10_002}
    pids = {s.pid for s in (*data.train, *data.query, *data.gallery)}
    assert not pids & {JUNK, DISTRACTOR}
    assert datasets.counts(data)["identities"] == 5


def test_msmt17_without_its_validation_list(tmp_path: Path) -> None:
    write_msmt(tmp_path / "MSMT17_V1")
    data = datasets.load("msmt17", tmp_path, with_val=False)
    assert len(data.train) == 8 and data.name == "msmt17-noval"
    with pytest.raises(DatasetError, match="train images: 8 found, 30,248 published"):
        datasets.verify(data)
