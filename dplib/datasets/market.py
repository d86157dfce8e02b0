"""Data sets whose meaning is in file names and lists.

Market-1501 and those that follow it (ToyMarket, DukeMTMC-reID, CUHK03-NP as its authors
hand it out) have three folders of images; MSMT17 has lists. In both the camera stands
in the file name.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import NamedTuple

from dplib import toymarket
from dplib.samples import DatasetError, ReIDData, Sample

FOLDERS = ("bounding_box_train", "query", "bounding_box_test")
MULTI = "gt_bbox"


class Names(NamedTuple):
    """How a set names its files: an expression with groups pid and cam, and words."""

    expression: re.Pattern[str]
    form: str
    suffixes: tuple[str, ...] = (".jpg", ".jpeg")


# The published archive has one name that ends in .jpg.jpg
MARKET = Names(
    re.compile(r"(?P<pid>-1|\d{4,5})_c(?P<cam>\d)s\d_\d{6}_\d{2}(\.jpe?g)+"),
    "PPPP_cCsS_FFFFFF_NN.jpg such as 0002_c1s1_000451_03.jpg",
)
DUKE = Names(
    re.compile(r"(?P<pid>\d{4,5})_c(?P<cam>\d)_f\d+(\.jpe?g)+"),
    "PPPP_cC_fFFFFFFF.jpg such as 0001_c2_f0046182.jpg",
)
CUHK03NP = Names(
    re.compile(r"(?P<pid>\d+)_c(?P<cam>\d)\w*\.(png|jpe?g)"),
    "PPPP_cC_… .png such as 0003_c1_21.png",
    (".png", ".jpg", ".jpeg"),
)


# --- three folders, as Market-1501 has them -----------------------------------------


def read_folder(folder: Path, names: Names = MARKET) -> list[Sample]:
    """The images of a folder, sorted by name; what is no image is passed over.

    Raises DatasetError for an image whose name does not parse, and for no image.
    """
    samples = []
    for name in sorted(p.name for p in folder.iterdir()):  # the system's order varies
        if not name.lower().endswith(names.suffixes):
            continue  # the original archive holds Thumbs.db
        m = names.expression.fullmatch(name)
        if m is None:
            raise DatasetError(
                f"{folder / name}: the name does not parse; expected {names.form}; "
                "rename or remove the file"
            )
        samples.append(Sample(folder / name, int(m["pid"]), int(m["cam"])))
    if not samples:
        raise DatasetError(
            f"{folder} holds no {names.suffixes[0]}; the archive was not extracted in "
            "full: extract it again"
        )
    return samples


def locate(root: Path, folder: str, name: str, remedy: str) -> Path:
    """The data set's own folder: root/folder, or root itself; else say what is near."""
    for home in (root / folder, root):
        missing = [f for f in FOLDERS if not (home / f).is_dir()]
        if not missing:
            return home
        if len(missing) < len(FOLDERS):
            raise DatasetError(
                f"{home} has no folder {missing[0]}; {name} is half extracted: "
                "extract the archive again"
            )
    if root.name in (*FOLDERS, MULTI):
        raise DatasetError(
            f"{root} is a folder inside {name}; pass its parent: "
            f"root={str(root.parent)!r}"
        )
    depths = ("*/", "*/*/") if root.is_dir() else ()
    for found in (f for d in depths for f in root.glob(d + FOLDERS[0])):
        if found.parent.name in _OTHERS - {folder}:
            continue  # another known set, in its own place
        raise DatasetError(
            f"no {name} at {root / folder}, but {found.parent} has its layout; "
            f"pass root={str(found.parent)!r} if that is it"
        )
    raise DatasetError(f"no {name} at {root / folder}; {remedy}")


_OTHERS = {"Market-1501-v15.09.15", "DukeMTMC-reID", "ToyMarket", "labeled", "detected"}


def three_folders(name: str, home: Path, names: Names = MARKET) -> ReIDData:
    """train, query and gallery from the folders of ``home``; gt_bbox where it is."""
    train, query, gallery = (read_folder(home / f, names) for f in FOLDERS)
    multi = read_folder(home / MULTI, names) if (home / MULTI).is_dir() else []
    return ReIDData(name, home, train, query, gallery, multi)


def market1501(root: Path) -> ReIDData:
    """Market-1501 (Zheng and others, ICCV 2015)."""
    remedy = (
        "ask its authors for Market-1501-v15.09.15.zip (research use only, see "
        "data/README.md) and extract it there"
    )
    return three_folders(
        "market1501", locate(root, "Market-1501-v15.09.15", "Market-1501", remedy)
    )


def toy(root: Path) -> ReIDData:
    """ToyMarket; it is drawn when it is not there."""
    home = root if (root / FOLDERS[0]).is_dir() else root / "ToyMarket"
    settings = home / "toymarket.json"
    if settings.is_file():  # as it was asked for; at once unless the drawing changed
        asked = json.loads(settings.read_text(encoding="utf-8"))["settings"]
        asked.pop("generator")
        home = toymarket.generate(home.parent, **asked)
    elif not home.is_dir():
        home = toymarket.generate(root)
    return three_folders("toymarket", locate(home, ".", "ToyMarket", "draw it again"))


def dukemtmc(root: Path) -> ReIDData:
    """DukeMTMC-reID (Zheng, Zheng and Yang, ICCV 2017), withdrawn by its authors."""
    remedy = (
        "its authors withdrew it in 2019 (data/README.md says why, and what follows); "
        "a copy that you may use goes there"
    )
    home = locate(root, "DukeMTMC-reID", "DukeMTMC-reID", remedy)
    return three_folders("dukemtmc", home, DUKE)


# --- MSMT17: lists ------------------------------------------------------------------
