"""Market-1501's layout: what names mean, and what is said of other folders."""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from imitations import write_duke

from dplib import datasets, samples
from dplib.samples import DatasetError, ReIDData


@pytest.fixture
def copy(market_home: Path, tmp_path: Path) -> Path:
    """A copy of the tiny data set that a test may damage."""
    return shutil.copytree(market_home, tmp_path / market_home.name)


def test_load_reads_names_and_leaves_out_what_is_no_image(market: ReIDData) -> None:
    assert (len(market.train), len(market.query), len(market.gallery)) == (48, 9, 26)
    assert len(market.multi_query) == 9
    assert Counter(s.pid for s in market.gallery)[samples.JUNK] == 4
    assert Counter(s.pid for s in market.gallery)[samples.DISTRACTOR] == 4
    assert {s.camid for s in market.query} == {1, 2, 3}
    assert market.train == sorted(market.train)  # not the file system's order
    odd = [s for s in market.gallery if s.path.name.endswith(".jpg.jpg")]
    assert [(s.pid, s.camid) for s in odd] == [(101, 1)]
    assert all(s.path.is_file() for s in market.train)


def test_labels_are_classes_from_zero(market: ReIDData) -> None:
    assert market.labels == {pid: pid - 2 for pid in range(2, 10)}


def test_load_takes_the_data_sets_own_folder_too(market_home: Path) -> None:
    assert datasets.load("market1501", market_home).root == market_home


def test_absent_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"no Market-1501 at .*Market-1501-v15"):
        datasets.load("market1501", tmp_path / "nowhere")
    with pytest.raises(DatasetError, match=r"ask its authors .*data/README\.md"):
        datasets.load("market1501", tmp_path)


@pytest.mark.parametrize("folder", ["bounding_box_train", "query", "bounding_box_test"])
def test_half_extracted_names_the_missing_folder(copy: Path, folder: str) -> None:
    shutil.rmtree(copy / folder)
    for root in (copy, copy.parent):
        with pytest.raises(DatasetError, match=rf"no folder {folder}.*half extracted"):
            datasets.load("market1501", root)


@pytest.mark.parametrize("folder", ["query", "gt_bbox"])
def test_empty_folder_is_named(copy: Path, folder: str) -> None:
    shutil.rmtree(copy / folder)
    (copy / folder).mkdir()
    with pytest.raises(DatasetError, match=rf"{folder} holds no \.jpg.*extract it ag"):
        datasets.load("market1501", copy)


def test_gt_bbox_may_be_absent(copy: Path) -> None:
    shutil.rmtree(copy / "gt_bbox")
    assert datasets.load("market1501", copy).multi_query == []


@pytest.mark.parametrize("between", [".", "downloads"])
def test_parent_of_the_right_folder_is_told_the_right_one(
    copy: Path, between: str
) -> None:
    home = copy.rename(copy.with_name("market")).absolute()
    (home.parent / between).mkdir(exist_ok=True)
    home = home.rename(home.parent / between / "market")
    with pytest.raises(DatasetError, match=r"has its layout") as e:
        datasets.load("market1501", copy.parent)
    assert f"pass root={str(home)!r}" in str(e.value)


@pytest.mark.parametrize("child", ["query", "bounding_box_train", "gt_bbox"])
def test_child_of_the_right_folder_is_told_its_parent(
    market_home: Path, child: str
) -> None:
    with pytest.raises(DatasetError, match=r"is a folder inside Market-1501") as e:
        datasets.load("market1501", market_home / child)
    assert f"root={str(market_home)!r}" in str(e.value)


@pytest.mark.parametrize(
    "name", ["person.jpg", "0002_c1s1_000451_03 (1).jpg", "2_c1s1_000451_03.jpg"]
)
def test_name_that_does_not_parse_is_named(copy: Path, name: str) -> None:
    shutil.copy(next((copy / "query").glob("*.jpg")), copy / "query" / name)
    with pytest.raises(DatasetError, match="does not parse; expected PPPP_cC") as e:
        datasets.load("market1501", copy)
    assert str(copy / "query" / name) in str(e.value)


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


# --- junk and distractors ------------------------------------------------------------


@pytest.mark.parametrize(
    ("part", "folder"),
    [
        ("train", "bounding_box_train"),
        ("query", "query"),
        ("multi_query", "gt_bbox"),
    ],
)
def test_junk_is_no_person(
    copy: Path, capsys: pytest.CaptureFixture[str], part: str, folder: str
) -> None:
    before = datasets.load("market1501", copy)
    assert capsys.readouterr().out == ""
    image = next((copy / folder).glob("*.jpg"))
    for i, pid in enumerate(("-1", "-1", "0000")):
        shutil.copy(image, copy / folder / f"{pid}_c1s1_00000{i}_00.jpg")
    data = datasets.load("market1501", copy)
    assert data == before  # nothing of it is trained on, or queried
    said = capsys.readouterr().out
    assert "2 junk (pid -1), 1 distractors (pid 0)" in said and str(copy) in said
    for file in (copy / folder).iterdir():
        if not file.name.startswith(("-1", "0000")):
            file.unlink()
    with pytest.raises(DatasetError, match="nobody is left"):
        datasets.load("market1501", copy)


def test_distractors_of_duke_are_not_trained_on(tmp_path: Path) -> None:
    home = write_duke(tmp_path / "DukeMTMC-reID")
    image = next((home / "query").glob("*.jpg"))
    shutil.copy(image, home / "bounding_box_train" / "0000_c2_f0000001.jpg")
    assert list(datasets.load("dukemtmc", home).labels) == [1, 2, 9, 40]


def test_junk_never_becomes_a_class(market: ReIDData) -> None:
    """Whoever builds the lists: classes are people."""
    mixed = replace(market, train=[*market.train, market.gallery[0]._replace(pid=-1)])
    with pytest.raises(DatasetError, match="images of pid -1, which stands for junk"):
        _ = mixed.labels


# --- names of one's own ---------------------------------------------------------------


def test_own_names_are_not_sent_in_a_circle(copy: Path) -> None:
    for folder in ("bounding_box_train", "query", "bounding_box_test"):
        for i, file in enumerate(sorted((copy / folder).glob("*.jpg"))):
            file.rename(file.with_name(f"{i % 3}_c1_{i}.jpg"))
    with pytest.raises(DatasetError, match=r"csv=FILE.*path,pid,camid,split"):
        datasets.load("market1501", copy)
    with pytest.raises(DatasetError, match=r"not its names .*csv=FILE.*split") as e:
        datasets.load("folder", copy)
    assert "market1501'" not in str(e.value)


def test_known_names_are_sent_to_their_loader(
    market_home: Path, tmp_path: Path
) -> None:
    with pytest.raises(DatasetError, match=r"load\('market1501'\) takes it"):
        datasets.load("folder", market_home)
    with pytest.raises(DatasetError, match=r"load\('dukemtmc'\) takes it"):
        datasets.load("folder", write_duke(tmp_path / "mine"))


def test_a_folder_without_images_says_what_it_holds(copy: Path) -> None:
    shutil.rmtree(copy / "query")
    (copy / "query").mkdir()
    (copy / "query" / "a.mp4").touch()
    with pytest.raises(DatasetError, match=r"left out: 1 file .*\(\.mp4\)"):
        datasets.load("market1501", copy)


def test_people_in_training_and_query_are_said(
    copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    datasets.load("market1501", copy.parent)
    assert "NO TEST" not in capsys.readouterr().out
    image = next((copy / "query").iterdir())
    shutil.copy(image, copy / "bounding_box_train" / image.name)
    datasets.load("market1501", copy.parent)
    said = capsys.readouterr().out
    assert f"NO TEST: 1 people, such as {int(image.name[:4])}, are in" in said
