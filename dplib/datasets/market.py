"""Market-1501, and the data sets that follow its layout.

ToyMarket, DukeMTMC-reID and CUHK03-NP (as its authors hand it out) have three folders
of images as well; the name of a file says who is on it and which camera took it.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import NamedTuple

from dplib import files, toymarket
from dplib.datasets import scanning
from dplib.samples import DISTRACTOR, JUNK, DatasetError, ReIDData, Sample

SPLIT_FOLDERS = ("bounding_box_train", "query", "bounding_box_test")  # in this order
MULTI_QUERY_FOLDER = "gt_bbox"


# what to do with images that only stand in folders of this layout
OWN_NAMES = (
    "If these images are your own, load('folder') takes them with csv=FILE, a table "
    "with the columns path,pid,camid,split; else rename or remove what is not of the "
    "set"
)


class Names(NamedTuple):
    """How a data set names its files."""

    expression: re.Pattern[str]  # with the groups pid and cam; without the suffix
    form: str  # the same for people to read

    def match(self, file: Path) -> re.Match[str] | None:
        """The name of an image of any kind taken apart; None if it is of no such form.

        The published Market-1501 has one name that ends in .jpg.jpg.
        """
        name = file.name
        while scanning.is_image(name):
            name = name.rpartition(".")[0]
        return self.expression.fullmatch(name)


MARKET = Names(
    re.compile(r"(?P<pid>-1|\d{4,5})_c(?P<cam>\d)s\d_\d{6}_\d{2}"),
    "PPPP_cCsS_FFFFFF_NN.jpg such as 0002_c1s1_000451_03.jpg",
)
DUKE = Names(
    re.compile(r"(?P<pid>\d{4,5})_c(?P<cam>\d)_f\d+"),
    "PPPP_cC_fFFFFFFF.jpg such as 0001_c2_f0046182.jpg",
)
CUHK03NP = Names(
    re.compile(r"(?P<pid>\d+)_c(?P<cam>\d)\w*"),
    "PPPP_cC_… .png such as 0003_c1_21.png",
)


# of each data set with this layout
_HOMES = {"Market-1501-v15.09.15", "DukeMTMC-reID", "ToyMarket", "labeled", "detected"}


def read_folder(folder: Path, names: Names = MARKET) -> list[Sample]:
    """The images of a folder, sorted by name; what else it holds is counted and said.

    Args:
        folder: The folder of the images.
        names: How its files are named.

    Raises:
        DatasetError: The name of an image does not parse, or there is no image.
    """
    found = scanning.scan(folder)
    if not found.images:
        raise DatasetError(
            f"{folder} holds no .jpg or other image{found.note('; ')}; the archive was "
            "not extracted in full: extract it again"
        )
    samples = []
    for file in found.images:
        m = names.match(file)
        if m is None:
            raise DatasetError(
                f"{file}: the name does not parse; expected {names.form}. {OWN_NAMES}"
            )
        samples.append(Sample(file, int(m["pid"]), int(m["cam"])))
    found.tell(folder)
    return samples


def locate(root: Path, folder: str, name: str, remedy: str) -> Path:
    """The data set's own folder: ``root/folder``, or ``root`` itself.

    Args:
        root: The folder of all data sets, or the data set's own.
        folder: The name that the data set's folder usually has.
        name: The data set's name in messages.
        remedy: What to do when it is not there.

    Raises:
        DatasetError: It is not there, or half of it is. A neighbouring folder that has
            its layout is named.
    """
    for home in (root / folder, root):
        missing = [f for f in SPLIT_FOLDERS if not (home / f).is_dir()]
        if not missing:
            return home
        if len(missing) < len(SPLIT_FOLDERS):
            raise DatasetError(
                f"{home} has no folder {missing[0]}; {name} is half extracted: "
                "extract the archive again"
            )
    if root.name in (*SPLIT_FOLDERS, MULTI_QUERY_FOLDER):
        raise DatasetError(
            f"{root} is a folder inside {name}; pass its parent: "
            f"root={str(root.parent)!r}"
        )
    depths = ("*/", "*/*/") if root.is_dir() else ()
    for home in (f.parent for d in depths for f in root.glob(d + SPLIT_FOLDERS[0])):
        if home.name in _HOMES - {folder}:
            continue  # another known set, in its own place
        if "__MACOSX" in home.parts:
            continue  # macOS's notes on the images of an archive
        raise DatasetError(
            f"no {name} at {root / folder}, but {home} has its layout; "
            f"pass root={str(home)!r} if that is it"
        )
    raise DatasetError(f"no {name} at {root / folder}; {remedy}")


def three_folders(name: str, home: Path, names: Names = MARKET) -> ReIDData:
    """Training set, query and gallery from the folders of ``home``; gt_bbox if there.

    Raises:
        DatasetError: See ``read_folder``.
    """
    train, query, gallery = (read_folder(home / f, names) for f in SPLIT_FOLDERS)
    people = {s.pid for s in train} - {JUNK, DISTRACTOR}
    if both := people & {s.pid for s in query}:
        print(
            f"{files.readable(home)}: NO TEST: {len(both):,} people, such as "
            f"{min(both)}, are in {SPLIT_FOLDERS[0]} and in {SPLIT_FOLDERS[1]}; a "
            "model that was trained here knows them"
        )
    boxes = home / MULTI_QUERY_FOLDER
    multi = read_folder(boxes, names) if boxes.is_dir() else []
    return ReIDData(name, home, train, query, gallery, multi)


def market1501(root: Path) -> ReIDData:
    """Market-1501 (Zheng and others, ICCV 2015).

    Raises:
        DatasetError: See ``locate`` and ``read_folder``.
    """
    remedy = (
        "ask its authors for Market-1501-v15.09.15.zip (research use only, see "
        "data/README.md) and extract it there"
    )
    return three_folders(
        "market1501", locate(root, "Market-1501-v15.09.15", "Market-1501", remedy)
    )


def toy(root: Path) -> ReIDData:
    """ToyMarket; it is drawn when it is not there.

    Raises:
        DplibError: It cannot be drawn, see ``toymarket.generate``.
    """
    home = root if (root / SPLIT_FOLDERS[0]).is_dir() else root / "ToyMarket"
    settings = home / "toymarket.json"
    if settings.is_file():  # as it was asked for; at once unless the drawing changed
        asked = json.loads(settings.read_text(encoding="utf-8"))["settings"]
        asked.pop("generator")
        home = toymarket.generate(home.parent, **asked)
    elif not home.is_dir():
        home = toymarket.generate(root)
    return three_folders("toymarket", locate(home, ".", "ToyMarket", "draw it again"))


def dukemtmc(root: Path) -> ReIDData:
    """DukeMTMC-reID (Zheng, Zheng and Yang, ICCV 2017), withdrawn by its authors.

    Raises:
        DatasetError: See ``locate`` and ``read_folder``.
    """
    remedy = (
        "its authors withdrew it in 2019 (data/README.md says why, and what follows); "
        "a copy that you may use goes there"
    )
    home = locate(root, "DukeMTMC-reID", "DukeMTMC-reID", remedy)
    return three_folders("dukemtmc", home, DUKE)
