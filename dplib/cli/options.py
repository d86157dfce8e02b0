"""Options that several commands share, and what they mean."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from dplib import DplibError, datasets, workspace
from dplib.samples import ReIDData

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
    int, typer.Option(help="Number of training people to hold out and rank instead")
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
    typer.Option(help="CUHK03, old protocol: 0 to 19; evaluate takes all as well"),
]
Csv = Annotated[
    Path | None,
    typer.Option(help="Own folder: a table path,pid,camid and perhaps split"),
]
Pattern = Annotated[
    str | None,
    typer.Option(help="Own folder: regular expression with groups pid and camid"),
]


def root_folder(root: Path | None) -> Path:
    """``root``, else where the data sets are."""
    return root or workspace.folders()[0]


def base() -> Path:
    """The checkout, else the working folder."""
    return workspace.checkout() or Path.cwd()


def load_data(
    name: str,
    root: Path | None,
    *,
    val_pids: int = 0,
    seed: int = 0,
    kind: Kind | None = None,
    split: str | None = None,
    csv: Path | None = None,
    pattern: str | None = None,
) -> ReIDData:
    """``datasets.load`` with those options that were given."""
    given: dict[str, Any] = {"kind": kind and kind.value, "csv": csv}
    given |= {"pattern": pattern}
    if split is not None:
        if not split.isdecimal():
            raise DplibError(f"--split {split}: expected a number from 0 to 19")
        given["split"] = int(split)
    protocol = {k: v for k, v in given.items() if v is not None}
    return datasets.load(
        name, root_folder(root), val_pids=val_pids, seed=seed, **protocol
    )
