"""Who is on each of a person's own images: folders, a pattern or a CSV say it."""

from __future__ import annotations

import functools
import os
import re
import unicodedata
from collections import defaultdict
from csv import DictReader
from csv import Error as CsvError
from pathlib import Path
from typing import NamedTuple

from dplib import files
from dplib.datasets import market, scanning
from dplib.samples import JUNK, DatasetError

_SPLITS = ("train", "query", "gallery")


class Row(NamedTuple):
    """One image as found, with its pid and camera as texts (in NFC)."""

    path: Path
    pid: str
    camid: str
    split: str = ""


def read(root: Path, pattern: str | None, csv: str | Path | None) -> list[Row]:
    """All images with their pids and cameras, from the one source that is given.

    Args:
        root: The folder of the images.
        pattern: See ``folder.load``.
        csv: Likewise.

    Raises:
        DatasetError: The message names the file, row or value that is wrong.
    """
    if not root.is_dir():
        raise DatasetError(f"no folder {root}; give the folder of your images as root=")
    if pattern is not None and csv is not None:
        raise DatasetError("give pattern= or csv=, not both")
    if csv is not None:
        rows = _read_csv(root, Path(csv))
    elif pattern is not None:
        rows = _match(root, pattern)
    elif all((root / f).is_dir() for f in market.SPLIT_FOLDERS):
        raise _market_layout(root)
    else:
        rows = _walk(root)
    # macOS writes ü as two characters; one person must not become two
    rows = [Row(r.path, _nfc(r.pid), _nfc(r.camid), r.split) for r in rows]
    for r in rows:
        number = whole(r.pid)
        if number is not None and number < JUNK:
            raise DatasetError(
                f"{r.path} has pid {r.pid}; only -1, for junk, may be below 0"
            )
        if number == JUNK and not r.split:
            raise DatasetError(
                f"{r.path} has pid -1, which stands for junk in Market-1501, not for a "
                "person; leave such images out, or put them into the gallery with a "
                "column split in csv="
            )
    return rows


def whole(text: str) -> int | None:
    """The whole number that a text is, also as -1.0; None for any other text."""
    m = re.fullmatch(r"([-−]?[0-9]{1,9})(\.0+)?", text)
    return int(m[1].replace("−", "-")) if m else None


def _nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _market_layout(root: Path) -> DatasetError:
    """What is said of three folders as Market-1501 has them."""
    images = [
        image
        for f in market.SPLIT_FOLDERS
        for image in scanning.scan(root / f).images[:1]
    ]
    for name, names in (("market1501", market.MARKET), ("dukemtmc", market.DUKE)):
        if all(names.match(image) for image in images):
            return DatasetError(
                f"{root} has Market-1501's folders; load('{name}') takes it and "
                "keeps its split"
            )
    odd = next(i for i in images if not market.MARKET.match(i))
    return DatasetError(
        f"{root} has Market-1501's folders, but not its names ({odd.name}); to keep "
        "the split give csv=FILE, a table with the columns path,pid,camid,split"
    )


def _images(root: Path) -> list[Path]:
    """Every image below root, sorted; what else is there is counted and said."""
    found = scanning.scan(root, deep=True)
    if not found.images:
        raise DatasetError(
            f"{root} holds no image ({', '.join(scanning.SUFFIXES)}){found.note('; ')}"
        )
    found.tell(root)
    return found.images


def _walk(root: Path) -> list[Row]:
    rows = []
    for path in _images(root):
        pid, *rest = path.relative_to(root).parts
        cam, sign, _ = path.name.partition("_")
        if len(rest) != 1 or not sign or not cam:
            raise DatasetError(
                f"{path}: expected {root}/PID/CAMERA_anything{path.suffix}, such as "
                "anna/2_0001.jpg; or give pattern= or csv="
            )
        rows.append(Row(path, pid, cam))
    return rows


def _match(root: Path, pattern: str) -> list[Row]:
    try:
        expression = re.compile(_nfc(pattern))
    except re.error as e:
        raise DatasetError(f"pattern {pattern!r} is no regular expression: {e}") from e
    if not {"pid", "camid"} <= set(expression.groupindex):
        raise DatasetError(
            f"pattern {pattern!r} has no groups pid and camid; write such as "
            r"'(?P<pid>\d+)_c(?P<camid>\d+)'"
        )
    rows, left = [], []
    for path in _images(root):
        m = expression.search(_nfc(path.relative_to(root).as_posix()))
        if m is None or not m["pid"] or not m["camid"]:
            left.append(path)
        else:
            rows.append(Row(path, m["pid"], m["camid"]))
    if left:
        raise DatasetError(
            f"pattern {pattern!r} does not fit {left[0].relative_to(root)} and "
            f"{len(left) - 1} more of {len(left) + len(rows)} images; widen it, or "
            "move them away"
        )
    return rows


# --- a table --------------------------------------------------------------------------


def _read_csv(root: Path, file: Path) -> list[Row]:
    given = file
    file = file if file.exists() or file.is_absolute() else root / file
    try:
        with file.open(encoding="utf-8-sig", newline="") as f:
            head = f.readline()
            # spreadsheets write what their country does: ; in much of Europe
            sign = max(",;\t", key=head.count)
            f.seek(0)
            reader = DictReader(f, skipinitialspace=True, delimiter=sign)
            columns = [c.strip().lower() for c in reader.fieldnames or []]
            reader.fieldnames = columns
            records = list(reader)
    except UnicodeDecodeError as e:
        raise DatasetError(
            f"{file} cannot be read as CSV: it is not UTF-8 ({e.reason}); save it as "
            '"CSV UTF-8"'
        ) from e
    except FileNotFoundError as e:
        raise DatasetError(
            f"{given} cannot be read as CSV: there is no such file, nor {file}; give "
            "the path of the table"
        ) from e
    except (OSError, CsvError) as e:
        raise DatasetError(f"{file} cannot be read as CSV: {e}") from e
    if missing := [c for c in ("path", "pid", "camid") if c not in columns]:
        raise DatasetError(
            f"{file} has no column {missing[0]}; expected path,pid,camid and, if you "
            f"like, split; found {','.join(columns) or 'nothing'}"
        )
    if twice := [c for c in ("path", "pid", "camid", "split") if columns.count(c) > 1]:
        raise DatasetError(
            f"{file} has {columns.count(twice[0])} columns {twice[0]}; leave one"
        )
    rows: list[Row] = []
    finder = _Finder(root)
    for line, record in enumerate(records, 2):
        cells = [
            (record.get(c) or "").strip() for c in ("path", "pid", "camid", "split")
        ]
        if not all(cells[:3]):
            raise DatasetError(f"{file}, row {line}: path, pid or camid is empty")
        path = finder.find(cells[0], line, file)
        rows.append(Row(path, cells[1], cells[2], cells[3].lower()))
    if not rows:
        raise DatasetError(f"{file} has no rows; expected one for each image")
    _check_splits(file, rows)
    return rows


class _Finder:
    """Finds the images that a table names, each of them once.

    A table and a file may write one name in two ways: ü as one character or as two,
    \\ or / between folders, and bytes that are no text as ``files.readable`` has them.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.seen: dict[str, list[tuple[Path, int]]] = defaultdict(list)

    @functools.cached_property
    def names(self) -> dict[str, list[Path]]:
        """Images below root by their path in NFC and lower case; made when needed."""
        found: dict[str, list[Path]] = defaultdict(list)
        for path in scanning.scan(self.root, deep=True).images:
            found[_key(path.relative_to(self.root).as_posix())].append(path)
        return found

    def find(self, text: str, line: int, file: Path) -> Path:
        where = f"{file}, row {line}"
        path = self._exact(text) or self._alike(text, where)
        same = self.seen[_key(os.path.abspath(path))]  # noqa: PTH100
        for other, before in same:
            if other.samefile(path):
                raise DatasetError(f"{where}: {text} is in row {before} already")
        same.append((path, line))
        return path

    def _exact(self, text: str) -> Path | None:
        for name in (text, files.restored(text), text.replace("\\", "/")):
            if os.path.isfile(self.root / name):  # noqa: PTH113 (takes any text)
                return self.root / name
        return None

    def _alike(self, text: str, where: str) -> Path:
        """The image whose name looks as the text does."""
        name = os.path.normpath(text.replace("\\", "/"))
        if os.path.isabs(name):  # noqa: PTH117
            name = os.path.relpath(name, self.root)
        alike = self.names.get(_key(Path(name).as_posix()), [])
        same = [
            p
            for p in alike
            if _nfc(p.relative_to(self.root).as_posix()) == _nfc(Path(name).as_posix())
        ]
        if len(same) == 1:
            return same[0]
        if same:
            two = " and ".join(ascii(str(p.relative_to(self.root))) for p in same[:2])
            raise DatasetError(
                f"{where}: {text} may be {two}, which look the same but are written "
                "with other characters; rename one of them"
            )
        if alike:
            raise DatasetError(
                f"{where}: no image {self.root / text}; there is {alike[0]}, which "
                "differs in upper and lower case; correct the row"
            )
        raise DatasetError(
            f"{where}: no image {self.root / text}; paths are below {self.root}"
        )


def _key(name: str) -> str:
    """The same for names that a system may take for one."""
    return _nfc(_nfc(name).casefold())


def _check_splits(file: Path, rows: list[Row]) -> None:
    given = {r.split for r in rows}
    if given == {""}:
        return
    if wrong := sorted(given - {*_SPLITS, "test"}):
        raise DatasetError(
            f"{file}: split {wrong[0]!r} is none of train, query, gallery, test; fill "
            "the column in every row, or leave it out"
        )
    if given - {"train"} not in ({"query", "gallery"}, {"test"}):
        raise DatasetError(
            f"{file}: the splits {', '.join(sorted(given))} do not make a data set; "
            "give query and gallery (and train), or test (and train)"
        )
