"""The commands doctor and version: what is installed, and what to do about the rest."""

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import typer

from dplib import DplibError, __version__, datasets, workspace
from dplib.cli import tables, words
from dplib.cli.options import Root
from dplib.datasets import cuhk03

app = typer.Typer()

# what each extra is for, and a module of each of its packages, to see if it is there
EXTRAS = {
    "notebooks": ("lessons in JupyterLab", "jupyterlab nbclient nbconvert jupytext"),
    "test": ("tests", "pytest xdist nbval hypothesis playwright yaml"),
    "course": ("assignments", "nbgrader"),
    "data": ("CUHK03", "h5py"),
    "scale": ("large galleries", "faiss"),
}
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
HOW_TO_GET = {
    "toymarket": "python -m dplib data toymarket draws it; lessons do so themselves",
    "market1501": "ask its authors, research only; see data/README.md",
    "dukemtmc": "withdrawn by its authors in 2019; see data/README.md before any use",
    "cuhk03": "ask its authors for cuhk-03.mat, research only; see data/README.md",
    "cuhk03np": "CUHK03 and its authors' split files; see data/README.md",
    "msmt17": "ask its authors, research only; see data/README.md",
    "folder": "--data folder --root DIR, with DIR/person/camera_anything.jpg",
}
# folders that show that somebody has begun to put a set there
TRACES = {
    "market1501": ("*arket-1501*",),
    "dukemtmc": ("DukeMTMC*",),
    "cuhk03": ("cuhk03", "CUHK03"),
    "cuhk03np": ("cuhk03-np", "cuhk03/cuhk03_new_protocol*"),
    "msmt17": ("MSMT17*", "msmt17"),
}


class Finding(NamedTuple):
    """Whether one thing is there, what was found, and what to do about it."""

    ok: bool | None  # None: a mere fact, or something that is not needed
    what: str
    found: str
    remedy: str = ""

    def show(self) -> None:
        """Print it."""
        sign = {True: "✓", False: "✗", None: "·"}[self.ok]
        remedy = [("", f"→ {self.remedy}")] if self.remedy else []
        tables.show([(f"{sign} {self.what:<13}", self.found), *remedy])


@app.command("doctor", rich_help_panel="Data and set-up")
def examination(root: Root = None) -> None:
    """Tell what is installed and found, and what to do about the rest."""
    bad = 0
    for finding in examine(root):  # each is shown at once: the next may take seconds
        finding.show()
        bad += finding.ok is False
    print(f"\nTo mend: {bad} (✗ above)." if bad else "\nAll that is needed is here.")
    if bad:
        raise typer.Exit(1)


@app.command(rich_help_panel="Data and set-up")
def version() -> None:
    """Print dplib's version."""
    print(__version__)


def examine(root: Path | None = None) -> Iterator[Finding]:
    """Look at the installation, the device, the data sets and the weights.

    Args:
        root: Folder of the data sets; by default where ``workspace`` puts them.

    Yields:
        One finding after the other.
    """
    root = root or workspace.folders()[0]
    place = workspace.checkout()
    yield Finding(True, "dplib", f"{__version__}, {place or 'installed as a package'}")
    enough = sys.version_info >= (3, 11)
    python = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    yield Finding(enough, "Python", python, "" if enough else "install 3.11 or newer")
    yield from _torch()
    yield Finding(None, "cores", f"{os.cpu_count()}")
    gib = memory_gib()
    low = gib is not None and gib < 4
    text = "unknown" if gib is None else f"{gib:.1f} GiB"
    yield Finding(not low, "memory", text, "close other programs" if low else "")
    yield from _extras()
    for name in datasets.NAMES:
        yield find_data(name, root)
    yield from _weights()
    yield _disk(root)
    browser = next((b for b in BROWSERS if shutil.which(b)), None)
    remedy = "" if browser else "for the browser tests only: install chromium"
    yield Finding(True if browser else None, "browser", browser or "none", remedy)


def _torch() -> Iterator[Finding]:
    fit = "install both from one source: see `make setup` and its PIP_ARGS"
    try:
        import torch
        import torchvision
        from torchvision.ops import nms  # noqa: F401 (fails when the two do not fit)
    except (ImportError, OSError, RuntimeError) as e:
        yield Finding(False, "PyTorch", f"cannot be imported: {e}", fit)
        return
    versions = f"{torch.__version__}, torchvision {torchvision.__version__}"
    yield Finding(True, "PyTorch", versions)
    if torch.cuda.is_available():
        gib = torch.cuda.get_device_properties(0).total_memory / 2**30
        device = f"cuda: {torch.cuda.get_device_name(0)}, {gib:.0f} GiB"
        yield Finding(True, "device", device)
    else:
        advice = "enough for the lessons and for the presets toy and market-cpu"
        yield Finding(None, "device", f"cpu ({advice})")


def memory_gib() -> float | None:
    """The machine's memory in GiB; None where the system does not say."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    except (AttributeError, ValueError, OSError):
        pass  # Windows
    try:
        import psutil

        return float(psutil.virtual_memory().total / 2**30)
    except ImportError:
        return None


def _extras() -> Iterator[Finding]:
    for extra, (purpose, modules) in EXTRAS.items():
        missing = [m for m in modules.split() if importlib.util.find_spec(m) is None]
        what = f"[{extra}]"
        if not missing:
            yield Finding(True, what, f"installed: {purpose}")
            continue
        how = f"pip install -e '.[{extra}]'"
        if workspace.checkout() is None:
            how = f"pip install 'dplib[{extra}]'"
        ok = False if extra == "notebooks" else None
        text = f"not there: {', '.join(missing)}"
        yield Finding(ok, what, text, f"for {purpose}: {how}")


def find_data(name: str, root: Path) -> Finding:
    """Whether `name` can be loaded from `root`; nothing is drawn or unpacked."""
    how = HOW_TO_GET.get(name, "see data/README.md")
    if name == "folder":
        return Finding(None, name, "your own images, wherever they are", how)
    if name == "toymarket" and not (root / "ToyMarket/toymarket.json").is_file():
        return Finding(None, name, f"not drawn yet in {root}", how)
    protocol: dict[str, Any] = {}
    if name in ("cuhk03", "cuhk03np"):
        kinds, mat = cuhk03.ready(root, name)
        if mat and not kinds:
            text = f"{mat}, its images not unpacked yet"
            return Finding(None, name, text, "unpacked when first asked for (h5py)")
        protocol = {"kind": kinds[0]} if kinds else {}
    try:
        data = datasets.load(name, root, **protocol)
    except DplibError as e:
        there = any(f for trace in TRACES.get(name, ()) for f in root.glob(trace))
        if there:
            return Finding(False, name, words.here(e, "data", "verify"))
        said = words.here(e, "data", "verify")
        near = "has its layout" in said
        return Finding(None, name, said if near else f"not in {root}", how)
    people = len(data.labels)
    text = (
        f"{data.root}: {len(data.train):,} training images of {people:,} people, "
        f"{len(data.query):,} queries, {len(data.gallery):,} in the gallery"
    )
    return Finding(True, name, text)


def _weights() -> Iterator[Finding]:
    try:
        from dplib.incoming import weights
    except (ImportError, OSError, RuntimeError):
        return  # no PyTorch, which is a finding of its own
    for name in ("mobilenet_v2", "resnet50"):
        file = weights.cached(name)
        bad = weights.damage(name)
        if bad is not None:
            found, remedy = bad.split("; ", 1)
            yield Finding(False, "ImageNet", f"{name}: {found}", remedy)
        elif file.exists():
            yield Finding(True, "ImageNet", f"{name}: {file}")
        else:
            place = next(p for p in file.parents if p.exists())
            first = "fetched when first asked for"
            if not (place.is_dir() and os.access(place, os.W_OK)):
                first = (
                    f"{place} cannot be written to: let the environment variable "
                    "TORCH_HOME name another folder"
                )
            remedy = (
                f"{first}; without a connection put {file.name} into {file.parent}, "
                "or give --weights FILE (or none: random weights)"
            )
            yield Finding(None, "ImageNet", f"{name}: not on this machine", remedy)


def _disk(root: Path) -> Finding:
    there = next(p for p in (root, *root.parents) if p.exists())
    free = shutil.disk_usage(there).free / 2**30
    low = free < 2
    remedy = "runs and data need about 2 GiB: free some space" if low else ""
    return Finding(not low, "disk", f"{free:.0f} GiB free at {there}", remedy)
