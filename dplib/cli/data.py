"""The commands of the data sets: list, verify, unpack, draw."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from dplib import DplibError, datasets, toymarket
from dplib.cli import doctor, words
from dplib.cli.options import (
    MOST,
    MOST_SEEDS,
    MOST_WORKERS,
    Chosen,
    Csv,
    KindOption,
    Pattern,
    Root,
    SameCamera,
    Split,
    TestShare,
    WithVal,
    root_folder,
)
from dplib.datasets import archives, duplicates

app = typer.Typer(
    help="Draw, find and verify data sets.", cls=words.Group, no_args_is_help=True
)


class Cues(StrEnum):
    """Where a drawn person's identity lies."""

    layout = "layout"
    global_ = "global"


@app.command("list")
def list_all(root: Root = None) -> None:
    """The data sets that dplib knows, which are there, and how to get the rest."""
    for name in datasets.NAMES:
        doctor.find_data(name, root_folder(root)).show()


@app.command()
def verify(
    name: Annotated[str, typer.Argument(help="A name that `data list` shows")],
    root: Root = None,
    kind: KindOption = None,
    split: Split = None,
    csv: Csv = None,
    pattern: Pattern = None,
    test_share: TestShare = None,
    same_camera: SameCamera = False,
    with_val: WithVal = None,
) -> None:
    """Compare a data set with its published counts."""
    where = root_folder(root)
    drawn = any((p / "toymarket.json").is_file() for p in (where, where / "ToyMarket"))
    if name == "toymarket" and not drawn:
        raise DplibError(
            f"ToyMarket is not in {where} yet: python -m dplib data toymarket draws it."
        )
    asked = Chosen(
        *(name, root),
        kind=kind,
        split=split,
        csv=csv,
        pattern=pattern,
        test_share=test_share,
        with_val=with_val,
        same_camera=same_camera,
    )
    found = asked.load()
    # the library's own text, since lessons print it and its error ends with it, too
    print(datasets.verify(found))
    alike = duplicates.same_pixels(found)
    print(
        duplicates.describe(found, alike, "pixel for pixel")
        or "No image is a copy of another, pixel for pixel."
    )


@app.command()
def unpack(
    archive: Annotated[Path, typer.Argument(help="A .zip or .tar of a data set")],
    root: Root = None,
    password: Annotated[
        str | None,
        typer.Option(help="Password of a locked .zip, from the set's authors"),
    ] = None,
) -> None:
    """Unpack a data set's archive among the data sets; no file can get elsewhere."""
    where = archives.unpack(archive, root_folder(root), password=password)
    print(f"Unpacked: {where}")


@app.command("toymarket")
def draw(
    root: Root = None,
    train_pids: Annotated[
        int, typer.Option(min=2, max=MOST, help="Number of people to train on")
    ] = 600,
    test_pids: Annotated[
        int, typer.Option(min=1, max=MOST, help="Number of people to rank")
    ] = 200,
    seed: Annotated[
        int,
        typer.Option(
            min=0,
            max=MOST_SEEDS,
            help="The same seed gives the same files, byte for byte",
        ),
    ] = 0,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=MOST_WORKERS,
            help="Number of processes; default: one per core",
        ),
    ] = None,
    cues: Annotated[
        Cues,
        typer.Option(help="What tells people apart: layout of parts, or global cues"),
    ] = Cues.layout,
) -> None:
    """Draw ToyMarket, the embedded data set."""
    path = toymarket.generate(
        root_folder(root),
        train_pids=train_pids,
        test_pids=test_pids,
        seed=seed,
        workers=workers,
        cues=cues.value,
    )
    print(f"ToyMarket is in {path}")
