"""Who was trained on: noted with a run, compared when its model is tested.

A pid is a place in a list, and the same number may be another person elsewhere. So a
run notes names. Two data sets number the same people when both are the same published
or drawn set; two folders of somebody's own images do when they lie in the same place,
or when at least half of the people whose names are in both have an image in both. One
image in common says little: it may be a placeholder or an empty background. Apart from
all names, a person is known when one of their images is, byte for byte, one that was
trained on.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from dplib.samples import DatasetError, ReIDData, Sample

Note = dict[str, Any]
_PARTS = ("train", "query", "gallery")


class Known(NamedTuple):
    """What ``known`` finds among the people of a test."""

    pids: set[int]  # were trained on
    namesakes: set[int]  # have the name of one trained on from another folder
    # those among pids whose images alone were trained on, under other names: how many
    copies: Mapping[int, int] = MappingProxyType({})


def note(data: ReIDData) -> Note:
    """What a run keeps of the people that it is trained on, as plain JSON.

    Args:
        data: The data set; its training images are read.

    Returns:
        ``data`` and ``set``, its name and whose numbering it has; ``root``, a digest of
        the folder's path; ``trained``, the digests of each person's training images by
        name; and of an own folder whose split was drawn ``split``, the three lists, and
        ``protocol``, unless it is the published one.
    """
    trained: dict[str, list[str]] = {data.name_of(pid): [] for pid in data.labels}
    for s in data.train:
        trained[data.name_of(s.pid)].append(_digest(s.path.read_bytes()))
    made: Note = {
        "data": data.name,
        "set": data.people,
        "root": _place(data.root),
        # one text for each person keeps the file short
        "trained": {name: " ".join(images) for name, images in trained.items()},
    }
    if data.drawn and data.pid_names:
        made["split"] = {
            part: [_below(data.root, s) for s in getattr(data, part)] for part in _PARTS
        }
        if data.protocol == "same_camera":
            made["protocol"] = data.protocol
    return made


def known(noted: Note, data: ReIDData, pids: Iterable[int]) -> Known:
    """Which of these people were trained on.

    Args:
        noted: What ``note`` gave for the data that were trained on.
        data: The data set of the test.
        pids: Those of its people that are asked about.
    """
    asked = set(pids)
    names = {pid for pid in asked if data.name_of(pid) in noted["trained"]}
    if noted["set"] and noted["set"] == data.people:
        return Known(names, set())
    bearers = _bearers(noted)
    themselves = names.copy() if _same_folder(noted, data) else set()
    copies: Counter[int] = Counter()
    for s in {*data.query, *data.gallery}:
        if s.pid in asked and (under := bearers.get(_digest_of(s))):
            if data.name_of(s.pid) in under:
                themselves.add(s.pid)
            else:
                copies[s.pid] += 1
    alone = {pid: n for pid, n in copies.items() if pid not in themselves}
    seen = themselves | alone.keys()
    own = not noted["set"] and not data.people
    return Known(seen, names - seen if own else set(), alone)


def as_noted(data: ReIDData, noted: Note) -> tuple[ReIDData, str]:
    """The same folder with the split that a run noted, whatever came to it since.

    Queries that were drawn for the protocol "same_camera" are ranked by it, also where
    people are seen by a second camera now.

    Args:
        data: An own folder, with a split that was drawn just now.
        noted: What ``note`` gave for the run.

    Returns:
        The data set and a sentence about what was left out or is gone; data as they
        are and an empty text when the run noted no split of this folder.

    Raises:
        DatasetError: No query of the run is left.
    """
    lists = noted.get("split")
    if not lists or not data.drawn or noted["data"] != data.name:
        return data, ""
    if not _same_folder(noted, data):
        return data, ""
    here = {_below(data.root, s): s for part in _PARTS for s in getattr(data, part)}
    parts = {p: [here[name] for name in lists[p] if name in here] for p in _PARTS}
    if not parts["query"]:
        raise DatasetError(
            f"{data.root}: none of the {len(lists['query'])} queries of the training "
            f"run is left, such as {lists['query'][0]}; put the images back, or load "
            "the folder without the run"
        )
    kept = [s for samples in parts.values() for s in samples]
    before = {s.pid for s in kept}
    new = sorted({s.pid for s in here.values()} - before)
    said = f"{data.root}: train, query and gallery are those of the training run"
    if added := len(here) - len(set(kept)):
        said += f"; {added:,} images that came later are left out"
    if new:
        said += f", {len(new):,} people among them, such as {data.name_of(new[0])!r}"
    if gone := sum(name not in here for p in _PARTS for name in lists[p]):
        said += f"; {gone:,} images of it are gone"
    if (protocol := noted.get("protocol", data.protocol)) != data.protocol:
        said += (
            f"; so is its protocol, {protocol}: NOT COMPARABLE with published results"
        )
    train, query, gallery = (parts[p] for p in _PARTS)
    found = replace(data, train=train, query=query, gallery=gallery)
    return replace(found, protocol=protocol), said


def older(record: dict[str, Any], data: ReIDData) -> Note | None:
    """What the record of a run of an older version, which has pids alone, amounts to.

    Args:
        record: The run's record, with ``data`` and ``pids``.
        data: The data set of the test.

    Returns:
        As ``note`` gives it; None where pids do not tell people, as in own folders.
    """
    name = str(record.get("data", ""))
    if not name or name.startswith("folder") or "pids" not in record:
        return None
    family = name.split("-")[0]
    made = family
    if family == "toymarket":
        made = ""
        if "toymarket" in record:
            made = toymarket(record["toymarket"]["settings"])
    elif family == data.name.split("-")[0]:
        made = data.people
    trained = {str(pid): "" for pid in record["pids"]}
    return {"data": name, "set": made, "root": "", "trained": trained}


def toymarket(settings: dict[str, Any]) -> str:
    """The ``set`` of a drawn set: with another seed or cue the people are others."""
    return f"toymarket, seed {settings['seed']}, {settings['cues']}"


def _same_folder(noted: Note, data: ReIDData) -> bool:
    """Whether both are the same own images, in the same place or in a copy.

    In a copy most people who were trained on have an image of theirs, under their name
    and no other; strangers who happen to be called alike have none.
    """
    if noted["set"] or data.people:
        return False
    if noted["root"] == _place(data.root):
        return True
    bearers, here = _bearers(noted), defaultdict(set)
    both: set[str] = set()
    for s in {s for part in _PARTS for s in getattr(data, part)}:
        name = data.name_of(s.pid)
        if name in noted["trained"]:
            both.add(name)
        here[_digest_of(s)].add(name)
    shared = {min(n) for d, n in here.items() if len(n) == 1 and bearers.get(d) == n}
    return bool(both) and 2 * len(shared) >= len(both)


def _bearers(noted: Note) -> dict[str, set[str]]:
    """The names under which each image was trained on."""
    found: dict[str, set[str]] = defaultdict(set)
    for name, images in noted["trained"].items():
        for image in images.split():
            found[image].add(name)
    return dict(found)


def _below(root: Path, sample: Sample) -> str:
    path = sample.path
    return (path.relative_to(root) if path.is_relative_to(root) else path).as_posix()


def _place(root: Path) -> str:
    """The folder, without telling where it is."""
    return _digest(str(root.resolve()).encode("utf-8", "surrogateescape"))


def _digest_of(sample: Sample) -> str:
    """Of the image; of one that cannot be read nothing, describing it will tell."""
    try:
        return _digest(sample.path.read_bytes())
    except OSError:
        return ""


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]
