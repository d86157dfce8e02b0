"""CAMs by branch and for pairs: as written by hand, and they leave nothing behind."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from small_nets import IMAGES, model
from torch import Tensor
from torchvision.models import resnet18

from dplib import DplibError
from dplib.seeing import cams, nets


def by_hand(net: nets.Net, score: Tensor, fmap: Tensor) -> Tensor:
    """Grad-CAM from its paper: channels weighted by their mean gradient, then ReLU."""
    (gradient,) = torch.autograd.grad(score, fmap)
    weights = gradient.mean((2, 3), keepdim=True)
    return (weights * fmap).sum(1).clamp(min=0)  # [N, H, W]


def scaled_up(values: Tensor, size: tuple[int, int]) -> Tensor:
    """As the package does it: from its least to its greatest, enlarged, and again."""
    low, high = values.amin((1, 2), keepdim=True), values.amax((1, 2), keepdim=True)
    unit = (values - low) / (high - low + 1e-7)
    grown = F.interpolate(unit[:, None], size, mode="bilinear", align_corners=False)
    low, high = grown.amin((2, 3), keepdim=True), grown.amax((2, 3), keepdim=True)
    return ((grown - low) / (high - low + 1e-7))[:, 0]


@pytest.mark.parametrize("branch", ["BpI", "BgI"])
@pytest.mark.parametrize("stage", ["layer3", "layer4"])
def test_gradcam_of_a_class_is_that_of_the_equations(branch: str, stage: str) -> None:
    net = nets.see(model().eval())
    classes = [1, 4, 0]
    got = cams.cam(net, IMAGES, cams.class_score(net, branch, classes), stage=stage)
    with nets.watching(net.stage(stage)) as seen:
        logits = net.head(branch)(IMAGES)
    score = sum(logits[i, c] for i, c in enumerate(classes))
    assert isinstance(score, Tensor)
    expected = scaled_up(by_hand(net, score, seen[0]).detach(), (64, 32))
    torch.testing.assert_close(got, expected, atol=2e-4, rtol=0)
    assert got.shape == (3, 64, 32) and got.amin() == 0


def test_gradcam_of_a_pair_is_that_of_the_equations() -> None:
    net = nets.see(model().eval())
    other = net.describe(IMAGES[:1]).detach()[0]
    images = IMAGES[1:]
    got = cams.cam(net, images, cams.similarity(net, other))
    fmap = nets.stage_map(net, images)
    score = F.cosine_similarity(fmap.mean((2, 3)), other[None]).sum()
    expected = scaled_up(by_hand(net, score, fmap).detach(), (64, 32))
    torch.testing.assert_close(got, expected, atol=2e-4, rtol=0)


@pytest.mark.parametrize("method", cams.METHODS)
def test_another_network_and_every_method(method: str) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        other = resnet18(weights=None)
    net = nets.adapt(other, ["layer2", "layer4"], heads={"class": other})
    target = cams.class_score(net, "class", [3, 5, 7])
    got = cams.cam(net, IMAGES, target, stage="layer2", method=method)
    assert got.shape == (3, 64, 32)
    assert bool(got.isfinite().all()) and float(got.amin()) >= 0
    assert 0.99 < float(got.amax()) <= 1  # an image may have nothing that helps


def test_frozen_weights_make_no_difference() -> None:
    ours = model().eval()
    net = nets.see(ours)
    target = cams.class_score(net, "BgI", [0, 1, 2])
    before = cams.cam(net, IMAGES, target)
    ours.requires_grad_(False)
    torch.testing.assert_close(cams.cam(net, IMAGES, target), before)


def test_gradients_and_mode_are_left_as_they_were() -> None:
    ours = model().train()
    net = nets.see(ours)
    for i, p in enumerate(ours.parameters()):
        p.grad = torch.full_like(p, float(i)) if i % 2 else None
    before = {k: v.clone() for k, v in ours.state_dict().items()}
    cams.cam(net, IMAGES, cams.class_score(net, "BpI", [0, 1, 2]))
    for i, p in enumerate(ours.parameters()):
        if i % 2:
            assert p.grad is not None and bool((p.grad == i).all())
        else:
            assert p.grad is None
    assert ours.training
    assert all(torch.equal(v, before[k]) for k, v in ours.state_dict().items())
    assert not any(m._forward_hooks for m in ours.modules())


def test_what_cannot_be_explained_is_said() -> None:
    net = nets.see(model())
    target = cams.class_score(net, "BgI", [0, 1, 2])
    with pytest.raises(DplibError, match="method='scorecam': choose one of gradcam"):
        cams.cam(net, IMAGES, target, method="scorecam")
    with pytest.raises(DplibError, match="3 scores for 2 images"):
        cams.cam(net, IMAGES[:2], target)
    with pytest.raises(DplibError, match="class 5: BgI knows 5 people"):
        cams.cam(net, IMAGES, cams.class_score(net, "BgI", [0, 1, 5]))
    with pytest.raises(DplibError, match="class -1"):
        cams.cam(net, IMAGES, cams.class_score(net, "BgI", [-1, 1, 2]))
    with pytest.raises(DplibError, match="'BtR' has no classifier"):
        cams.class_score(net, "BtR", [0])
    with pytest.raises(DplibError, match="stage 'layer8' is unknown"):
        cams.cam(net, IMAGES, target, stage="layer8")


def test_an_error_leaves_no_hooks_behind() -> None:
    ours = model()
    net = nets.see(ours)
    with pytest.raises(DplibError):
        cams.cam(net, IMAGES, cams.class_score(net, "BgI", [0, 1, 5]))
    assert not any(m._forward_hooks for m in ours.modules())
