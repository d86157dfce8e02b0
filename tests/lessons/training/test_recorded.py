"""The recorded short trainings: what the tool wrote, seed by seed."""

from __future__ import annotations

import json
from importlib.resources import files

import numpy as np
import pytest
import record_short_trainings as tool

from dplib.lessons.training import recorded


def test_the_record_has_what_the_tool_runs() -> None:
    record = json.loads(
        (files("dplib") / "assets/records/short_trainings.json").read_text("utf-8")
    )
    five = recorded.load()
    assert five.seeds == tool.SEEDS and len(five.runs) == len(five.seeds)
    assert five.command == record["command"] and five.date == record["date"]
    assert record["machine"] and record["versions"]["torch"] == five.torch
    points = tool.EPOCHS * (tool.PEOPLE // 8) // five.block
    for name in tool.LAMBDAS:
        for loss in tool.LOSSES:
            assert five.values("lambdas", name, loss).shape == (5, points)
        assert five.values("lambdas", name, "map").shape == (5,)
    assert set(five.runs[0]["memory"]) == set(tool.FORGOTTEN)
    assert five.epochs == (0, 2, 4, 6, 8, 10)
    assert five.values("pulls", "10", "cosines").shape == (5, 3)


def test_values_are_those_of_each_seed_in_order() -> None:
    five = recorded.load()
    got = five.values("lambdas", "λ1 = 0", "part")
    want = [run["lambdas"]["λ1 = 0"]["part"] for run in five.runs]
    assert got.tolist() == want
    with pytest.raises(KeyError):
        five.values("lambdas", "λ1 = 7", "part")


def test_it_names_its_command_date_and_machine() -> None:
    said = str(recorded.load())
    for words in ("seeds 0 to 4", "tools/record_short_trainings.py", "two CPU cores"):
        assert words in said


def test_compare() -> None:
    mean, agree = recorded.compare([3.0, 2.8, 3.1], [2.5, 2.9, 2.4])
    assert mean == pytest.approx(1.1 / 3) and agree == 2
    falls = recorded.compare(np.array([1.0, 2.0, 2.0]), [3.0, 1.5, 2.0])
    assert falls.mean == pytest.approx(-0.5) and falls.agree == 1
    assert recorded.compare([1.0], [1.0]) == (0.0, 0)
