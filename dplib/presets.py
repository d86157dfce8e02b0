"""Recipes: every number of a training run in one place.

``toy`` trains in minutes on two CPU cores; ``market-cpu`` trains Market-1501 in under
half an hour there; ``paper`` is §4.1 to the letter; ``authors`` is their program.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Any

from dplib import DplibError
from dplib.model import DeepPerson, ModelConfig


@dataclass(frozen=True, kw_only=True)
class Preset(ModelConfig):
    """One recipe: the settings of the model, and how it is trained.

    Defaults are the paper's (§4.1); "ours" marks what it leaves open. Presets are
    frozen; ``dataclasses.replace`` makes a variant:

        >>> from dataclasses import replace
        >>> short = replace(get("toy"), epochs=2, branches=("global", "ranking"))
        >>> short.name, short.epochs, short.lr
        ('toy', 2, 0.0015)
    """

    name: str
    weights: str | None = "imagenet"  # where the backbone starts
    # batches
    p: int = 16  # people in a batch
    k: int = 8  # images of each
    crop_scale: tuple[float, float] = (0.64, 1.0)  # share of the area
    crop_ratio: tuple[float, float] = (2.0, 3.0)  # height / width
    log_ratio: bool = True  # torchvision's draw; the authors draw uniformly
    flip: float = 0.5
    # losses
    loss_weights: tuple[float, float, float] = (1.0, 1.0, 1.0)  # λ1 BtR, λ2 BpI, λ3 BgI
    margin: float = 0.5  # m of equation 1
    ranking_only_epochs: int = 0  # the authors train BtR alone at first
    # optimiser
    lr: float = 3e-4
    weight_decay: float = 5e-4  # ours: the authors' value, in Adam as they have it
    clip_norm: float | None = 50.0  # ours: the paper clips, and does not say at what
    epochs: int = 150  # of ⌊Nc / P⌋ batches
    decay_start: int = 100
    warmup: int = 0  # iterations of linear warm-up; the paper has none
    autocast: bool = False  # bfloat16 in the forward pass

    def build_model(
        self, num_ids: int, *, weights: str | Path | None = "preset", seed: int = 0
    ) -> DeepPerson:
        """The recipe's model, untrained.

        Args:
            num_ids: Nc, the number of identities in the training set.
            weights: Of the backbone, in place of the recipe's; None for random ones.
            seed: Seed of the random weights.

        Raises:
            DplibError: The weights cannot be had, see ``backbones.load_weights``.
        """
        start = self.weights if weights == "preset" else weights
        return DeepPerson(num_ids, self, weights=start, seed=seed)


_ALL = (
    Preset(
        name="toy",
        backbone="resnet18",
        backbone_width=0.25,
        last_stride=1,
        image_size=(128, 64),
        weights=None,
        part_units=64,
        p=8,  # small batches: more updates, and hardest negatives less hard
        k=4,
        lr=1.5e-3,
        epochs=32,
        decay_start=24,
    ),
    Preset(
        name="market-cpu",
        backbone="mobilenet_v2",
        last_stride=1,
        image_size=(128, 64),
        p=16,
        k=4,
        epochs=40,
        decay_start=20,
        global_units=512,
    ),
    Preset(  # ToyMarket from ImageNet weights, as the paper's nets begin (experiments)
        name="toy-imagenet",
        backbone="mobilenet_v2",
        last_stride=1,
        image_size=(128, 64),
        p=8,
        k=4,
        epochs=10,
        decay_start=5,
        global_units=512,
    ),
    Preset(name="paper"),
    Preset(
        name="authors",
        part_context="blstm_authors",
        head="authors",
        p=8,
        k=16,
        log_ratio=False,
        ranking_only_epochs=30,
        clip_norm=None,
    ),
)
PRESETS: dict[str, Preset] = {p.name: p for p in _ALL}


def get(name: str) -> Preset:
    """The preset of that name.

    Raises:
        DplibError: There is none; the message lists the names.
    """
    try:
        return PRESETS[name]
    except KeyError:
        known = ", ".join(PRESETS)
        raise DplibError(f"unknown preset {name!r}: choose one of {known}") from None


def with_defaults(settings: Mapping[str, Any]) -> dict[str, Any]:
    """A preset's settings as JSON has them, with the default of each missing field.

    Records and checkpoints hold the settings that existed when they were made. A field
    that was added later is missing there; those runs used, in effect, its default.
    """
    known = {f.name: f.default for f in fields(Preset) if f.default is not MISSING}
    defaults: dict[str, Any] = json.loads(json.dumps(known))
    return {**defaults, **settings}


def as_record(preset: Preset) -> dict[str, Any]:
    """A preset's settings as JSON has them: tuples become lists."""
    return dict(json.loads(json.dumps(asdict(preset))))
