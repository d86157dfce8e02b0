"""Data sets: what names mean, and what is said of folders that are not right."""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import write_market

from dplib import datasets, samples, workspace
from dplib.samples import DatasetError, ReIDData, Sample

REAL = workspace.folders()[0] / "Market-1501-v15.09.15"


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


def test_unknown_name_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"'duke'.*toymarket, market1501"):
        datasets.load("duke", tmp_path)


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


# --- validation split ---------------------------------------------------------------


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


def test_drop_single_images(market: ReIDData) -> None:
    lone = replace(market, train=[*market.train[:-6], market.train[-1]])
    assert lone.train[-1].pid not in {s.pid for s in lone.drop_single_images().train}
    assert len(lone.drop_single_images().train) == 42


# --- counts -------------------------------------------------------------------------


def test_verify_names_every_count_that_differs(market: ReIDData) -> None:
    with pytest.raises(DatasetError) as e:
        datasets.verify(market)
    text = str(e.value)
    assert "train images: 48 found, 12,936 published" in text
    assert "distractors (pid 0): 4 found, 2,798 published" in text
    assert "query pids: 3 found, 750 published" in text
    assert "Extract the archive again" in text


def test_verify_is_silent_on_counts_that_agree(
    market: ReIDData, monkeypatch: pytest.MonkeyPatch
) -> None:
    published = {**datasets.PUBLISHED["market1501"], **datasets.counts(market)}
    published["cameras"] = 6  # the tiny set has three
    monkeypatch.setitem(datasets.PUBLISHED, "market1501", published)
    with pytest.raises(DatasetError) as e:
        datasets.verify(market)
    said, _, table = str(e.value).partition("\n")
    assert said.count("published") == 2  # the one count, and "published set"
    assert [x.split()[0] for x in table.splitlines() if "✗" in x] == ["cameras"]
    assert "cameras: 3 found, 6 published" in str(e.value)
    monkeypatch.setitem(published, "cameras", 3)
    assert "train pids" in datasets.verify(market)


def test_counts_of_the_tiny_set(market: ReIDData) -> None:
    assert datasets.counts(market) == {
        "images": 74,
        "identities": 11,
        "cameras": 3,
        "train images": 48,
        "train pids": 8,
        "query images": 9,
        "query pids": 3,
        "gallery files": 26,
        "junk (pid -1)": 4,
        "distractors (pid 0)": 4,
        "ranked gallery": 22,
        "multi-query images": 9,
    }


def test_toymarkets_own_list_is_what_its_folder_is_compared_with(
    tmp_path: Path,
) -> None:
    home = write_market(tmp_path / "ToyMarket", train_pids=2)
    toy = datasets.load("toymarket", tmp_path)
    with pytest.raises(DatasetError, match=r"nuisance\.csv is missing; draw"):
        datasets.verify(toy)
    lists = (toy.train, toy.query, toy.gallery, toy.multi_query)
    rows = [
        f"{s.path.parent.name},{s.path.name},{s.pid},{s.camid}"
        for samples in lists
        for s in samples
    ]
    text = "\n".join(["folder,file,pid,camid", *rows])
    (home / "nuisance.csv").write_text(text, encoding="utf-8")
    assert "train images" in datasets.verify(toy)
    toy.query[0].path.unlink()
    with pytest.raises(DatasetError, match="query images: 8 found, 9 listed"):
        datasets.verify(datasets.load("toymarket", tmp_path))


@pytest.mark.skipif(not REAL.is_dir(), reason="the real Market-1501 is not here")
def test_the_real_market_1501_has_every_published_count() -> None:
    data = datasets.load("market1501", REAL)
    table = datasets.verify(data)
    assert datasets.counts(data) == datasets.PUBLISHED["market1501"]
    assert "15,913" in table
