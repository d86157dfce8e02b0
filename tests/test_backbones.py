"""Backbones: the shape of fb, and weights from files, good and bad."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest
import torch
from torch import nn
from torch.testing import assert_close
from torchvision import models

from dplib import DplibError, backbones
from dplib.incoming import weights

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
    weights.load_weights(net, name, path)
    with torch.no_grad():
        assert_close(net.eval()(IMAGE), features(reference, IMAGE))


def test_mobilenet_under_other_names_goes_in_by_order(tmp_path: Path) -> None:
    reference = theirs("mobilenet_v2")
    body = reference.features.state_dict()
    names = [f"body{i:03d}.{k.rsplit('.')[-1]}" for i, k in enumerate(body)]
    renamed = dict(zip(names, body.values(), strict=True))
    torch.save(renamed, tmp_path / "w.pt")
    net = backbones.build("mobilenet_v2").net
    weights.load_weights(net, "mobilenet_v2", tmp_path / "w.pt")
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
        weights.load_weights(net, "resnet18", resnet18_file)
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())


def test_weights_of_another_network_name_a_missing_tensor(resnet18_file: Path) -> None:
    net = backbones.build("resnet50", width=0.125).net
    with pytest.raises(DplibError, match=r"tensors of resnet50 are missing.*layer1\.0"):
        weights.load_weights(net, "resnet50", resnet18_file)


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.99])
def test_truncated_weights(resnet18_file: Path, tmp_path: Path, keep: float) -> None:
    whole = resnet18_file.read_bytes()
    bad = tmp_path / "cut.pt"
    bad.write_bytes(whole[: int(keep * len(whole))])
    net = backbones.build("resnet18", width=0.125).net
    with pytest.raises(DplibError, match=r"cut\.pt: cannot be read.*download it anew"):
        weights.load_weights(net, "resnet18", bad)


def test_missing_weights(tmp_path: Path) -> None:
    net = backbones.build("resnet18", width=0.125).net
    with pytest.raises(DplibError, match=r"none\.pt: no such file; pass a state dict"):
        weights.load_weights(net, "resnet18", tmp_path / "none.pt")


def test_a_file_that_is_no_state_dict(tmp_path: Path) -> None:
    torch.save({"epoch": 3, "state": {}}, tmp_path / "w.pt")
    net = backbones.build("resnet18", width=0.125).net
    with pytest.raises(DplibError, match="expected a state dict"):
        weights.load_weights(net, "resnet18", tmp_path / "w.pt")


@pytest.mark.parametrize("name", backbones.NAMES)
def test_offline_says_what_to_do(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(self: object, *args: object, **kwargs: object) -> None:
        raise URLError("no route to host")

    monkeypatch.setattr(models.WeightsEnum, "get_state_dict", offline)
    with pytest.raises(DplibError, match="could not be downloaded") as e:
        weights.load_weights(nn.Identity(), name, "imagenet")
    for word in ("no route to host", f"{name}-", "checkpoints", "weights=None"):
        assert word in str(e.value)


def test_imagenet_weights_come_from_torchvision(
    resnet18_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = torch.load(resnet18_file, weights_only=True)
    monkeypatch.setattr(models.WeightsEnum, "get_state_dict", lambda *a, **k: state)
    net = backbones.build("resnet18").net
    weights.load_weights(net, "resnet18", "imagenet")
    assert torch.equal(net.state_dict()["conv1.weight"], state["conv1.weight"])


# --- names --------------------------------------------------------------------------

State = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def state(resnet18_file: Path) -> State:
    return dict(torch.load(resnet18_file, weights_only=True))


def into_resnet18(content: object, folder: Path) -> State:
    torch.save(content, folder / "w.pt")
    net = backbones.build("resnet18").net
    weights.load_weights(net, "resnet18", folder / "w.pt")
    return net.state_dict()


def assert_same(got: State, want: State) -> None:
    assert len(got) == 120
    assert all(torch.equal(v, want[k]) for k, v in got.items())


def named(state: State, prefix: str) -> State:
    return {prefix + k: v for k, v in state.items()}


def old_order(state: State) -> State:
    """The order in which BatchNorm's entries stand in old files."""
    roles = ("running_mean", "running_var", "weight", "bias")
    modules = dict.fromkeys(k.rpartition(".")[0] for k in state)
    names = (f"{m}.{role}" for m in modules for role in roles)
    return {k: state[k] for k in names if k in state and not k.startswith("fc")}


@pytest.mark.parametrize(
    "wrap",
    [
        lambda s: named(s, "module."),
        lambda s: named(s, "module.backbone."),
        lambda s: named(s, "_orig_mod.module.model.base."),
        lambda s: named(s, "encoder."),
        lambda s: {"state_dict": named(s, "module."), "epoch": 3, "rank1": 0.9},
        lambda s: {"model_state_dict": s, "optimizer": {"state": {0: {"a": 1}}}},
        lambda s: {"checkpoint": 1, "net": {"params": {"state_dict": s}}},
        lambda s: {"model": {"backbone": s, "head": {"weight": torch.ones(2)}}},
        lambda s: {"ema": named(s, "net."), "best": torch.tensor(0.9)},
        lambda s: dict(sorted(s.items())),
        lambda s: dict(reversed(s.items())),
        lambda s: {k: v.double() for k, v in s.items()},
    ],
)
def test_prefixes_and_nesting_are_taken_off(
    wrap: Callable[[State], Any], state: State, tmp_path: Path
) -> None:
    assert_same(into_resnet18(wrap(state), tmp_path), state)


@pytest.mark.parametrize("prefix", ["", "backbone.", "module."])
def test_the_order_of_old_files_changes_nothing(
    prefix: str, state: State, tmp_path: Path
) -> None:
    got = into_resnet18(named(old_order(state), prefix), tmp_path)
    for key, value in old_order(state).items():
        assert torch.equal(got[key], value), key


def test_mobilenet_with_prefixes(tmp_path: Path) -> None:
    reference = theirs("mobilenet_v2")
    parallel = nn.DataParallel(reference).state_dict()
    torch.save({"state_dict": parallel}, tmp_path / "w.pt")
    net = backbones.build("mobilenet_v2").net
    weights.load_weights(net, "mobilenet_v2", tmp_path / "w.pt")
    with torch.no_grad():
        assert_close(net.eval()(IMAGE), features(reference, IMAGE))


def children(state: State, prefix: str) -> State:
    """As nn.Sequential(*list(resnet.children())[:-2]) names the tensors."""
    tops = ["conv1", "bn1", "relu", "maxpool", *(f"layer{i}" for i in range(1, 5))]
    split = ((*k.split(".", 1), v) for k, v in state.items() if not k.startswith("fc"))
    return {f"{prefix}{tops.index(top)}.{rest}": v for top, rest, v in split}


@pytest.mark.parametrize("prefix", ["", "base.", "module.body."])
def test_other_names_go_by_order_with_a_warning(
    prefix: str, state: State, tmp_path: Path
) -> None:
    with pytest.warns(UserWarning, match=r"w\.pt: the names .* matched by their order"):
        got = into_resnet18(children(state, prefix), tmp_path)
    assert_same(got, state)


def swapped(state: State, a: str, b: str) -> State:
    """The tensors of two modules in each other's place; names stay with values."""
    keys = list(state)
    for i, k in enumerate(keys):
        if k.startswith((a, b)):
            old, new = (a, b) if k.startswith(a) else (b, a)
            keys[i] = new + k.removeprefix(old)
    return {k: state[k] for k in keys}


def test_by_order_only_where_nothing_contradicts(state: State, tmp_path: Path) -> None:
    kids = children(state, "")
    for content, found in (
        # roles in the order of old files
        (
            children(old_order(state), ""),
            r"'1.running_mean' \(64,\) stands where",
        ),
        # blocks of equal shapes in another order
        (swapped(kids, "4.0.", "4.1."), "numbers in the names do not ascend at '4.0.c"),
        (swapped(kids, "4.0.conv1", "4.0.conv2"), r"'4.0.conv2.weight' \(64, 64, 3, 3"),
        # a tensor less
        (dict(list(kids.items())[:-7]), "the file has 95 tensors, 100 are needed"),
    ):
        with pytest.raises(DplibError, match=r"100 of 100 tensors .*conv1.weight") as e:
            into_resnet18(content, tmp_path)
        assert re.search(found, str(e.value)), str(e.value)


def test_weights_that_contradict_are_refused(state: State, tmp_path: Path) -> None:
    both = {**named(state, "model."), **named(state, "encoder.")}
    deeper = models.resnet34(weights=None).state_dict()
    nan = {**state, "bn1.bias": torch.full((64,), torch.nan)}
    ints = {**state, "conv1.weight": torch.ones(64, 3, 7, 7, dtype=torch.int8)}
    below = {**state, "bn1.running_var": torch.full((64,), -0.5)}
    some = {k: v for k, v in state.items() if not k.startswith("layer3.1")}
    for content, found in (
        (
            both,
            "'model.conv1.weight' and 'encoder.conv1.weight' are both 'conv1",
        ),
        (
            deeper,
            r"80 tensors have no place in resnet18.*layer1.2.conv1.*another",
        ),
        (nan, "64 of 64 values of bn1.bias are not finite"),
        (ints, "conv1.weight holds int8, not floats"),
        (below, "bn1.running_var is a variance, but has values below 0"),
        (
            some,
            "10 of 100 tensors of resnet18 are missing, .*'layer3.1.conv1",
        ),
        (
            {**named(state, "encoder_k."), **named(state, "encoder_q.")},
            "2 such networks, with the prefixes 'encoder_k.', 'encoder_q.'",
        ),
        (named(state, "teacher."), "with the prefix 'teacher.' in front.*removeprefix"),
        ({"fc.weight": torch.ones(2)}, "holds nothing but a classifier"),
        (torch.ones(3), r"expected a state dict.*found one tensor of shape \(3,\)"),
        ([state], "expected a state dict.*found an object of type list"),
        ({"epoch": 3, "state": {}}, "found a dict with the keys 'epoch', 'state'"),
    ):
        with pytest.raises(DplibError, match=f"w.pt: .*{found}"):
            into_resnet18(content, tmp_path)


def test_what_is_left_out_is_named(state: State, tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="2 tensors .* out: neck.weight, neck.bias"):
        got = into_resnet18(
            {**named(state, "base."), "neck.weight": IMAGE, "neck.bias": IMAGE},
            tmp_path,
        )
    assert_same(got, state)


# --- torchvision's cache --------------------------------------------------------------


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the ImageNet weights of resnet18 would be, in a cache of its own."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))
    path = weights.cached("resnet18")
    assert path == tmp_path / "cache/hub/checkpoints/resnet18-f37072fd.pth"
    path.parent.mkdir(parents=True)
    return path


@pytest.mark.parametrize("content", [b"", b"<html>", b"PK\x03\x04cut", None])
def test_a_damaged_file_in_the_cache(cache: Path, content: bytes | None) -> None:
    if content is None:
        cache.mkdir()
    else:
        cache.write_bytes(content)
    found = "is a folder" if content is None else "not f37072fd"
    with pytest.raises(DplibError) as refused:
        weights.load_weights(nn.Identity(), "resnet18", "imagenet")
    for said in (
        str(weights.damage("resnet18")),
        str(refused.value),
    ):
        assert f"remove {cache}; the next run fetches it anew" in said
        assert found in said


def test_a_whole_file_in_the_cache(
    cache: Path, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert weights.damage("resnet18") is None  # nothing there
    torch.save(state, cache)
    digest = hashlib.sha256(cache.read_bytes()).hexdigest()
    whole = cache.rename(cache.with_name(f"resnet18-{digest[:8]}.pth"))
    monkeypatch.setattr(weights, "cached", lambda name: whole)
    assert weights.damage("resnet18") is None
    with whole.open("r+b") as f:  # one byte in the middle
        f.seek(whole.stat().st_size // 2)
        byte = f.read(1)[0]
        f.seek(-1, 1)
        f.write(bytes([byte ^ 1]))
    assert f"not {digest[:8]}" in str(weights.damage("resnet18"))


@pytest.mark.parametrize(
    ("error", "found"),
    [
        (
            PermissionError(13, "Permission denied"),
            "not be written to.*TORCH_HOME",
        ),
        (OSError(28, "No space left on device"), "No space left.*TORCH_HOME"),
        (TimeoutError("timed out"), "could not be downloaded"),
        (ConnectionResetError("reset"), "could not be downloaded"),
        (RuntimeError('invalid hash value (expected "f3")'), "is not the file.*proxy"),
    ],
)
def test_downloads_that_fail(
    cache: Path, error: Exception, found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: object, *args: object, **kwargs: object) -> None:
        raise error

    monkeypatch.setattr(models.WeightsEnum, "get_state_dict", fail)
    with pytest.raises(DplibError, match=f"weights of resnet18.*{found}") as e:
        weights.load_weights(nn.Identity(), "resnet18", "imagenet")
    assert str(cache.parent) in str(e.value)
