"""Whole models on disk: save, load, and the checkpoints that ship with dplib."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dplib import DplibError
from dplib.model import DeepPerson


class CheckpointError(DplibError):
    """A checkpoint that is missing, damaged, or of another model."""


ASSETS = Path(__file__).parent / "assets" / "checkpoints"


def save(model: DeepPerson, path: str | Path, record: dict[str, Any]) -> Path:
    """Write the whole model for shipping: ``path``.safetensors and ``path``.json.

    Floating tensors are halved except BatchNorm's, whose running statistics need the
    range. record says how the model was made; config is added to it.
    """
    from safetensors.torch import save_file

    path = Path(path).with_suffix(".safetensors")
    path.parent.mkdir(parents=True, exist_ok=True)
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
    config = json.dumps(model.config)
    text = json.dumps({**record, "config": model.config}, indent=1) + "\n"
    part, note = path.with_suffix(".tmp"), path.with_suffix(".json.tmp")
    try:
        save_file(state, part, metadata={"config": config})
        part.chmod(0o644)  # safetensors makes it private
        note.write_text(text, encoding="utf-8")
        note.replace(path.with_suffix(".json"))
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
        note.unlink(missing_ok=True)
    return path


def load(path: str | Path) -> DeepPerson:
    """A model from a file (.safetensors as ``save`` writes, or training's .pt), or from
    the name of a shipped checkpoint ("toy"); in eval mode, float32.

    Raises CheckpointError for a file that is missing, damaged or of other software.
    """
    path = _find(path)
    try:
        if path.suffix == ".safetensors":
            from safetensors import safe_open

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
    """Strictly load ``state``; CheckpointError names the first tensor that differs."""
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
                "with the checkpoint's own settings (model.load does)"
            )
    model.load_state_dict(state)


def _find(path: str | Path) -> Path:
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
