"""A person's own images as a data set: folders, a CSV or a pattern say who is on them.

Pids here are names, of any text. They become numbers from 1, since 0 and -1 mean
distractor and junk elsewhere: names that are all whole numbers from 1 stay what they
are, all others (also a set that counts from 0) are numbered 1, 2, … in order of name;
``ReIDData.pid_names`` keeps the names. Cameras likewise, but a camera may be 0.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from dplib import files, seeds
from dplib.datasets import duplicates, own_rows
from dplib.datasets.splits import query_of, split_rows
from dplib.datasets.verification import counts
from dplib.samples import DISTRACTOR, JUNK, DatasetError, ReIDData, Sample

_LISTED = 12  # cameras that are named one by one
_FEW = 0.1  # a share of the people that makes a camera doubtful, where there are many


def load(
    root: Path,
    *,
    pattern: str | None = None,
    csv: str | Path | None = None,
    test_share: float = 0.5,
    seed: int = 0,
    same_camera: bool = False,
) -> ReIDData:
    r"""The images below ``root``; one of three things says who is on them.

    By default their folders and names do: ``PID/CAMERA_anything.jpg``. Where no split
    is given, ``split_rows`` makes one, and what it holds is printed.

    Where nobody is seen by two cameras, people are ranked by the protocol
    "same_camera" (see ``evaluation``), which is printed as well. Near copies of a query
    are left out then, see ``near``.

    Args:
        root: The folder of the images.
        pattern: A regular expression with the groups pid and camid, searched for in
            each image's path below ``root`` (with / on every system), such as
            ``r"(?P<pid>\d+)_c(?P<camid>\d+)"``.
        csv: A file with the columns path (below ``root``), pid, camid and, if you like,
            split: train, query and gallery; or train and test, from which the queries
            are then drawn.
        test_share: Which share of the people is drawn for query and gallery.
        seed: Decides which people and which queries are drawn.
        same_camera: Rank by "same_camera" although some are seen by two cameras.

    Raises:
        DatasetError: The message names the file, row or value that is wrong.
    """
    seed = seeds.check(seed)
    rows = own_rows.read(Path(root), pattern, csv)
    # Market-1501's convention: beside junk, -1, a 0 is a distractor
    other = {r.pid: own_rows.whole(r.pid) for r in rows}
    junk = {t: n for t, n in other.items() if n is not None and n <= DISTRACTOR}
    if JUNK not in junk.values():
        junk = {}
    people = {r.pid for r in rows} - set(junk)
    pids, cams = numbers(people, 1), numbers((r.camid for r in rows), 0)
    names = {n: text for text, n in pids.items()}
    pids |= junk
    views = _cameras_of(r for r in rows if r.pid in people)
    alone = sum(len(seen) == 1 for seen in views.values())
    same = same_camera or alone == len(views)
    print(describe_cameras(rows))
    for kind, texts in (("people", people), ("cameras", cams)):
        if said := describe_alike(kind, texts):
            print(said)
    if same or alone:
        print(describe_protocol(alone, len(views), same))
    parts: dict[str, list[Sample]] = defaultdict(list)
    for r in sorted(rows, key=lambda r: r.path):
        parts[r.split].append(Sample(r.path, pids[r.pid], cams[r.camid]))
    if parts["query"]:
        lists = (parts["train"], parts["query"], parts["gallery"])
    elif parts["test"]:
        lists = (parts["train"], *query_of(parts["test"], seed, names, same))
    else:
        lists = split_rows(parts[""], test_share, seed, names, same)
    drawn = not parts["query"]
    data = ReIDData("folder", Path(root), *lists, pid_names=names, drawn=drawn)
    if same:
        data = replace(data, protocol="same_camera")
    _check_apart(data)
    if said := duplicates.describe(data, duplicates.same_bytes(data), "byte for byte"):
        print(said)
    return data


# --- numbers -----------------------------------------------------------------------


def numbers(texts: Iterable[str], first: int) -> dict[str, int]:
    """A number for each text: its own where all are whole numbers from ``first`` on.

    Otherwise they are numbered 1, 2, … in order of value or, with any other text among
    them, of the alphabet.
    """
    names = set(texts)
    if all(re.fullmatch(r"[0-9]{1,9}", t) for t in names):
        own = {t: int(t) for t in sorted(names, key=lambda t: (int(t), t))}
        if len(set(own.values())) == len(own) and min(own.values(), default=0) >= first:
            return own
        return {t: i for i, t in enumerate(own, 1)}
    return {t: i for i, t in enumerate(sorted(names), 1)}


# --- what was found -----------------------------------------------------------------


def _cameras_of(rows: Iterable[own_rows.Row]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for r in rows:
        found[r.pid].add(r.camid)
    return found


def _check_apart(data: ReIDData) -> None:
    both = {s.pid for s in data.train} & {s.pid for s in (*data.query, *data.gallery)}
    both -= {JUNK, DISTRACTOR}
    if both:
        raise DatasetError(
            f"{data.root}: {data.pid_names[min(both)]!r} and {len(both) - 1} more "
            "people are in train and in test; results would not count: move them"
        )


def describe_protocol(alone: int, people: int, same_camera: bool) -> str:
    """Whether people seen by one camera are ranked, and what the results are then.

    Args:
        alone: How many people one camera alone has seen.
        people: All people.
        same_camera: Whether they are ranked by "same_camera".
    """
    few = f"{alone:,} of {people:,} people are seen by one camera only"
    if not same_camera:
        return (
            f"{few} and cannot be found again; with same_camera=True (--same-camera) "
            "they can, by another protocol, whose results compare with no others"
        )
    if alone == people:
        few = "nobody is seen by two cameras (are they told apart?)"
    return (
        f"protocol same_camera: {few}; images of the query's camera count as matches, "
        "its near copies are left out. NOT COMPARABLE with published results"
    )


def describe_split(data: ReIDData, seed: int) -> str:
    """What the drawn split holds, and how pids were numbered."""
    counted = counts(data)
    views: dict[int, set[int]] = defaultdict(set)
    for s in (*data.query, *data.gallery):
        views[s.pid].add(s.camid)
    alone = sum(len(cams) == 1 for cams in views.values())
    lines = [f"{files.readable(data.root)}: query and gallery drawn with seed {seed}"]
    for part, images, people in (
        ("train", len(data.train), len(data.labels)),
        ("query", len(data.query), counted["query pids"]),
        ("gallery", len(data.gallery), len({s.pid for s in data.gallery})),
    ):
        lines.append(f"  {part:8}{images:>7,} images of {people:>6,} people")
    lines.append(
        f"  {counted['cameras']} cameras; {alone} test people seen by one only"
    )
    if any(
        not text.isdecimal() or int(text) != n for n, text in data.pid_names.items()
    ):
        n = min(data.pid_names)
        lines.append(
            "  pids are numbered from 1 in order of name: "
            f"pid {n} is {data.pid_names[n]!r}"
        )
    return "\n".join(lines)


def describe_alike(kind: str, texts: Iterable[str]) -> str:
    """Names that may be one, such as Anna and anna, or 1 and 01; "" where none are.

    Args:
        kind: What they are names of: people or cameras.
        texts: The names.
    """
    same: dict[str, list[str]] = defaultdict(list)
    for text in sorted(texts):
        number = own_rows.whole(text)
        key = text.casefold() if number is None else str(number)
        same[re.sub(r"(?<!\d)0+(?=\d)", "", key)].append(text)
    pairs = [group for group in same.values() if len(group) > 1]
    if not pairs:
        return ""
    first = " and ".join(repr(text) for text in pairs[0])
    return files.readable(
        f"{kind}: {first} are taken for {len(pairs[0])} {kind}"
        + (f", and so are {len(pairs) - 1:,} more such names" * (len(pairs) > 1))
        + "; if they are one, write them alike"
    )


def describe_cameras(rows: Iterable[own_rows.Row]) -> str:
    """Which cameras were read from the names, and what share of the people each saw.

    A pattern that takes a part of a file's number for its camera shows here: there are
    hundreds of cameras, and each saw one person.
    """
    seen: dict[str, set[str]] = defaultdict(set)
    for pid, cams in _cameras_of(rows).items():
        for cam in cams:
            seen[cam].add(pid)
    people = len(set().union(*seen.values()))
    shares = {cam: len(who) / people for cam, who in sorted(seen.items())}
    text = ", ".join(
        f"{files.readable(c)} ({s:.0%})" for c, s in list(shares.items())[:_LISTED]
    )
    if len(shares) > _LISTED:
        low, high = min(shares.values()), max(shares.values())
        text += f" and {len(shares) - _LISTED:,} more, with {low:.1%} to {high:.1%}"
        if high < _FEW:
            text += (
                ". So few people each: does camid hold the number of an image? Where "
                "cameras are ranges of numbers, give a table (--csv, in Python csv=)"
            )
    return files.readable(f"cameras, with the share of the people each saw: {text}")
