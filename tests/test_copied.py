"""No exercise is solved by copying a cell above it."""

from pathlib import Path

import build_notebooks as tool
import pytest
from answers import built, exercise
from copied import stands_in
from lesson_stats import code_cells
from solutions import ids_of

lessons = pytest.mark.parametrize(
    ("source", "id"), [pytest.param(*pair, id=pair[1]) for pair in built()]
)


@lessons
def test_a_solution_stands_in_no_earlier_cell(source: Path, id: str) -> None:
    solution = exercise(source, id).solution
    for cell in code_cells(tool.read_source(source)):
        if id in ids_of(cell):
            break
        code = tool.plain_code([cell])
        assert not stands_in(solution, code), f"{id} can be copied from\n{cell.source}"


POOLED = "def pooled(fb):\n    rows = fb.mean(dim=3)\n    return rows.transpose(1, 2)"
LOOP = """
def total(xs, k):
    '''Text.'''
    found = 0
    for x in xs:
        found += k * x
    return found / 2
"""


@pytest.mark.parametrize(
    ("code", "other"),
    [
        (POOLED, "x = net(y)\nz = x.mean(dim=3)\ns = z.transpose(1, 2)"),
        (POOLED, "s = net(y).mean(dim=3).transpose(1, 2)"),
        (POOLED, "print(net(y).mean(dim=3).transpose(1, 2).shape)"),
        (POOLED, "def f(y: int) -> int:\n    return y.mean(dim=3).transpose(1, 2)"),
        (POOLED, "if a:\n    z = x.mean(dim=3)\n    show(z.transpose(1, 2))"),
        (LOOP, "n = 0\nfor y in ys:\n    n += 3 * y\nprint(n / 2)".replace("3", "q")),
        (LOOP, LOOP.replace("found", "result").replace("xs", "many")),
        ("pattern = r'a\\d'", "import re\nre.match(r'a\\d', name)"),
    ],
)
def test_a_copy_is_found_whatever_its_names(code: str, other: str) -> None:
    assert stands_in(code, other)


@pytest.mark.parametrize(
    ("code", "other"),
    [
        (POOLED, "z = x.mean(dim=2)\ns = z.transpose(1, 2)"),
        (POOLED, "z = x.mean(dim=3)\ns = x.transpose(1, 2)"),
        (POOLED, "z = x.mean(dim=3)\ns = z.transpose(2, 1)"),
        (POOLED, "z = x.mean(dim=3)"),
        (LOOP, "n = 0\nfor y in ys:\n    n += y * q\nprint(n / 2)"),
        (LOOP, "n = 0\nfor y in ys:\n    n += n * y\nprint(n / 2)"),
        (LOOP, "n = 1\nfor y in ys:\n    n += q * y\nprint(n / 2)"),
        ("def f(a, b):\n    return a - b", "x = y - y"),
        ("def f(a):\n    return sum(a)", "x = max(a)"),
    ],
)
def test_what_does_something_else_is_no_copy(code: str, other: str) -> None:
    assert not stands_in(code, other)
