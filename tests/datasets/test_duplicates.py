"""Copies of one picture are found and counted by where they are."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from drawn import picture
from PIL import Image

from dplib import datasets
from dplib.datasets import duplicates
from dplib.samples import ReIDData, Sample


def saved(path: Path, seed: int, **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture(seed)).save(path, **options)
    return path


@pytest.fixture
def data(tmp_path: Path) -> ReIDData:
    """Three lists of two pictures each, no two alike."""
    train, query, gallery = (
        [Sample(saved(tmp_path / part / f"{i}.png", 2 * n + i), n, i) for i in range(2)]
        for n, part in enumerate(("train", "query", "gallery"), 1)
    )
    return ReIDData("folder", tmp_path, train, query, gallery)


def test_no_copies(data: ReIDData) -> None:
    assert duplicates.same_bytes(data) == []
    assert duplicates.same_pixels(data, progress=False) == []
    assert duplicates.describe(data, [], "byte for byte") == ""


def test_same_bytes_are_counted_by_list(data: ReIDData) -> None:
    shutil.copy(data.query[0].path, data.gallery[1].path)  # one query to be found
    shutil.copy(data.query[1].path, data.train[0].path)  # one learned by heart
    shutil.copy(data.query[1].path, data.train[1].path)  # and another
    groups = duplicates.same_bytes(data)
    train, query, gallery = (
        [s.path for s in part] for part in (data.train, data.query, data.gallery)
    )
    assert sorted(groups) == [[query[0], gallery[1]], [*train, query[1]]]
    said = duplicates.describe(data, groups, "byte for byte")
    assert said.startswith("3 of 6 images are copies of another one, byte for byte")
    assert "1 queries have a copy in the gallery, 2 training images" in said
    assert str(data.root) not in said


def test_one_picture_in_two_kinds_of_file(data: ReIDData) -> None:
    first = data.query[0].path
    again = saved(first.with_suffix(".bmp"), 4)  # the pixels of query/0.png
    gallery = [*data.gallery, Sample(again, 2, 9)]
    data = replace(data, gallery=gallery)
    assert duplicates.same_bytes(data) == []
    assert duplicates.same_pixels(data, progress=False) == [[first, again]]


def test_equal_size_alone_is_no_copy(data: ReIDData, tmp_path: Path) -> None:
    sizes = [saved(tmp_path / f"query/{i}.bmp", i).stat().st_size for i in (0, 1)]
    assert sizes[0] == sizes[1]
    query = [Sample(tmp_path / f"query/{i}.bmp", i, i) for i in (0, 1)]
    assert duplicates.same_bytes(replace(data, query=query)) == []


def test_a_flat_picture_of_another_shape_is_no_copy(data: ReIDData) -> None:
    for sample, size in zip(data.query, ((8, 2), (2, 8)), strict=True):
        Image.new("RGB", size, "red").save(sample.path)
    assert duplicates.same_pixels(data, progress=False) == []


def test_both_views_query_in_cuhk03(data: ReIDData) -> None:
    """A file in query and gallery is one image, not its own copy."""
    both = replace(data, gallery=data.query)
    assert duplicates.same_bytes(both) == []


def test_an_unreadable_file_is_left_to_the_decoder(data: ReIDData) -> None:
    data.query[0].path.unlink()
    assert duplicates.same_bytes(data) == []


def test_the_loader_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for pid in range(8):
        for cam in (1, 2):
            for i in range(2):
                saved(tmp_path / f"{pid}/{cam}_{i}.png", 8 * pid + 2 * cam + i)
    datasets.load("folder", tmp_path)
    said = capsys.readouterr().out
    assert "copies" not in said
    assert "cameras, with the share of the people each saw: 1 (100%), 2 (100%)" in said
    shutil.copy(tmp_path / "0/1_0.png", tmp_path / "0/2_0.png")
    datasets.load("folder", tmp_path)
    assert "1 of 32 images are copies" in capsys.readouterr().out


def test_numbers_of_images_taken_for_cameras(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for pid in range(20):
        for i in range(2):
            saved(tmp_path / f"{pid}_{2 * pid + i}.png", 2 * pid + i)
    datasets.load("folder", tmp_path, pattern=r"(?P<pid>\d+)_(?P<camid>\d+)")
    said = capsys.readouterr().out
    assert (
        "and 28 more, with 5.0% to 5.0%" in said and "(--csv, in Python csv=)" in said
    )
