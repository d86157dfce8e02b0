"""Tables fold on a terminal, and are plain lines elsewhere."""

from __future__ import annotations

import io
import re
import sys

import pytest

from dplib.cli import tables

HEADER = ["(%)", "rank-1", "[95 %]", "mAP"]
ROWS = [
    ["single query", "72.41", "[70.1, 74.5]", "53.10"],
    ["a run with a long name", "100.00", "[9.1, 10.1]", "8.00"],
]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def on_terminal(monkeypatch: pytest.MonkeyPatch, width: int, *table: object) -> str:
    """What a terminal of so many columns shows."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "xterm")
    tables.show(*table, numbers={1, 3})  # type: ignore[arg-type]
    monkeypatch.undo()
    return re.sub(r"\x1b\[[0-9;]*m", "", terminal.getvalue())  # bold heads


@pytest.mark.parametrize("forced", ["FORCE_COLOR", "TTY_COMPATIBLE"])
def test_a_pipe_gets_one_plain_line_a_row(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], forced: str
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setenv(forced, "1")
    tables.show([*ROWS, ["[red]x[/red] :smile:", "", "", "/" + "long" * 300]], HEADER)
    assert capsys.readouterr().out.splitlines() == [
        "(%)                     rank-1  [95 %]        mAP",
        "single query            72.41   [70.1, 74.5]  53.10",
        "a run with a long name  100.00  [9.1, 10.1]   8.00",
        "[red]x[/red] :smile:" + 26 * " " + "/" + "long" * 300,
    ]


def test_numbers_are_aligned_and_a_table_needs_no_head(
    capsys: pytest.CaptureFixture[str],
) -> None:
    tables.show([["a", "5.00"], ["bc", "100.00"]], numbers=[1])
    tables.show([])
    assert capsys.readouterr().out == "a     5.00\nbc  100.00\n"


def test_a_terminal_folds_texts_and_keeps_numbers_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown = on_terminal(monkeypatch, 40, ROWS, HEADER)
    assert max(map(len, shown.splitlines())) <= 40
    words = " ".join([*HEADER, *(cell for row in ROWS for cell in row)]).split()
    assert sorted(shown.split()) == sorted(words), "no word broken, none missing"
    assert len(shown.splitlines()) > 3 and "…" not in shown


def test_a_terminal_too_narrow_for_the_numbers_gets_whole_lines(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown = on_terminal(monkeypatch, 20, ROWS, HEADER)
    assert len(shown.splitlines()) == 3
    assert all(cell in shown for row in ROWS for cell in row)


def test_a_long_path_is_folded_with_nothing_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = "/data/" + "0123456789" * 9
    shown = on_terminal(monkeypatch, 50, [["✗ msmt17", f"{path} is half extracted"]])
    assert path in "".join(shown.replace("✗ msmt17", "").split())


def test_a_legacy_code_page_can_print_what_the_cells_allow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    raw = io.BytesIO()
    for terminal in (True, False):
        out = io.TextIOWrapper(raw, encoding="ascii", errors="strict")
        monkeypatch.setattr(out, "isatty", lambda there=terminal: there, raising=False)
        monkeypatch.setattr(sys, "stdout", out)
        tables.show(ROWS, HEADER)
        out.flush()
        monkeypatch.undo()
        out.detach()
    assert raw.getvalue().count(b"single query") == 2
