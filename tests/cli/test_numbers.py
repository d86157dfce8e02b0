"""Every number of every command has its range; what is out of it is refused at once."""

from __future__ import annotations

import typing
from pathlib import Path
from typing import Any

import pytest
from commands import run
from typer.models import OptionInfo

from dplib import DplibError
from dplib.cli import data, doctor, evaluation, experiments, lessons, training

HUGE = "99999999999999999999"


def numbers() -> list[tuple[tuple[str, ...], str, type, OptionInfo]]:
    """Each numeric option: its command, its name, its type, its settings."""
    found = []
    for module in (data, doctor, evaluation, experiments, lessons, training):
        for registered in module.app.registered_commands:
            function: Any = registered.callback
            name = registered.name or function.__name__
            command = ("data", name) if module is data else (name,)
            for option, hint in typing.get_type_hints(
                function, include_extras=True
            ).items():
                kind, info = typing.get_args(hint) or (None, None)
                kinds = {kind, *typing.get_args(kind)} & {int, float}
                if kinds and isinstance(info, OptionInfo):
                    given = (info.default, *(info.param_decls or ()))
                    names = [n for n in given if str(n).startswith("--")]
                    shown = names[0] if names else "--" + option.replace("_", "-")
                    found.append((command, shown, kinds.pop(), info))
    return found


@pytest.mark.parametrize(
    ("command", "option", "kind", "info"),
    numbers(),
    ids=lambda x: x if isinstance(x, str) else "",
)
def test_out_of_range(
    command: tuple[str, ...], option: str, kind: type, info: OptionInfo
) -> None:
    assert info.min is not None
    wrong = [str(info.min - 1), "nan", "inf", "-inf", "x", ""]
    if info.max is not None:
        wrong += [HUGE, str(info.max + 1)]
    for value in wrong:
        said = run(*command, f"{option}={value}", "toy", code=2)
        assert option in said and "No such option" not in said, said
    assert kind is int or info.callback is not None  # NaN passes every comparison


def test_there_are_numbers() -> None:
    found = {(command[-1], option) for command, option, *_ in numbers()}
    assert len(found) > 20
    assert ("train", "--seed") in found and ("evaluate", "--lambda") in found


@pytest.mark.parametrize("value", ["20", "-1", "1.5", "nan", HUGE, "²", ""])
@pytest.mark.parametrize(
    "command", [["train", "toy"], ["evaluate", "toy"], ["data", "verify", "cuhk03"]]
)
def test_split(tmp_path: Path, command: list[str], value: str) -> None:
    with pytest.raises(DplibError, match="expected a number from 0 to 19, or all"):
        run(*command, "--root", tmp_path, f"--split={value}")
