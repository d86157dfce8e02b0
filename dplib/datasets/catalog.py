"""Every data set by its name: `load` (§4.2).

Image files stay where they are; a data set here is the meaning of their names. In
Market-1501's layout ``0002_c1s1_000451_03.jpg`` is pid 2 seen by camera 1 in sequence
1, frame 451, box 3. Pid -1 is junk (a bad detection), pid 0 a distractor.
"""

from __future__ import annotations

import inspect
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from dplib import files, people, seeds
from dplib.datasets import cuhk03, folder, market, msmt17
from dplib.datasets.splits import validation_split
from dplib.datasets.verification import PUBLISHED, counts
from dplib.samples import DISTRACTOR, JUNK, DatasetError, ReIDData, Sample

_LOADERS: dict[str, Callable[..., ReIDData]] = {
    "toymarket": market.toy,
    "market1501": market.market1501,
    "dukemtmc": market.dukemtmc,
    "cuhk03": cuhk03.load,
    "cuhk03np": cuhk03.load_new_protocol,
    "msmt17": msmt17.msmt17,
    "folder": folder.load,
}
NAMES = tuple(_LOADERS)


def protocol_keywords(name: str) -> tuple[str, ...]:
    """What ``load(name, ...)`` takes beside ``val_pids`` and ``seed``.

    Raises:
        DatasetError: There is no data set of this name.
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
    trained: dict[str, Any] | None = None,
    **protocol: Any,
) -> ReIDData:
    """Load a data set: lists of its images, with who is on each and its camera.

    ToyMarket is drawn when it is not there, and CUHK03's images are unpacked when they
    are first asked for. All others have to be there: see data/README.md.

    Args:
        name: One of ``NAMES``; ``"folder"`` is your own images.
        root: The folder above the data set's folder, or that folder itself.
        val_pids: Number of training pids, drawn with ``seed``, that become query and
            gallery instead. The test images are then out of reach, so that settings
            can be chosen on these people.
        seed: Decides the validation split, and the split of ``"folder"``; what was
            drawn of an own folder is printed.
        trained: What a training run noted of its people (``checkpoints.people``). The
            split of an own folder is then that of the run; what was added to the
            folder since is left out, and said.
        **protocol: ``kind="labeled"`` or ``"detected"`` (cuhk03, cuhk03np),
            ``split=0`` to 19 (cuhk03), ``with_val=True`` (msmt17: train on the
            validation list as well), ``pattern=`` or ``csv=``, ``test_share=0.5`` and
            ``same_camera=True`` (folder, see ``folder.load``). A folder in which nobody
            is seen by two cameras, or with the latter, has the protocol "same_camera":
            its results are not comparable with published ones.

    Raises:
        DatasetError: An unknown name or keyword; a data set that is absent, half
            extracted, in a neighbouring folder, or has names that do not parse.
    """
    known, seed = protocol_keywords(name), seeds.check(seed)
    if wrong := [k for k in protocol if k not in known]:
        takes = f"takes {', '.join(f'{k}=' for k in known)}" if known else "takes none"
        raise DatasetError(f"{wrong[0]}= is not for {name}: it {takes}")
    if name == "folder":
        protocol["seed"] = seed
    data = _people_only(_LOADERS[name](Path(root), **protocol))
    whole = data = replace(data, people=_numbering(data))
    if val_pids:
        data = validation_split(data, val_pids, seed)
    data, said = people.as_noted(data, trained) if trained else (data, "")
    if said:
        print(said)
    elif name == "folder" and whole.drawn:
        print(folder.describe_split(whole, seed))
    return data


def _numbering(data: ReIDData) -> str:
    """Whose pids these are; empty where the folder alone says it.

    All copies of a published set number the same people alike, and so do its kinds and
    splits. Own images in Market-1501's layout do not; the counts tell them apart.
    """
    family = data.name.split("-")[0]
    drawn = data.root / "toymarket.json"
    if family == "toymarket" and drawn.is_file():
        settings = json.loads(drawn.read_text("utf-8"))["settings"]
        return people.toymarket(settings)
    if family.startswith("cuhk03"):
        return "cuhk03"  # a pid is the person's place in the whole set, in both
    published = PUBLISHED.get(family, {})
    counted = counts(data)
    same = all(counted[k] == published.get(k) for k in ("identities", "train pids"))
    return family if same or family == "msmt17" else ""


def _people_only(data: ReIDData) -> ReIDData:
    """The data without junk and distractors where only people belong; this is said.

    They are in the gallery to be told from people. As classes they would be two people
    that nobody is, and as queries they would match each other.
    """
    kept: dict[str, Any] = {}
    for part, what in (
        ("train", "training set"),
        ("query", "queries"),
        ("multi_query", "images for multiple query"),
    ):
        samples: list[Sample] = getattr(data, part)
        n = Counter(s.pid for s in samples if s.pid <= DISTRACTOR)
        if not n:
            continue
        kept[part] = [s for s in samples if s.pid > DISTRACTOR]
        if not kept[part]:
            raise DatasetError(
                f"{data.root}: all images of the {what} are junk (pid -1) or "
                "distractors (pid 0), so that nobody is left; correct their pids"
            )
        print(
            f"{files.readable(data.root)}: left out of the {what}, where only people "
            f"belong: {n[JUNK]:,} junk (pid -1), {n[DISTRACTOR]:,} distractors (pid 0)"
        )
    return replace(data, **kept) if kept else data
