"""DukeMTMC-reID and MSMT17 in their real layouts; keywords of each set's protocol."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from imitations import put, write_duke, write_msmt

from dplib import datasets
from dplib.datasets import PUBLISHED
from dplib.samples import DISTRACTOR, JUNK, DatasetError


def test_duke_reads_its_own_names(tmp_path: Path) -> None:
    home = write_duke(tmp_path / "DukeMTMC-reID")
    (home / "query" / "Thumbs.db").write_bytes(b"")
    for root in (tmp_path, home):
        data = datasets.load("dukemtmc", root)
        assert data.root == home and data.multi_query == []
        assert list(data.labels) == [1, 2, 9, 40]
        assert {(s.pid, s.camid) for s in data.query} == {
            (p, c) for p in (5, 23, 7140) for c in (2, 8)
        }
    found = datasets.counts(data)
    assert found == {
        "images": 12 + 6 + 8,
        "identities": 9,
        "cameras": 3,
        "train images": 12,
        "train pids": 4,
        "query images": 6,
        "query pids": 3,
        "gallery files": 8,
        "distractor ids": 2,
    }
    with pytest.raises(DatasetError, match="distractor ids: 2 found, 408 published"):
        datasets.verify(data)


def test_duke_beside_market_is_not_taken_for_it(
    market_home: Path, tmp_path: Path
) -> None:
    shutil.copytree(market_home, tmp_path / market_home.name)
    with pytest.raises(DatasetError, match=r"no DukeMTMC-reID at.*withdrew it in 2019"):
        datasets.load("dukemtmc", tmp_path)


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


def test_verify_compares_msmt17_with_its_paper(tmp_path: Path) -> None:
    write_msmt(tmp_path / "MSMT17_V2", 2)
    with pytest.raises(DatasetError) as e:
        datasets.verify(datasets.load("msmt17", tmp_path))
    for text in (
        "images: 17 found, 126,441 published",
        "identities: 5 found, 4,101 published",
        "gallery pids: 2 found, 3,060 published",
    ):
        assert text in str(e.value)


def test_published_counts_add_up() -> None:
    for name, n in PUBLISHED.items():
        if name == "market1501":
            assert n["images"] == n["train images"] + n["gallery files"]
            assert n["ranked gallery"] == n["gallery files"] - n["junk (pid -1)"]
        elif "train images" in n:
            parts = n["train images"] + n["query images"] + n["gallery files"]
            assert n["images"] == parts, name
        assert n["identities"] == (
            n["train pids"]
            + n.get("gallery pids", n["query pids"] + n.get("distractor ids", 0))
        )


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("toymarket", ()),
        ("market1501", ()),
        ("dukemtmc", ()),
        ("cuhk03", ("kind", "split")),
        ("cuhk03np", ("kind",)),
        ("msmt17", ("with_val",)),
        ("folder", ("pattern", "csv", "test_share")),
    ],
)
def test_keywords_of_each_protocol(
    tmp_path: Path, name: str, known: tuple[str, ...]
) -> None:
    assert datasets.protocol_keywords(name) == known
    takes = ", ".join(known) or "none"
    with pytest.raises(DatasetError) as e:
        datasets.load(name, tmp_path, camera=3)
    assert str(e.value) == f"unknown keyword 'camera' for {name}: it takes {takes}"


def test_every_set_is_covered_above() -> None:
    covered = "toymarket market1501 dukemtmc cuhk03 cuhk03np msmt17 folder"
    assert tuple(covered.split()) == datasets.NAMES


def test_no_set_is_found_in_an_empty_folder(tmp_path: Path) -> None:
    for name in datasets.NAMES:
        if name != "toymarket":  # which would be drawn
            with pytest.raises(DatasetError, match=re.escape(str(tmp_path))):
                datasets.load(name, tmp_path)
    put(tmp_path / "MSMT17_V1" / "train" / "x.jpg")
    with pytest.raises(DatasetError, match="MSMT17 is half extracted"):
        datasets.load("msmt17", tmp_path)
