"""What the README says stands in the records of runs, and its links lead somewhere."""

import re
import shlex
from pathlib import Path

import make_figures
import typer

from dplib.cli.app import app

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text("utf-8")


def test_the_table_is_what_the_records_say() -> None:
    start, end = make_figures.MARK
    shown = README.partition(start)[2].partition(end)[0]
    assert shown == make_figures.table()


def test_links_to_files_exist() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", README)
    assert len(links) >= 5
    assert not [link for link in links if not (ROOT / link).exists()]


def test_the_lessons_that_exist_are_linked() -> None:
    built = sorted(p.name for p in (ROOT / "notebooks").glob("[0-9]*.ipynb"))
    assert built
    assert all(f"(notebooks/{name})" in README for name in built)


def test_the_commands_shown_are_ones_the_program_takes() -> None:
    lines = re.findall(r"(?:^|`)(?:\S*python) -m dplib ([^`\n]+)", README, re.M)
    assert len(lines) >= 8
    for line in lines:
        words = shlex.split(line.partition("#")[0])
        command = typer.main.get_command(app)
        while words and words[0] in getattr(command, "commands", {}):
            command = command.commands[words.pop(0)]
        assert not hasattr(command, "commands"), f"no such command: {line}"
        command.make_context(line, words)  # parses, and runs nothing
