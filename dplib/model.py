"""Deep-Person: one backbone and three branches (§3.1, figure 2).

    image ── backbone ── fb ─┬─ rows ── part context ── concat ── softmax    BpI
                             ├─ GAP ─── FC ─────────────────────── softmax    BgI
                             └─ GAP ─── fm ─────────────────────── triplet    BtR

At test time only fb and fm are computed, so the branches cost nothing there.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from dplib import DplibError, backbones, contexts, seeds
from dplib.contexts import PART_CONTEXTS, RowFC
from dplib.incoming import weights as incoming_weights

BRANCHES = ("part", "global", "ranking")  # BpI, BgI, BtR
HEADS = (
    "bn",  # BatchNorm before the classifier: ours, as printed BpI may never train
    "linear",  # nothing before the classifier: the paper as printed
    "authors",  # FC 2048, BatchNorm and ReLU: the authors' program
)


@dataclass(frozen=True)
class ModelConfig:
    """The architecture of a model: all its settings but the number of identities.

    The defaults are the paper's; "ours" marks what it leaves open.

    Raises:
        DplibError: ``branches``, ``part_context`` or ``head`` does not exist.
    """

    backbone: str = "resnet50"  # one of backbones.NAMES
    backbone_width: float = 1.0  # its channels, as a share of the original's
    last_stride: int = 2  # of the backbone's last stage
    image_size: tuple[int, int] = (256, 128)  # (height, width) in pixels
    branches: tuple[str, ...] = BRANCHES  # a subset, in any order
    part_context: str = "blstm"  # turns S into O, one of contexts.PART_CONTEXTS
    head: str = "bn"  # ours: what stands before both classifiers, one of HEADS
    part_units: int = 256  # U, width of each O_t
    global_units: int | None = None  # width of BgI's FC; ours: C when None

    def __post_init__(self) -> None:
        _check_choice("branches", self.branches, BRANCHES)
        _check_choice("part_context", (self.part_context,), PART_CONTEXTS)
        _check_choice("head", (self.head,), HEADS)
        # Lists (from JSON) and branches in another order describe the same model, so
        # they are brought into one form and compare equal.
        branches = tuple(b for b in BRANCHES if b in self.branches)
        object.__setattr__(self, "branches", branches)
        height, width = self.image_size
        object.__setattr__(self, "image_size", (int(height), int(width)))


class Outputs(NamedTuple):
    """The result of one forward pass; None for what an absent branch would give."""

    fm: Tensor  # [N, C] the descriptor
    part_logits: Tensor | None = None  # [N, Nc]; [N, H, Nc] for stripes
    global_logits: Tensor | None = None  # [N, Nc]
    part_outputs: Tensor | None = None  # [N, H, U] the O_t, head to foot
    part_features: Tensor | None = None  # [N, H·U] the input of BpI's classifier
    global_features: Tensor | None = None  # [N, G] the input of BgI's classifier


class DeepPerson(nn.Module):
    """The model and its variants.

    Args:
        num_ids: Nc, the number of identities in the training set.
        config: The architecture; a ``Preset`` is one as well. None: the defaults.
        weights: Of the backbone: "imagenet", a file, or None for random weights.
        seed: Seed of the random weights.
        settings: Fields of ``ModelConfig``, which take the place of ``config``'s.

    Raises:
        DplibError: A setting has a value that does not exist, ``num_ids`` is below 2,
            or ``weights`` do not fit.

    Example:
        >>> size = {"image_size": (128, 64), "last_stride": 1}
        >>> model = DeepPerson(10, backbone="resnet18", part_context="fc", **size)
        >>> model(torch.zeros(2, 3, 128, 64)).part_outputs.shape  # [N, H, U]
        torch.Size([2, 8, 256])
    """

    def __init__(
        self,
        num_ids: int,
        config: ModelConfig | None = None,
        *,
        weights: str | Path | None = None,
        seed: int = 0,
        **settings: Any,
    ) -> None:
        super().__init__()
        config = replace(config or ModelConfig(), **settings)
        if num_ids < 2:
            raise DplibError(f"num_ids={num_ids}: a model needs at least 2 identities")
        # what a checkpoint holds; a preset has fields that are not the model's
        names = [f.name for f in fields(ModelConfig)]
        self.config = {"num_ids": num_ids, **{n: getattr(config, n) for n in names}}
        self.branches, self.head = config.branches, config.head
        self.image_size = config.image_size
        # The backbone and each branch draw from a generator of their own, so that
        # adding a branch leaves the initial weights of the others as they were.
        with _seeded(seed, 0):
            net = backbones.build(
                config.backbone,
                width=config.backbone_width,
                last_stride=config.last_stride,
            )
        self.backbone, self.channels = net.net, net.channels
        self.rows = backbones.rows(self.image_size[0], net.stride)
        if weights is not None:
            incoming_weights.load_weights(self.backbone, config.backbone, weights)
        if "part" in self.branches:
            with _seeded(seed, 1):
                self._build_part(config, num_ids)
        if "global" in self.branches:
            with _seeded(seed, 2):
                self._build_global(config.global_units or self.channels, num_ids)
        self.to(memory_format=torch.channels_last)  # 1.4 times as fast on a CPU

    def _build_part(self, config: ModelConfig, num_ids: int) -> None:
        rows, units = self.rows, config.part_units
        self.part_context = contexts.build(
            config.part_context, rows, self.channels, units
        )
        self.stripes = config.part_context == "stripes"
        self.part_fc: nn.Module = nn.Identity()
        if self.stripes:  # an independent classifier for each row, as in PCB
            self.part_classifier: nn.Module = RowFC(rows, units, num_ids)
        elif self.head == "authors":
            self.part_fc = _authors_fc(rows * units)
            self.part_classifier = nn.Linear(2048, num_ids)
        else:
            self.part_classifier = _classifier(self.head, rows * units, num_ids)

    def _build_global(self, units: int, num_ids: int) -> None:
        if self.head == "authors":
            self.global_fc: nn.Module = _authors_fc(self.channels)
            self.global_classifier: nn.Module = nn.Linear(2048, num_ids)
        else:  # no activation after the FC: ours, the paper does not say
            self.global_fc = nn.Linear(self.channels, units)
            self.global_classifier = _classifier(self.head, units, num_ids)

    def feature_map(self, images: Tensor) -> Tensor:
        """fb [N, C, H, W] of normalised images [N, 3, h, w] (§3.1)."""
        return self.backbone(images)

    def part_sequence(self, fb: Tensor) -> Tensor:
        """S [N, H, C]: each row of fb averaged over its W columns (§3.2)."""
        return fb.mean(dim=3).transpose(1, 2)  # [N, C, H, W] → [N, C, H] → [N, H, C]

    def descriptor(self, images: Tensor) -> Tensor:
        """fm [N, C] = GAP of fb: the only descriptor used at test time (§3.4)."""
        return self.feature_map(images).mean(dim=(2, 3))  # [N, C, H, W] → [N, C]

    def forward(self, images: Tensor) -> Outputs:
        """The descriptor and the outputs of all branches (§3.1).

        Args:
            images: [N, 3, h, w] of ``image_size``, normalised.

        Raises:
            DplibError: The images' height does not give the H rows of the model.
        """
        fb = self.feature_map(images)  # [N, C, H, W]
        out = Outputs(fm=fb.mean(dim=(2, 3)))  # [N, C]
        if "part" in self.branches:
            if fb.shape[2] != self.rows:
                raise DplibError(
                    f"images of {images.shape[2]} x {images.shape[3]} pixels give "
                    f"{fb.shape[2]} rows of fb, the model has {self.rows}; resize to "
                    f"{self.image_size[0]} x {self.image_size[1]}"
                )
            o = self.part_context(self.part_sequence(fb))  # [N, H, C] → [N, H, U]
            features = self.part_fc(o.flatten(1))  # [N, H·U]; 2048 for "authors"
            # [N, Nc]; for stripes [N, H, Nc]
            logits = self.part_classifier(o if self.stripes else features)
            out = out._replace(
                part_outputs=o, part_features=features, part_logits=logits
            )
        if "global" in self.branches:
            features = self.global_fc(out.fm)  # [N, G]
            logits = self.global_classifier(features)  # [N, Nc]
            out = out._replace(global_features=features, global_logits=logits)
        return out


def _authors_fc(inputs: int) -> nn.Module:
    return nn.Sequential(nn.Linear(inputs, 2048), nn.BatchNorm1d(2048), nn.ReLU())


def _classifier(head: str, inputs: int, num_ids: int) -> nn.Module:
    linear = nn.Linear(inputs, num_ids)
    return linear if head == "linear" else nn.Sequential(nn.BatchNorm1d(inputs), linear)


def _check_choice(name: str, given: Sequence[str], known: Sequence[str]) -> None:
    wrong = [repr(g) for g in given if g not in known]
    if wrong or not given:
        problem = f": {wrong[0]} is unknown" if wrong else " is empty"
        raise DplibError(f"{name}{problem}; choose from {', '.join(known)}")


@contextlib.contextmanager
def _seeded(seed: int, stream: int) -> Iterator[None]:
    """Seed torch's global generator for the block, then restore it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seeds.check(seed) * 1009 + stream)
        yield
