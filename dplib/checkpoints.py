"""Whole models on disk: save, load, and the checkpoints that ship with dplib."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from dplib import DplibError, files
from dplib.model import DeepPerson


class CheckpointError(DplibError):
    """A checkpoint that is missing, damaged, or of another model."""


ASSETS = Path(__file__).parent / "assets" / "checkpoints"


def save(model: DeepPerson, path: str | Path, record: dict[str, Any]) -> Path:
    """Write the whole model for shipping: ``path``.safetensors and ``path``.json.

    Args:
        model: The model; floating tensors are written in half precision, but for those
            of BatchNorm, whose running statistics need the range.
        path: Where to write, with or without a suffix.
        record: How the model was made; its settings are added as ``config``.

    Returns:
        The path of the .safetensors file.

    Raises:
        DplibError: The files cannot be written; what stood there is kept.
    """
    path = Path(path).with_suffix(".safetensors")
    norms = tuple(
        name + "."
        for name, m in model.named_modules()
        if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)
    )
    state = {
        k: (v if k.startswith(norms) or not v.is_floating_point() else v.half())
        .cpu()
        .contiguous()
        for k, v in model.state_dict().items()
    }
    text = json.dumps({**record, "config": model.config}, indent=1) + "\n"
    # Neither file is replaced before the tensors, the larger part, have been written.
    with files.replacing(path) as part:
        save_file(state, part, metadata={"config": json.dumps(model.config)})
        part.chmod(0o644)  # safetensors makes it private
        files.write(path.with_suffix(".json"), text)
    return path


def load(path: str | Path) -> DeepPerson:
    """A model from disk, in eval mode and float32.

    Args:
        path: A file (.safetensors as ``save`` writes it, or training's .pt), a training
            folder, or the name of a shipped checkpoint.

    Raises:
        CheckpointError: The file is missing, damaged or of other software.

    Example:
        >>> load("toy").config["part_context"]
        'blstm'
    """
    path = _find(path)
    try:
        if path.suffix == ".safetensors":
            with safe_open(path, framework="pt") as f:
                config = json.loads((f.metadata() or {})["config"])
                state = {k: f.get_tensor(k) for k in f.keys()}  # noqa: SIM118
        else:
            saved = torch.load(path, map_location="cpu", weights_only=True)
            config, state = json.loads(saved["config"]), saved["model"]
    except Exception as e:
        raise CheckpointError(
            f"checkpoint {path}: cannot be read ({type(e).__name__}); it is "
            "truncated or was not written by dplib; copy it again or train anew"
        ) from e
    model = DeepPerson(**config)
    load_state(model, state, path)
    return model.eval()


def load_state(model: nn.Module, state: dict[str, Tensor], source: object) -> None:
    """Load ``state`` into ``model``, tensor by tensor.

    Args:
        model: The module that takes the tensors; unchanged if they do not fit.
        state: A state dict.
        source: Where it is from, for the message.

    Raises:
        CheckpointError: A tensor is missing, left over or of another shape; the message
            names the first one.
    """
    own = model.state_dict()
    for key in [*own, *state]:
        if key not in state or key not in own or state[key].shape != own[key].shape:
            shapes = [
                "absent" if key not in s else str(tuple(s[key].shape))
                for s in (state, own)
            ]
            raise CheckpointError(
                f"checkpoint {source} is of another architecture: {key} is "
                f"{shapes[0]} there and {shapes[1]} in this model; build the model "
                "with the checkpoint's own settings, as checkpoints.load does"
            )
    model.load_state_dict(state)


def _find(path: str | Path) -> Path:
    """The file meant by ``path``; what exists in the folder comes before shipped names.

    Raises:
        CheckpointError: There is none; the message lists the shipped names.
    """
    shipped = ASSETS / f"{path}.safetensors"
    if not Path(path).exists() and shipped.exists():
        return shipped
    path = Path(path)
    if path.is_dir():
        path = path / "checkpoint.pt"
    if not path.is_file():
        names = ", ".join(sorted(p.stem for p in ASSETS.glob("*.safetensors")))
        raise CheckpointError(
            f"checkpoint {path}: no such file; give a file, a training folder, or one "
            f"of the shipped names: {names or '(none)'}"
        )
    return path
