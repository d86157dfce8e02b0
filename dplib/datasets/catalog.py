"""Data sets: lists of (path, pid, camid) for train, query and gallery (§4.2).

Image files stay where they are; a data set here is the meaning of their names. In
Market-1501's layout ``0002_c1s1_000451_03.jpg`` is pid 2 seen by camera 1 in sequence
1, frame 451, box 3. Pid -1 is junk (a bad detection), pid 0 a distractor.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dplib.datasets import cuhk03, folder, market, msmt17
from dplib.datasets.splits import validation_split
from dplib.samples import DatasetError, ReIDData


def _cuhk03(root: Path, *, kind: str = "labeled", split: int = 0) -> ReIDData:
    return cuhk03.load(root, kind, split)


def _cuhk03np(root: Path, *, kind: str = "labeled") -> ReIDData:
    return cuhk03.load_new_protocol(root, kind)


def _folder(
    root: Path,
    *,
    seed: int,
    pattern: str | None = None,
    csv: str | Path | None = None,
    test_share: float = 0.5,
) -> ReIDData:
    return folder.load(root, pattern, csv, test_share, seed)


_LOADERS: dict[str, Callable[..., ReIDData]] = {
    "toymarket": market.toy,
    "market1501": market.market1501,
    "dukemtmc": market.dukemtmc,
    "cuhk03": _cuhk03,
    "cuhk03np": _cuhk03np,
    "msmt17": msmt17.msmt17,
    "folder": _folder,
}
NAMES = tuple(_LOADERS)


def protocol_keywords(name: str) -> tuple[str, ...]:
    """What ``load(name, ...)`` takes beside val_pids and seed.

    Raises DatasetError for an unknown name.
    """
    if name not in _LOADERS:
        raise DatasetError(
            f"unknown data set {name!r}: choose one of {', '.join(NAMES)}"
        )
    known = inspect.signature(_LOADERS[name]).parameters
    return tuple(k for k in known if k not in ("root", "seed"))


def load(
    name: str,
    root: str | Path = "data",
    *,
    val_pids: int = 0,
    seed: int = 0,
    **protocol: Any,
) -> ReIDData:
    """The data set ``name`` from below ``root`` (or from its own folder as root).

    | name | keywords of its protocol |
    |---|---|
    | toymarket, market1501, dukemtmc | |
    | cuhk03 (100 test pids) | kind="labeled" or "detected", split=0 to 19 |
    | cuhk03np (767/700 pids) | kind |
    | msmt17 | with_val=True: the validation list is trained on as well |
    | folder (your images, in root) | pattern=REGEX or csv=FILE, test_share=0.5 |

    "toymarket" is drawn when it is not there, CUHK03's images are unpacked when first
    asked for. With val_pids = n, n training pids drawn with ``seed`` leave the training
    set and become query and gallery, and the test images are out of reach: choose
    settings there. ``seed`` also draws the split of "folder".
    Raises DatasetError for an unknown name or keyword, and for a data set that is
    absent, half extracted, in a neighbouring folder, or has names that do not parse.
    """
    known = protocol_keywords(name)
    if wrong := [k for k in protocol if k not in known]:
        takes = f"takes {', '.join(known)}" if known else "takes none"
        raise DatasetError(f"unknown keyword {wrong[0]!r} for {name}: it {takes}")
    if name == "folder":
        protocol["seed"] = seed
    data = _LOADERS[name](Path(root), **protocol)
    return validation_split(data, val_pids, seed) if val_pids else data


# --- counts -------------------------------------------------------------------------
