"""What a re-identification data set is made of: images with their pid and camera.

The library speaks in these types: data sets give them, training and evaluation take
them.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

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
    # or "cuhk03": query and gallery hold both views; or "same_camera", of an own folder
    protocol: str = "market1501"
    pid_names: dict[int, str] = field(
        default_factory=dict
    )  # of "folder": its own names
    people: str = ""  # whose numbering pids have: of all copies of a published set, say
    drawn: bool = False  # whether the split was drawn here, and not given with the set

    @property
    def labels(self) -> dict[int, int]:
        """Training pid → class in [0, Nc).

        Raises:
            DatasetError: Junk or distractors, which are no person, are in ``train``.
        """
        pids = sorted({s.pid for s in self.train})
        if pids and pids[0] <= DISTRACTOR:
            raise DatasetError(
                f"the training set of {self.name} has images of pid {pids[0]}, which "
                "stands for junk (-1) or distractors (0), not for a person; leave them "
                "out"
            )
        return {pid: i for i, pid in enumerate(pids)}

    def name_of(self, pid: int) -> str:
        """The person's name: the folder's own, elsewhere the pid."""
        return self.pid_names.get(pid, str(pid))

    def drop_single_images(self) -> ReIDData:
        """The same data without training pids that have one image only."""
        count = Counter(s.pid for s in self.train)
        return replace(self, train=[s for s in self.train if count[s.pid] > 1])
