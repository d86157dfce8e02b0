"""A person's own images as a data set: folders, a CSV or a pattern say who is on them.

Pids here are names, of any text. They become numbers from 1, since 0 and -1 mean
distractor and junk elsewhere: names that are all whole numbers from 1 stay what they
are, all others (also a set that counts from 0) are numbered 1, 2, … in order of name;
``ReIDData.pid_names`` keeps the names. Cameras likewise, but a camera may be 0.
"""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dplib.datasets.market import FOLDERS
from dplib.datasets.verification import counts
from dplib.samples import DatasetError, ReIDData, Sample

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp")
_SPLITS = ("train", "query", "gallery")


class Row(NamedTuple):
    """One image as found, with its pid and camera as texts."""

    path: Path
    pid: str
    camid: str
    split: str = ""


def load(
    root: Path,
    pattern: str | None = None,
    csv_file: str | Path | None = None,
    test_share: float = 0.5,
    seed: int = 0,
) -> ReIDData:
    """The images below ``root``; one of three things says who is on them.

    - the folders, ``PID/CAMERA_anything.jpg``;
    - ``pattern``: a regular expression with the groups pid and camid, searched for in
      each image's path below root (with / on every system);
    - ``csv_file``: columns path (below root), pid, camid and, if you like, split with
      train, query or gallery; or with train and test, whose query is then drawn.

    Where no split is given, ``split_rows`` makes one and its figures are printed.
    Raises DatasetError that names the file, row or value that is wrong.
    """
    root = Path(root)
    if not root.is_dir():
        raise DatasetError(f"no folder {root}; root is the folder of your images")
    if pattern is not None and csv_file is not None:
        raise DatasetError("give pattern or csv, not both")
    by_folder = pattern is None and csv_file is None
    if by_folder and all((root / f).is_dir() for f in FOLDERS):
        raise DatasetError(
            f"{root} has Market-1501's folders; load it as 'market1501' (or "
            "'dukemtmc'), which keeps its split"
        )
    if csv_file is not None:
        rows = _read_csv(root, Path(csv_file))
    elif pattern is not None:
        rows = _match(root, pattern)
    else:
        rows = _walk(root)
    _no_junk(rows)
    pids, cams = numbers((r.pid for r in rows), 1), numbers((r.camid for r in rows), 0)
    numbered = [
        (Sample(r.path, pids[r.pid], cams[r.camid]), r.split)
        for r in sorted(rows, key=lambda r: r.path)
    ]
    by: dict[str, list[Sample]] = defaultdict(list)
    for sample, split in numbered:
        by[split].append(sample)
    if by["query"]:
        lists = (by["train"], by["query"], by["gallery"])
    elif by["test"]:
        rng = np.random.default_rng([seed, 0x464F4C])
        lists = (by["train"], *query_of(by["test"], rng))
    else:
        lists = split_rows(by[""], test_share, seed)
    names = {n: text for text, n in pids.items()}
    data = ReIDData("folder", root, *lists, pid_names=names)
    _apart(data)
    if not by["query"]:
        print(describe_split(data, seed))
    return data


# --- who is on an image -------------------------------------------------------------


def _images(root: Path) -> list[Path]:
    """Every image below root, sorted; hidden files and folders are passed over."""
    found = sorted(
        p
        for p in root.rglob("*")
        if p.suffix.lower() in SUFFIXES
        and not any(part.startswith(".") for part in p.relative_to(root).parts)
    )
    if not found:
        raise DatasetError(f"{root} holds no image ({', '.join(SUFFIXES)})")
    return found


def _walk(root: Path) -> list[Row]:
    rows = []
    for path in _images(root):
        pid, *rest = path.relative_to(root).parts
        cam, sign, _ = path.name.partition("_")
        if len(rest) != 1 or not sign or not cam:
            raise DatasetError(
                f"{path}: expected {root}/PID/CAMERA_anything{path.suffix}, such as "
                "anna/2_0001.jpg; or give pattern= or csv="
            )
        rows.append(Row(path, pid, cam))
    return rows


def _match(root: Path, pattern: str) -> list[Row]:
    try:
        expression = re.compile(pattern)
    except re.error as e:
        raise DatasetError(f"pattern {pattern!r} is no regular expression: {e}") from e
    if not {"pid", "camid"} <= set(expression.groupindex):
        raise DatasetError(
            f"pattern {pattern!r} has no groups pid and camid; write such as "
            r"'(?P<pid>\d+)_c(?P<camid>\d+)'"
        )
    rows, left = [], []
    for path in _images(root):
        m = expression.search(path.relative_to(root).as_posix())
        if m is None or not m["pid"] or not m["camid"]:
            left.append(path)
        else:
            rows.append(Row(path, m["pid"], m["camid"]))
    if left:
        raise DatasetError(
            f"pattern {pattern!r} does not fit {left[0].relative_to(root)} and "
            f"{len(left) - 1} more of {len(left) + len(rows)} images; widen it, or "
            "move them away"
        )
    return rows


def _read_csv(root: Path, file: Path) -> list[Row]:
    file = file if file.is_file() or file.is_absolute() else root / file
    try:
        with file.open(encoding="utf-8-sig", newline="") as f:
            reader = csv.DictReader(f, skipinitialspace=True)
            head, found = reader.fieldnames or [], list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as e:
        raise DatasetError(f"{file} cannot be read as CSV: {e}") from e
    if missing := [c for c in ("path", "pid", "camid") if c not in head]:
        raise DatasetError(
            f"{file} has no column {missing[0]}; expected path,pid,camid and, if you "
            f"like, split; found {','.join(head)}"
        )
    rows: list[Row] = []
    seen: dict[Path, int] = {}
    for line, r in enumerate(found, 2):
        cells = [(r.get(c) or "").strip() for c in ("path", "pid", "camid", "split")]
        if not all(cells[:3]):
            raise DatasetError(f"{file}, row {line}: path, pid or camid is empty")
        row = Row(root / cells[0], *cells[1:])
        if not row.path.is_file():
            raise DatasetError(
                f"{file}, row {line}: no image {row.path}; paths are below {root}"
            )
        if row.path in seen:
            raise DatasetError(
                f"{file}, row {line}: {cells[0]} is in row {seen[row.path]} already"
            )
        seen[row.path] = line
        rows.append(row)
    if not rows:
        raise DatasetError(f"{file} has no rows; expected one for each image")
    _check_splits(file, rows)
    return rows


def _check_splits(file: Path, rows: list[Row]) -> None:
    given = {r.split for r in rows}
    if given == {""}:
        return
    if wrong := sorted(given - {*_SPLITS, "test"}):
        raise DatasetError(
            f"{file}: split {wrong[0]!r} is none of train, query, gallery, test; fill "
            "the column in every row, or leave it out"
        )
    if given - {"train"} not in ({"query", "gallery"}, {"test"}):
        raise DatasetError(
            f"{file}: the splits {', '.join(sorted(given))} do not make a data set; "
            "give query and gallery (and train), or test (and train)"
        )


def _no_junk(rows: list[Row]) -> None:
    if bad := next((r for r in rows if r.pid == "-1"), None):
        raise DatasetError(
            f"{bad.path} has pid -1, which stands for junk in Market-1501, not for a "
            "person; leave such images out"
        )


def numbers(texts: Iterable[str], first: int) -> dict[str, int]:
    """Each text's number: its own when all are whole ones ≥ first, else 1, 2, …"""
    found = set(texts)
    if all(re.fullmatch(r"[0-9]{1,9}", t) for t in found):
        own = {t: int(t) for t in sorted(found, key=lambda t: (int(t), t))}
        if len(set(own.values())) == len(own) and min(own.values(), default=0) >= first:
            return own
        return {t: i for i, t in enumerate(own, 1)}
    return {t: i for i, t in enumerate(sorted(found), 1)}


# --- train, query, gallery ----------------------------------------------------------


def split_rows(
    samples: list[Sample], test_share: float, seed: int
) -> tuple[list[Sample], list[Sample], list[Sample]]:
    """Draw ``test_share`` of the pids for query and gallery; train on the others.

    People seen by one camera only cannot be queries; both kinds are shared out in the
    same proportion. test_share=1 trains on none. Every image lands in one list.
    Raises DatasetError when nobody is seen by two cameras, or too few are left.
    """
    if not 0 < test_share <= 1:
        raise DatasetError(f"test_share={test_share}: expected above 0 and at most 1")
    cams: dict[int, set[int]] = defaultdict(set)
    for s in samples:
        cams[s.pid].add(s.camid)
    rng = np.random.default_rng([seed, 0x464F4C])
    test: set[int] = set()
    for able in (True, False):
        pids = sorted(p for p, c in cams.items() if (len(c) > 1) == able)
        if able and not pids:
            raise DatasetError(
                f"none of {len(cams)} people is seen by two cameras, so nobody can be "
                "found again; are the cameras told apart?"
            )
        n = round(test_share * len(pids))
        n = max(n, 1) if able else n
        test.update(rng.permutation(pids)[:n].tolist())
    train = [s for s in samples if s.pid not in test]
    if test_share < 1 and len({s.pid for s in train}) < 2:
        raise DatasetError(
            f"{len(cams)} people at test_share={test_share} leave fewer than two to "
            "train on; lower test_share, or take 1 to rank them all"
        )
    return train, *query_of([s for s in samples if s.pid in test], rng)


def query_of(
    samples: list[Sample], rng: np.random.Generator
) -> tuple[list[Sample], list[Sample]]:
    """One query for each (pid, camera) that leaves a match in another camera's gallery.

    A camera's only image stays in the gallery, or the other cameras' queries would lose
    it; where each camera of a pid has one image, one of them is the query.
    Raises DatasetError when no query can be had.
    """
    groups: dict[int, dict[int, list[Sample]]] = defaultdict(lambda: defaultdict(list))
    for s in sorted(samples):
        groups[s.pid][s.camid].append(s)
    query = []
    for _, views in sorted(groups.items()):
        if len(views) < 2:
            continue
        many = [g for _, g in sorted(views.items()) if len(g) > 1]
        if not many:
            lone = sorted(views)
            many = [views[lone[int(rng.integers(len(lone)))]]]
        query += [g[int(rng.integers(len(g)))] for g in many]
    if not query:
        raise DatasetError(
            "no test person is seen by two cameras, so there is nothing to query"
        )
    taken = set(query)
    return query, [s for s in sorted(samples) if s not in taken]


def _apart(data: ReIDData) -> None:
    both = set(data.labels) & {s.pid for s in (*data.query, *data.gallery)}
    if both:
        raise DatasetError(
            f"{data.root}: {data.pid_names[min(both)]!r} and {len(both) - 1} more "
            "people are in train and in test; results would not count: move them"
        )


def describe_split(data: ReIDData, seed: int) -> str:
    """What the drawn split holds, and how pids were numbered."""
    found = counts(data)
    views: dict[int, set[int]] = defaultdict(set)
    for s in (*data.query, *data.gallery):
        views[s.pid].add(s.camid)
    alone = sum(len(cams) == 1 for cams in views.values())
    lines = [f"{data.root}: query and gallery drawn with seed {seed}"]
    for part, images, people in (
        ("train", len(data.train), len(data.labels)),
        ("query", len(data.query), found["query pids"]),
        ("gallery", len(data.gallery), len({s.pid for s in data.gallery})),
    ):
        lines.append(f"  {part:8}{images:>7,} images of {people:>6,} people")
    lines.append(f"  {found['cameras']} cameras; {alone} test people seen by one only")
    if any(
        not text.isdecimal() or int(text) != n for n, text in data.pid_names.items()
    ):
        n = min(data.pid_names)
        lines.append(
            f"  pids are numbered from 1: pid {n} is {data.pid_names[n]!r}, and so on "
            "in .pid_names"
        )
    return "\n".join(lines)
