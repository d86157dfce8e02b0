"""MSMT17: two versions, images named in lists (Wei et al., CVPR 2018)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from dplib.samples import DatasetError, ReIDData, Sample

MSMT_TRAIN, MSMT_TEST = 1, 10_001  # added to the pids of the lists
_LISTS = ("list_train.txt", "list_val.txt", "list_query.txt", "list_gallery.txt")
_VERSIONS = {
    "MSMT17_V1": ("train", "test"),
    "MSMT17_V2": ("mask_train_v2", "mask_test_v2"),
}


def msmt17(root: Path, *, with_val: bool = True) -> ReIDData:
    """MSMT17 (Wei and others, CVPR 2018), V1 or V2 (the same images, faces blurred).

    Both numberings of the lists, of training and of test people, begin at 0, and a 0
    there is a person, not a distractor. So pid p of training becomes p + 1, pid p of
    test 10,001 + p.

    Args:
        root: The folder above MSMT17_V1/ or MSMT17_V2/, or one of these.
        with_val: Whether list_val.txt belongs to the training set, which then has the
            published 32,621 images. Without it there are 30,248, on which several
            programs train.

    Raises:
        DatasetError: A list is missing or wrong, or an image is not there.
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
    """The data set's folder, and its version's folders of images."""
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
    """Raise DatasetError for missing images.

    Each folder is listed once, instead of asking for each of 126,441 images.
    """
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
