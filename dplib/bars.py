"""Progress of long work: a bar for a person who watches, a few lines for a log.

tqdm redraws its bar ten times a second. In a file each of these thousands of updates
stays, so there a plain line is written every half minute instead, and one at the end.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import Any

from tqdm import tqdm

SECONDS = 30.0  # between two lines
LINES = "DPLIB_BARS"  # set to "lines" in the environment of a kernel nobody watches
_RUNNING = "{desc}: {n_fmt}/{total_fmt}, {elapsed} so far, {remaining} left{postfix}"
_ENDED = "{desc}: {n_fmt}/{total_fmt} in {elapsed}{postfix}"


def watched() -> bool:
    """Whether a bar can be drawn: stderr is a terminal or a notebook's kernel's."""
    if os.environ.get(LINES) == "lines":
        return False
    in_notebook = type(sys.stderr).__module__.startswith("ipykernel")
    return in_notebook or sys.stderr.isatty()


def bar(iterable: Iterable[Any] | None = None, desc: str = "", **settings: Any) -> tqdm:
    """tqdm's bar where somebody watches, else an object like it that writes lines.

    Args:
        iterable: What to iterate over; None when ``update`` is called by hand.
        desc: What is being done, such as ``"training"``.
        settings: As for tqdm: ``total``, ``initial``, ``unit``, ``disable``, …
    """
    kind = tqdm if watched() else _Lines
    return kind(iterable, desc, **settings)


def say(text: str) -> None:
    """Print a line without damaging a bar that is being drawn."""
    if watched():
        tqdm.write(text)
    else:
        print(text, flush=True)


class _Lines(tqdm):
    """A whole line every ``SECONDS`` and one at the end, and nothing in between."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        settings |= {"mininterval": SECONDS, "miniters": 1, "bar_format": _RUNNING}
        # gui tells tqdm that a subclass does the drawing
        super().__init__(*args, gui=True, **settings)

    def display(self, *args: Any, **settings: Any) -> None:
        self.fp.write(f"{self}\n")
        self.fp.flush()

    def clear(self, *args: Any, **settings: Any) -> None:
        """Nothing: a line that is written stays."""

    def reset(self, total: float | None = None) -> None:
        """Begin again, with another total; this is no reason for a line."""
        self.n, self.total = 0, total

    def close(self) -> None:
        if not self.disable:
            self.bar_format = _ENDED
            self.display()
        super().close()
