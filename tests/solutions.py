"""The parts of a lesson's exercises: stub, folded solution, check, what they need."""

import ast
import re
from typing import Any, NamedTuple

import build_notebooks as tool
from lesson_stats import DETAILS

PYTHON = re.compile(r"```python\n(.*?)```", re.S)


class Exercise(NamedTuple):
    """One exercise, each part as Python code."""

    before: str  # what the stub and the solution need: imports, cells tagged for it
    stub: str
    solution: str
    check: str  # the call that judges the answer


def tags(cell: Any) -> list[str]:
    return list(cell.metadata.get("tags", []))


def ids_of(cell: Any) -> list[str]:
    """The exercises whose stub this cell is."""
    return [t.split(":")[1] for t in tags(cell) if t.startswith("exercise:")]


def parts_of(nb: Any, id: str) -> Exercise:
    """Exercise `id` of a lesson, given as a source or as a built notebook."""
    place = next(i for i, c in enumerate(nb.cells) if id in ids_of(c))
    before = [imports_of([c for c in nb.cells if "setup" not in tags(c)])]
    before += [tool.plain_code([c]) for c in nb.cells if f"for:{id}" in tags(c)]
    after = nb.cells[place:]
    return Exercise(
        "\n".join(before),
        nb.cells[place].source,
        _solution(after, id),
        _check(after, id),
    )


def imports_of(cells: list[Any]) -> str:
    tree = ast.parse(tool.plain_code(cells))
    kinds = (ast.Import, ast.ImportFrom)
    return "\n".join(ast.unparse(n) for n in tree.body if isinstance(n, kinds))


def _solution(after: list[Any], id: str) -> str:
    """The first folded solution from the stub on."""
    details = [
        d
        for c in after
        if c.cell_type == "markdown"
        for d in DETAILS.findall(c.source)
        if re.search(r"<summary>[^<]*solution", d, re.I)
    ]
    assert details, f"{id} has no worked solution in <details>"
    solution = PYTHON.findall(details[0])
    assert len(solution) == 1, f"{id}: one python fence in its solution"
    return str(solution[0])


def _check(after: list[Any], id: str) -> str:
    for cell in after:
        if cell.cell_type == "code" and f'check("{id}"' in cell.source:
            body = ast.parse(tool.plain_code([cell])).body
            return ast.unparse(
                next(n for n in body if f"check('{id}'" in ast.unparse(n))
            )
    raise AssertionError(f'no checks.check("{id}", …) at or after its stub')
