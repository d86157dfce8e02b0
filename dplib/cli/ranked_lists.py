"""Ranked lists on disk: a table of all queries, and a picture for each."""

from __future__ import annotations

import csv
import secrets
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from PIL import Image, ImageDraw

from dplib import DplibError, bars, files, plots, transforms
from dplib.evaluation import Retrieval
from dplib.samples import Sample

FIELDS = ("query", "position", "rank", "gallery", "pid", "camid", "distance", "verdict")
OWN = "same_camera (not comparable with published results)"
_SIZE, _FRAME, _GAP, _TEXT = (128, 64), 4, 6, 14  # pixels; (height, width)
_PALE = Image.new("RGB", _SIZE[::-1], (225, 225, 225))
_COLOURS = {
    "query": "black",
    "right": plots.RIGHT,
    "wrong": plots.WRONG,
    "junk": plots.UNCOUNTED,
}


def write(
    result: Retrieval,
    query: Sequence[Sample],
    gallery: Sequence[Sample],
    out: str | Path,
    *,
    top: int = 50,
    pictures: int | None = None,
    shown: int = 10,
    progress: bool = True,
) -> Path:
    """Write ``out``/lists.csv and ``out``/pictures/NNNN_*.png; return ``out``.

    query, gallery: the samples that were described and evaluated. The table has the
    ``top`` nearest images of every query: position counts all of them, rank only those
    that the protocol counts; verdict is right, wrong or junk; a last column names the
    protocol if it is "same_camera". ``pictures`` queries (None: all) get a picture of
    the query and its ``shown`` first images.
    The folder appears when all is written. Raises DplibError when ``out`` exists or
    cannot be written.
    """
    out = Path(out)
    if out.exists():
        raise DplibError(f"{out} exists: name a folder that does not, or remove it")
    drawn = len(result.queries) if pictures is None else pictures
    # a name of its own, as two processes may write lists at once
    part = out.with_name(f".{out.name}.{secrets.token_hex(4)}.part")
    try:
        (part / "pictures").mkdir(parents=True)
        with (part / "lists.csv").open("w", newline="", encoding="utf-8") as f:
            table = csv.writer(f, lineterminator="\n")
            own = [OWN] if result.protocol == "same_camera" else []
            table.writerow([*FIELDS, *["protocol" for _ in own]])
            bar = bars.bar(result.queries.tolist(), "lists", disable=not progress)
            for n, i in enumerate(bar):
                rows = _rows(result, i, gallery, max(top, shown))
                cells = (_cells(_short(query[i]), r) for r in rows[:top])
                table.writerows([*row, *own] for row in cells)
                if n < drawn:
                    sheet = _picture(query[i], rows[:shown])
                    sheet.save(part / "pictures" / _name(i, query[i]))
        part.replace(out)
    except OSError as e:
        raise files.not_written(out, e) from e
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return out


class _Row(NamedTuple):
    position: int
    rank: int | None  # None: junk takes no rank
    sample: Sample
    distance: float
    verdict: str


def _rows(result: Retrieval, i: int, gallery: Sequence[Sample], k: int) -> list[_Row]:
    rows: list[_Row] = []
    rank = 0
    found = zip(*(x.tolist() for x in result.ranked(i, k)), strict=True)
    for position, (j, distance, right, junk) in enumerate(found, 1):
        rank += not junk
        verdict = "junk" if junk else "right" if right else "wrong"
        place = None if junk else rank
        rows.append(_Row(position, place, gallery[j], distance, verdict))
    return rows


def _cells(query: str, row: _Row) -> list[object]:
    s = row.sample
    rank = "" if row.rank is None else row.rank
    distance = f"{row.distance:.6f}"
    return [query, row.position, rank, _short(s), s.pid, s.camid, distance, row.verdict]


def _short(sample: Sample) -> str:
    """Folder and file: enough to find it, and no path of a machine."""
    return files.readable("/".join(sample.path.parts[-2:]))


def _name(i: int, query: Sample) -> str:
    """The picture's file: of a name that every system can write."""
    stem = files.readable(query.path.stem).replace("\\", "-")
    while len(stem.encode()) > 200:  # a name may have 255 bytes
        stem = stem[:-1]
    return f"{i:04}_{stem}.png"


def _picture(query: Sample, rows: Sequence[_Row]) -> Image.Image:
    """The query, then its list: framed blue or, crossed, vermilion; junk is pale."""
    h, w = _SIZE
    step, height = w + 2 * _FRAME + _GAP, h + 2 * _FRAME + _TEXT
    sheet = Image.new("RGB", (step * (len(rows) + 1) + _GAP, height), "white")
    draw = ImageDraw.Draw(sheet)
    for n, row in enumerate([None, *rows]):
        sample, verdict = (row.sample, row.verdict) if row else (query, "query")
        image = Image.fromarray(transforms.read_image(sample.path, _SIZE))
        if verdict == "junk":
            image = Image.blend(image.convert("L").convert("RGB"), _PALE, 0.6)
        x = n * step + (_GAP if n else 0)
        box = (x, _TEXT, x + w + 2 * _FRAME, height)
        draw.rectangle(box, fill=_COLOURS[verdict])
        sheet.paste(image, (x + _FRAME, _TEXT + _FRAME))
        if verdict == "wrong":  # told apart without colour, too
            corner = (x + _FRAME, _TEXT + _FRAME, x + _FRAME + 12, _TEXT + _FRAME + 12)
            draw.rectangle(corner, fill=_COLOURS["wrong"])
            draw.line(corner, fill="white", width=2)
            draw.line((corner[0], corner[3], corner[2], corner[1]), "white", 2)
        label = f"{row.rank}" if row and row.rank else verdict
        draw.text((x + _FRAME, 1), label, fill="black")
    return sheet
