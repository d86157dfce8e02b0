"""Which images of a person are near copies, by their files and by their names."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from drawn import picture
from PIL import Image

from dplib import datasets
from dplib.datasets.near import left_out, near
from dplib.samples import ReIDData, Sample


def is_near(a: str, b: str) -> bool:
    one, other = (Sample(Path("/none", x), 1, 1) for x in (a, b))
    found = near([one], [other]), near([other], [one])
    assert found[0] == found[1]  # both ways
    return found[0] == [{0}]


@pytest.mark.parametrize(
    ("a", "b", "wanted"),
    [
        ("anna/1_0001.jpg", "anna/1_0001.jpg", True),  # its own
        ("anna/1_0001.jpg", "anna/1_0002.jpg", True),
        ("anna/1_0001.jpg", "anna/1_0003.jpg", False),
        ("anna/1_0005.jpg", "anna/1_0010.jpg", False),  # a step is no next frame
        ("anna/1_9.jpg", "anna/1_10.jpg", True),
        ("anna/1_0999.jpg", "anna/1_1000.jpg", True),
        ("anna/1_09.jpg", "anna/1_010.jpg", True),  # padded otherwise
        ("anna/1_1.jpg", "anna/1_01.jpg", False),  # one number, two files
        ("anna/1_0.jpg", "anna/1_1.jpg", True),
        ("anna/1_0001.jpg", "anna/1_0002.PNG", True),
        ("anna/1_0001_crop.jpg", "anna/1_0002_crop.jpg", True),
        ("anna/1_0001_crop.jpg", "anna/1_0002_face.jpg", False),
        ("anna/1_0001.jpg", "anna/one_0002.jpg", False),
        ("anna/1_0001_7.jpg", "anna/1_0002_7.jpg", False),  # not the last number
        ("a/1_0001.jpg", "b/1_0002.jpg", False),  # another folder, another film
        ("seq1/x.jpg", "seq2/x.jpg", False),
        ("anna/door_a.jpg", "anna/door_b.jpg", False),
        ("anna/1_²1.jpg", "anna/1_²2.jpg", True),
        ("anna/1_١.jpg", "anna/1_٢.jpg", False),  # digits that no program counts in
        ("anna/1_u\u0308_1.jpg", "anna/1_\u00fc_2.jpg", True),
        ("anna/1_a\n1.jpg", "anna/1_a\n2.jpg", True),
        (f"anna/{9:0200}.jpg", f"anna/{10:0200}.jpg", True),
        ("anna/-1.jpg", "anna/0.jpg", False),
    ],
)  # fmt: skip
def test_names(a: str, b: str, wanted: bool) -> None:
    assert is_near(a, b) == wanted


def test_only_of_one_person_and_one_camera() -> None:
    first = Sample(Path("/none/x_1.jpg"), 1, 1)
    second = Path("/none/x_2.jpg")
    others = [Sample(second, p, c) for p, c in ((1, 1), (2, 1), (1, 2))]
    assert near([first], others) == [{0}]


def test_the_same_file_whatever_its_name_and_camera(tmp_path: Path) -> None:
    def put(name: str, seed: int) -> Path:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(picture(seed)).save(tmp_path / name)
        return tmp_path / name

    a, b = put("anna/1_0001.png", 1), put("anna/1_0009.png", 2)
    copy = Path(shutil.copy(a, tmp_path / "anna/2_holiday.png"))
    lent = Path(shutil.copy(a, put("bo/1_0001.png", 3)))
    gallery = [Sample(b, 1, 1), Sample(copy, 1, 2), Sample(lent, 2, 1)]
    query = [Sample(a, 1, 1), Sample(b, 1, 1)]
    data = ReIDData("folder", tmp_path, [], query, gallery, protocol="same_camera")
    pairs = left_out(data)
    # of another person it is not a match to be left out, but a wrong image
    assert pairs is not None and pairs.tolist() == [[0, 1], [1, 0]]
    assert datasets.left_out(replace(data, protocol="market1501")) is None
    nothing = datasets.left_out(replace(data, gallery=[gallery[2]]))
    assert nothing is not None and nothing.shape == (0, 2)
    copy.unlink()  # a file that cannot be read is named by what decodes it
    assert near(query, gallery) == [set(), {0}]
