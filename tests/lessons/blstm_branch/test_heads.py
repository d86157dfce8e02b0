"""Heads taken apart: each does what its name says, in the branch that was named."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from dplib import DplibError
from dplib.lessons.blstm_branch import heads
from dplib.presets import Preset


def features() -> torch.Tensor:
    return 5 + 3 * torch.randn(16, 4, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("centre", [False, True])
@pytest.mark.parametrize("scale", [False, True])
def test_each_step_alone(centre: bool, scale: bool) -> None:
    x = features()
    y = heads.Standardise(centre, scale)(x)
    mean = 0 if centre else x.mean(0) / (x.std(0, correction=0) if scale else 1)
    std = torch.ones(4) if scale else x.std(0, correction=0)
    torch.testing.assert_close(y.mean(0), mean + torch.zeros(4), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(y.std(0, correction=0), std, atol=1e-5, rtol=1e-4)


def test_both_steps_are_batchnorms() -> None:
    x = features()
    want = nn.BatchNorm1d(4).train()(x)
    torch.testing.assert_close(heads.Standardise(True, True)(x), want)


def test_each_branch_gets_its_own(tiny: Preset) -> None:
    model = tiny.build_model(4)
    heads.put("centred", "linear")(model)
    part, whole = model.part_classifier, model.global_classifier
    assert isinstance(part, nn.Sequential) and isinstance(whole, nn.Sequential)
    assert isinstance(part[0], heads.Standardise)
    assert (part[0].centre, part[0].scale) == (True, False)
    assert isinstance(whole[0], nn.Identity)


def test_a_frozen_batchnorm_keeps_its_statistics(tiny: Preset) -> None:
    model = tiny.build_model(4).train()
    heads.put("frozen", "bn")(model)
    part, whole = model.part_classifier, model.global_classifier
    assert isinstance(part, nn.Sequential) and isinstance(whole, nn.Sequential)
    assert not part[0].training and whole[0].training
    x = torch.randn(3, part[0].num_features)  # type: ignore[arg-type]
    torch.testing.assert_close(part[0](x), x, atol=1e-4, rtol=1e-4)


def test_other_kinds_are_refused() -> None:
    with pytest.raises(DplibError, match="head 'BN': choose from linear, centred"):
        heads.put("bn", "BN")
