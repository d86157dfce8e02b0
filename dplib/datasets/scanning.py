"""Which files of a folder are images: one rule for every data set and command.

The suffix decides, in any case. Hidden files and what operating systems leave behind
are passed over. Links are followed, but no folder is entered twice. Whatever else is
left out is counted, so that it can be said.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from dplib import files
from dplib.samples import DatasetError

SUFFIXES = (
    *(".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".webp"),
    *(".tif", ".tiff", ".gif", ".ppm", ".pgm", ".pbm", ".pnm"),
)
_SUFFIXES = frozenset(SUFFIXES)
_SYSTEM = {"__macosx", "thumbs.db", "desktop.ini", ".ds_store"}
# what is counted, as it is called when there is one and when there are more
_OTHER = "file of a kind that is not read", "files of kinds that are not read"
_HIDDEN = "hidden file or folder", "hidden files or folders"
_BROKEN = "link that leads nowhere", "links that lead nowhere"
_AGAIN = (
    "link to a folder that is read already",
    "links to folders that are read already",
)
_FOLDER = "folder", "folders"
_SPECIAL = "entry that is neither file nor folder", "entries that are neither"


@dataclass
class Scan:
    """The images of a folder, sorted by path, and what was left out."""

    images: list[Path] = field(default_factory=list)
    left_out: Counter[tuple[str, str]] = field(default_factory=Counter)
    suffixes: set[str] = field(default_factory=set)  # of the files of other kinds

    def note(self, before: str = "") -> str:
        """What was left out, such as "left out: 2 folders"; empty for nothing.

        Args:
            before: Stands before it, where it is not empty.
        """
        parts = []
        for names, n in sorted(self.left_out.items()):
            part = f"{n:,} {names[n > 1]}"
            if names == _OTHER:
                some = sorted(self.suffixes)
                part += f" ({', '.join(some[:6])}{', …' if len(some) > 6 else ''})"
            parts.append(part)
        return f"{before}left out: {', '.join(parts)}" if parts else ""

    def tell(self, folder: Path) -> None:
        """Print what was left out, if anything."""
        if self.left_out:
            print(f"{files.readable(folder)}: {self.note()}")


def scan(folder: str | Path, *, deep: bool = False) -> Scan:
    """The images of a folder.

    Args:
        folder: Where to look. A link to a folder is as good as a folder.
        deep: Whether to look into its folders, too; else they are left out.

    Raises:
        DatasetError: A folder cannot be read.
    """
    found = Scan()
    images: list[str] = []  # much faster to sort than paths
    top = os.path.realpath(folder)
    seen = {top}
    links: list[str] = []  # to folders: entered when all others have been
    # a folder as it is called, and where it really is
    waiting = [(os.fspath(folder), top)]
    while waiting or links:
        if waiting:
            where, real = waiting.pop()
        else:
            links.sort(reverse=True)
            where = links.pop()
            real = os.path.realpath(where)
            if real in seen or _within(top, real):
                found.left_out[_AGAIN] += 1
                continue
            seen.add(real)
        for entry in _entries(where):
            if not _leads_to(entry.is_dir):
                _count(entry, images, found)
            elif _passed_over(entry.name):
                found.left_out[_HIDDEN] += entry.name.lower() not in _SYSTEM
            elif not deep:
                found.left_out[_FOLDER] += 1
            elif os.path.realpath(entry.path) == os.path.join(real, entry.name):  # noqa: PTH118
                inside = os.path.join(real, entry.name)  # noqa: PTH118
                seen.add(inside)
                waiting.append((entry.path, inside))
            else:  # a link, or a junction of Windows
                links.append(entry.path)
    found.left_out = +found.left_out
    # as paths are sorted, part by part, but ten times faster: nothing comes before \0
    images.sort(key=lambda path: path.replace(os.sep, "\0"))
    found.images = [Path(path) for path in images]
    return found


def is_image(name: str) -> bool:
    """Whether a file of this name is an image, by its suffix."""
    _, dot, suffix = name.rpartition(".")
    return bool(dot) and f".{suffix.lower()}" in _SUFFIXES


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError as e:
        raise DatasetError(
            f"{folder} cannot be read ({e.strerror or e}); change its permissions, or "
            "move it away"
        ) from e


def _leads_to(kind: Callable[[], bool]) -> bool:
    try:
        return kind()
    except OSError:  # a link that leads to itself
        return False


def _passed_over(name: str) -> bool:
    return name.startswith(".") or name.lower() in _SYSTEM


def _count(entry: os.DirEntry[str], images: list[str], found: Scan) -> None:
    """Put what is no folder where it belongs: an image, or something left out."""
    name = entry.name
    if is_image(name) and not name.startswith(".") and _leads_to(entry.is_file):
        images.append(entry.path)  # first, as most entries are
    elif _passed_over(name):
        # macOS keeps its own notes on x.jpg as ._x.jpg
        system = name.lower() in _SYSTEM or name.startswith("._")
        found.left_out[_HIDDEN] += not system
    elif not _leads_to(entry.is_file):
        kind = _BROKEN if entry.is_symlink() else _SPECIAL
        found.left_out[kind] += 1
    else:
        found.left_out[_OTHER] += 1
        found.suffixes.add(PurePath(name).suffix.lower() or "without a suffix")


def _within(folder: str, other: str) -> bool:
    """Whether ``folder`` lies below ``other``; both are real paths."""
    return PurePath(folder).is_relative_to(other)
