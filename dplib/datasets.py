"""Data sets: lists of (path, pid, camid) for train, query and gallery (§4.2).

Image files stay where they are; a data set here is the meaning of their names. In
Market-1501's layout ``0002_c1s1_000451_03.jpg`` is pid 2 seen by camera 1 in sequence
1, frame 451, box 3. Pid -1 is junk (a bad detection), pid 0 a distractor.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from dplib.samples import DISTRACTOR, JUNK, DatasetError, ReIDData, Sample

# --- the sets -----------------------------------------------------------------------


def _toymarket(root: Path) -> ReIDData:
    from dplib import layouts  # here and below: those modules need this one's types

    return layouts.toymarket(root)


def _market1501(root: Path) -> ReIDData:
    from dplib import layouts

    return layouts.market1501(root)


def _dukemtmc(root: Path) -> ReIDData:
    from dplib import layouts

    return layouts.dukemtmc(root)


def _cuhk03(root: Path, *, kind: str = "labeled", split: int = 0) -> ReIDData:
    from dplib import cuhk03

    return cuhk03.load(root, kind, split)


def _cuhk03np(root: Path, *, kind: str = "labeled") -> ReIDData:
    from dplib import cuhk03

    return cuhk03.load_new_protocol(root, kind)


def _msmt17(root: Path, *, with_val: bool = True) -> ReIDData:
    from dplib import layouts

    return layouts.msmt17(root, with_val=with_val)


def _folder(
    root: Path,
    *,
    seed: int,
    pattern: str | None = None,
    csv: str | Path | None = None,
    test_share: float = 0.5,
) -> ReIDData:
    from dplib import ownfolder

    return ownfolder.load(root, pattern, csv, test_share, seed)


_LOADERS: dict[str, Callable[..., ReIDData]] = {
    "toymarket": _toymarket,
    "market1501": _market1501,
    "dukemtmc": _dukemtmc,
    "cuhk03": _cuhk03,
    "cuhk03np": _cuhk03np,
    "msmt17": _msmt17,
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


def validation_split(data: ReIDData, pids: int, seed: int = 0) -> ReIDData:
    """Hold ``pids`` training pids out, as query (one image per camera) and gallery.

    Only pids seen by two cameras or more are drawn, and their images alone are ranked.
    Under the protocol "cuhk03" query and gallery both hold all of them.
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
    if data.protocol == "cuhk03":
        query = gallery = [s for s in data.train if s.pid in held]
    return replace(
        data,
        name=f"{data.name}-val{pids}",
        train=train,
        query=query,
        gallery=gallery,
        multi_query=[],
    )


# --- counts -------------------------------------------------------------------------

_MARKET = ("market1501", "toymarket")
# Market-1501: the paper's §4.2 and the data set's own readme. Duke, CUHK03: §4.2 and
# the readmes of DukeMTMC-reID and of CUHK03-NP. MSMT17: its paper (CVPR 2018), table 1.
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
    },
    "dukemtmc": {
        "images": 36_411,
        "identities": 1_812,
        "cameras": 8,
        "train images": 16_522,
        "train pids": 702,
        "query images": 2_228,
        "query pids": 702,
        "gallery files": 17_661,
        "distractor ids": 408,
    },
    "cuhk03-labeled": {
        "images": 14_096,
        "identities": 1_467,
        "train pids": 1_367,
        "query pids": 100,
        "gallery pids": 100,
    },
    "cuhk03np-labeled": {
        "images": 14_096,
        "identities": 1_467,
        "cameras": 2,
        "train images": 7_368,
        "train pids": 767,
        "query images": 1_400,
        "query pids": 700,
        "gallery files": 5_328,
        "gallery pids": 700,
    },
    "msmt17": {
        "images": 126_441,
        "identities": 4_101,
        "cameras": 15,
        "train images": 32_621,
        "train pids": 1_041,
        "query images": 11_659,
        "query pids": 3_060,
        "gallery files": 82_161,
        "gallery pids": 3_060,
    },
}
PUBLISHED["cuhk03-detected"] = PUBLISHED["cuhk03-labeled"] | {"images": 14_097}
PUBLISHED["cuhk03np-detected"] = PUBLISHED["cuhk03np-labeled"] | {
    "images": 14_097,
    "train images": 7_365,
    "gallery files": 5_332,
}
# with_val=False: list_train.txt alone
PUBLISHED["msmt17-noval"] = PUBLISHED["msmt17"] | {
    "images": 124_068,
    "train images": 30_248,
}


def counts(data: ReIDData) -> dict[str, int]:
    """What is there, under the names of ``PUBLISHED``.

    As published, Market-1501's images leave out the queries (they are drawn by hand);
    elsewhere each image of train, query and gallery counts once.
    """
    junk = sum(s.pid == JUNK for s in data.gallery)
    everything = {*data.train, *data.query, *data.gallery}
    people = {s.pid for s in everything} - {JUNK, DISTRACTOR}
    market = data.name.split("-")[0] in _MARKET
    ranked = {s.pid for s in data.gallery} - {JUNK, DISTRACTOR}
    query_pids = {s.pid for s in data.query}
    found = {
        "images": len(data.train) + len(data.gallery) if market else len(everything),
        "identities": len(people),
        "cameras": len({s.camid for s in everything}),
        "train images": len(data.train),
        "train pids": len(data.labels),
        "query images": len(data.query),
        "query pids": len(query_pids),
        "gallery files": len(data.gallery),
    }
    if market:
        return found | {
            "junk (pid -1)": junk,
            "distractors (pid 0)": sum(s.pid == DISTRACTOR for s in data.gallery),
            "ranked gallery": len(data.gallery) - junk,
            "multi-query images": len(data.multi_query),
        }
    if data.name.startswith("dukemtmc"):
        return found | {"distractor ids": len(ranked - query_pids)}
    return found | {"gallery pids": len(ranked)}


def verify(data: ReIDData) -> str:
    """Counts beside the published counts, as a table.

    ToyMarket's are compared with its own list of what was drawn, ``nuisance.csv``.
    Raises DatasetError that names every count that differs.
    """
    found = counts(data)
    every_split = re.sub(r"-split\d+$", "", data.name)  # CUHK03: the same for all
    expected: dict[str, int] = PUBLISHED.get(every_split, {})
    if data.name == "toymarket":
        expected = counts(_listed(data))
    source = "listed" if data.name == "toymarket" else "published"
    lines = [f"{data.name} at {data.root}", f"{'':22}{'found':>8}{source:>11}"]
    wrong = []
    for key, n in found.items():
        want = expected.get(key)
        line = f"{key:22}{n:>8,}{'–' if want is None else f'{want:,}':>11}"
        if want is not None and n != want:
            wrong.append(f"{key}: {n:,} found, {want:,} {source}")
            line += "  ✗"
        lines.append(line)
    if wrong:
        table = "\n".join(lines[1:])
        raise DatasetError(
            f"{data.name} at {data.root} is not the {source} set: {'; '.join(wrong)}. "
            "Extract the archive again into an empty folder (ToyMarket: draw it again)."
            f"\n{table}"
        )
    return "\n".join(lines)


def _listed(data: ReIDData) -> ReIDData:
    """ToyMarket as its nuisance.csv lists it."""
    from dplib import layouts

    path = data.root / "nuisance.csv"
    if not path.is_file():
        raise DatasetError(f"{path} is missing; draw ToyMarket again")
    with path.open(encoding="utf-8") as f:
        head = f.readline().strip().split(",")
        i, j, k, m = (head.index(c) for c in ("folder", "file", "pid", "camid"))
        rows = [line.strip().split(",") for line in f]
    by: dict[str, list[Sample]] = {
        name: [] for name in (*layouts.FOLDERS, layouts.MULTI)
    }
    for r in rows:
        by[r[i]].append(Sample(data.root / r[i] / r[j], int(r[k]), int(r[m])))
    train, query, gallery = (by[f] for f in layouts.FOLDERS)
    return replace(
        data, train=train, query=query, gallery=gallery, multi_query=by[layouts.MULTI]
    )
