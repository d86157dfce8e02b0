"""Short runs: the same for the same seed, and they see the branch that they watch."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from dplib import DplibError
from dplib.lessons.blstm_branch import shortruns
from dplib.model import DeepPerson
from dplib.presets import Preset

LABELS = [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]


@pytest.fixture
def images() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(
        0, 256, (12, 3, 64, 32), dtype=torch.uint8, generator=generator
    )


def test_a_run_repeats_and_trains(tiny: Preset, images: torch.Tensor) -> None:
    model, rows = shortruns.run(tiny, images, LABELS, 3, seed=1)
    assert rows == shortruns.run(tiny, images, LABELS, 3, seed=1)[1]
    assert [set(r) for r in rows] == [set(shortruns.COLUMNS)] * 3
    start = tiny.build_model(4, seed=1).state_dict()
    assert not torch.equal(
        model.state_dict()["part_context.fc.weight"], start["part_context.fc.weight"]
    )
    assert not model.backbone._forward_hooks, "the hook is gone"


def test_heads_differ_in_reach_alone_at_first(
    tiny: Preset, images: torch.Tensor
) -> None:
    rows = {
        h: shortruns.run(replace(tiny, head=h), images, LABELS, 1)[1][0]
        for h in ("bn", "linear")
    }
    assert rows["bn"]["spread"] == pytest.approx(rows["linear"]["spread"])
    assert rows["bn"]["reach"] > 5 * rows["linear"]["reach"]


def test_change_comes_before_the_first_iteration(
    tiny: Preset, images: torch.Tensor
) -> None:
    def silence(model: DeepPerson) -> None:
        for p in model.part_context.parameters():
            torch.nn.init.zeros_(p)

    _, rows = shortruns.run(tiny, images, LABELS, 1, change=silence)
    assert rows[0]["spread"] == rows[0]["reach"] == 0


def test_means_over_blocks() -> None:
    rows = [dict.fromkeys(shortruns.COLUMNS, float(i)) for i in range(5)]
    assert shortruns.means(rows, 2)["part"] == [0.5, 2.5, 4.0]


def test_a_run_ends_early_when_asked(tiny: Preset, images: torch.Tensor) -> None:
    _, rows = shortruns.run(tiny, images, LABELS, 5, until=lambda rows: len(rows) == 2)
    assert rows == shortruns.run(tiny, images, LABELS, 2)[1]


def test_a_branch_is_awake_half_a_nat_below_chance() -> None:
    chance = math.log(40)
    losses = [chance + 1, chance - 0.49, chance - 0.51, chance - 0.4]
    assert shortruns.woke(losses, 40, 5) == 15
    assert shortruns.woke(losses, 40, 5, fall=0.4) == 10
    assert shortruns.woke(losses[:2], 40, 5) == math.inf


def test_refuses(tiny: Preset, images: torch.Tensor) -> None:
    with pytest.raises(DplibError, match="number the pids anew"):
        shortruns.run(tiny, images, [x + 1 for x in LABELS], 1)
    with pytest.raises(DplibError, match="at least one iteration"):
        shortruns.run(tiny, images, LABELS, 0)
