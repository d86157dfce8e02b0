"""Charts of the paper's tables: every number drawn is the table's or the runs'."""

from __future__ import annotations

import numpy as np
import pytest

from dplib import DplibError, plots
from dplib.evidence import charts, report, tables
from dplib.evidence.claims import CLAIMS, Winners
from dplib.evidence.resampling import Difference
from dplib.evidence.tables import TABLES


@pytest.mark.parametrize("number", [1, 2, 3, 5])
def test_a_bar_for_each_row_and_marks_for_ours(number: int) -> None:
    table, columns = TABLES[number], report.DRAWN[number]
    ours = {"ours": {columns[0]: [50.0, 54.0]}}
    fig = charts.rivals(table, columns, ours)
    assert len(fig.axes) == len(columns)
    for ax, column in zip(fig.axes, columns, strict=True):
        at = table.columns.index(column)
        known = [v[at] for v in table.rows.values() if v[at] is not None]
        assert [p.get_width() for p in ax.patches] == known
        hatched = [bool(p.get_hatch()) for p in ax.patches]
        assert sum(hatched) == 1 and hatched[-1]
    labels = [t.get_text() for t in fig.axes[0].get_yticklabels()]
    assert labels == [*table.rows, "ours"]  # nobody is left out
    rule, marks = fig.axes[0].lines[:2]
    assert rule.get_ydata()[0] == len(table.rows) - 0.5  # type: ignore[index]
    assert list(marks.get_xdata()) == [50, 54]  # type: ignore[arg-type]
    assert fig.axes[0].texts[-1].get_text() == "52.0"
    assert len(fig.axes[1].lines) == 1  # the rule alone


@pytest.mark.parametrize("number", [4, 6, 7])
def test_published_left_ours_right(number: int) -> None:
    table = TABLES[number]
    row = list(table.rows)[-1]
    ours = {row: {"rank1": [60.0, 62.0], "map": [40.0, 44.0]}}
    fig = charts.rows_beside(table, ours)
    for axes, column, mean in ((fig.axes[:2], "rank1", 61), (fig.axes[2:], "map", 42)):
        drawn = axes[0].lines[0].get_xdata()
        assert list(drawn) == [table.value(r, column) for r in table.rows]
        marks = [x for line in axes[1].lines for x in np.ravel(line.get_xdata())]
        assert mean in marks and set(ours[row][column]) <= set(marks)
    with pytest.raises(DplibError, match=f"table {number} has no row 'x'"):
        charts.rows_beside(table, {"x": ours[row]})


def test_claims_stand_with_their_intervals() -> None:
    found = {
        "parts": Difference(3, 1, 5, 0.01, 0.99, (2, 3, 4)),
        "lstm": Difference(-3, -5, -1, 0.01, 0.99, (-2, -3, -4)),
        "fm": Difference(1, -1, 3, 0.4, 0.95, (0, 1, 2)),
    }
    fig = charts.claims(CLAIMS, found)
    (ax,) = fig.axes
    texts = [c.text for c in CLAIMS if c.id in found]
    assert [t.get_text() for t in ax.get_yticklabels()] == texts
    (legend,) = fig.legends
    assert {t.get_text() for t in legend.get_texts()} == {
        "confirmed", "contrary", "inconclusive", "published",
    }  # fmt: skip
    bars = [c.get_segments()[0][:, 0].tolist() for c in ax.collections]
    assert bars == [[1, 5], [-5, -1], [-1, 3]]
    with pytest.raises(DplibError, match="no claim has its runs yet"):
        charts.claims(CLAIMS, {})


def test_a_claim_of_two_seeds_has_no_interval_to_draw() -> None:
    found = {"parts": Difference(3, 1, 5, 0.01, 0.95, (2, 4))}
    (ax,) = charts.claims(CLAIMS, found).axes
    assert not ax.collections
    assert 3 in [x for line in ax.lines for x in np.ravel(line.get_xdata())]


def test_gaps_between_seeds() -> None:
    fig = charts.winners(
        Winners((0.5, 1.5, 2.5, 7.5), (False, False, False, True), ("a", "a", "b", "b"))
    )
    (ax,) = fig.axes
    assert sum(p.get_height() for p in ax.patches) == 4
    assert "1 of 4 pairs" in ax.get_title()


def test_columns_in_words_and_same_bytes() -> None:
    assert charts.name_of("multi rank1") == "multi rank-1"
    assert charts.name_of("labeled r5") == "labeled rank-5"
    a, b = (plots.png(charts.rivals(tables.table(1), ["map"])) for _ in "ab")
    assert a == b
