"""Tables: folded to fit on a terminal, one plain line a row everywhere else."""

from __future__ import annotations

import io
import sys
from collections.abc import Collection, Iterable, Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

_GAP = 2  # spaces between columns, so that a program can tell a cell from a word
_UNBROKEN = 12  # shorter words stay whole when a cell is folded; longer ones are paths
_UNFOLDED = 100_000  # columns: wider than any row


def show(
    rows: Iterable[Sequence[str]],
    header: Sequence[str] = (),
    *,
    numbers: Collection[int] = (),
) -> None:
    """Print ``rows`` as a table.

    On a terminal a cell that does not fit is folded inside its column. In a file or a
    pipe each row is one line without colours or trailing spaces, however long. Neither
    has rules, which a legacy code page may lack.

    Args:
        rows: The cells of each row, as text.
        header: The names of the columns; without it the table has no head.
        numbers: The columns that are aligned to the right, counted from 0.
    """
    rows = list(rows)
    if not rows:
        return
    table = Table(
        box=None, show_header=bool(header), pad_edge=False, padding=(0, _GAP, 0, 0)
    )
    columns = list(zip(*([header, *rows] if header else rows), strict=True))
    for i, cells in enumerate(columns):
        longest = max(cell_len(word) for cell in cells for word in ["", *cell.split()])
        table.add_column(
            Text(cells[0]),
            justify="right" if i in numbers else "left",
            min_width=min(longest, _UNBROKEN),
            overflow="fold",  # the default would cut what does not fit
        )
    for row in rows:
        table.add_row(*map(Text, row))  # Text, as brackets are no markup here
    terminal = Console()
    fits = sum(c.min_width or 0 for c in table.columns) + _GAP * len(columns)
    if sys.stdout.isatty() and fits <= terminal.width:
        terminal.print(table)
        return
    plain = io.StringIO()
    Console(
        file=plain,
        width=_UNFOLDED,
        color_system=None,
        force_terminal=False,
        force_jupyter=False,
        legacy_windows=False,
    ).print(table)
    for line in plain.getvalue().splitlines():
        print(line.rstrip())
