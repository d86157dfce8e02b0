"""When a loss leaves that of guessing."""

import json
import math
from importlib.resources import files

import numpy as np
import pytest
import record_quickstart

from dplib.lessons.quickstart import leaving


def test_the_iteration_is_that_of_the_mean() -> None:
    chance = math.log(100)
    losses = [chance] * 60 + [0.5 * chance] * 60
    mean = [np.mean(losses[i - leaving.WINDOW : i]) for i in range(50, 121)]
    first = next(i for i, m in enumerate(mean, 50) if m < leaving.SHARE * chance)
    assert leaving.iteration(losses, 100) == first == 71


@pytest.mark.parametrize("losses", [[], [0.0] * 49, [math.log(100)] * 200])
def test_a_loss_that_stays(losses: list[float]) -> None:
    assert leaving.iteration(losses, 100) is None


def test_a_loss_that_begins_below() -> None:
    assert leaving.iteration([1.0] * 50, 100) == 50


def test_the_record_has_the_runs_that_the_lesson_compares() -> None:
    path = files("dplib") / "assets/records/quickstart.json"
    runs = json.loads(path.read_text("utf-8"))["runs"]
    assert {(r["seed"], r["threads"]) for r in runs} == set(record_quickstart.RUNS)
    for r in runs:
        assert 0 < r["map"] < r["rank1"] < r["rank1 without the camera rule"] < 1
        assert set(r["left guessing"]) == {"part", "global"}
