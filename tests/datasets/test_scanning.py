"""One rule for which files are images, in every folder."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from imitations import put, write_cuhk03

from dplib import datasets
from dplib.datasets import market, scanning
from dplib.samples import DatasetError

NOTE = b"\0\5\x16\7\0\2\0\0Mac OS X" + bytes(100)  # what macOS keeps beside a file
needs_links = pytest.mark.skipif(
    sys.platform == "win32", reason="links need rights on Windows"
)


def names(folder: Path, *, deep: bool = False) -> list[str]:
    found = scanning.scan(folder, deep=deep)
    assert found.images == sorted(found.images)
    return [p.relative_to(folder).as_posix() for p in found.images]


def test_every_suffix_in_any_case(tmp_path: Path) -> None:
    for i, suffix in enumerate(scanning.SUFFIXES):
        (tmp_path / f"{i:02}{suffix}").touch()
        (tmp_path / f"{i:02}-{suffix.upper()}").touch()
    (tmp_path / "png").touch()
    found = scanning.scan(tmp_path)
    assert len(found.images) == 2 * len(scanning.SUFFIXES)
    assert found.note() == (
        "left out: 1 file of a kind that is not read (without a suffix)"
    )


def test_what_systems_leave_behind_is_passed_over_in_silence(tmp_path: Path) -> None:
    put(tmp_path / "a.png")
    for name in ("._a.png", ".DS_Store", "Thumbs.db", "THUMBS.DB", "desktop.ini"):
        (tmp_path / name).write_bytes(NOTE)
    put(tmp_path / "__MACOSX" / "b.png")
    found = scanning.scan(tmp_path, deep=True)
    assert [p.name for p in found.images] == ["a.png"] and found.note() == ""


def test_what_is_left_out_is_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(tmp_path / "a.png")
    for name in ("b.txt", "c.TXT", "d.mp4", ".hidden.png"):
        (tmp_path / name).touch()
    (tmp_path / "x.jpg").mkdir()  # a folder is no image, whatever its name
    (tmp_path / ".cache").mkdir()
    found = scanning.scan(tmp_path)
    assert [p.name for p in found.images] == ["a.png"]
    said = (
        "left out: 3 files of kinds that are not read (.mp4, .txt), 1 folder, "
        "2 hidden files or folders"
    )
    assert found.note("; ") == f"; {said}"
    found.tell(tmp_path)
    assert capsys.readouterr().out == f"{tmp_path}: {said}\n"
    assert names(tmp_path, deep=True) == ["a.png"]


@needs_links
def test_links_are_followed_once(tmp_path: Path) -> None:
    put(tmp_path / "store" / "anna" / "1_1.png")
    put(tmp_path / "store" / "bo" / "1_1.png")
    top = tmp_path / "set"
    put(top / "carl" / "1_1.png")
    (top / "anna").symlink_to(tmp_path / "store" / "anna")
    (top / "dee.png").symlink_to(tmp_path / "store" / "bo" / "1_1.png")
    (top / "an alias").symlink_to(top / "carl")  # the same person once more
    (top / "carl" / "up").symlink_to(top)  # would never end
    (top / "carl" / "far").symlink_to(tmp_path)
    (top / "zoe").symlink_to(tmp_path / "store" / "anna")
    (top / "gone.png").symlink_to(tmp_path / "nowhere.png")
    (top / "self.png").symlink_to(top / "self.png")
    found = scanning.scan(top, deep=True)
    assert names(top, deep=True) == ["anna/1_1.png", "carl/1_1.png", "dee.png"]
    assert found.note() == (
        "left out: 2 links that lead nowhere, 4 links to folders that are read already"
    )
    (tmp_path / "link").symlink_to(top)
    assert names(tmp_path / "link", deep=True) == names(top, deep=True)


@needs_links
def test_links_within_links(tmp_path: Path) -> None:
    put(tmp_path / "a" / "1.png")
    put(tmp_path / "b" / "2.png")
    (tmp_path / "a" / "b").symlink_to(tmp_path / "b")
    (tmp_path / "b" / "a").symlink_to(tmp_path / "a")
    (tmp_path / "top").mkdir()
    (tmp_path / "top" / "a").symlink_to(tmp_path / "a")
    assert names(tmp_path / "top", deep=True) == ["a/1.png", "a/b/2.png"]


@needs_links
def test_a_pipe_is_no_image(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.png")
    found = scanning.scan(tmp_path)
    assert found.images == [] and "neither file nor folder" in found.note()


def test_a_folder_that_cannot_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: object) -> None:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(DatasetError, match=r"cannot be read .Permission denied") as e:
        scanning.scan(tmp_path)
    assert str(tmp_path) in str(e.value)


# --- the same rule in every data set ------------------------------------------------


@needs_links
def test_people_that_are_links_count(tmp_path: Path) -> None:
    for pid in range(1, 7):
        home = tmp_path / ("store" if pid < 4 else "set") / str(pid)
        for name in ("1_0.JPG", "2_0.webp"):
            put(home / name)
        if pid < 4:
            (tmp_path / "set" / str(pid)).parent.mkdir(exist_ok=True)
            (tmp_path / "set" / str(pid)).symlink_to(home)
    data = datasets.load("folder", tmp_path / "set")
    assert datasets.counts(data)["identities"] == 6
    assert len(data.train) + len(data.query) + len(data.gallery) == 12


@pytest.mark.parametrize("suffix", [".JPG", ".png", ".Jpeg", ".jpg.jpg", ".tif"])
def test_markets_names_with_any_suffix(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"0002_c1s1_000451_03{suffix}"
    file.touch()
    (tmp_path / f"._{file.name}").write_bytes(NOTE)
    (tmp_path / "x.jpg").mkdir()
    assert [(s.path, s.pid, s.camid) for s in market.read_folder(tmp_path)] == [
        (file, 2, 1)
    ]


def test_unpacked_cuhk03_with_macs_notes(tmp_path: Path) -> None:
    write_cuhk03(tmp_path / "cuhk03" / "cuhk-03.mat")
    before = datasets.load("cuhk03", tmp_path)
    for s in before.train[:3]:
        s.path.with_name(f"._{s.path.name}").write_bytes(NOTE)
    assert datasets.load("cuhk03", tmp_path) == before


def test_images_are_sorted_as_paths_are_part_by_part(tmp_path: Path) -> None:
    """A folder's images come before those of one whose name goes on after it."""
    names = ("a/2.jpg", "a b/1.jpg", "a!/1.jpg", "a.jpg", "a/b/1.jpg", "a-/1.jpg")
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = scanning.scan(tmp_path, deep=True).images
    assert found == sorted(found, key=lambda p: p.parts)
    assert {p.relative_to(tmp_path).as_posix() for p in found} == set(names)


@pytest.mark.parametrize(
    ("name", "image"),
    [
        ("a.jpg", True),
        ("a.JPeG", True),
        ("a.jpg.jpg", True),
        ("a.b.tiff", True),
        ("jpg", False),
        ("a.jpg.txt", False),
        ("a.", False),
        ("a.jpgx", False),
        ("", False),
    ],
)
def test_the_last_suffix_makes_an_image(name: str, image: bool) -> None:
    assert scanning.is_image(name) is image
