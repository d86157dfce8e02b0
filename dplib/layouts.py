"""Data sets whose meaning is in file names and lists.

Market-1501 and those that follow it (ToyMarket, DukeMTMC-reID, CUHK03-NP as its authors
hand it out) have three folders of images; MSMT17 has lists. In both the camera stands
in the file name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

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


def toymarket(root: Path) -> ReIDData:
    """ToyMarket; it is drawn when it is not there."""
    from dplib import toymarket

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

_LISTS = ("list_train.txt", "list_val.txt", "list_query.txt", "list_gallery.txt")
_VERSIONS = {
    "MSMT17_V1": ("train", "test"),
    "MSMT17_V2": ("mask_train_v2", "mask_test_v2"),
}
MSMT_TRAIN, MSMT_TEST = 1, 10_001  # added to the pids of the lists


def msmt17(root: Path, *, with_val: bool = True) -> ReIDData:
    """MSMT17 (Wei and others, CVPR 2018), V1 or V2 (the same images, faces blurred).

    Both numberings of the lists, of training and of test people, begin at 0, and a 0
    there is a person, not a distractor. So pid p of training becomes p + 1, pid p of
    test 10,001 + p. ``with_val`` adds list_val.txt to the training set (32,621 images,
    the published count); without it 30,248 are left, as several programs train.
    Raises DatasetError when a list is missing or wrong, or an image is not there.
    """
    home, (train_folder, test_folder) = _msmt_home(root)
    for name in (*_LISTS, train_folder, test_folder):
        if not (home / name).exists():
            raise DatasetError(
                f"{home} has no {name}; MSMT17 is half extracted: extract the archive "
                "again"
            )
    train = _read_list(home / _LISTS[0], home / train_folder, MSMT_TRAIN)
    val = _read_list(home / _LISTS[1], home / train_folder, MSMT_TRAIN)
    query, gallery = (
        _read_list(home / name, home / test_folder, MSMT_TEST) for name in _LISTS[2:]
    )
    _images_exist(home, (*train, *val, *query, *gallery))
    if with_val:
        return ReIDData("msmt17", home, train + val, query, gallery)
    return ReIDData("msmt17-noval", home, train, query, gallery)


def _msmt_home(root: Path) -> tuple[Path, tuple[str, str]]:
    # an archive may hold its name twice; msmt17/ is where other programs keep it
    nests = (root, root / "msmt17", *(root / v for v in _VERSIONS))
    below = [root, *(nest / v for nest in nests for v in _VERSIONS)]
    for home in below:
        for folders in _VERSIONS.values():
            if any((home / f).is_dir() for f in folders) and any(
                (home / f).exists() for f in _LISTS
            ):
                return home, folders
    for home in below[1:]:
        if home.is_dir() and any(home.iterdir()):
            raise DatasetError(
                f"{home} has no {_LISTS[0]} beside its folders of images; MSMT17 is "
                "half extracted: extract the archive again"
            )
    raise DatasetError(
        f"no MSMT17 at {root / 'MSMT17_V1'} or MSMT17_V2; ask its authors for it "
        "(research use only, see data/README.md) and extract it there"
    )


def _read_list(file: Path, folder: Path, first_pid: int) -> list[Sample]:
    """Lines such as ``0000/0000_000_01_0303morning_0008_0.jpg 0``; camera is 01."""
    samples = []
    for i, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        m = re.fullmatch(r"(\S*?[^\s/]*_\d+_(\d+)_\S+)\s+(\d+)\s*", line)
        if m is None or ".." in Path(m[1]).parts or Path(m[1]).is_absolute():
            raise DatasetError(
                f"{file}, line {i}: {line[:60]!r} does not parse; expected such as "
                "'0000/0000_000_01_0303morning_0008_0.jpg 0'; extract the archive again"
            )
        samples.append(Sample(folder / m[1], int(m[3]) + first_pid, int(m[2])))
    if not samples:
        raise DatasetError(f"{file} is empty; extract the archive again")
    return samples


def _images_exist(home: Path, samples: Iterable[Sample]) -> None:
    """One listing of each folder instead of 126,441 questions."""
    there: dict[Path, set[str]] = {}
    gone = []
    for s in samples:
        folder = s.path.parent
        if folder not in there:
            names = folder.iterdir() if folder.is_dir() else ()
            there[folder] = {p.name for p in names}
        if s.path.name not in there[folder]:
            gone.append(s.path)
    if gone:
        raise DatasetError(
            f"{gone[0]} and {len(gone) - 1:,} more of the lists' images are not below "
            f"{home}: extract the archive again"
        )
