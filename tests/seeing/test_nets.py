"""Networks as Net: stages, descriptor and heads of ours and of others."""

from __future__ import annotations

import pytest
import torch
from small_nets import IMAGES, model
from torch import Tensor, nn
from torchvision.models import resnet18

from dplib import DplibError
from dplib.seeing import nets


def test_the_last_stage_of_ours_is_fb() -> None:
    ours = model().eval()
    net = nets.see(ours)
    assert net.last == "layer4"
    torch.testing.assert_close(nets.stage_map(net, IMAGES), ours.feature_map(IMAGES))
    averaged = nets.stage_map(net, IMAGES).mean((2, 3))
    torch.testing.assert_close(net.describe(IMAGES), averaged)


def test_all_maps_come_in_order_with_falling_size() -> None:
    found = nets.all_maps(nets.see(model()), IMAGES)
    assert list(found) == ["layer1", "layer2", "layer3", "layer4"]
    assert [m.shape[2] for m in found.values()] == [16, 8, 4, 4]
    one = nets.stage_map(nets.see(model()), IMAGES, "layer2")
    torch.testing.assert_close(found["layer2"], one)


def test_heads_are_those_of_the_branches_there_are() -> None:
    ours = model().eval()
    net = nets.see(ours)
    assert set(net.heads) == {"BpI", "BgI"}
    out = ours(IMAGES)
    torch.testing.assert_close(net.head("BpI")(IMAGES), out.part_logits)
    torch.testing.assert_close(net.head("BgI")(IMAGES), out.global_logits)
    alone = nets.see(model(branches=("ranking",)))
    with pytest.raises(DplibError, match=r"'BpI' has no classifier.*none: look at"):
        alone.head("BpI")


def test_the_scores_of_stripes_are_the_mean_over_rows() -> None:
    ours = model(part_context="stripes").eval()
    logits = ours(IMAGES).part_logits
    assert logits is not None and logits.ndim == 3
    torch.testing.assert_close(nets.see(ours).head("BpI")(IMAGES), logits.mean(1))


def test_another_network_gives_its_own_maps() -> None:
    other = resnet18(weights=None).eval()
    net = nets.adapt(other, ["layer3", "layer4"], heads={"class": other})
    maps = nets.stage_map(net, IMAGES)
    assert maps.shape == (3, 512, 2, 1)
    torch.testing.assert_close(net.describe(IMAGES), maps.mean((2, 3)))
    torch.testing.assert_close(other.fc(maps.mean((2, 3))), net.head("class")(IMAGES))
    assert nets.stage_map(net, IMAGES, "layer3").shape == (3, 256, 4, 2)


@pytest.mark.parametrize(
    ("stages", "words"),
    [(["layer9"], "no module 'layer9'; its children are conv1"), ([], "at least one")],
)
def test_a_stage_that_is_not_there_is_named(stages: list[str], words: str) -> None:
    with pytest.raises(DplibError, match=words):
        nets.adapt(resnet18(weights=None), stages)


def test_an_unknown_stage_of_ours_is_named() -> None:
    with pytest.raises(DplibError, match=r"stage 'layer7' is unknown: .*layer4"):
        nets.stage_map(nets.see(model()), IMAGES, "layer7")


def test_a_stage_without_a_map_is_refused() -> None:
    net = nets.adapt(resnet18(weights=None), ["fc"], describe=nn.Flatten())
    with pytest.raises(DplibError, match="'fc' was not passed"):
        nets.stage_map(net, IMAGES)
    other = resnet18(weights=None)
    with pytest.raises(DplibError, match=r"'fc' gives \(3, 1000\); expected a map"):
        nets.stage_map(nets.adapt(other, ["fc"], describe=other), IMAGES)


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (IMAGES[0], r"shape \(3, 64, 32\): expected a batch"),
        (IMAGES[:0], "expected a batch"),
        (IMAGES[:, :1], "expected a batch"),
        (torch.zeros(2, 3, 64, 32, dtype=torch.uint8), "torch.uint8: expected normal"),
    ],
)
def test_what_are_no_normalised_images_is_said(images: Tensor, words: str) -> None:
    with pytest.raises(DplibError, match=words):
        nets.stage_map(nets.see(model()), images)


def test_looking_changes_neither_mode_nor_statistics() -> None:
    ours = model().train()
    ours.part_classifier.eval()  # one part that somebody froze
    before = {k: v.clone() for k, v in ours.state_dict().items()}
    nets.all_maps(nets.see(ours), IMAGES)
    assert ours.training and not ours.part_classifier.training
    assert all(torch.equal(v, before[k]) for k, v in ours.state_dict().items())
