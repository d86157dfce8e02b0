"""A seed that is none is refused in the same words wherever one is taken."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dplib import (
    DplibError,
    datasets,
    evaluation,
    model,
    presets,
    seeds,
    toymarket,
    training,
)
from dplib.datasets import folder, splits
from dplib.descriptors import Descriptors
from dplib.evidence import resampling
from dplib.lessons.batch_hard_triplet import mining
from dplib.lessons.blstm_branch import shortruns
from dplib.lessons.training import breaks
from dplib.samples import ReIDData, Sample
from dplib.sampling import PKSampler
from dplib.seeing import fields

WRONG = [-1, -(2**63), 2**32, 1.0, 0.5, float("nan"), "0", None, True, [0]]
RIGHT = [0, 7, seeds.MOST, np.int64(7), np.uint32(7)]


@pytest.mark.parametrize("seed", WRONG, ids=repr)
def test_a_wrong_seed_is_named(seed: Any) -> None:
    with pytest.raises(DplibError) as e:
        seeds.check(seed)
    assert f"seed={seed!r}: expected a whole number from 0 to 4,294,967,295" in str(
        e.value
    )


@pytest.mark.parametrize("seed", RIGHT, ids=repr)
def test_a_right_seed_becomes_a_plain_number(seed: Any) -> None:
    found = seeds.check(seed)
    assert found == seed and type(found) is int


SAMPLES = [Sample(Path(f"{p}-{c}"), p, c) for p in range(1, 9) for c in (1, 2)]
NAMES = {p: str(p) for p in range(1, 9)}
TWO = Descriptors(torch.eye(2), torch.tensor([1, 2]), torch.tensor([1, 1]))
OTHER = TWO._replace(camids=torch.tensor([2, 2]))
RESULT = evaluation.evaluate(TWO, OTHER)
TINY = presets.get("toy")


def data_of(samples: list[Sample]) -> ReIDData:
    return ReIDData("x", Path(), samples, [], [])


CALLS: dict[str, Callable[[int], object]] = {
    "load": lambda s: datasets.load("market1501", "nowhere", seed=s),
    "load folder": lambda s: datasets.load("folder", "nowhere", seed=s),
    "query_of": lambda s: splits.query_of(SAMPLES, s, NAMES),
    "validation_split": lambda s: splits.validation_split(data_of(SAMPLES), 2, s),
    "split_rows": lambda s: splits.split_rows(SAMPLES, 0.5, s, NAMES),
    "PKSampler": lambda s: PKSampler([1, 1, 2, 2], 2, 2, s),
    "train": lambda s: training.train(TINY, data_of(SAMPLES), "nowhere", seed=s),
    "build_model": lambda s: TINY.build_model(4, seed=s),
    "DeepPerson": lambda s: model.DeepPerson(4, seed=s),
    "evaluate": lambda s: evaluation.evaluate(TWO, OTHER, seed=s),
    "bootstrap": lambda s: resampling.bootstrap(RESULT, seed=s),
    "resample": lambda s: resampling.resample(np.ones((2, 3)), np.ones(3), seed=s),
    "mine": lambda s: mining.mine(
        torch.ones(4, 4), torch.tensor([0, 0, 1, 1]), "random", seed=s
    ),
    "quiz": lambda s: breaks.Quiz(seed=s),
    "directions": lambda s: fields._directions(2, 3, s, 0),
    "short run": lambda s: shortruns.run(
        TINY, torch.zeros(32, 3, 128, 64, dtype=torch.uint8),
        [i // 4 for i in range(32)], 1, seed=s),
    "identity": lambda s: toymarket.identity(1, s),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("seed", [-1, 1.5, "0"])
def test_every_function_that_takes_a_seed_asks(name: str, seed: Any) -> None:
    with pytest.raises(DplibError, match=f"seed={seed!r}: expected a whole number"):
        CALLS[name](seed)


def test_toymarket_names_its_seed(tmp_path: Path) -> None:
    with pytest.raises(DplibError, match="seed=-1: expected a whole number"):
        toymarket.generate(tmp_path, seed=-1)
    assert not any(tmp_path.iterdir())
    with pytest.raises(DplibError, match="seed=-1"):
        folder.load(tmp_path, seed=-1)
