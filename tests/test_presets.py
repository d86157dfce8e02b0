"""Presets: the recipes' numbers and the models they build."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, replace

import pytest

from dplib import DplibError, presets
from dplib.presets import PRESETS


def test_the_recipes() -> None:
    known = ["toy", "market-cpu", "toy-imagenet", "paper", "authors"]
    assert list(PRESETS) == known
    assert all(presets.get(name) is preset for name, preset in PRESETS.items())
    assert all(preset.name == name for name, preset in PRESETS.items())


def test_unknown_preset_lists_the_known_ones() -> None:
    with pytest.raises(
        DplibError,
        match=r"unknown preset 'papre'.*toy, market-cpu, toy-imagenet, paper, authors",
    ):
        presets.get("papre")


def test_a_preset_is_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        PRESETS["toy"].lr = 1.0  # type: ignore[misc]


def test_the_paper_to_the_letter() -> None:
    """§3.2, §3.4, §3.5 and §4.1."""
    p = PRESETS["paper"]
    assert (p.backbone, p.backbone_width, p.last_stride) == ("resnet50", 1.0, 2)
    assert (p.image_size, p.weights) == ((256, 128), "imagenet")
    assert (p.branches, p.part_context) == (("part", "global", "ranking"), "blstm")
    assert p.part_units == 256
    assert p.p * p.k == 128 and p.k == 8
    assert (p.crop_scale, p.crop_ratio, p.flip) == ((0.64, 1.0), (2.0, 3.0), 0.5)
    assert (p.loss_weights, p.margin) == ((1.0, 1.0, 1.0), 0.5)
    assert (p.lr, p.decay_start, p.epochs) == (3e-4, 100, 150)
    assert p.clip_norm is not None and p.ranking_only_epochs == 0 and p.warmup == 0


def test_the_authors_program() -> None:
    p = PRESETS["authors"]
    assert (p.p, p.k) == (8, 16)
    assert (p.part_context, p.head) == ("blstm_authors", "authors")
    assert p.ranking_only_epochs == 30 and p.clip_norm is None
    assert p.weight_decay == 5e-4 and not p.log_ratio


def test_a_record_is_flat_and_gives_the_preset_again() -> None:
    for preset in PRESETS.values():
        record = presets.as_record(preset)
        assert record == json.loads(json.dumps(record))
        assert record["name"] == preset.name and record["backbone"] == preset.backbone
        assert record["image_size"] == list(preset.image_size)
        again = {k: tuple(v) if isinstance(v, list) else v for k, v in record.items()}
        assert presets.Preset(**again) == preset


def test_a_setting_that_does_not_exist_is_refused_at_once() -> None:
    with pytest.raises(DplibError, match=r"part_context: 'gru'.*choose from blstm"):
        replace(PRESETS["toy"], part_context="gru")


@pytest.mark.parametrize("preset", PRESETS.values(), ids=list(PRESETS))
def test_each_builds_its_model(preset: presets.Preset) -> None:
    model = preset.build_model(10, weights=None)
    assert model.config["num_ids"] == 10
    assert model.config["image_size"] == preset.image_size
    assert model.branches == preset.branches
    assert model.rows == 8  # at every size, the paper's H


def test_weights_of_the_recipe_are_used_unless_replaced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[object] = []
    monkeypatch.setattr(
        "dplib.incoming.weights.load_weights",
        lambda net, name, source: asked.append(source),
    )
    PRESETS["market-cpu"].build_model(3)
    PRESETS["market-cpu"].build_model(3, weights="mine.pt")
    PRESETS["market-cpu"].build_model(3, weights=None)
    PRESETS["toy"].build_model(3)
    assert asked == ["imagenet", "mine.pt"]
