"""Gradients at fb: those of autograd, and of the sum of the losses."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from dplib import DplibError, losses
from dplib.lessons.training import branchgrads
from dplib.presets import Preset

LABELS = torch.tensor([0, 0, 1, 1, 2, 2, 3, 3])


@pytest.fixture
def images() -> torch.Tensor:
    return torch.randn(8, 3, 64, 32, generator=torch.Generator().manual_seed(0))


def test_cosines_take_each_gradient_as_one_vector() -> None:
    g = torch.tensor([[[3.0, 0.0], [0.0, 4.0]], [[0.0, 1.0], [0.0, 0.0]]])
    torch.testing.assert_close(branchgrads.cosines(g), torch.eye(2))
    opposed = branchgrads.cosines(torch.stack([g[0], -2 * g[0]]))
    torch.testing.assert_close(opposed, torch.tensor([[1.0, -1.0], [-1.0, 1.0]]))


def test_the_three_add_up_to_the_sum(tiny: Preset, images: torch.Tensor) -> None:
    model = tiny.build_model(4).train()
    pull = branchgrads.at_fb(model, images, LABELS)
    caught: list[torch.Tensor] = []
    hook = model.backbone.register_forward_hook(lambda m, i, fb: caught.append(fb))
    with hook:
        loss = losses.deep_person_loss(model(images), LABELS)
    (want,) = torch.autograd.grad(loss.total, caught[0])
    torch.testing.assert_close(pull.gradients.sum(0), want)
    torch.testing.assert_close(pull.losses.sum(), loss.total.detach())
    norms = [float(g.norm()) for g in pull.gradients]
    torch.testing.assert_close(pull.norms, torch.tensor(norms))
    assert model.training and not model.backbone._forward_hooks
    assert all(p.grad is None for p in model.parameters())


def test_needs_three_branches(tiny: Preset, images: torch.Tensor) -> None:
    model = replace(tiny, branches=("part", "ranking")).build_model(4)
    with pytest.raises(DplibError, match="part, ranking"):
        branchgrads.at_fb(model, images, LABELS)
