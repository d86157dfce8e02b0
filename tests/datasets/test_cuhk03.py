"""CUHK03: from an HDF5 file with MATLAB's references, both protocols."""

from __future__ import annotations

import json
import shutil
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from imitations import (
    PEOPLE,
    SPLITS,
    cuhk03_image,
    held_out,
    new_protocol,
    put,
    there,
    write_cuhk03,
    write_new_protocol,
)
from PIL import Image

from dplib import datasets
from dplib.datasets import cuhk03
from dplib.samples import DatasetError

pytest.importorskip("h5py")

CELLS = [
    (pair, who, column)
    for pair, people in enumerate(PEOPLE, 1)
    for who in range(1, people + 1)
    for column in range(1, 11)
]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with cuhk-03.mat and both split files; images get unpacked here."""
    folder = tmp_path_factory.mktemp("data")
    write_cuhk03(folder / "cuhk03" / "cuhk-03.mat")
    for kind in cuhk03.KINDS:
        write_new_protocol(folder / "cuhk03", kind)
    return folder


@pytest.mark.parametrize("kind", cuhk03.KINDS)
def test_every_image_is_unpacked_bit_for_bit(root: Path, kind: str) -> None:
    folder = cuhk03.images(root / "cuhk03", kind)
    names = {p.name for p in folder.glob("*.png")}
    for pair, who, column in CELLS:
        name = f"{pair}_{who:03d}_{1 if column <= 5 else 2}_{column:02d}.png"
        assert (name in names) == there(kind, pair, who, column)
        if name in names:
            with Image.open(folder / name) as image:
                assert np.array_equal(image, cuhk03_image(pair, who, column))
    assert len(names) == 13 * 9 - (kind == "detected")
    assert not list(root.glob("**/*.tmp"))


@pytest.mark.parametrize("split", [0, 7, SPLITS - 1])
def test_old_protocol_holds_its_test_set_in_query_and_gallery(
    root: Path, split: int
) -> None:
    data = datasets.load("cuhk03", root, split=split)
    assert data.protocol == "cuhk03" and data.name == f"cuhk03-labeled-split{split}"
    assert data.query == data.gallery and len(data.query) == 3 * 9
    wanted = {tuple(row) for row in held_out(split).tolist()}
    for s in (*data.train, *data.query):
        pair, who, view, column = (int(x) for x in s.path.stem.split("_"))
        assert ((pair, who) in wanted) == (s in data.query)
        assert s.camid == view == (1 if column <= 5 else 2)
        assert s.pid == sum(PEOPLE[: pair - 1]) + who
        assert s.path.is_file()
    assert len(data.labels) == sum(PEOPLE) - 3
    assert Counter(s.camid for s in data.query) == {1: 15, 2: 12}


def test_splits_differ(root: Path) -> None:
    tests = {
        frozenset(s.pid for s in datasets.load("cuhk03", root, split=i).query)
        for i in range(SPLITS)
    }
    assert len(tests) > SPLITS // 2


def test_validation_split_keeps_the_old_protocol(root: Path) -> None:
    data = datasets.load("cuhk03", root, val_pids=4)
    assert data.protocol == "cuhk03" and data.name == "cuhk03-labeled-split0-val4"
    assert data.query == data.gallery and len({s.pid for s in data.query}) == 4
    assert len(data.labels) == sum(PEOPLE) - 3 - 4


def test_images_once_unpacked_need_neither_the_mat_nor_h5py(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cuhk03.images(root / "cuhk03", "labeled")
    unpacked = tmp_path / "cuhk03" / "images_labeled"
    shutil.copytree(root / "cuhk03" / "images_labeled", unpacked)
    monkeypatch.setitem(sys.modules, "h5py", None)
    assert len(datasets.load("cuhk03", tmp_path).train) == 10 * 9
    # its own folder as root, too
    assert len(datasets.load("cuhk03", tmp_path / "cuhk03").train) == 10 * 9


def test_an_interrupted_unpacking_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_cuhk03(tmp_path / "cuhk03" / "cuhk03_release" / "cuhk-03.mat")
    write, written = cuhk03._write_png, []

    def stop_at_the_fortieth(path: Path, pixels: np.ndarray) -> None:
        if len(written) == 40:
            path.with_name(f".{path.name}.1.tmp").write_bytes(b"half an image")
            raise KeyboardInterrupt
        written.append(path)
        write(path, pixels)

    monkeypatch.setattr(cuhk03, "_write_png", stop_at_the_fortieth)
    with pytest.raises(KeyboardInterrupt):
        datasets.load("cuhk03", tmp_path)
    home = tmp_path / "cuhk03"
    assert not (home / "images_labeled").exists()  # nobody takes it for complete
    old = {p: p.stat().st_mtime_ns for p in written}
    monkeypatch.setattr(cuhk03, "_write_png", write)
    data = datasets.load("cuhk03", tmp_path)
    assert len(data.train) + len(data.query) == 13 * 9
    done = home / "images_labeled"
    assert all((done / p.name).stat().st_mtime_ns == t for p, t in old.items())
    assert sorted(p.name for p in home.iterdir()) == [
        "cuhk03_release",
        "images_labeled",
    ]
    assert not list(done.glob("*.tmp"))


@pytest.mark.parametrize("kind", cuhk03.KINDS)
def test_new_protocol_from_its_split_file(root: Path, kind: str) -> None:
    data = datasets.load("cuhk03np", root, kind=kind)
    wanted = new_protocol(kind)
    assert data.protocol == "market1501" and data.name == f"cuhk03np-{kind}"
    for part in ("train", "query", "gallery"):
        samples = getattr(data, part)
        at = wanted[f"{part}_idx"].ravel().astype(int) - 1
        assert [s.path.name for s in samples] == wanted["filelist"][at, 0].tolist()
        assert [s.pid for s in samples] == wanted["labels"][at, 0].tolist()
        assert [s.camid for s in samples] == wanted["camId"][at, 0].tolist()
        assert all(type(s.pid) is int and s.path.is_file() for s in samples)
    old = datasets.load("cuhk03", root, kind=kind)
    one = {s.path: s.pid for s in (*old.train, *old.query)}
    assert {s.path: s.pid for s in (*data.train, *data.query, *data.gallery)} == one


def test_new_protocol_as_its_authors_hand_it_out(tmp_path: Path) -> None:
    home = tmp_path / "cuhk03-np" / "detected"
    for pid, folder in ((1, "bounding_box_train"), (2, "query")):
        put(home / folder / f"{pid:04d}_c1_{pid}.png")
    for cam in (1, 2):
        put(home / "bounding_box_test" / f"0002_c{cam}_3{cam}.png")
    for where in (tmp_path, tmp_path / "cuhk03-np", home):
        data = datasets.load("cuhk03np", where, kind="detected")
        assert [s.pid for s in data.query] == [2]
        assert [s.camid for s in data.gallery] == [1, 2]
        assert data.name == "cuhk03np-detected"
    (home / "query").rename(home / "querry")
    with pytest.raises(DatasetError, match="has no folder query; CUHK03-NP is half"):
        datasets.load("cuhk03np", tmp_path, kind="detected")


def test_verify_names_what_differs_from_the_published_set(root: Path) -> None:
    with pytest.raises(DatasetError) as e:
        datasets.verify(datasets.load("cuhk03", root, kind="detected", split=3))
    text = str(e.value)
    assert "images: 116 found, 14,097 published" in text
    assert "train pids: 10 found, 1,367 published" in text
    assert "query pids: 3 found, 100 published" in text
    with pytest.raises(DatasetError, match="gallery files: 28 found, 5,328 published"):
        datasets.verify(datasets.load("cuhk03np", root))


@pytest.mark.parametrize("name", ["cuhk03", "cuhk03np"])
def test_a_missing_package_is_named_with_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    write_cuhk03(tmp_path / "cuhk03" / "cuhk-03.mat")
    write_new_protocol(tmp_path / "cuhk03")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(DatasetError, match=r"h5py.*pip install 'dplib\[data\]'"):
        datasets.load(name, tmp_path)


def test_index_of_the_unpacked_images_says_where_they_are_from(root: Path) -> None:
    folder = cuhk03.images(root / "cuhk03", "labeled")
    index = json.loads((folder / "index.json").read_text("utf-8"))
    assert index["from"] == "cuhk-03.mat" and index["people"] == list(PEOPLE)
    assert index["images"] == 13 * 9 and len(index["testsets"]) == SPLITS
