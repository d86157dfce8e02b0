"""Deep-Person: one backbone and three branches (§3.1, figure 2).

    image ── backbone ── fb ─┬─ rows ── part context ── concat ── softmax    BpI
                             ├─ GAP ─── FC ─────────────────────── softmax    BgI
                             └─ GAP ─── fm ─────────────────────── triplet    BtR

At test time only fb and fm are computed: the branches cost nothing there.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from dplib import DplibError, backbones, contexts
from dplib.contexts import BLSTM as BLSTM
from dplib.contexts import PART_CONTEXTS as PART_CONTEXTS
from dplib.contexts import AuthorsBLSTM as AuthorsBLSTM
from dplib.contexts import RowFC as RowFC
from dplib.contexts import Stripes as Stripes

BRANCHES = ("part", "global", "ranking")  # BpI, BgI, BtR
HEADS = ("bn", "linear", "authors")


class Outputs(NamedTuple):
    """What one forward pass gives; None for what an absent branch would give."""

    fm: Tensor  # [N, C] the descriptor
    part_logits: Tensor | None = None  # [N, Nc]; [N, H, Nc] for stripes
    global_logits: Tensor | None = None  # [N, Nc]
    part_outputs: Tensor | None = None  # [N, H, U] the O_t, head to foot
    part_features: Tensor | None = None  # [N, H·U] what enters BpI's classifier
    global_features: Tensor | None = None  # [N, G] what enters BgI's classifier


class RowClassifiers(nn.Module):
    """An independent classifier per row: O [N, H, U] → logits [N, H, Nc]."""

    def __init__(self, rows: int, units: int, num_ids: int) -> None:
        super().__init__()
        self.fcs = nn.ModuleList(nn.Linear(units, num_ids) for _ in range(rows))

    def forward(self, o: Tensor) -> Tensor:
        return torch.stack(
            [fc(x) for fc, x in zip(self.fcs, o.unbind(1), strict=True)], 1
        )


class DeepPerson(nn.Module):
    """The model and its variants.

    num_ids: Nc, classes of the training set. backbone, backbone_width, last_stride:
    see ``backbones.build``. image_size: (height, width) in pixels, fixes H.
    branches: a subset of ("part", "global", "ranking") = BpI, BgI, BtR.
    part_context: what turns S into O, see ``PART_CONTEXTS``.
    head: what stands before both classifiers: "bn" BatchNorm (ours: as printed, BpI
    may never wake), "linear" nothing (the paper as printed), "authors" FC 2048 + BN +
    ReLU (their program). part_units: U, 256 in the paper. global_units: width of
    BgI's FC, C when None (the paper does not say; without activation, ours).
    seed: initialisation; each branch draws from its own generator, so that adding one
    leaves the others' initial weights as they were.
    Raises DplibError for a value that does not exist.
    """

    def __init__(
        self,
        num_ids: int,
        backbone: str = "resnet50",
        branches: Sequence[str] = BRANCHES,
        part_context: str = "blstm",
        head: str = "bn",
        *,
        image_size: tuple[int, int] = (256, 128),
        backbone_width: float = 1.0,
        last_stride: int = 2,
        part_units: int = 256,
        global_units: int | None = None,
        weights: str | Path | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        _choice("branches", branches, BRANCHES)
        branches = tuple(b for b in BRANCHES if b in branches)
        _choice("part_context", (part_context,), PART_CONTEXTS)
        _choice("head", (head,), HEADS)
        if num_ids < 2:
            raise DplibError(f"num_ids={num_ids}: a model needs at least 2 identities")
        self.config: dict[str, Any] = {
            "num_ids": num_ids,
            "backbone": backbone,
            "branches": branches,
            "part_context": part_context,
            "head": head,
            "image_size": tuple(image_size),
            "backbone_width": backbone_width,
            "last_stride": last_stride,
            "part_units": part_units,
            "global_units": global_units,
        }
        self.branches, self.head = branches, head
        self.image_size = (int(image_size[0]), int(image_size[1]))
        with _seeded(seed, 0):
            net = backbones.build(
                backbone, width=backbone_width, last_stride=last_stride
            )
        self.backbone, self.channels = net.net, net.channels
        self.rows = backbones.rows(self.image_size[0], net.stride)
        if weights is not None:
            backbones.load_weights(self.backbone, backbone, weights)
        if "part" in branches:
            with _seeded(seed, 1):
                self._build_part(part_context, part_units, num_ids)
        if "global" in branches:
            with _seeded(seed, 2):
                self._build_global(global_units or self.channels, num_ids)
        self.to(memory_format=torch.channels_last)  # worth 1.4 x on a CPU

    def _build_part(self, context: str, units: int, num_ids: int) -> None:
        c, rows = self.channels, self.rows
        self.part_context = contexts.build(context, rows, c, units)
        self.stripes = context == "stripes"
        self.part_fc: nn.Module = nn.Identity()
        if self.stripes:
            self.part_classifier: nn.Module = RowClassifiers(rows, units, num_ids)
        elif self.head == "authors":
            self.part_fc = _authors_fc(rows * units)
            self.part_classifier = nn.Linear(2048, num_ids)
        else:
            self.part_classifier = _classifier(self.head, rows * units, num_ids)

    def _build_global(self, units: int, num_ids: int) -> None:
        if self.head == "authors":
            self.global_fc: nn.Module = _authors_fc(self.channels)
            self.global_classifier: nn.Module = nn.Linear(2048, num_ids)
        else:
            self.global_fc = nn.Linear(self.channels, units)
            self.global_classifier = _classifier(self.head, units, num_ids)

    def feature_map(self, images: Tensor) -> Tensor:
        """fb [N, C, H, W] of normalised images [N, 3, h, w]."""
        return self.backbone(images)

    def part_sequence(self, fb: Tensor) -> Tensor:
        """S [N, H, C]: each row of fb averaged over its W columns (1 x W pooling)."""
        return fb.mean(dim=3).transpose(1, 2)

    def descriptor(self, images: Tensor) -> Tensor:
        """fm [N, C] = GAP of fb: the only descriptor used at test time (§3.4)."""
        return self.feature_map(images).mean(dim=(2, 3))

    def forward(self, images: Tensor) -> Outputs:
        """All that the branches give for images [N, 3, h, w] of ``image_size``.

        Raises DplibError when the images' height does not give H rows.
        """
        fb = self.feature_map(images)  # [N, C, H, W]
        out = Outputs(fm=fb.mean(dim=(2, 3)))
        if "part" in self.branches:
            if fb.shape[2] != self.rows:
                raise DplibError(
                    f"images of {images.shape[2]} x {images.shape[3]} pixels give "
                    f"{fb.shape[2]} rows of fb, the model has {self.rows}; resize to "
                    f"{self.image_size[0]} x {self.image_size[1]}"
                )
            o = self.part_context(self.part_sequence(fb))  # [N, H, U]
            features = self.part_fc(o.flatten(1))  # [N, H·U]
            logits = self.part_classifier(o if self.stripes else features)
            out = out._replace(
                part_outputs=o, part_features=features, part_logits=logits
            )
        if "global" in self.branches:
            features = self.global_fc(out.fm)  # [N, G]
            out = out._replace(
                global_features=features,
                global_logits=self.global_classifier(features),
            )
        return out


def _authors_fc(inputs: int) -> nn.Module:
    return nn.Sequential(nn.Linear(inputs, 2048), nn.BatchNorm1d(2048), nn.ReLU())


def _classifier(head: str, inputs: int, num_ids: int) -> nn.Module:
    linear = nn.Linear(inputs, num_ids)
    return linear if head == "linear" else nn.Sequential(nn.BatchNorm1d(inputs), linear)


def _choice(name: str, given: Sequence[str], known: Sequence[str]) -> None:
    wrong = [g for g in given if g not in known]
    if wrong or not given:
        raise DplibError(
            f"{name}: {wrong[0]!r} is unknown; choose from {', '.join(known)}"
            if wrong
            else f"{name} is empty; choose from {', '.join(known)}"
        )


class _seeded:
    """Seed torch's global generator for the block, then restore it."""

    def __init__(self, seed: int, stream: int) -> None:
        self.seed = seed * 1009 + stream
        self.fork = torch.random.fork_rng(devices=[])

    def __enter__(self) -> None:
        self.fork.__enter__()
        torch.manual_seed(self.seed)

    def __exit__(self, *exc: Any) -> None:
        self.fork.__exit__(*exc)


# --- whole models on disk ---------------------------------------------------------
