"""Options that several commands share, and what they mean."""

from __future__ import annotations

import math
import shlex
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from dplib import DplibError, datasets, seeds, workspace
from dplib.samples import ReIDData

MOST_SEEDS = seeds.MOST
MOST = 1_000_000  # of people, epochs, images in a list: beyond it is a slip of the hand
MOST_WORKERS = 256


def finite(value: float | None) -> float | None:
    """The callback of options that are real numbers: neither NaN nor infinite."""
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter(f"{value} is not a finite number.")
    return value


def split_number(value: str | None) -> str | None:
    """The callback of --split: all, or one of CUHK03's 20 splits."""
    known = [str(i) for i in range(20)]
    if value not in (None, "all", *known):
        raise DplibError(f"--split {value}: expected a number from 0 to 19, or all")
    return value


Root = Annotated[
    Path | None,
    typer.Option(
        "--root", help="Folder of the data sets; default: data", metavar="DIR"
    ),
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:1")]
Data = Annotated[
    str,
    typer.Option(
        help="Data set: toymarket, market1501, dukemtmc, cuhk03, cuhk03np, msmt17, or "
        "folder (your own images, at --root)"
    ),
]
ValPids = Annotated[
    int,
    typer.Option(
        min=0,
        max=MOST,
        help="Number of training people to hold out and rank instead",
    ),
]


class Kind(StrEnum):
    """CUHK03's boxes: drawn by hand, or by a detector."""

    labeled = "labeled"
    detected = "detected"


KindOption = Annotated[
    Kind | None, typer.Option("--kind", help="CUHK03: which boxes; default: labeled")
]
Split = Annotated[
    str | None,
    typer.Option(
        callback=split_number,
        help="CUHK03, old protocol: 0 to 19; evaluate takes all as well",
    ),
]
Csv = Annotated[
    Path | None,
    typer.Option(help="Own folder: a table path,pid,camid and perhaps split"),
]
Pattern = Annotated[
    str | None,
    typer.Option(help="Own folder: regular expression with groups pid and camid"),
]
TestShare = Annotated[
    float | None,
    typer.Option(
        min=0,
        max=1,
        callback=finite,
        help="Own folder: share of the people to draw for the test; default: 0.5",
    ),
]
SameCamera = Annotated[
    bool,
    typer.Option(
        "--same-camera",
        help="Own folder: images of one camera count as matches (near copies do not); "
        "not comparable with published results",
    ),
]
WithVal = Annotated[
    bool | None,
    typer.Option(help="MSMT17: train on the validation list as well; default: yes"),
]


def root_folder(root: Path | None) -> Path:
    """``root``, else where the data sets are."""
    return root or workspace.folders()[0]


def base() -> Path:
    """The checkout, else the working folder."""
    return workspace.checkout() or Path.cwd()


_OWN = ("csv", "pattern", "test_share", "with_val")  # handed on as they are


class Chosen(NamedTuple):
    """The data set that a command's options name."""

    name: str
    root: Path | None
    val_pids: int = 0
    seed: int = 0
    kind: Kind | None = None
    split: str | None = None
    csv: Path | None = None
    pattern: str | None = None
    test_share: float | None = None
    with_val: bool | None = None
    same_camera: bool = False

    def load(self, trained: dict[str, Any] | None = None) -> ReIDData:
        """``datasets.load`` with those options that were given.

        Args:
            trained: Whom a model was trained on, see ``checkpoints.people``.

        Raises:
            DplibError: The options do not fit each other, or what ``datasets.load``
                raises.
        """
        if self.name == "folder" and self.root is None:
            raise DplibError(
                "folder: your own images need --root DIR, the folder that holds them"
            )
        if self.split == "all":
            raise DplibError("--split all is for evaluate: give a number from 0 to 19")
        own = {k: getattr(self, k) for k in _OWN}
        given: dict[str, Any] = own | {
            "kind": self.kind and self.kind.value,
            "split": None if self.split is None else int(self.split),
            "same_camera": self.same_camera or None,
        }
        return datasets.load(
            self.name,
            root_folder(self.root),
            val_pids=self.val_pids,
            seed=self.seed,
            trained=trained,
            **{k: v for k, v in given.items() if v is not None},
        )

    def words(self) -> str:
        """The options that choose this data set again."""
        words = ["--data", self.name]
        for key, value in self._asdict().items():
            option = key.replace("_", "-")
            if key == "with_val" and value is not None:
                words.append(f"--{option}" if value else f"--no-{option}")
            elif key == "same_camera":
                words += [f"--{option}"] * value
            elif key != "name" and value:
                words += [f"--{option}", str(value)]
        return shlex.join(words)
