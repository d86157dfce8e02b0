"""Loading by name: keywords, and broken data sets, each with what is said of it."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from conftest import write_market
from imitations import (
    new_protocol,
    put,
    write_cuhk03,
    write_duke,
    write_msmt,
    write_new_protocol,
    write_people,
)

from dplib import datasets
from dplib.samples import DatasetError


def test_unknown_name_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"'duke'.*toymarket, market1501"):
        datasets.load("duke", tmp_path)


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("toymarket", ()),
        ("market1501", ()),
        ("dukemtmc", ()),
        ("cuhk03", ("kind", "split")),
        ("cuhk03np", ("kind",)),
        ("msmt17", ("with_val",)),
        ("folder", ("pattern", "csv", "test_share", "same_camera")),
    ],
)
def test_keywords_of_each_protocol(
    tmp_path: Path, name: str, known: tuple[str, ...]
) -> None:
    assert datasets.protocol_keywords(name) == known
    takes = ", ".join(f"{k}=" for k in known) or "none"
    with pytest.raises(DatasetError) as e:
        datasets.load(name, tmp_path, camera=3)
    assert str(e.value) == f"camera= is not for {name}: it takes {takes}"


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


Damage = Callable[[Path], Any]  # of the folder that holds the set; may give keywords


class Broken(NamedTuple):
    """A kind of broken data set, and words of its message in their order."""

    kind: str
    name: str
    damage: Damage
    said: tuple[str, ...]


def first(folder: Path) -> Path:
    return sorted(folder.iterdir())[0]


def edit(*path: str, text: str = "", at: int | None = None) -> Damage:
    """Replace line ``at`` of a text file; the whole file without it."""

    def change(home: Path) -> None:
        file = home.joinpath(*path)
        lines = file.read_text().splitlines() if at is not None else [""]
        lines[at or 0] = text
        file.write_text("\n".join(lines))

    return change


def csv(*rows: str, **keywords: Any) -> Damage:
    def write(home: Path) -> dict[str, Any]:
        (home / "list.csv").write_text("\n".join(rows), encoding="utf-8")
        return {"csv": "list.csv", **keywords}

    return write


def hdf5(change: Callable[[Any], Any]) -> Damage:
    """Change the open cuhk-03.mat."""

    def write(home: Path) -> None:
        import h5py

        with h5py.File(home / "cuhk-03.mat", "r+") as f:
            change(f)

    return write


def put_image(f: Any, name: str, array: np.ndarray) -> None:
    """Another array in the place of image ``name`` (pair_person_column)."""
    refs = f["#refs#"]
    refs.create_dataset("other", data=array)
    pair, who, column = (int(x) for x in name.split("_"))
    cells = refs[f"labeled{pair}"][()]
    cells[column - 1, who - 1] = refs["other"].ref
    refs[f"labeled{pair}"][...] = cells


def split_file(**changes: Any) -> Damage:
    """The split file with other arrays (None: without that one)."""

    def write(home: Path) -> None:
        from scipy.io import savemat

        arrays = new_protocol() | changes
        kept = {k: v for k, v in arrays.items() if v is not None}
        savemat(home / "cuhk03_new_protocol_config_labeled.mat", kept)

    return write


def renamed(i: int, name: str) -> np.ndarray:
    names = new_protocol()["filelist"]
    names[i, 0] = name
    return names


def cut(*path: str, share: float = 0.4) -> Damage:
    def change(home: Path) -> None:
        file = home.joinpath(*path)
        content = file.read_bytes()
        file.write_bytes(content[: int(share * len(content))])

    return change


def unpacked(damage: Damage) -> Damage:
    """Damage CUHK03's images after they were unpacked."""

    def change(home: Path) -> None:
        datasets.load("cuhk03", home.parent)
        damage(home / "images_labeled")

    return change


def keywords(**given: Any) -> Damage:
    return lambda home: given


def move_one(home: Path, suffix: str) -> None:
    file = first(home / "anna")
    file.rename(file.with_name(suffix))


BROKEN = [
    # Market-1501 and DukeMTMC-reID: three folders
    Broken("empty folder of data", "market1501", lambda h: shutil.rmtree(h),
           ("no Market-1501 at", "ask its authors", "data/README.md")),
    Broken("a folder is missing", "market1501", lambda h: shutil.rmtree(h / "query"),
           ("has no folder query", "half extracted")),
    Broken("a folder is empty", "market1501",
           lambda h: [p.unlink() for p in (h / "query").iterdir()],
           ("query holds no .jpg", "extract it again")),
    Broken("a name that does not parse", "market1501",
           lambda h: first(h / "query").rename(h / "query" / "anna.jpg"),
           ("anna.jpg: the name does not parse", "0002_c1s1_000451_03.jpg",
            "load('folder') takes them with csv=FILE")),
    Broken("another set's names", "dukemtmc",
           lambda h: put(h / "query" / "0002_c1s1_000451_03.jpg"),
           ("0002_c1s1_000451_03.jpg: the name", "0001_c2_f0046182.jpg")),
    Broken("extracted one folder too deep", "dukemtmc",
           lambda h: shutil.move(h, h.parent / "deep" / "er"),
           ("no DukeMTMC-reID at", "has its layout", "pass root=")),
    Broken("too few people for a validation set", "dukemtmc", keywords(val_pids=9),
           ("val_pids=9", "dukemtmc has 4 training pids")),
    # MSMT17: lists
    Broken("a list is missing", "msmt17", lambda h: (h / "list_val.txt").unlink(),
           ("has no list_val.txt", "half extracted")),
    Broken("all lists are missing", "msmt17",
           lambda h: [p.unlink() for p in h.glob("*.txt")],
           ("has no list_train.txt beside its folders", "half extracted")),
    Broken("an empty list", "msmt17", edit("list_query.txt"),
           ("list_query.txt is empty", "extract the archive again")),
    Broken("a line without its pid", "msmt17",
           edit("list_train.txt", text="0000/0000_000_01_0303morning_0.jpg", at=2),
           ("list_train.txt, line 3", "does not parse", "extract the archive again")),
    Broken("a line that leads elsewhere", "msmt17",
           edit("list_train.txt", text="../../0000_000_01_x.jpg 0", at=0),
           ("list_train.txt, line 1", "does not parse")),
    Broken("listed images are missing", "msmt17",
           lambda h: shutil.rmtree(h / "test" / "0001"),
           ("0001_000_01_0303morning_0000_0.jpg and 3 more", "extract")),
    # CUHK03: the HDF5 file
    Broken("no mat and no images", "cuhk03", lambda h: shutil.rmtree(h),
           ("no CUHK03 at", "neither cuhk-03.mat nor images_labeled", "authors")),
    Broken("the mat is cut short", "cuhk03", cut("cuhk-03.mat"),
           ("cuhk-03.mat cannot be read", "extract CUHK03's archive again")),
    Broken("the mat is no HDF5", "cuhk03", edit("cuhk-03.mat", text="MATLAB 5.0"),
           ("cuhk-03.mat cannot be read", "damaged")),
    Broken("the mat lacks a kind", "cuhk03",
           hdf5(lambda f: f.__delitem__("labeled")),
           ("has no 'labeled'", "not CUHK03's cuhk-03.mat")),
    Broken("the mat lacks the test sets", "cuhk03",
           hdf5(lambda f: f.__delitem__("testsets")), ("has no 'testsets'",)),
    Broken("cells that are numbers", "cuhk03",
           hdf5(lambda f: (f.__delitem__("labeled"),
                              f.create_dataset("labeled", data=np.zeros((1, 5))))),
           ("labeled is float64 of 5, expected 5 cells",)),
    Broken("an image of another type", "cuhk03",
           hdf5(lambda f: put_image(f, "1_2_3", np.zeros((3, 4, 9)))),
           ("labeled, 1_002_1_03.png", "float64 (3, 4, 9), expected uint8")),
    Broken("images not transposed", "cuhk03",
           hdf5(lambda f: put_image(f, "2_1_7", np.zeros((9, 4, 3), "u1"))),
           ("labeled, 2_001_2_07.png", "uint8 (9, 4, 3), expected uint8 (3, W, H)")),
    Broken("a test person who is not there", "cuhk03",
           hdf5(lambda f: f["#refs#/test4"].__setitem__((1, 0), 99)),
           ("test set 4 has person 99 of pair", "not among [5, 4, 2, 1, 1] people")),
    Broken("an unknown kind", "cuhk03", keywords(kind="labelled"),
           ("kind='labelled': choose one of labeled, detected",)),
    Broken("a split beyond the last", "cuhk03", keywords(split=20),
           ("split=20: CUHK03 has splits 0 to 19",)),
    Broken("unpacked images are missing", "cuhk03",
           unpacked(lambda f: (f / "1_001_1_01.png").unlink()),
           ("holds 116 of 117 images", "remove the folder")),
    Broken("images of another program", "cuhk03",
           unpacked(lambda f: (f / "index.json").unlink()),
           ("was not unpacked by dplib", "move it away")),
    Broken("a damaged index", "cuhk03",
           unpacked(lambda f: (f / "index.json").write_text(json.dumps({"a": 1}))),
           ("index.json: 'images'", "move it away")),
    # CUHK03-NP: the split file
    Broken("no split file", "cuhk03np",
           lambda h: (h / "cuhk03_new_protocol_config_labeled.mat").unlink(),
           ("no CUHK03-NP: neither", "config_labeled.mat", "get the split file")),
    Broken("the split file is cut short", "cuhk03np",
           cut("cuhk03_new_protocol_config_labeled.mat"),
           ("config_labeled.mat cannot be read as MATLAB v5",)),
    Broken("the split file lacks an array", "cuhk03np", split_file(camId=None),
           ("config_labeled.mat has no 'camId'",)),
    Broken("arrays of different lengths", "cuhk03np",
           split_file(labels=np.ones((7, 1), np.uint16)), ("7 labels for 117 images",)),
    Broken("a listed image is not there", "cuhk03np",
           split_file(filelist=renamed(5, "9_999_1_01.png")),
           ("lists 9_999_1_01.png and 0 more images", "lacks")),
    Broken("an index beyond the list", "cuhk03np",
           split_file(query_idx=np.array([[1], [118]], np.uint16)),
           ("query_idx is not within 1 to 117",)),
    Broken("an index 0", "cuhk03np",
           split_file(gallery_idx=np.array([[0], [3]], np.uint16)),
           ("gallery_idx is not within 1 to 117",)),
    Broken("a pid in training and test", "cuhk03np",
           split_file(train_idx=np.array([[3], [100]], np.uint16)),
           ("pid 1 and 0 more are in training and in test",)),
    # a person's own folder
    Broken("no such folder", "folder", lambda h: shutil.rmtree(h),
           ("no folder", "give the folder of your images")),
    Broken("no image", "folder",
           lambda h: [shutil.rmtree(p) for p in h.iterdir()],
           ("holds no image", ".png, .jpg")),
    Broken("no camera in a name", "folder", lambda h: move_one(h, "door.png"),
           ("door.png: expected", "PID/CAMERA_anything.png", "anna/2_0001.jpg")),
    Broken("an image beside the folders", "folder", lambda h: put(h / "door_1.jpg"),
           ("door_1.jpg: expected", "PID/CAMERA_anything.jpg")),
    Broken("Market-1501's layout as own folder", "folder",
           lambda h: (shutil.rmtree(h), write_market(h)),
           ("has Market-1501's folders", "load('market1501')", "keeps its split")),
    Broken("one camera only", "folder",
           lambda h: [p.unlink() for p in h.glob("*/yard_*")],
           ("none of 5 people has two images that are not near copies",)),
    Broken("too few people", "folder",
           lambda h: [shutil.rmtree(h / p) for p in ("carl", "dee", "eve")],
           ("test_share=0.5 of 2 people leaves fewer than two to train on",)),
    Broken("a share above 1", "folder", keywords(test_share=1.5),
           ("test_share=1.5: expected above 0 and at most 1",)),
    Broken("a folder named -1", "folder", lambda h: (h / "eve").rename(h / "-1"),
           ("has pid -1, which stands for junk",)),
    Broken("a pattern that is none", "folder", keywords(pattern="(?P<pid>"),
           ("'(?P<pid>' is no regular expression",)),
    Broken("a pattern without its groups", "folder", keywords(pattern=r"(?P<pid>\w+)/"),
           ("has no groups pid and camid",)),
    Broken("a pattern that fits some", "folder",
           keywords(pattern=r"(?P<pid>[a-d]\w+)/(?P<camid>[a-z]+)_"),
           ("does not fit eve", "and 1 more of 14 images")),
    Broken("pattern and csv", "folder", keywords(pattern="x", csv="y"),
           ("give pattern= or csv=, not both",)),
    Broken("no such CSV", "folder", keywords(csv="none.csv"),
           ("none.csv cannot be read as CSV",)),
    Broken("a CSV without a column", "folder", csv("path,pid,camera", "a,b,c"),
           ("list.csv has no column camid", "found path,pid,camera")),
    Broken("a CSV without rows", "folder", csv("path,pid,camid"),
           ("list.csv has no rows",)),
    Broken("an empty cell", "folder", csv("path,pid,camid", "eve/door_1.jpeg,,1"),
           ("list.csv, row 2: path, pid or camid is empty",)),
    Broken("a row without its image", "folder", csv("path,pid,camid", "eve/x.jpg,1,1"),
           ("list.csv, row 2: no image", "x.jpg")),
    Broken("an image twice", "folder",
           csv("path,pid,camid", "eve/door_1.jpeg,1,1", "eve/door_1.jpeg,2,1"),
           ("list.csv, row 3: eve/door_1.jpeg is in row 2 already",)),
    Broken("an unknown split", "folder",
           csv("path,pid,camid,split", "eve/door_1.jpeg,1,1,validation"),
           ("split 'validation' is none of train, query, gallery, test",)),
    Broken("splits that make no set", "folder",
           csv("path,pid,camid,split", "eve/door_1.jpeg,1,1,query"),
           ("the splits query do not make a data set",)),
    Broken("a person in train and test", "folder",
           csv("path,pid,camid,split", "eve/door_1.jpeg,eve,1,train",
               "eve/door_2.webp,eve,2,query", "anna/yard_2.png,eve,1,gallery"),
           ("'eve' and 0 more people are in train and in test",)),
    Broken("a test set that cannot be queried", "folder",
           csv("path,pid,camid,split", "eve/door_1.jpeg,eve,1,test"),
           ("no test person has two images that are not near copies",)),
]  # fmt: skip


WRITERS: dict[str, Callable[[Path], Path]] = {
    "market1501": lambda root: write_market(root / "Market-1501-v15.09.15", 2, 1),
    "dukemtmc": lambda root: write_duke(root / "DukeMTMC-reID"),
    "msmt17": lambda root: write_msmt(root / "MSMT17_V1"),
    "cuhk03": lambda root: write_cuhk03(root / "cuhk03" / "cuhk-03.mat").parent,
    "cuhk03np": lambda root: (
        write_new_protocol(write_cuhk03(root / "cuhk03" / "cuhk-03.mat").parent).parent
    ),
    "folder": lambda root: write_people(root / "mine"),
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Each set as it should be."""
    return {
        name: write(tmp_path_factory.mktemp(name)) for name, write in WRITERS.items()
    }


def place(name: str, home: Path) -> Path:
    """The root to load from: a person's own folder itself, else the folder above."""
    return home if name == "folder" else home.parent


@pytest.mark.parametrize("name", WRITERS)
def test_whole_sets_load(whole: dict[str, Path], tmp_path: Path, name: str) -> None:
    home = shutil.copytree(whole[name], tmp_path / whole[name].name)
    data = datasets.load(name, place(name, home))
    assert data.train and data.query and data.gallery


@pytest.mark.parametrize("broken", BROKEN, ids=[b.kind for b in BROKEN])
def test_broken(whole: dict[str, Path], tmp_path: Path, broken: Broken) -> None:
    home = shutil.copytree(whole[broken.name], tmp_path / whole[broken.name].name)
    given = broken.damage(home)
    given = given if isinstance(given, dict) else {}
    with pytest.raises(DatasetError) as e:
        datasets.load(broken.name, place(broken.name, home), **given)
    text, at = str(e.value), 0
    for words in broken.said:
        assert words in text[at:], text
        at = text.index(words, at)
    assert len(text.replace(str(tmp_path), "")) < 400


def test_kinds_are_different() -> None:
    assert len({b.kind for b in BROKEN}) == len(BROKEN) >= 15
    assert {b.name for b in BROKEN} == set(WRITERS)
