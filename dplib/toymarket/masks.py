"""Which pixels of a drawn image are the person: the masks of a set's own images.

The set holds pictures alone. Since each of them follows from the settings, it is drawn
once more, and the mask comes with it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dplib.samples import DatasetError
from dplib.toymarket.generation import VERSION, generator_hash
from dplib.toymarket.people import identity
from dplib.toymarket.pictures import render
from dplib.toymarket.shots import IMAGE_FOLDERS, Settings, Shot, shots_of, split


def masks(
    root: str | os.PathLike[str], images: Iterable[str | os.PathLike[str]]
) -> NDArray[np.bool_]:
    """The person's pixels in images of a drawn set.

    Args:
        root: The set's folder, with its ``toymarket.json``, as ``generate`` gives it.
        images: Paths of images of people in that folder; their own place counts, not
            where they are copied to.

    Returns:
        bool [N, 128, 64]: True where the person is, and nothing hides them.

    Raises:
        DatasetError: The folder is no drawn set, or one that another version drew; an
            image is not in the set, shows no person of it (junk and distractors), or
            is not the picture that was drawn.
    """
    root = Path(root)
    settings = _settings(root)
    train, test = split(settings)
    roles = dict.fromkeys(train, "train") | dict.fromkeys(test, "test")
    people: dict[int, dict[tuple[str, str], Shot]] = {}
    found = []
    for image in map(Path, images):
        pid = _pid(root, image)
        if pid not in roles:
            raise DatasetError(
                f"{image}: no mask, as it shows none of the set's {len(roles)} people "
                "(junk and distractors have none)"
            )
        if pid not in people:
            shots = shots_of(settings, (roles[pid], pid))
            people[pid] = {(s.folder, s.file): s for s in shots}
        shot = people[pid].get((image.parent.name, image.name))
        if shot is None:
            raise DatasetError(f"{image}: the set in {root} has no such image")
        who = identity(shot.person, settings.seed, settings.cues)
        data, visible = render(who, shot.camera, shot.conditions, settings.cues)
        if image.read_bytes() != data:
            raise DatasetError(
                f"{image} is not the picture that was drawn; draw ToyMarket again"
            )
        found.append(visible.astype(bool))
    return np.stack(found) if found else np.zeros((0, 128, 64), bool)


def _settings(root: Path) -> Settings:
    note = root / "toymarket.json"
    try:
        made = Settings(**json.loads(note.read_text("utf-8"))["settings"])
    except (OSError, ValueError, KeyError, TypeError) as e:
        raise DatasetError(
            f"{root} is no drawn ToyMarket: {note.name} is missing or damaged; masks "
            "exist for drawn people alone"
        ) from e
    here = f"{VERSION}:{generator_hash()}"
    if made.generator != here:
        raise DatasetError(
            f"{root} was drawn by generator {made.generator}, this is {here}; draw "
            "ToyMarket again"
        )
    return made


def _pid(root: Path, image: Path) -> int:
    """Who is on it, by its name."""
    if image.parent.name not in IMAGE_FOLDERS or not image.is_file():
        raise DatasetError(f"{image}: there is no such image in {root}")
    try:
        return int(image.name.partition("_")[0])
    except ValueError:
        raise DatasetError(f"{image}: this is no name of a ToyMarket image") from None
