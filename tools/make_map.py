"""The map of the lessons in notebooks/README.md, from the lessons' own first cells.

    python tools/make_map.py

Between two marks stands what the sources say of themselves; a test compares.
"""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FILE = ROOT / "notebooks" / "README.md"
MARK = "<!-- map: python tools/make_map.py -->\n", "<!-- /map -->\n"
_FIELD = r"\*\*{}\*\*\s+(.+?)(?=\s*\*\*(?:Needs|Time|Paper|Modules?)\*\*|\n\n|\Z)"
_EXERCISE = re.compile(
    r"^# ### Exercise (\d+\.\d+) · (.+?) \(difficulty (\d), (\d+) minutes\)", re.M
)


def lessons() -> list[Path]:
    """The sources of all lessons that are built, in their order."""
    sources = sorted((ROOT / "notebooks/src").glob("[0-9][0-9]_*.py"))
    return [s for s in sources if (ROOT / "notebooks" / f"{s.stem}.ipynb").exists()]


def entry(source: Path) -> str:
    """One lesson: its title, what it asks for and gives, in Markdown."""
    text = source.read_text("utf-8")
    cell = text.split("# %% [markdown]\n", 1)[1].split("\n\n# %%", 1)[0]
    head = "\n".join(line.removeprefix("#").strip() for line in cell.splitlines())
    title = re.findall(r"^# (.+)$", head, re.M)[0]
    about = head.split("\n\n")[1].replace("\n", " ")
    found = {}
    for name in ("Needs", "Time", "Paper", "Modules?"):
        field = re.search(_FIELD.format(name), head, re.S)
        if field is None:
            raise ValueError(f"{source}: the first cell has no **{name}**")
        found[name] = " ".join(field[1].split()).rstrip(".")
    aims = re.findall(r"^- \*\*O\d\*\* (.+?)(?=^- |\n\n)", head, re.M | re.S)
    tasks = [
        f"{number} {name} ({'●' * int(hard)}, {minutes} min)"
        for number, name, hard, minutes in _EXERCISE.findall(text)
    ]
    lines = [
        f"### [{title}]({source.stem}.ipynb)",
        "",
        about,
        "",
        *(f"- {' '.join(aim.split())}" for aim in aims),
        "",
        f"**Needs** {found['Needs']} · **Time** {found['Time']} · "
        f"**Paper** {found['Paper']} · **Modules** {found['Modules?']}",
        "",
        f"Exercises: {' · '.join(tasks)}",
        "",
    ]
    return "\n".join(lines)


def text() -> str:
    """All lessons."""
    return "\n" + "\n".join(entry(s) for s in lessons())


def main() -> None:
    whole = FILE.read_text("utf-8")
    head, _, rest = whole.partition(MARK[0])
    tail = rest.partition(MARK[1])[2]
    FILE.write_text(head + MARK[0] + text() + MARK[1] + tail, encoding="utf-8")


if __name__ == "__main__":
    main()
