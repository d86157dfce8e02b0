"""Commands as a user gives them, and the tables that they print."""

from __future__ import annotations

import re

from typer.testing import CliRunner

from dplib import DplibError
from dplib.cli.app import app


def run(*args: object, code: int = 0) -> str:
    """What the command prints; raises the DplibError that it ends with."""
    result = CliRunner().invoke(app, [str(a) for a in args])
    if isinstance(result.exception, DplibError):
        raise result.exception
    assert result.exit_code == code, result.output + repr(result.exception)
    return str(result.output)


def rows_of(said: str) -> dict[str, dict[str, str]]:
    """The rows of a printed table by name: its cells by column, the first of each."""
    lines = [re.split(r"  +", line) for line in said.splitlines()]
    (header,) = (line for line in lines if line[0] == "(%)")
    found = [line for line in lines if len(line) == len(header) and line != header]
    return {
        name: dict(reversed([*zip(header[1:], cells, strict=True)]))
        for name, *cells in found
    }
