"""Print each lesson's numbers beside the template's bars; exit 1 when one is missed.

    python tools/lesson_stats.py

Lengths, prose and proofs are counted in the source, size and figures in the notebook
that was built from it; the seconds are those of its last build, so they are the
lesson's only when nothing else ran.
"""

from __future__ import annotations

import ast
import json
import re
import statistics
import sys
from pathlib import Path
from typing import Any, NamedTuple

import build_notebooks as tool
import nbformat

from dplib.plots import MIN_ALT

FENCE = re.compile(r"^(```|~~~).*?^\1", re.M | re.S)
DETAILS = re.compile(r"<details>.*?</details>", re.S)
LONG_LINES, CLASS_LINES, MEDIAN_LINES = 15, 25, 9
PROSE = 0.45, 0.65  # least and most
MIN_PROOFS, PROVING = 3, range(2, 6)  # assert_close, in these lessons


def code_cells(nb: Any) -> list[Any]:
    return [c for c in nb.cells if c.cell_type == "code"]


def prose(nb: Any) -> str:
    return "\n\n".join(c.source for c in nb.cells if c.cell_type == "markdown")


def length(cell: Any) -> int:
    """Lines of a code cell, empty ones and comments too."""
    return len(cell.source.splitlines())


def limit(cell: Any) -> int:
    """How many lines it may have: a class may be longer."""
    has_class = re.search(r"^class ", cell.source, re.M)
    return CLASS_LINES if has_class else LONG_LINES


def words(nb: Any) -> tuple[int, int]:
    """Words of prose outside code fences and <details>, and of code."""
    text = DETAILS.sub("", FENCE.sub("", prose(nb)))
    return len(text.split()), sum(len(c.source.split()) for c in code_cells(nb))


def prose_share(nb: Any) -> float:
    said, coded = words(nb)
    return said / (said + coded)


def proofs(nb: Any) -> int:
    """Calls of assert_close."""
    tree = ast.parse(tool.plain_code(code_cells(nb)))
    calls = (ast.unparse(n.func) for n in ast.walk(tree) if isinstance(n, ast.Call))
    return sum(name.split(".")[-1] == "assert_close" for name in calls)


def exercises(nb: Any) -> list[str]:
    """The ids of its exercises, from the tags of their stubs."""
    every = (t for c in nb.cells for t in c.metadata.get("tags", []))
    return [t.split(":")[1] for t in every if t.startswith("exercise:")]


def alt_texts(cell: Any) -> list[str]:
    """The alt text of each picture that a code cell shows, "" without one."""
    pictures = (o for o in cell.outputs if "image/png" in o.get("data", {}))
    return [o.metadata.get("image/png", {}).get("alt", "") for o in pictures]


class Stats(NamedTuple):
    """One lesson's numbers."""

    name: str
    cells: int
    median: float
    longest: int
    too_long: int  # cells over their limit
    prose: float  # share of the words
    megabytes: float
    proofs: int
    exercises: int
    figures: int
    described: int  # figures with an alt text of MIN_ALT characters
    seconds: int | None = None  # from a fresh kernel to the end


def stats(source: Path) -> Stats:
    """Of the lesson of this source; zero bytes and figures when it is not built."""
    nb, path = tool.read_source(source), tool.built(source)
    cells = code_cells(nb)
    lengths = [length(c) for c in cells]
    size, alts = 0, list[str]()
    if path.is_file():
        size = path.stat().st_size
        done = nbformat.read(path, as_version=4)
        alts = [alt for c in code_cells(done) for alt in alt_texts(c)]
    return Stats(
        source.stem,
        len(cells),
        statistics.median(lengths),
        max(lengths),
        sum(length(c) > limit(c) for c in cells),
        prose_share(nb),
        size / 1e6,
        proofs(nb),
        len(exercises(nb)),
        len(alts),
        sum(len(alt) >= MIN_ALT for alt in alts),
        seconds_of(source),
    )


def seconds_of(source: Path) -> int | None:
    """As the last build recorded it; None when there is no record."""
    path = tool.times_file(source)
    known = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    found = known.get(source.stem)
    return found["seconds"] if found else None


def missed(s: Stats) -> list[str]:
    """The bars that a lesson misses, in words."""
    most, least_prose, most_prose = tool.MAX_BYTES / 1e6, *PROSE
    proving = int(s.name[:2]) in PROVING
    bare = s.figures - s.described
    share = f"prose {s.prose:.0%}, not {least_prose:.0%} to {most_prose:.0%}"
    bars = (
        (s.median > MEDIAN_LINES, f"median code cell {s.median:g} > {MEDIAN_LINES}"),
        (s.too_long, f"{s.too_long} code cells over {LONG_LINES} lines"),
        (not least_prose <= s.prose <= most_prose, share),
        (s.megabytes == 0, "not built: run make notebooks"),
        (s.megabytes > most, f"{s.megabytes:.2f} MB > {most:g}"),
        (proving and s.proofs < MIN_PROOFS, f"{s.proofs} proofs < {MIN_PROOFS}"),
        (bare, f"{bare} figures without alt text"),
    )
    return [text for is_missed, text in bars if is_missed]


def table(rows: list[Stats]) -> str:
    """The numbers of all lessons, one line each."""
    form = "{:21} {:>5} {:>6} {:>3} {:>5} {:>5} {:>6} {:>9} {:>7} {:>5} {:>4}"
    heads = "lesson cells median max prose MB proofs exercises figures alt s"
    lines = [form.format(*heads.split())]
    for s in rows:
        alt = f"{s.described / s.figures:.0%}" if s.figures else "–"
        shown = f"{s.prose:.0%}", f"{s.megabytes:.2f}"
        counts = s.cells, f"{s.median:g}", s.longest
        seconds = "–" if s.seconds is None else s.seconds
        rest = s.proofs, s.exercises, s.figures, alt, seconds
        lines.append(form.format(s.name, *counts, *shown, *rest))
    return "\n".join(lines)


def main() -> int:
    rows = [stats(s) for s in tool.sources()]
    print(table(rows))
    bad = [f"{s.name}: {text}" for s in rows for text in missed(s)]
    for line in bad:
        print(line, file=sys.stderr)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
