"""Masks of a drawn set: the very pixels of the person in the very pictures."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from dplib import datasets, toymarket
from dplib.samples import DatasetError


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("masks")
    return toymarket.generate(
        folder, train_pids=4, test_pids=4, seed=3, workers=1, progress=False
    )


def test_they_are_what_the_drawing_gives(root: Path) -> None:
    data = datasets.load("toymarket", root.parent)
    people = [s for s in (*data.train, *data.query, *data.gallery) if s.pid > 0]
    got = toymarket.masks(root, [s.path for s in people])
    assert got.shape == (len(people), 128, 64) and got.dtype == bool
    shares = got.mean((1, 2))
    assert shares.min() > 0.02 and shares.max() < 0.7
    rows = (root / "nuisance.csv").read_text("utf-8").splitlines()
    row = next(r.split(",") for r in rows if f",{people[0].path.name}," in r)
    who = toymarket.identity(int(row[4]), 3)
    _, mask = toymarket.draw(
        who,
        int(row[3]),
        seed=int(row[5]),
        occlusion=float(row[6]),
        blur=float(row[7]),
        shift=(float(row[8]), float(row[9])),
        scale=float(row[10]),
        pose=float(row[11]),
        viewpoint=float(row[12]),
        background=int(row[13]),
        light=int(row[14]),
        clutter=float(row[15]),
    )
    assert np.array_equal(got[0], np.asarray(mask) > 0)


def test_nobody_is_asked_for(root: Path) -> None:
    assert toymarket.masks(root, []).shape == (0, 128, 64)


def test_what_has_no_mask_is_named(root: Path, tmp_path: Path) -> None:
    data = datasets.load("toymarket", root.parent)
    junk = next(s.path for s in data.gallery if s.pid == -1)
    with pytest.raises(DatasetError, match="none of the set's 8 people"):
        toymarket.masks(root, [junk])
    with pytest.raises(DatasetError, match="no such image"):
        toymarket.masks(root, [root / "query/0001_c1s1_000001_00.jpg"])
    with pytest.raises(DatasetError, match="is no drawn ToyMarket"):
        toymarket.masks(tmp_path, [junk])


def test_a_changed_picture_and_an_older_set_are_refused(
    root: Path, tmp_path: Path
) -> None:
    copy = shutil.copytree(root, tmp_path / "ToyMarket")
    data = datasets.load("toymarket", tmp_path)
    one, two = data.query[0].path, data.query[1].path
    shutil.copy(two, one)
    with pytest.raises(DatasetError, match="is not the picture that was drawn"):
        toymarket.masks(copy, [one])
    note = json.loads((copy / "toymarket.json").read_text("utf-8"))
    note["settings"]["generator"] = "0.9:abc"
    (copy / "toymarket.json").write_text(json.dumps(note), "utf-8")
    with pytest.raises(DatasetError, match=r"drawn by generator 0\.9:abc"):
        toymarket.masks(copy, [two])
