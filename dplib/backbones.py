"""Backbones: an image in, the feature map fb out (§3.1, "shared low-level feature").

A backbone is a torchvision network without its global pooling and its classifier. It
maps ``[N, 3, h, w]`` to fb ``[N, C, H, W]``; a last stride of 1 in place of 2 doubles
H and W, so that an image of 128 x 64 gives the paper's 8 x 4.
"""

from __future__ import annotations

import math
import re
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torchvision import models
from torchvision.models.resnet import BasicBlock, Bottleneck

from dplib import DplibError


class Backbone(NamedTuple):
    """A network that ends in fb, its channels C, and pixels per row of fb."""

    net: nn.Module
    channels: int
    stride: int


def _resnet(
    block: type[BasicBlock] | type[Bottleneck],
    depths: tuple[int, int, int, int],
    width: float,
    last_stride: int,
) -> Backbone:
    """torchvision's ResNet to layer4, under the same names, at any width."""
    planes = [max(8, round(width * c)) for c in (64, 128, 256, 512)]
    layers: OrderedDict[str, nn.Module] = OrderedDict(
        conv1=nn.Conv2d(3, planes[0], 7, stride=2, padding=3, bias=False),
        bn1=nn.BatchNorm2d(planes[0]),
        relu=nn.ReLU(inplace=True),
        maxpool=nn.MaxPool2d(3, stride=2, padding=1),
    )
    channels = planes[0]
    for i, (out, depth) in enumerate(zip(planes, depths, strict=True), start=1):
        first = {1: 1, 4: last_stride}.get(i, 2)
        blocks: list[nn.Module] = []
        for j in range(depth):
            stride = first if j == 0 else 1
            shortcut = None
            if stride != 1 or channels != out * block.expansion:
                shortcut = nn.Sequential(
                    nn.Conv2d(channels, out * block.expansion, 1, stride, bias=False),
                    nn.BatchNorm2d(out * block.expansion),
                )
            blocks.append(block(channels, out, stride, shortcut))
            channels = out * block.expansion
        layers[f"layer{i}"] = nn.Sequential(*blocks)
    net = nn.Sequential(layers)
    for m in net.modules():  # as torchvision initialises its own
        if isinstance(m, nn.Conv2d):
            nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
    return Backbone(net, channels, 16 * last_stride)


def _mobilenet_v2(width: float, last_stride: int) -> Backbone:
    net: Any = models.mobilenet_v2(weights=None, width_mult=width).features
    depthwise = net[14].conv[1][0]  # where the map goes from 1/16 to 1/32
    depthwise.stride = (last_stride, last_stride)
    return Backbone(net, net[-1][0].out_channels, 16 * last_stride)


NAMES = ("resnet50", "resnet18", "mobilenet_v2")


def build(name: str, *, width: float = 1.0, last_stride: int = 2) -> Backbone:
    """The backbone ``name`` with random weights.

    width multiplies every layer's channels (1 is torchvision's own); last_stride is
    the stride of the last stage: 2 (the paper) or 1.
    Raises DplibError for a name or a stride that does not exist.
    """
    if last_stride not in (1, 2):
        raise DplibError(f"last_stride={last_stride!r}: expected 2 (the paper) or 1")
    if not 0 < width <= 4:
        raise DplibError(f"backbone width {width!r}: expected a factor in (0, 4]")
    if name == "resnet50":
        return _resnet(Bottleneck, (3, 4, 6, 3), width, last_stride)
    if name == "resnet18":
        return _resnet(BasicBlock, (2, 2, 2, 2), width, last_stride)
    if name == "mobilenet_v2":
        return _mobilenet_v2(width, last_stride)
    raise DplibError(f"unknown backbone {name!r}: choose one of {', '.join(NAMES)}")


def rows(height: int, stride: int) -> int:
    """H, the rows of fb, for an image of ``height`` pixels: every halving rounds up."""
    for _ in range(int(math.log2(stride))):
        height = (height + 1) // 2
    return height


def load_weights(net: nn.Module, name: str, source: str | Path) -> None:
    """Put pretrained weights into ``net``: "imagenet", or a file of tensors.

    "imagenet" goes through torchvision's download cache. A file is a state dict as
    ``torch.save`` or safetensors writes it; it may hold the classifier, which is left
    out, and its names may differ from ours (MobileNetV2's tensors then go in by
    order, if every shape agrees).
    Raises DplibError when the download or the file fails or does not fit, and says
    which tensor is at fault.
    """
    state = _imagenet(name) if source == "imagenet" else _read(Path(source))
    # BatchNorm's counters are absent from older files, and nothing reads them
    skip = re.compile(r"(fc|classifier)\.|.*num_batches_tracked$").match
    own = {k: v for k, v in net.state_dict().items() if not skip(k)}
    state = {k.removeprefix("features."): v for k, v in state.items() if not skip(k)}
    if set(state) != set(own) and len(state) == len(own):
        state = dict(zip(own, state.values(), strict=True))
    missing = sorted(set(own) - set(state))
    if missing:
        raise DplibError(
            f"weights {source}: {len(missing)} tensors of {name} are missing, the "
            f"first is {missing[0]!r}; expected a state dict of torchvision's {name}"
        )
    for key, value in own.items():
        if state[key].shape != value.shape:
            raise DplibError(
                f"weights {source}: {key} has shape {tuple(state[key].shape)}, this "
                f"{name} needs {tuple(value.shape)}; were they made at another width?"
            )
    net.load_state_dict({k: state[k] for k in own}, strict=False)


def _imagenet(name: str) -> Mapping[str, Tensor]:
    enum = {
        "resnet50": models.ResNet50_Weights.IMAGENET1K_V1,  # the paper's day: V1
        "resnet18": models.ResNet18_Weights.IMAGENET1K_V1,
        "mobilenet_v2": models.MobileNet_V2_Weights.IMAGENET1K_V1,
    }[name]
    try:
        return enum.get_state_dict(progress=True, check_hash=True)
    except OSError as e:  # URLError is one
        folder = Path(torch.hub.get_dir()) / "checkpoints"
        raise DplibError(
            f"ImageNet weights of {name} could not be downloaded ({e}). With a "
            f"connection elsewhere, fetch {Path(enum.url).name} and put it into "
            f"{folder}, or pass its path as weights=…; weights=None trains from "
            "random weights"
        ) from e


def _read(path: Path) -> Mapping[str, Tensor]:
    if not path.is_file():
        raise DplibError(
            f"weights {path}: no such file; pass a state dict's path, "
            '"imagenet", or None for random weights'
        )
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as e:
        raise DplibError(
            f"weights {path}: cannot be read ({type(e).__name__}); expected a state "
            "dict saved by torch.save or safetensors; download it anew"
        ) from e
    if not isinstance(state, Mapping) or not all(
        isinstance(v, Tensor) for v in state.values()
    ):
        raise DplibError(f"weights {path}: expected a state dict, a map of tensors")
    return state
