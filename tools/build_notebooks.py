"""Build the lessons: notebooks/src/NN_name.py (jupytext percent) → executed .ipynb.

    python tools/build_notebooks.py            # those that are stale
    python tools/build_notebooks.py 00 --force # this one, whatever its hash says
    python tools/build_notebooks.py --check    # only say what is stale or hand-edited

A notebook is stale when its code cells, the statements of a dplib module that they
import (and what that imports), the checks of its room or an asset that they name has
changed. See dplib.stamps for what counts as a change. Prose alone is put in without
running anything.
"""

import argparse
import ast
import hashlib
import json
import os
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import jupytext
import nbformat

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from dplib import DplibError, files, stamps
from dplib.lessons import copies

MAX_BYTES = 1_500_000
WIDGET = "application/vnd.jupyter.widget-view+json"
KERNELSPEC = {"display_name": "Python 3", "language": "python", "name": "python3"}
BAR = re.compile(
    r"\d+%\|.*\||\d+(it|s|B) \[|\?(it|B)/s|\[\d\d:\d\d[<,]"
    r"|: \S+/\S+(,| in) \d\d:\d\d"  # as dplib.bars has it where nobody watches
)


def sources(root: Path = ROOT) -> list[Path]:
    return sorted((root / "notebooks/src").glob("[0-9][0-9]_*.py"))


def built(source: Path) -> Path:
    return source.parents[1] / f"{source.stem}.ipynb"


def read_source(source: Path) -> Any:
    """The notebook that `source` describes, without outputs."""
    nb = jupytext.read(source, fmt="py:percent")
    set_up = (source.parent / "setup_cell.txt").read_text("utf-8").strip()
    seen: set[str] = set()
    for cell in nb.cells:
        tags = cell.metadata.get("tags", [])
        cell.metadata = nbformat.from_dict({"tags": tags} if tags else {})
        if "setup" in tags:
            if cell.source.strip():
                raise DplibError(f"{source}: leave the cell tagged setup empty")
            cell.source = set_up
        digest = hashlib.sha256(f"{cell.cell_type}{cell.source}".encode()).hexdigest()
        cell.id = next(
            i
            for n in range(999)
            if (i := digest[:8] + (f"-{n}" if n else "")) not in seen
        )
        seen.add(cell.id)
    nb.metadata = nbformat.from_dict(
        {"kernelspec": KERNELSPEC, "language_info": {"name": "python"}}
    )
    nb.nbformat, nb.nbformat_minor = 4, 5
    return nb


# ------------------------------------------------------------------ what is stale


def imported_modules(text: str, package: Path, inside: str = "") -> set[str]:
    """Dotted names of the modules of `package` that `text` imports anywhere.

    A module of a room brings the room's own __init__ with it. inside: the dotted name
    of the package that `text` stands in, for relative imports.
    """
    name, found = package.name, set[str]()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            dotted = [a.name for a in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                kept = [name, *filter(None, inside.split("."))]
                kept = kept[: len(kept) - (node.level - 1)]
                base = ".".join([*kept, *filter(None, [node.module])])
            dotted = [base, *(f"{base}.{a.name}" for a in node.names)]
        else:
            continue
        for words in (d.split(".") for d in dotted):
            if words[0] == name:
                found |= {".".join(words[1 : i + 1]) for i in range(1, len(words))}
    return {f for f in found if module_file(f, package) is not None}


def module_file(name: str, package: Path) -> Path | None:
    """The file of a dotted module below `package`; a room's is its __init__."""
    path = package.joinpath(*name.split("."))
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if file.is_file():
            return file
    return None


def closure(names: set[str], package: Path) -> dict[str, str]:
    """The named modules and all that they import: dotted name → source."""
    todo, done = set(names), dict[str, str]()
    while todo:
        module = todo.pop()
        file = module_file(module, package)
        assert file is not None
        done[module] = file.read_text("utf-8")
        room = module if file.name == "__init__.py" else module.rpartition(".")[0]
        todo |= imported_modules(done[module], package, room) - done.keys()
    return done


def plain_code(cells: list[Any]) -> str:
    """The code cells as one Python text: lines with magics are left out."""
    lines = "\n".join(c.source for c in cells if c.cell_type == "code").splitlines()
    return "\n".join(re.sub(r"^(\s*)[%!].*", r"\1pass", line) for line in lines)


def source_hash(nb: Any, source: str, package: Path = ROOT / "dplib") -> str:
    """Hash of all that decides what the code cells of `nb` print.

    source: the lesson's name, such as 04_batch_hard_triplet.
    """
    code = [
        {"source": c.source, "tags": c.metadata.get("tags", [])}
        for c in nb.cells
        if c.cell_type == "code"
    ]
    digest = hashlib.sha256(json.dumps(code, sort_keys=True).encode())
    text = plain_code(nb.cells)
    names = imported_modules(text, package)
    checks = f"lessons.{source.partition('_')[2]}.checks"
    if "lessons.checks" in names and module_file(checks, package):
        names.add(checks)  # loaded when a check is first asked for
    sources = closure(names, package).values()
    digest.update(stamps.digest(sources, package.name).encode())
    named = {
        n.value
        for n in ast.walk(ast.parse(text))
        if isinstance(n, ast.Constant) and isinstance(n.value, str)
    }
    for asset in sorted((package / "assets").rglob("*")):
        # records of runs have a data set's name, which most lessons say
        stem = asset.name if "results" in asset.parts else asset.stem
        if asset.is_file() and any(
            n in (asset.name, stem) or n.endswith("/" + asset.name) for n in named
        ):
            digest.update(f"\n{asset.name}\n".encode() + asset.read_bytes())
    return digest.hexdigest()[:16]


def outputs_hash(nb: Any) -> str:
    outputs = [
        (c.outputs, c.execution_count) for c in nb.cells if c.cell_type == "code"
    ]
    return hashlib.sha256(json.dumps(outputs, sort_keys=True).encode()).hexdigest()[:16]


def same_cells(a: Any, b: Any, kinds: tuple[str, ...] = ("code", "markdown")) -> bool:
    def content(nb: Any) -> list[tuple[str, str, list[str]]]:
        return [
            (c.cell_type, c.source, c.metadata.get("tags", []))
            for c in nb.cells
            if c.cell_type in kinds
        ]

    return content(a) == content(b)


def state(source: Path) -> str:
    """'fresh', 'prose' (only the prose differs), 'stale …' or 'edited …'."""
    path = built(source)
    if not path.is_file():
        return "stale: not built yet"
    nb, wanted = nbformat.read(path, as_version=4), read_source(source)
    record = nb.metadata.get("dplib", {})
    if record.get("outputs_hash") != outputs_hash(nb):
        return "edited by hand: its outputs are not those of its build"
    if not same_cells(nb, wanted, ("code",)):
        return "stale: its code cells differ from the source"
    if record.get("source_hash") != source_hash(wanted, source.stem):
        return "stale: a module or an asset that it uses has changed"
    return "fresh" if same_cells(nb, wanted) else "prose"


# ---------------------------------------------------------------------- the build


def build(source: Path, *, progress: bool = True) -> None:
    """Execute `source` and write its notebook; DplibError when it is not fit."""
    nb = read_source(source)
    load = round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None
    start = time.monotonic()
    temporary = Path(tempfile.mkdtemp(prefix="dplib-build-"))
    env = {
        "DPLIB_OUT": str(temporary / "out"),
        "DPLIB_DATA": os.environ.get("DPLIB_DATA", str(temporary / "data")),
        "PYTHONPATH": str(ROOT),
    }
    (temporary / "out").mkdir()
    try:
        copies.run_cells(nb, built(source).parent, env=env, progress=progress)
        clean(nb, source.name, temporary)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    save(nb, source)
    seconds = time.monotonic() - start
    note_time(source, seconds, load)
    print(f"{built(source).name}: built in {seconds:.0f} s")


def times_file(source: Path) -> Path:
    return source.parents[2] / "benchmarks" / "results" / "lessons.json"


def note_time(source: Path, seconds: float, load: float | None = None) -> None:
    """Record how long a lesson took from a fresh kernel, with how many threads.

    load: of the machine just before; above 0.5 something else ran, and the seconds
    are not the lesson's.
    """
    path = times_file(source)
    known = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    threads = os.environ.get("OMP_NUM_THREADS")
    known[source.stem] = {
        "seconds": round(seconds),
        "threads": int(threads) if threads else os.cpu_count(),
        "cores": os.cpu_count(),
        "load before": load,
        "date": time.strftime("%Y-%m-%d"),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(dict(sorted(known.items())), indent=1) + "\n"
    files.write(path, text)


def update_prose(source: Path) -> None:
    """Put changed prose beside the outputs that are there."""
    nb, old = read_source(source), nbformat.read(built(source), as_version=4)
    done = iter([c for c in old.cells if c.cell_type == "code"])
    for cell in nb.cells:
        if cell.cell_type == "code":
            before = next(done)
            cell.outputs, cell.execution_count = before.outputs, before.execution_count
    save(nb, source)
    print(f"{built(source).name}: prose put in, outputs kept")


def save(nb: Any, source: Path) -> None:
    nb.metadata.dplib = {
        "source_hash": source_hash(nb, source.stem),
        "outputs_hash": outputs_hash(nb),
    }
    nbformat.validate(nb)
    text = nbformat.writes(nb) + "\n"
    size = len(text.encode())
    if size > MAX_BYTES:
        raise DplibError(
            f"{source.name}: the notebook has {size:,} bytes, over {MAX_BYTES:,}: "
            "fewer or smaller pictures (plots.show takes dpi)"
        )
    files.write(built(source), text)


def clean(nb: Any, name: str, *temporary: Path) -> None:
    """Take out what differs from run to run; refuse what shows this machine."""
    nb.metadata.pop("widgets", None)
    nb.metadata.language_info = {"name": "python"}
    count = 0
    for cell in nb.cells:
        if cell.cell_type != "code":
            continue
        if cell.source:
            count += 1
            cell.execution_count = count
        cell.metadata.pop("execution", None)
        where = f"{name}, cell {count} ({copies.title_of(nb, nb.cells.index(cell))})"
        checked = "nbval-check-output" in cell.metadata.get("tags", [])
        kept = []
        for out in cell.outputs:
            if out.get("execution_count") is not None:
                out.execution_count = count
            if out.output_type == "stream" and out.name == "stderr":
                lines = re.split(r"[\r\n]+", out.text)
                rest = [x for x in lines if x.strip() and not BAR.search(x)]
                if rest:
                    raise DplibError(f"{where} prints to stderr: {rest[0]}")
                if checked:
                    raise DplibError(
                        f"{where} is tagged nbval-check-output and shows a progress "
                        "bar: take the tag off or pass progress=False"
                    )
                continue
            # without a kernel, a widget's stand-in in words (VBox(children=…)) says
            # nothing: a reader on the web has the static figure beside it
            data = out.get("data", {})
            if WIDGET in data:
                data.pop("text/plain", None)
            kept.append(out)
        cell.outputs = kept
        for out in kept:
            refuse_paths(json.dumps(out, ensure_ascii=False), where, *temporary)


def machine_paths(*more: Path) -> list[str]:
    """Folders of this machine that no output may name."""
    home = Path.home()
    found = {str(p) for p in (ROOT, home, Path(tempfile.gettempdir()), *more)}
    found |= {str(Path(p).resolve()) for p in found}
    return sorted(p for p in found if len(p) > 3)


GENERIC_PATH = re.compile(r"(?<![\w.:/])/(?:home|root|Users|tmp|work|opt|usr)/[\w.-]+")


def refuse_paths(text: str, where: str, *more: Path) -> None:
    text = re.sub(r'"image/png": "[^"]*"', "", text)
    for folder in machine_paths(*more):
        if re.search(re.escape(folder) + r"(?=[/\\\s\"']|$)", text):
            raise DplibError(f"{where} shows a path of this machine: {folder}")
    if match := GENERIC_PATH.search(text):
        raise DplibError(f"{where} shows a path of this machine: {match[0]}")


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("lessons", nargs="*", help="numbers or names; default: all")
    parser.add_argument("--force", action="store_true", help="build fresh ones as well")
    parser.add_argument("--check", action="store_true", help="build nothing, only say")
    parser.add_argument("--quiet", action="store_true", help="no output of the cells")
    args = parser.parse_args(argv)
    wanted = [
        s
        for s in sources()
        if not args.lessons or s.stem.startswith(tuple(args.lessons))
    ]
    if args.lessons and not wanted:
        print(f"No lesson starts with {' or '.join(args.lessons)}.", file=sys.stderr)
        return 1
    bad = 0
    for source in wanted:
        try:
            now = state(source)
            if args.check:
                print(f"{source.stem}: {now}")
                bad += now != "fresh"
            elif args.force or now.startswith(("stale", "edited")):
                print(f"{source.stem}: {now}; building …")
                build(source, progress=not args.quiet)
            elif now == "prose":
                update_prose(source)
            else:
                print(f"{source.stem}: fresh")
        except DplibError as e:
            print(f"{source.stem}: {e}", file=sys.stderr)
            bad += 1
    if args.check and bad:
        print("Run `make notebooks` and commit what it writes.", file=sys.stderr)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
