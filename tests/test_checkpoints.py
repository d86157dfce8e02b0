"""Checkpoints that cannot be loaded: each message says what the file is in truth.

That what is saved is loaded is in test_model.py.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from dplib import __version__, checkpoints
from dplib.checkpoints import CheckpointError
from dplib.model import DeepPerson

Saved = dict[str, Any]


def small(num_ids: int = 5) -> DeepPerson:
    return DeepPerson(
        num_ids, backbone="resnet18", image_size=(64, 32), backbone_width=0.125
    )


def saved(**config: object) -> Saved:
    """What training writes, as far as ``load`` reads it."""
    net = small()
    return {"model": net.state_dict(), "config": json.dumps({**net.config, **config})}


def refusal(content: object, folder: Path) -> str:
    torch.save(content, folder / "checkpoint.pt")
    with pytest.raises(CheckpointError) as e:
        checkpoints.load(folder)
    assert str(folder / "checkpoint.pt") in str(e.value)
    return str(e.value)


def test_what_training_writes_is_loaded(tmp_path: Path) -> None:
    content = saved()
    torch.save(content, tmp_path / "checkpoint.pt")
    got = checkpoints.load(tmp_path).state_dict()
    assert all(torch.equal(v, content["model"][k]) for k, v in got.items())


def test_settings_of_a_newer_version(tmp_path: Path) -> None:
    said = refusal(saved(attention="axial", depth=3), tmp_path)
    assert f"attention, depth, which dplib {__version__} does not know" in said
    assert "update dplib" in said


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"backbone": "vit"}, "unknown backbone 'vit': choose one of"),
        ({"num_ids": 1}, "a model needs at least 2 identities"),
        ({"num_ids": "many"}, "no model can be built from its settings"),
        ({"part_units": -3}, "no model can be built from its settings"),
        ({"image_size": None}, "no model can be built from its settings"),
    ],
)
def test_settings_that_make_no_model(change: Saved, found: str, tmp_path: Path) -> None:
    assert found in refusal(saved(**change), tmp_path)


def damaged(text: str) -> Saved:
    return {**saved(), "config": text}


def test_damaged_settings(tmp_path: Path) -> None:
    assert "its settings are no JSON" in refusal(damaged("{"), tmp_path)
    assert "its settings lack num_ids" in refusal(damaged("{}"), tmp_path)
    assert "its settings lack num_ids" in refusal(damaged("[3]"), tmp_path)


def test_settings_of_another_number_of_identities(tmp_path: Path) -> None:
    said = refusal(saved(num_ids=7), tmp_path)
    assert "is of 5 identities (Nc), this model of 7" in said
    assert "num_ids=5" in said
    net = small(7)
    before = {k: v.clone() for k, v in net.state_dict().items()}
    with pytest.raises(CheckpointError, match=r"of 5 identities .* this model of 7"):
        checkpoints.load_state(net, small(5).state_dict(), "x.pt")
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_tensors_that_are_not_finite(value: float, tmp_path: Path) -> None:
    content = saved()
    content["model"]["backbone.bn1.bias"][2] = value
    said = refusal(content, tmp_path)
    assert "1 of 8 values of backbone.bn1.bias are not finite" in said
    assert "the run diverged or the file is damaged" in said


def test_tensors_that_are_none(tmp_path: Path) -> None:
    content = saved()
    content["model"]["backbone.bn1.bias"] = [0.0] * 8
    assert "'backbone.bn1.bias' is no tensor" in refusal(content, tmp_path)


@pytest.mark.parametrize(
    ("make", "found"),
    [
        (lambda net: net.state_dict(), "a dict with the keys 'backbone.conv1.weight'"),
        (lambda net: {"model": net.state_dict()}, "a dict with the keys 'model'"),
        (lambda net: {"config": "{}"}, "a dict with the keys 'config'"),
        (lambda net: [1, 2], "an object of type list"),
        (lambda net: torch.ones(2), "one tensor of shape (2,)"),
        (lambda net: {}, "an empty dict"),
    ],
)
def test_whole_files_that_are_no_checkpoint(
    make: Callable[[DeepPerson], object], found: str, tmp_path: Path
) -> None:
    said = refusal(make(small()), tmp_path)
    assert (
        f"this is a whole file, but it was not written by dplib: it holds {found}"
        in (said)
    )
    assert "again" not in said and "anew" not in said


def test_safetensors_without_settings(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    save_file({k: v.contiguous() for k, v in small().state_dict().items()}, path)
    with pytest.raises(CheckpointError, match=r"net.safe.*no settings of a model"):
        checkpoints.load(path)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"<!DOCTYPE html>", "a web page, not the file that was meant and was not wri"),
        (b"version https://git-lfs.github.com/spec/v1", "a Git LFS pointer"),
        (b'{"config": {}}', "text (JSON)"),
        (b"", "an empty file"),
        (b"PK\x03\x04", "a truncated file of torch.save, 4 bytes long"),
    ],
)
@pytest.mark.parametrize("name", ["m.pt", "m.safetensors"])
def test_other_kinds_of_files(
    content: bytes, found: str, name: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CheckpointError) as e:
        checkpoints.load(tmp_path / name)
    assert f"checkpoint {tmp_path / name}: cannot be read: this is {found}" in (
        str(e.value)
    )


def test_a_whole_pickled_model(tmp_path: Path) -> None:
    said = refusal(small(), tmp_path)
    assert "holds more than tensors, such as dplib.model.DeepPerson" in said
    assert "runs code" in said and "weights_only=False" in said
