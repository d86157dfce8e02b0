"""Receptive fields: from the modules, and as the gradient has them."""

import copy

import pytest
import torch
from torch import Tensor, nn

from dplib import DplibError, backbones
from dplib.seeing import fields
from dplib.seeing.fields import Field, Stripe

# Worked out by hand from the tables of the papers (size, stride of the last map)
KNOWN = [
    ("resnet50", 2, 427, 32),
    ("resnet50", 1, 363, 16),
    ("resnet18", 2, 435, 32),
    ("resnet18", 1, 339, 16),
    ("mobilenet_v2", 2, 491, 32),
    ("mobilenet_v2", 1, 395, 16),
]


@pytest.mark.parametrize(("name", "last_stride", "size", "stride"), KNOWN)
def test_size_and_stride(name: str, last_stride: int, size: int, stride: int) -> None:
    net = backbones.build(name, width=0.125, last_stride=last_stride).net
    field = fields.receptive_field(net)
    assert (field.size, field.stride) == (size, stride)


def positive(net: nn.Module) -> nn.Module:
    """A copy in which each pixel that can reach an output does, in double precision."""
    net = copy.deepcopy(net).eval()
    for m in net.modules():
        for name, child in m.named_children():
            if isinstance(child, nn.MaxPool2d):  # its gradient goes to one pixel only
                size = child.kernel_size, child.stride, child.padding
                setattr(m, name, nn.AvgPool2d(*size))
            elif isinstance(child, nn.BatchNorm2d | nn.ReLU6):  # ReLU6 is flat above 6
                setattr(m, name, nn.Identity())
        if isinstance(m, nn.Conv2d):
            m.weight.data = torch.full_like(m.weight, 1 / m.weight[0].numel())
    return net.double()


def seen(net: nn.Module, row: int, height: int, width: int = 32) -> Stripe:
    """First and last pixel row whose gradient is not zero."""
    x = torch.ones(1, 3, height, width, dtype=torch.float64, requires_grad=True)
    net(x)[:, :, row].sum().backward()
    assert x.grad is not None
    moved = x.grad.abs().sum((0, 1, 3)).nonzero().flatten()
    return Stripe(int(moved[0]), int(moved[-1]))


@pytest.mark.parametrize("name", backbones.NAMES)
@pytest.mark.parametrize("last_stride", [1, 2])
def test_the_field_is_where_the_gradient_is(name: str, last_stride: int) -> None:
    net = positive(backbones.build(name, width=0.125, last_stride=last_stride).net)
    field = fields.receptive_field(net)
    height = 640
    rows = height // field.stride
    inner = rows // 2
    assert field.of_row(inner).within(height) == field.of_row(inner)
    for row in (0, 1, inner, rows - 1):
        assert seen(net, row, height) == field.of_row(row).within(height)


def test_the_field_of_a_stage() -> None:
    net = backbones.build("resnet18", width=0.125).net
    sizes = [fields.receptive_field(net, n).size for n in fields.stages(net)]
    assert fields.stages(net) == ("layer1", "layer2", "layer3", "layer4")
    assert sizes == [43, 99, 211, 435]
    probe = positive(net)
    first = fields.until(probe, "layer1")
    want = fields.receptive_field(probe, "layer1").of_row(12)
    assert seen(first, 12, 128) == want


def test_dilation_and_rectangular_kernels() -> None:
    net = nn.Sequential(
        nn.Conv2d(1, 1, (3, 7), stride=(2, 1), padding=(1, 3)),
        nn.Conv2d(1, 1, 3, dilation=2),
        nn.AvgPool2d(2),
    )
    # sizes 3, 3 + 2·2·2 = 11, 11 + 1·2 = 13; strides 2, 2, 4; one pixel of padding
    assert fields.receptive_field(net) == Field(4, Stripe(-1, 11))


def test_a_module_that_is_not_known() -> None:
    with pytest.raises(DplibError, match="does not know Upsample"):
        fields.receptive_field(nn.Sequential(nn.Upsample(scale_factor=2)))
    with pytest.raises(DplibError, match="padding 'same'"):
        fields.receptive_field(nn.Sequential(nn.Conv2d(1, 1, 3, padding="same")))
    with pytest.raises(DplibError, match=r"layer 'layer9' is unknown: .* layer4"):
        fields.receptive_field(backbones.build("resnet18").net, "layer9")


def test_ideal_stripes_cover_the_image_once() -> None:
    for rows, height in ((8, 256), (8, 128), (7, 50)):
        stripes = [fields.ideal_stripe(i, rows, height) for i in range(rows)]
        parts = [y for s in stripes for y in range(s.top, s.bottom + 1)]
        assert parts == list(range(height))
    assert fields.ideal_stripe(2, 8, 256) == Stripe(64, 95)
    with pytest.raises(DplibError, match="row=8: there are 8 rows"):
        fields.ideal_stripe(8, 8, 256)


# ------------------------------------------------------------------- effective field


def images(n: int = 3) -> Tensor:
    return torch.randn(n, 3, 64, 32, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def net() -> nn.Module:
    torch.manual_seed(0)
    return backbones.build("resnet18", width=0.125, last_stride=1).net.eval()


def test_effective_field_lies_in_the_theoretical_one(net: nn.Module) -> None:
    field = fields.receptive_field(net, "layer1")
    found = fields.effective_field(net, images(), layer="layer1")
    assert found.shape == (16, 64, 32)
    torch.testing.assert_close(found.sum((1, 2)), torch.ones(16))
    for row in (0, 8, 15):
        inside = field.of_row(row)
        assert inside.height < 64
        assert fields.share_within(found[row], inside) == pytest.approx(1)


def test_effective_field_by_the_jacobian() -> None:
    """The mean over directions is the squared length of ∂S_t/∂pixel."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.AvgPool2d(2))
    x = images(1)[:, :, :8, :4]
    jacobian = torch.autograd.functional.jacobian(
        lambda x: net(x).mean(3)[0, :, 1], x, create_graph=False
    )  # [C, 1, 3, h, w]
    assert isinstance(jacobian, Tensor)
    want = jacobian.square().sum((0, 1, 2))
    want = want / want.sum()
    many = x.repeat(4000, 1, 1, 1)  # each image has a direction of its own
    got = fields.effective_field(net, many, [1])[0]
    torch.testing.assert_close(got, want, atol=5e-3, rtol=0)
    assert fields.share_within(got, Stripe(1, 4)) == pytest.approx(1)


def test_a_subset_of_rows_is_a_subset(net: nn.Module) -> None:
    every = fields.effective_field(net, images(), seed=1)
    some = fields.effective_field(net, images(), [2, 0], seed=1)
    torch.testing.assert_close(some, every[[2, 0]])
    other = fields.effective_field(net, images(), [2], seed=2)
    assert not torch.allclose(other, every[2:3])


def test_the_net_keeps_its_mode_and_its_statistics() -> None:
    net = backbones.build("resnet18", width=0.125).net.train()
    net.bn1.eval()  # type: ignore[union-attr]
    modes = [m.training for m in net.modules()]
    before = copy.deepcopy(net.state_dict())
    fields.effective_field(net, images(), [0])
    assert [m.training for m in net.modules()] == modes
    for name, value in net.state_dict().items():
        torch.testing.assert_close(value, before[name])
    assert all(p.grad is None for p in net.parameters())


def test_rows_that_do_not_exist_and_dead_nets(net: nn.Module) -> None:
    with pytest.raises(DplibError, match="row=4: there are 4 rows"):
        fields.effective_field(net, images(), [4])
    dead = nn.Conv2d(3, 2, 1)
    nn.init.zeros_(dead.weight)
    with pytest.raises(DplibError, match="no pixel moves this row"):
        fields.effective_field(dead, images())


def test_band_is_the_shortest() -> None:
    field = torch.tensor([0.0, 5, 1, 1, 40, 50, 3, 0])[:, None].repeat(1, 2)
    assert fields.band(field, 0.9) == Stripe(4, 5)
    assert fields.band(field, 0.93) == Stripe(4, 6)
    assert fields.band(field, 1.0) == Stripe(1, 6)
    assert fields.band(field, 0.4) == Stripe(5, 5)
    with pytest.raises(DplibError, match="share=0"):
        fields.band(field, 0)
    with pytest.raises(DplibError, match="no energy"):
        fields.band(torch.zeros(4, 2))


# ---------------------------------------------------------------------- feature maps


def test_feature_maps_are_the_stages(net: nn.Module) -> None:
    maps = fields.feature_maps(net, images())
    assert list(maps) == list(fields.stages(net))
    assert [tuple(m.shape[2:]) for m in maps.values()] == [
        (16, 8), (8, 4), (4, 2), (4, 2),
    ]  # fmt: skip
    with torch.no_grad():
        torch.testing.assert_close(maps["layer4"], net(images()))
        stem = net[:2](images())  # type: ignore[index]
    both = fields.feature_maps(net, images(), ["bn1", "relu"])
    torch.testing.assert_close(both["bn1"], stem)  # ReLU works in place
    torch.testing.assert_close(both["relu"], stem.relu())
    with pytest.raises(DplibError, match="layer 'fc' is unknown"):
        fields.feature_maps(net, images(), ["fc"])


def test_strength_is_a_root_mean_square() -> None:
    maps = torch.zeros(1, 4, 2, 1)
    maps[0, 0, 0, 0], maps[0, 1, 0, 0] = 3, -1
    want = torch.tensor([[[(10 / 4) ** 0.5], [0]]])
    torch.testing.assert_close(fields.strength(maps), want)


# ---------------------------------------------------------------------- one row's


def test_the_three_answers_of_a_row(net: nn.Module) -> None:
    found = fields.fields_of_row(net, images(), 5, layer="layer2", seed=3)
    every = fields.effective_field(net, images(), layer="layer2", seed=3)
    assert (found.row, found.rows) == (5, 8)
    assert found.ideal == Stripe(40, 47)
    assert found.theory == fields.receptive_field(net, "layer2").of_row(5)
    torch.testing.assert_close(found.effective, every[5])
    held = fields.band(every[5])
    assert f"90 % in {held.top}…{held.bottom} ({held.height} px)" in found.words()
    assert found.words().startswith("row 6 of 8 · ideal 40…47 (8 px) · theoretical ")


@pytest.mark.parametrize("height", [64, 100, 128])
@pytest.mark.parametrize("name", backbones.NAMES)
def test_rows_of_the_map(name: str, height: int) -> None:
    net = backbones.build(name, width=0.125).net.eval()
    x = torch.zeros(1, 3, height, 32)
    for layer, found in fields.feature_maps(net, x).items():
        assert fields.map_rows(net, height, layer) == found.shape[2]


def test_row_change_is_relative() -> None:
    before = torch.tensor([[3.0, 4.0], [0.0, 2.0]])
    after = torch.tensor([[3.0, 4.0], [0.0, 5.0]])
    torch.testing.assert_close(
        fields.row_change(before, after), torch.tensor([0.0, 1.5])
    )
