"""The lessons' numbers: counted right, and a missed bar is said."""

from pathlib import Path

import build_notebooks as tool
import lesson_stats
import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

LONG = "\n".join(f"x{i} = {i}" for i in range(16))
SOURCE = """# %% [markdown]
# one two three <details>not counted</details>
#
# ```python
# x = 1
# ```

# %% tags=["exercise:2.1"]
from torch.testing import assert_close
assert_close(1, 1)

# %%
import torch
torch.testing.assert_close(2, 2)

# %%
assert_close_enough = 3
"""
GOOD = lesson_stats.Stats("03_x", 40, 7, 14, 0, 0.6, 0.5, 8, 4, 7, 7)


def lesson(root: Path, alts: list[str] | None) -> Path:
    """A lesson with these alt texts in the notebook, or no notebook."""
    source = root / "notebooks/src/02_x.py"
    source.parent.mkdir(parents=True)
    source.write_text(SOURCE, "utf-8")
    (source.parent / "setup_cell.txt").write_text("", "utf-8")
    if alts is not None:
        cell = new_code_cell("show()")
        for alt in alts:
            out = new_output("display_data", {"image/png": "aGk="})
            out.metadata["image/png"] = {"alt": alt} if alt else {}
            cell.outputs.append(out)
        nbformat.write(new_notebook(cells=[cell]), tool.built(source))
    return source


def test_counts(tmp_path: Path) -> None:
    source = lesson(tmp_path, ["a" * 60, "a" * 59, ""])
    s = lesson_stats.stats(source)
    assert (s.name, s.cells, s.median, s.longest, s.too_long) == ("02_x", 3, 2, 2, 0)
    assert s.prose == 3 / (3 + 6 + 4 + 3)
    assert (s.proofs, s.exercises, s.figures, s.described) == (2, 1, 3, 1)
    assert s.megabytes == tool.built(source).stat().st_size / 1e6
    assert lesson_stats.missed(s) == [
        "prose 19%, not 45% to 65%",
        "2 proofs < 3",
        "2 figures without alt text",
    ]


def test_a_class_may_be_longer() -> None:
    plain, holder = new_code_cell(LONG), new_code_cell(f"class A:\n    pass\n{LONG}")
    assert (lesson_stats.length(plain), lesson_stats.limit(plain)) == (16, 15)
    assert (lesson_stats.length(holder), lesson_stats.limit(holder)) == (18, 25)
    assert lesson_stats.limit(new_code_cell("s = 'class A:'")) == 15


def test_the_last_build_tells_the_seconds(tmp_path: Path) -> None:
    source = lesson(tmp_path, [])
    assert lesson_stats.seconds_of(source) is None
    tool.note_time(source, 41.6)
    assert lesson_stats.stats(source).seconds == 42
    tool.note_time(source.with_name("03_y.py"), 7)
    assert lesson_stats.seconds_of(source) == 42


def test_words_leave_out_fences_and_details() -> None:
    text = "one\n\n~~~\nno no\n~~~\n\n<details>\nno\n\nno</details> two"
    nb = new_notebook(cells=[new_markdown_cell(text), new_code_cell("a = 1")])
    assert lesson_stats.words(nb) == (2, 3)
    assert lesson_stats.prose_share(nb) == 2 / 5


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, None),
        ({"median": 9.5}, "median code cell 9.5 > 9"),
        ({"too_long": 2}, "2 code cells over 15 lines"),
        ({"prose": 0.66}, "prose 66%, not 45% to 65%"),
        ({"megabytes": 0.0}, "not built: run make notebooks"),
        ({"megabytes": 1.6}, "1.60 MB > 1.5"),
        ({"proofs": 2}, "2 proofs < 3"),
        ({"proofs": 2, "name": "06_x"}, None),
        ({"described": 6}, "1 figures without alt text"),
    ],
)
def test_bars(change: dict[str, float], said: str | None) -> None:
    assert lesson_stats.missed(GOOD._replace(**change)) == ([said] if said else [])


def test_exit_code_says_whether_a_bar_is_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source = lesson(tmp_path, None)
    monkeypatch.setattr(tool, "sources", lambda: [source])
    assert lesson_stats.main() == 1
    out, err = capsys.readouterr()
    assert out.splitlines()[1].split()[:4] == ["02_x", "3", "2", "2"]
    assert "02_x: not built: run make notebooks" in err.splitlines()
    monkeypatch.setattr(lesson_stats, "missed", lambda s: [])
    assert lesson_stats.main() == 0


def test_table_lines_up() -> None:
    head, *rows = lesson_stats.table([GOOD, GOOD._replace(figures=0)]).splitlines()
    assert {len(row) for row in rows} == {len(head)}
