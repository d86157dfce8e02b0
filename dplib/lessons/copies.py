"""Find the lessons, copy them for a reader, and run one while showing its progress.

In a checkout the executed notebooks are in ``notebooks/``, in an installed wheel in
``assets/lessons/``. tools/build_notebooks.py builds them from ``notebooks/src``.
"""

import asyncio
import contextlib
import importlib
import os
import re
import signal
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from dplib import DplibError, bars, files, workspace

_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_HEADING = re.compile(r"^#{1,6} +(.+?)\s*#*$", re.M)
_FENCE = re.compile(r"^(```|~~~).*?^\1", re.M | re.S)
# nbconvert's lab template leaves the alt texts of PNG images out of the page; this one
# puts them in.
_TEMPLATE = """{%- extends 'lab/index.html.j2' -%}
{%- block data_png scoped -%}
<div class="jp-RenderedImage jp-OutputArea-output {{ extra_class }}">
<img src="data:image/png;base64,{{ output.data['image/png'] | escape_html }}"
 alt="{{ output | get_metadata('alt', 'image/png') or '' | escape_html }}">
</div>
{%- endblock data_png -%}"""


class Executed(NamedTuple):
    """The files that :func:`execute` wrote, and how many seconds the cells took."""

    notebook: Path
    html: Path
    seconds: float


def find_lessons() -> dict[str, Path]:
    """All built lessons in order: a name such as ``00_quickstart`` → its notebook."""
    root = workspace.checkout()
    folder = (
        root / "notebooks" if root else Path(__file__).parents[1] / "assets/lessons"
    )
    return {p.stem: p for p in sorted(folder.glob("[0-9][0-9]_*.ipynb"))}


def find_lesson(name: str | int) -> Path:
    """One lesson by its name, its number (``0``, ``"00"``) or the start of its name.

    Raises:
        DplibError: No lesson, or more than one, matches `name`.
    """
    lessons = find_lessons()
    wanted = f"{int(name):02d}" if str(name).isdigit() else str(name)
    found = [p for stem, p in lessons.items() if stem.startswith(wanted)]
    if len(found) == 1:
        return found[0]
    there = ", ".join(lessons) or "none is built yet: run `make notebooks`"
    how = "names more than one lesson" if found else "is not a lesson"
    raise DplibError(f"{str(name)!r} {how}. The lessons: {there}.")


def copy_lessons(
    dest: str | Path, names: Iterable[str | int] | None = None
) -> list[Path]:
    """Write copies without outputs into `dest`, for a reader to work in.

    A file that exists already holds a reader's work. It is left unchanged, and a line
    is printed that says so.

    Args:
        dest: The folder of the copies; it is made if necessary.
        names: Lessons as :func:`find_lesson` takes them; by default all.

    Returns:
        The paths of the files written.

    Raises:
        DplibError: `dest` cannot be written to, or a name is unknown.
    """
    nbformat = _need("nbformat")
    chosen = [find_lesson(n) for n in names] if names else [*find_lessons().values()]
    if not chosen:
        raise DplibError("No lesson is built yet: run `make notebooks` first.")
    dest, written = Path(dest), []
    if not dest.is_dir():  # in one that is there all may be the reader's already
        files.check_writable(dest, folder=True)
    for path in chosen:
        copy = dest / path.name
        if copy.exists():
            print(f"{copy}: yours already, left as it is")
            continue
        nb = nbformat.read(path, as_version=4)
        nb.metadata.pop("dplib", None)
        for cell in nb.cells:
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
        files.write(copy, nbformat.writes(nb) + "\n")
        print(f"{copy}: written")
        written.append(copy)
    return written


def execute(
    notebook_path: str | Path,
    out_dir: str | Path,
    *,
    progress: bool = True,
    env: Mapping[str, str] | None = None,
    cwd: str | Path | None = None,
) -> Executed:
    """Run a lesson from its first cell to its last, in a kernel of this Python.

    The executed notebook and an HTML page of it are written to `out_dir`. The first
    Ctrl-C interrupts the running cell, the second ends the kernel.

    Args:
        notebook_path: The lesson.
        out_dir: The folder for the results; it is made if necessary.
        progress: Announce each cell, and show at once what it prints, progress bars
            included.
        env: Added to the environment of the kernel.
        cwd: The working folder of the kernel, by default `out_dir`.

    Raises:
        DplibError: A cell failed or was interrupted. The message names the cell, and
            the notebook up to there is in `out_dir`.
    """
    nbformat = _need("nbformat")
    path, out_dir = Path(notebook_path), Path(out_dir)
    try:
        nb = nbformat.read(path, as_version=4)
    except (OSError, ValueError) as e:
        raise DplibError(f"{path} cannot be read as a notebook: {e}") from e
    files.check_writable(out_dir, folder=True)
    out_dir.mkdir(parents=True, exist_ok=True)
    notebook, html = out_dir / path.name, out_dir / f"{path.stem}.html"
    start = time.monotonic()
    try:
        run_cells(nb, cwd or out_dir, env=env, progress=progress)
    except DplibError as e:
        files.write(notebook, nbformat.writes(nb) + "\n")
        raise DplibError(f"{path.name}: {e}\nAs far as it came: {notebook}") from e
    seconds = time.monotonic() - start
    files.write(notebook, nbformat.writes(nb) + "\n")
    files.write(html, to_html(nb, path.stem))
    return Executed(notebook, html, seconds)


def run_cells(
    nb: Any,
    cwd: str | Path,
    *,
    env: Mapping[str, str] | None = None,
    progress: bool = True,
) -> None:
    """Execute the notebook `nb` in place, as :func:`execute` does with a file.

    Raises:
        DplibError: A cell failed or was interrupted; the message names it.
    """
    nbclient = _need("nbclient")
    relay = _Relay(progress)

    class Client(nbclient.NotebookClient):  # type: ignore[name-defined]
        def process_message(self, msg: Any, cell: Any, cell_index: int) -> Any:
            if msg["msg_type"] == "stream":
                relay.write(msg["content"]["name"], msg["content"]["text"])
            return super().process_message(msg, cell, cell_index)

    client = Client(
        nb,
        timeout=None,
        kernel_name="python3",  # ipykernel makes that the Python that runs us
        record_timing=False,
        extra_arguments=["--IPKernelApp.log_level=40"],  # errors only
        coalesce_streams=True,
        resources={"metadata": {"path": str(cwd)}},
    )
    for cell in nb.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    # the kernel cannot know whether what it prints ends up on a screen
    quiet = {} if bars.watched() else {bars.LINES: "lines"}
    asyncio.run(_run(client, nb, {**os.environ, **quiet, **(env or {})}, relay))


async def _run(client: Any, nb: Any, env: dict[str, str], relay: "_Relay") -> None:
    exceptions = _need("nbclient.exceptions")
    code = [i for i, c in enumerate(nb.cells) if c.cell_type == "code" and c.source]
    async with client.async_setup_kernel(env=env):
        with _on_ctrl_c(client) as presses:
            for number, i in enumerate(code, 1):
                name = f"cell {number} of {len(code)} ({title_of(nb, i)})"
                relay.announce(f"[{number:2}/{len(code)}] {title_of(nb, i)}")
                try:
                    await client.async_execute_cell(nb.cells[i], i, number)
                except exceptions.CellExecutionError as e:
                    if presses:
                        break
                    relay.write("stderr", _ANSI.sub("", e.traceback) + "\n")
                    raise DplibError(f"{name} failed: {e.ename}: {e.evalue}") from e
                except exceptions.DeadKernelError as e:
                    if presses:
                        break
                    raise DplibError(
                        f"{name}: the kernel died, often for want of memory. Close "
                        "other programs and try again."
                    ) from e
                if presses:
                    break
            else:
                relay.end_line()
                return
            relay.end_line()
            raise DplibError(f"interrupted by you in {name}.")


@contextlib.contextmanager
def _on_ctrl_c(client: Any) -> Iterator[list[float]]:
    """Yield a list that grows with each Ctrl-C, the first of which stops the cell."""
    loop = asyncio.get_running_loop()
    presses: list[float] = []
    tasks = set()  # a task without a reference could be garbage-collected

    def pressed() -> None:
        presses.append(time.monotonic())
        if len(presses) == 1:
            print("\nInterrupting the cell; press again to end the kernel.", flush=True)
            tasks.add(loop.create_task(client.km.interrupt_kernel()))
        else:
            tasks.add(loop.create_task(client.km.shutdown_kernel(now=True)))

    def handler(*_: Any) -> None:
        loop.call_soon_threadsafe(pressed)

    with contextlib.suppress(NotImplementedError):  # Windows
        loop.remove_signal_handler(signal.SIGINT)  # nbclient's ends the kernel at once
    try:  # allowed in the main thread alone; elsewhere the default handler stays
        before = signal.signal(signal.SIGINT, handler)
    except ValueError:
        yield presses
        return
    try:
        yield presses
    finally:
        signal.signal(signal.SIGINT, before)


class _Relay:
    """Passes on what the kernel prints, and starts announcements on a new line."""

    def __init__(self, on: bool) -> None:
        self.on, self.at_start = on, True

    def write(self, stream: str, text: str) -> None:
        if self.on and text:
            out = sys.stderr if stream == "stderr" else sys.stdout
            out.write(text)
            out.flush()
            self.at_start = text.endswith("\n")

    def end_line(self) -> None:
        if not self.at_start:
            self.write("stdout", "\n")

    def announce(self, text: str) -> None:
        self.end_line()
        self.write("stdout", text + "\n")


def title_of(nb: Any, index: int) -> str:
    """The last markdown heading above cell `index`."""
    for cell in reversed(nb.cells[:index]):
        if cell.cell_type == "markdown":
            headings = _HEADING.findall(_FENCE.sub("", cell.source))
            if headings:
                return re.sub(r"[*`]", "", headings[-1])
    return "set-up"


def to_html(nb: Any, title: str) -> str:
    """`nb` as one HTML page that contains its pictures."""
    nbconvert, jinja2 = _need("nbconvert"), _need("jinja2")
    exporter = nbconvert.HTMLExporter(
        template_file="lesson.html.j2",
        extra_loaders=[jinja2.DictLoader({"lesson.html.j2": _TEMPLATE})],
    )
    page, _ = exporter.from_notebook_node(nb, {"metadata": {"name": title}})
    return str(page)


def _need(module: str) -> Any:
    """Import a module that the extra `notebooks` installs."""
    try:
        return importlib.import_module(module)
    except ImportError as e:
        raise DplibError(
            f"Running lessons needs {module}: pip install 'dplib[notebooks]', or in a "
            "checkout `make setup`."
        ) from e
