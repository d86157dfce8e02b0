"""The lessons keep to their template: one test per rule, over all lessons found."""

import ast
import contextlib
import io
import re
import symtable
from pathlib import Path
from typing import Any

import build_notebooks as tool
import lesson_stats
import nbformat
import pytest
from answers import wrong_answers
from lesson_stats import alt_texts, code_cells, prose
from solutions import ids_of, parts_of, tags

from dplib import plots
from dplib.lessons import ROOMS, checks

ROOT = Path(__file__).parents[1]
SOURCES = tool.sources(ROOT)
lessons = pytest.mark.parametrize("source", SOURCES, ids=[s.stem for s in SOURCES])

HEADING = re.compile(r"^### Exercise (\d+\.\d+) · (.*)$", re.M)
OBJECTIVE = re.compile(r"^- \*\*O\d\*\* (.*?)(?=^- |^\s*$|\Z)", re.M | re.S)
NO_LETTER = re.compile(r"give one of the letters")
COLUMNS = 88


def notebook(source: Path) -> Any:
    path = tool.built(source)
    assert path.is_file(), f"{path.name} is not built: run make notebooks"
    return nbformat.read(path, as_version=4)


@lessons
def test_is_fresh(source: Path) -> None:
    assert tool.state(source) == "fresh"


@lessons
def test_form_of_the_file(source: Path) -> None:
    nb, path = notebook(source), tool.built(source)
    assert path.stat().st_size < tool.MAX_BYTES
    assert nb.metadata.kernelspec.name == "python3"
    assert "widgets" not in nb.metadata
    ran = [c.execution_count for c in code_cells(nb) if c.source]
    assert ran == list(range(1, len(ran) + 1))
    for cell in nb.cells:
        assert "execution" not in cell.metadata, "timing metadata"
    for i, cell in enumerate(code_cells(nb), 1):
        for out in cell.outputs:
            tool.refuse_paths(str(out), f"{source.name}, code cell {i}")
            assert out.output_type != "error", out
            if tool.WIDGET in out.get("data", {}):
                assert "text/plain" not in out.data, "a widget's stand-in in words"


@lessons
def test_set_up_cell_is_the_same_everywhere(source: Path) -> None:
    nb = notebook(source)
    set_up = [c.source for c in nb.cells if "setup" in tags(c)]
    assert set_up == [
        (ROOT / "notebooks/src/setup_cell.txt").read_text("utf-8").strip()
    ]
    assert code_cells(nb)[0].source == set_up[0], "it is the first code cell"
    assert "torch" not in set_up[0] and "numpy" not in set_up[0]


@lessons
def test_keeps_to_the_bars(source: Path) -> None:
    """Lengths of cells, share of prose, size, proofs, alt texts."""
    assert lesson_stats.missed(lesson_stats.stats(source)) == []


@lessons
def test_code_cells_are_tidy(source: Path) -> None:
    for cell in code_cells(tool.read_source(source)):
        assert lesson_stats.length(cell) <= lesson_stats.limit(cell), cell.source
        for line in cell.source.splitlines():
            assert len(line) <= COLUMNS, line
        tree = ast.parse(tool.plain_code([cell]))
        starts = [n.lineno for n in ast.walk(tree) if isinstance(n, ast.stmt)]
        assert len(starts) == len(set(starts)), f"two statements a line:\n{cell.source}"


@lessons
def test_no_tqdm_auto(source: Path) -> None:
    for cell in code_cells(tool.read_source(source)):
        assert "tqdm.auto" not in cell.source and "tqdm.notebook" not in cell.source


@lessons
def test_figures_have_alt_texts(source: Path) -> None:
    figures = 0
    for i, cell in enumerate(code_cells(notebook(source)), 1):
        for alt in alt_texts(cell):
            assert len(alt) >= plots.MIN_ALT, f"code cell {i}: alt text {alt!r}"
            figures += 1
        for out in cell.outputs:
            view = "application/vnd.jupyter.widget-view+json" in out.get("data", {})
            if view:
                twins = [o for o in cell.outputs if "image/png" in o.get("data", {})]
                after = code_cells(notebook(source))[i : i + 1]
                twins += [o for c in after for o in c.outputs if "data" in o]
                assert twins, f"code cell {i}: a widget without its static twin"
    assert figures, "a lesson shows something"


@lessons
def test_most_printing_cells_are_checked(source: Path) -> None:
    printing = [c for c in code_cells(notebook(source)) if prints(c)]
    checked = [c for c in printing if "nbval-check-output" in tags(c)]
    assert len(checked) >= 0.6 * len(printing), f"{len(checked)} of {len(printing)}"


def prints(cell: Any) -> bool:
    return any(o.output_type in ("stream", "execute_result") for o in cell.outputs)


# ---------------------------------------------------------- objectives and exercises


@lessons
def test_shows_the_architecture_near_the_top(source: Path) -> None:
    """Before the third section, with the part in colour that the lesson is about."""
    nb = tool.read_source(source)
    room = ROOMS[int(source.name[:2])]
    text = "\n".join(c.source for c in nb.cells)
    place = text.find(f'architecture.figure("{room}")')
    assert place > 0 and f'alt=architecture.alt("{room}")' in text
    assert len(re.findall(r"^## ", text[:place], re.M)) <= 2


@lessons
def test_each_objective_is_checked(source: Path) -> None:
    nb = tool.read_source(source)
    first = next(c.source for c in nb.cells if c.cell_type == "markdown")
    objectives = OBJECTIVE.findall(first)
    assert 3 <= len(objectives) <= 5, f"objectives in the first cell: {objectives}"
    there = {*lesson_stats.exercises(nb), *predictions(nb)}
    for text in objectives:
        named = set(re.findall(r"\b\d+\.p?\d+\b", text))
        assert named and named <= there, f"{text!r} names {named or 'no check'}"


@lessons
def test_each_exercise_has_its_parts(source: Path) -> None:
    nb = tool.read_source(source)
    headings = HEADING.findall(prose(nb))
    assert 3 <= len(headings) <= 6
    for id, rest in headings:
        assert re.search(r"\(difficulty [1-5], \d+ minutes?\)$", rest), (id, rest)
    ids = [id for id, _ in headings]
    assert lesson_stats.exercises(nb) == ids == checks.ids(int(source.name[:2]))
    code = "\n".join(c.source for c in code_cells(nb))
    for id in ids:
        assert f'check("{id}"' in code


def names_read(cell: Any) -> set[str]:
    """Names that the cell takes from the cells before it."""
    code = tool.plain_code([cell])
    names = [n for n in ast.walk(ast.parse(code)) if isinstance(n, ast.Name)]
    made = {n.id for n in names if isinstance(n.ctx, ast.Store)}
    return {n.id for n in names} - made


@lessons
def test_an_untried_exercise_breaks_nothing(source: Path) -> None:
    """No other cell reads what an exercise defines, and a solution rebinds no more.

    nbval runs the solution after each stub, so that only this says what a later cell
    finds where the stub was left as it is.
    """
    nb = tool.read_source(source)
    for id in lesson_stats.exercises(nb):
        exercise = parts_of(nb, id)
        own = defined(exercise.stub)
        assert own and own == defined(exercise.solution), id
        for cell in code_cells(nb):
            if id not in ids_of(cell) and f'check("{id}"' not in cell.source:
                assert not own & names_read(cell), f"{id}:\n{cell.source}"


def defined(code: str) -> set[str]:
    """The functions, classes and variables that `code` makes, imports aside."""
    symbols = symtable.symtable(code, "answer", "exec").get_symbols()
    return {s.get_name() for s in symbols if s.is_assigned() and not s.is_imported()}


@lessons
def test_each_prediction_is_compared_with_the_result(source: Path) -> None:
    nb = tool.read_source(source)
    asked = predictions(nb)
    code = "\n".join(c.source for c in code_cells(nb))
    shown = re.findall(r'\breveal\(\s*"([^"]+)"', code)
    assert sorted(asked) == sorted(shown)  # one prediction may span another
    for id in asked:
        assert f'predict("{id}", ...)' in code, "the guess is left to the reader"


def predictions(nb: Any) -> list[str]:
    code = "\n".join(c.source for c in code_cells(nb))
    return re.findall(r'\bpredict\(\s*"([^"]+)"', code)


def exercises(stub: str = "") -> list[Any]:
    """All exercises, or those with these words in their stub."""
    found = []
    for source in SOURCES:
        for cell in tool.read_source(source).cells:
            if stub not in cell.source:
                continue
            found += [pytest.param(source, id, id=id) for id in ids_of(cell)]
    return found


def verdict(before: str, answer: str, call: str) -> str:
    """What the check prints with `answer` in place of the stub."""
    space: dict[str, Any] = {"__name__": "lesson"}
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(before, space)
        exec(answer, space)
        out.seek(0)
        out.truncate()
        exec(call, space)
    return out.getvalue()


def without_check(code: str) -> str:
    """The stub without its checks, which are called afterwards."""
    body = ast.parse(code).body
    return "\n".join(ast.unparse(n) for n in body if "check(" not in ast.unparse(n))


@pytest.mark.parametrize(("source", "id"), exercises())
def test_the_solution_is_right_and_the_stub_untried(source: Path, id: str) -> None:
    before, stub, solution, call = parts_of(tool.read_source(source), id)
    assert "✓ Right" in verdict(before, solution, call)
    assert "Not tried yet" in verdict(before, without_check(stub), call)


@pytest.mark.parametrize(("source", "id"), exercises())
def test_wrong_answers_are_told_why(source: Path, id: str) -> None:
    before, _, _, call = parts_of(tool.read_source(source), id)
    answers = wrong_answers(source).get(id, [])
    assert len(answers) >= 3, f"three wrong answers for {id} in tests/wrong_answers"
    said = [verdict(before, answer, call) for answer in answers]
    for answer, text in zip(answers, said, strict=True):
        assert "✗ Not yet" in text and len(text.split()) > 6, f"{answer}\n→ {text}"
        assert "differs from what was expected" not in text, f"{answer}\n→ {text}"
        assert not NO_LETTER.search(text), f"{answer} is no choice, hence no mistake"
    assert len(set(said)) == len(answers), "each mistake is named"


@pytest.mark.parametrize(("source", "id"), exercises("answer = ..."))
def test_each_other_letter_is_a_wrong_answer(source: Path, id: str) -> None:
    before, _, solution, call = parts_of(tool.read_source(source), id)
    assert NO_LETTER.search(verdict(before, 'answer = "e"', call))
    letters = [f'answer = "{letter}"' for letter in "abcd"]
    assert sorted([*wrong_answers(source)[id], solution.strip()]) == letters


def test_no_notebook_without_a_source() -> None:
    built = {p.stem for p in (ROOT / "notebooks").glob("*.ipynb")}
    assert built <= {s.stem for s in SOURCES}
