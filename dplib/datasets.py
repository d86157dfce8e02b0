"""Data sets: lists of (path, pid, camid) for train, query and gallery (§4.2).

Image files stay where they are; a data set here is the meaning of their names. In
Market-1501's layout ``0002_c1s1_000451_03.jpg`` is pid 2 seen by camera 1 in sequence
1, frame 451, box 3. Pid -1 is junk (a bad detection), pid 0 a distractor.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dplib import DplibError

JUNK, DISTRACTOR = -1, 0


class DatasetError(DplibError):
    """A data set that is missing, incomplete or not laid out as expected."""


class Sample(NamedTuple):
    """One image: where it is, who is on it, which camera took it."""

    path: Path
    pid: int
    camid: int


@dataclass(frozen=True)
class ReIDData:
    """A data set with its protocol's split. ``gallery`` still holds junk (pid -1)."""

    name: str
    root: Path
    train: list[Sample]
    query: list[Sample]
    gallery: list[Sample]
    multi_query: list[Sample] = field(default_factory=list)  # gt_bbox; may be absent

    @property
    def labels(self) -> dict[int, int]:
        """Training pid → class in [0, Nc)."""
        return {pid: i for i, pid in enumerate(sorted({s.pid for s in self.train}))}

    def drop_single_images(self) -> ReIDData:
        """The same data without training pids that have one image only."""
        count = Counter(s.pid for s in self.train)
        return replace(self, train=[s for s in self.train if count[s.pid] > 1])


# --- Market-1501's layout, which ToyMarket shares -----------------------------------

# The published archive has one name that ends in .jpg.jpg
_NAME = re.compile(r"(?P<pid>-1|\d{4,5})_c(?P<cam>\d)s\d_\d{6}_\d{2}(\.jpe?g)+")
_FOLDERS = ("bounding_box_train", "query", "bounding_box_test")
_MULTI = "gt_bbox"


def _read_folder(folder: Path) -> list[Sample]:
    samples = []
    for name in sorted(p.name for p in folder.iterdir()):  # the system's order varies
        if not name.lower().endswith((".jpg", ".jpeg")):
            continue  # the original archive holds Thumbs.db
        m = _NAME.fullmatch(name)
        if m is None:
            raise DatasetError(
                f"{folder / name}: the name does not parse; expected "
                "PPPP_cCsS_FFFFFF_NN.jpg such as 0002_c1s1_000451_03.jpg; rename or "
                "remove the file"
            )
        samples.append(Sample(folder / name, int(m["pid"]), int(m["cam"])))
    if not samples:
        raise DatasetError(
            f"{folder} holds no .jpg; the archive was not extracted in full: "
            "extract it again"
        )
    return samples


def _locate(root: Path, folder: str, name: str, remedy: str) -> Path:
    """The data set's own folder: root/folder, or root itself; else say what is near."""
    for home in (root / folder, root):
        missing = [f for f in _FOLDERS if not (home / f).is_dir()]
        if not missing:
            return home
        if len(missing) < len(_FOLDERS):
            raise DatasetError(
                f"{home} has no folder {missing[0]}; {name} is half extracted: "
                "extract the archive again"
            )
    if root.name in (*_FOLDERS, _MULTI):
        raise DatasetError(
            f"{root} is a folder inside {name}; pass its parent: "
            f"root={str(root.parent)!r}"
        )
    depths = ("*/", "*/*/") if root.is_dir() else ()
    for found in (f for d in depths for f in root.glob(d + _FOLDERS[0])):
        raise DatasetError(
            f"no {name} at {root / folder}, but {found.parent} has its layout; "
            f"pass root={str(found.parent)!r} if that is it"
        )
    raise DatasetError(f"no {name} at {root / folder}; {remedy}")


def _market_layout(name: str, home: Path) -> ReIDData:
    train, query, gallery = (_read_folder(home / f) for f in _FOLDERS)
    multi = _read_folder(home / _MULTI) if (home / _MULTI).is_dir() else []
    return ReIDData(name, home, train, query, gallery, multi)


def _market1501(root: Path) -> ReIDData:
    remedy = (
        "ask its authors for Market-1501-v15.09.15.zip (research use only, see "
        "data/README.md) and extract it there"
    )
    return _market_layout(
        "market1501", _locate(root, "Market-1501-v15.09.15", "Market-1501", remedy)
    )


def _toymarket(root: Path) -> ReIDData:
    from dplib import toymarket

    home = root if (root / _FOLDERS[0]).is_dir() else root / "ToyMarket"
    settings = home / "toymarket.json"
    if settings.is_file():  # as it was asked for; at once unless the drawing changed
        asked = json.loads(settings.read_text(encoding="utf-8"))["settings"]
        asked.pop("generator")
        home = toymarket.generate(home.parent, **asked)
    elif not home.is_dir():
        home = toymarket.generate(root)
    return _market_layout("toymarket", _locate(home, ".", "ToyMarket", "draw it again"))


_LOADERS: dict[str, Callable[..., ReIDData]] = {
    "toymarket": _toymarket,
    "market1501": _market1501,
}
NAMES = tuple(_LOADERS)


def load(
    name: str, root: str | Path = "data", *, val_pids: int = 0, seed: int = 0
) -> ReIDData:
    """The data set ``name`` from below ``root`` (or from its own folder as root).

    "toymarket" is drawn when it is not there. With val_pids = n, n training pids
    drawn with ``seed`` leave the training set and become query and gallery, and the
    test images are out of reach: choose settings there.
    Raises DatasetError for an unknown name, and for a data set that is absent, half
    extracted, in a neighbouring folder, or has names that do not parse.
    """
    if name not in _LOADERS:
        raise DatasetError(
            f"unknown data set {name!r}: choose one of {', '.join(NAMES)}"
        )
    data = _LOADERS[name](Path(root))
    return validation_split(data, val_pids, seed) if val_pids else data


def validation_split(data: ReIDData, pids: int, seed: int = 0) -> ReIDData:
    """Hold ``pids`` training pids out, as query (one image per camera) and gallery.

    Only pids seen by two cameras or more are drawn, and their images alone are ranked.
    Raises DatasetError when too few pids would be left to train on.
    """
    cams: dict[int, set[int]] = {}
    for s in data.train:
        cams.setdefault(s.pid, set()).add(s.camid)
    able = sorted(p for p, c in cams.items() if len(c) > 1)
    if not 0 < pids <= min(len(able), len(cams) - 2):
        raise DatasetError(
            f"val_pids={pids}: {data.name} has {len(cams)} training pids, {len(able)} "
            f"of them seen by two cameras; take 1 to {min(len(able), len(cams) - 2)}"
        )
    rng = np.random.default_rng([seed, pids, 0x56414C])
    held = set(rng.choice(able, pids, replace=False).tolist())
    query: list[Sample] = []
    gallery: list[Sample] = []
    groups: dict[tuple[int, int], list[Sample]] = {}
    for s in data.train:
        if s.pid in held:
            groups.setdefault((s.pid, s.camid), []).append(s)
    for _, group in sorted(groups.items()):
        # A camera's only image goes to the gallery, or others would lose their match
        q = int(rng.integers(len(group))) if len(group) > 1 else -1
        query += group[q : q + 1] if q >= 0 else []
        gallery += [s for i, s in enumerate(group) if i != q]
    train = [s for s in data.train if s.pid not in held]
    return ReIDData(f"{data.name}-val{pids}", data.root, train, query, gallery)


# --- counts -------------------------------------------------------------------------

# Market-1501: the paper's §4.2 and the data set's own readme
PUBLISHED: dict[str, dict[str, int]] = {
    "market1501": {
        "images": 32_668,
        "identities": 1_501,
        "cameras": 6,
        "train images": 12_936,
        "train pids": 751,
        "query images": 3_368,
        "query pids": 750,
        "gallery files": 19_732,
        "junk (pid -1)": 3_819,
        "distractors (pid 0)": 2_798,
        "ranked gallery": 15_913,
        "multi-query images": 25_259,
    }
}


def counts(data: ReIDData) -> dict[str, int]:
    """What is there, under the names of ``PUBLISHED``."""
    junk = sum(s.pid == JUNK for s in data.gallery)
    people = {s.pid for s in (*data.train, *data.query, *data.gallery)}
    return {
        "images": len(data.train) + len(data.gallery),
        "identities": len(people - {JUNK, DISTRACTOR}),
        "cameras": len({s.camid for s in (*data.train, *data.gallery)}),
        "train images": len(data.train),
        "train pids": len(data.labels),
        "query images": len(data.query),
        "query pids": len({s.pid for s in data.query}),
        "gallery files": len(data.gallery),
        "junk (pid -1)": junk,
        "distractors (pid 0)": sum(s.pid == DISTRACTOR for s in data.gallery),
        "ranked gallery": len(data.gallery) - junk,
        "multi-query images": len(data.multi_query),
    }


def verify(data: ReIDData) -> str:
    """Counts beside the published counts, as a table.

    ToyMarket's are compared with its own list of what was drawn, ``nuisance.csv``.
    Raises DatasetError that names every count that differs.
    """
    found = counts(data)
    expected: dict[str, Any] = PUBLISHED.get(data.name, {})
    if data.name == "toymarket":
        expected = counts(_listed(data))
    source = "listed" if data.name == "toymarket" else "published"
    lines = [f"{data.name} at {data.root}", f"{'':22}{'found':>8}{source:>11}"]
    wrong = []
    for key, n in found.items():
        want = expected.get(key)
        lines.append(f"{key:22}{n:>8,}{'–' if want is None else f'{want:,}':>11}")
        if want is not None and n != want:
            wrong.append(f"{key}: {n:,} found, {want:,} {source}")
    if wrong:
        raise DatasetError(
            f"{data.name} at {data.root} is not the {source} set: {'; '.join(wrong)}. "
            "Extract the archive again into an empty folder (ToyMarket: draw it again)"
        )
    return "\n".join(lines)


def _listed(data: ReIDData) -> ReIDData:
    """ToyMarket as its nuisance.csv lists it."""
    path = data.root / "nuisance.csv"
    if not path.is_file():
        raise DatasetError(f"{path} is missing; draw ToyMarket again")
    with path.open(encoding="utf-8") as f:
        head = f.readline().strip().split(",")
        i, j, k, m = (head.index(c) for c in ("folder", "file", "pid", "camid"))
        rows = [line.strip().split(",") for line in f]
    by: dict[str, list[Sample]] = {name: [] for name in (*_FOLDERS, _MULTI)}
    for r in rows:
        by[r[i]].append(Sample(data.root / r[i] / r[j], int(r[k]), int(r[m])))
    train, query, gallery = (by[f] for f in _FOLDERS)
    return replace(
        data, train=train, query=query, gallery=gallery, multi_query=by[_MULTI]
    )
