"""Backbones: the shape of fb, and weights from files, good and bad."""

from __future__ import annotations

from pathlib import Path
from urllib.error import URLError

import pytest
import torch
from torch import nn
from torch.testing import assert_close
from torchvision import models

from dplib import DplibError, backbones

IMAGE = torch.randn(2, 3, 64, 32, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", backbones.NAMES)
@pytest.mark.parametrize("last_stride", [1, 2])
def test_fb_has_the_rows_that_were_announced(name: str, last_stride: int) -> None:
    net, channels, stride = backbones.build(name, width=0.25, last_stride=last_stride)
    assert stride == 16 * last_stride
    fb = net.eval()(IMAGE)
    assert fb.shape == (2, channels, 64 // stride, 32 // stride)


@pytest.mark.parametrize("name", backbones.NAMES)
@pytest.mark.parametrize("height", [50, 65, 96, 100])
def test_rows_of_odd_heights(name: str, height: int) -> None:
    net, _, stride = backbones.build(name, width=0.125)
    fb = net.eval()(torch.zeros(1, 3, height, 32))
    assert fb.shape[2] == backbones.rows(height, stride)


@pytest.mark.parametrize(
    ("name", "channels"),
    [("resnet50", 2048), ("resnet18", 512), ("mobilenet_v2", 1280)],
)
def test_full_width_is_torchvisions_own_network(name: str, channels: int) -> None:
    net, c, _ = backbones.build(name)
    theirs = getattr(models, name)(weights=None)
    body = [p for n, p in theirs.named_parameters() if n.split(".")[0] not in HEADS]
    assert c == channels
    assert sum(p.numel() for p in net.parameters()) == sum(p.numel() for p in body)


HEADS = ("fc", "classifier")


def test_width_multiplies_the_channels() -> None:
    assert backbones.build("resnet18", width=0.25).channels == 128
    assert backbones.build("resnet50", width=0.5).channels == 1024


def test_unknown_backbone_lists_the_known_ones() -> None:
    with pytest.raises(DplibError, match=r"'vgg16'.*resnet50, resnet18, mobilenet_v2"):
        backbones.build("vgg16")


@pytest.mark.parametrize("stride", [0, 3, 4])
def test_last_stride_is_one_or_two(stride: int) -> None:
    with pytest.raises(DplibError, match=rf"last_stride={stride}: expected 2"):
        backbones.build("resnet18", last_stride=stride)


@pytest.mark.parametrize("width", [0, -1.0, 5, float("nan")])
def test_width_out_of_range(width: float) -> None:
    with pytest.raises(DplibError, match="width"):
        backbones.build("resnet18", width=width)


# --- weights ------------------------------------------------------------------------


def theirs(name: str) -> nn.Module:
    """torchvision's network with weights and statistics that are all its own."""
    torch.manual_seed(3)
    net = getattr(models, name)(weights=None)
    for m in net.modules():
        if isinstance(m, nn.BatchNorm2d):
            nn.init.uniform_(m.weight, 0.5, 1.5)
            nn.init.uniform_(m.running_mean, -0.1, 0.1)
            nn.init.uniform_(m.running_var, 0.5, 1.5)
    return net.eval()


def features(net: nn.Module, x: torch.Tensor) -> torch.Tensor:
    if isinstance(net, models.MobileNetV2):
        return net.features(x)
    for name, part in net.named_children():
        if name == "avgpool":
            break
        x = part(x)
    return x


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2"])
@pytest.mark.parametrize("how", ["pt", "safetensors", "without counters"])
def test_a_torchvision_file_gives_torchvisions_features(
    name: str, how: str, tmp_path: Path
) -> None:
    reference = theirs(name)
    state = reference.state_dict()
    if how == "without counters":  # as files older than BatchNorm's counter are
        state = {k: v for k, v in state.items() if not k.endswith("batches_tracked")}
    if how == "safetensors":
        from safetensors.torch import save_file

        path = tmp_path / "w.safetensors"
        save_file(state, path)
    else:
        path = tmp_path / "w.pt"
        torch.save(state, path)
    net = backbones.build(name).net
    backbones.load_weights(net, name, path)
    with torch.no_grad():
        assert_close(net.eval()(IMAGE), features(reference, IMAGE))


def test_mobilenet_under_other_names_goes_in_by_order(tmp_path: Path) -> None:
    reference = theirs("mobilenet_v2")
    body = reference.features.state_dict()
    names = [f"body{i:03d}.{k.rsplit('.')[-1]}" for i, k in enumerate(body)]
    renamed = dict(zip(names, body.values(), strict=True))
    torch.save(renamed, tmp_path / "w.pt")
    net = backbones.build("mobilenet_v2").net
    backbones.load_weights(net, "mobilenet_v2", tmp_path / "w.pt")
    with torch.no_grad():
        assert_close(net.eval()(IMAGE), features(reference, IMAGE))


@pytest.fixture(scope="module")
def resnet18_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "resnet18.pt"
    torch.save(theirs("resnet18").state_dict(), path)
    return path


def test_weights_of_another_width_name_the_tensor(resnet18_file: Path) -> None:
    net = backbones.build("resnet18", width=0.5).net
    before = {k: v.clone() for k, v in net.state_dict().items()}
    with pytest.raises(
        DplibError, match=r"conv1.weight has shape \(64, 3, 7, 7\).*needs \(32, .*width"
    ):
        backbones.load_weights(net, "resnet18", resnet18_file)
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())


def test_weights_of_another_network_name_a_missing_tensor(resnet18_file: Path) -> None:
    net = backbones.build("resnet50", width=0.125).net
    with pytest.raises(DplibError, match=r"tensors of resnet50 are missing.*layer1\.0"):
        backbones.load_weights(net, "resnet50", resnet18_file)


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.99])
def test_truncated_weights(resnet18_file: Path, tmp_path: Path, keep: float) -> None:
    whole = resnet18_file.read_bytes()
    bad = tmp_path / "cut.pt"
    bad.write_bytes(whole[: int(keep * len(whole))])
    net = backbones.build("resnet18", width=0.125).net
    with pytest.raises(DplibError, match=r"cut\.pt: cannot be read.*download it anew"):
        backbones.load_weights(net, "resnet18", bad)


def test_missing_weights(tmp_path: Path) -> None:
    net = backbones.build("resnet18", width=0.125).net
    with pytest.raises(DplibError, match=r"none\.pt: no such file; pass a state dict"):
        backbones.load_weights(net, "resnet18", tmp_path / "none.pt")


def test_a_file_that_is_no_state_dict(tmp_path: Path) -> None:
    torch.save({"epoch": 3, "state": {}}, tmp_path / "w.pt")
    net = backbones.build("resnet18", width=0.125).net
    with pytest.raises(DplibError, match="expected a state dict"):
        backbones.load_weights(net, "resnet18", tmp_path / "w.pt")


@pytest.mark.parametrize("name", backbones.NAMES)
def test_offline_says_what_to_do(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(self: object, *args: object, **kwargs: object) -> None:
        raise URLError("no route to host")

    monkeypatch.setattr(models.WeightsEnum, "get_state_dict", offline)
    with pytest.raises(DplibError, match="could not be downloaded") as e:
        backbones.load_weights(nn.Identity(), name, "imagenet")
    for word in ("no route to host", f"{name}-", "checkpoints", "weights=None"):
        assert word in str(e.value)


def test_imagenet_weights_come_from_torchvision(
    resnet18_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = torch.load(resnet18_file, weights_only=True)
    monkeypatch.setattr(models.WeightsEnum, "get_state_dict", lambda *a, **k: state)
    net = backbones.build("resnet18").net
    backbones.load_weights(net, "resnet18", "imagenet")
    assert torch.equal(net.state_dict()["conv1.weight"], state["conv1.weight"])
