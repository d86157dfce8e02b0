"""Whole models on disk: save, load, and the checkpoints that ship with dplib."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from safetensors.torch import save as serialise
from torch import Tensor, nn

from dplib import DplibError, __version__, files
from dplib.incoming import tensorfiles
from dplib.model import DeepPerson, ModelConfig


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
    # Neither file is replaced before the tensors, the larger part, have been written;
    # by us, as safetensors tells of a full disk in words of its own.
    content = serialise(state, metadata={"config": json.dumps(model.config)})
    with files.replacing(path) as part:
        part.write_bytes(content)
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
    path = find(path)
    config, state = _parts(path, read(path))
    try:
        model = DeepPerson(**config)
    except (DplibError, TypeError, ValueError, RuntimeError) as e:
        raise CheckpointError(
            f"checkpoint {path}: no model can be built from its settings ({e}); they "
            f"were changed, or written by another version of dplib than {__version__}"
        ) from e
    load_state(model, state, path)
    return model.eval()


def people(path: str | Path) -> dict[str, Any] | None:
    """Who a model was trained on, as ``dplib.people.note`` noted it with the run.

    Args:
        path: As for ``load``.

    Returns:
        The note; None when there is none, as of runs of older versions.

    Raises:
        CheckpointError: The file is missing, or its record is damaged.
    """
    path = find(path)
    record = path.with_suffix(".json")
    try:
        if path.suffix != ".safetensors":
            found = json.loads(read(path).content.get("people", "null"))
        elif record.is_file():
            found = json.loads(record.read_text("utf-8")).get("people")
        else:
            found = None
    except (OSError, ValueError, AttributeError, TypeError) as e:
        raise CheckpointError(
            f"checkpoint {path}: the record of its training cannot be read "
            f"({type(e).__name__}); {_ANEW}"
        ) from e
    return found if isinstance(found, dict) else None


def read(path: Path) -> tensorfiles.Held:
    """What a checkpoint's file holds.

    Raises:
        CheckpointError: The file is damaged, or of another kind; the message says which
            and what to do.
    """
    return tensorfiles.read(path, CheckpointError, "checkpoint", "dplib")


def _parts(path: Path, held: tensorfiles.Held) -> tuple[dict[str, Any], Any]:
    """The settings and the state dict of a checkpoint."""
    content, text, state = held.content, held.metadata.get("config"), held.content
    if isinstance(content, Mapping) and text is None:
        text, state = content.get("config"), content.get("model")
    if not isinstance(text, str) or not isinstance(state, Mapping):
        raise CheckpointError(
            f"checkpoint {path}: this is a whole file, but it was not written by "
            f"dplib: it holds {tensorfiles.describe(content)}, and no settings of a "
            "model. Give checkpoint.pt of a training run or what checkpoints.save "
            "wrote; weights of a backbone alone are for training (weights=…)"
        )
    try:
        config = json.loads(text)
    except ValueError as e:
        raise CheckpointError(
            f"checkpoint {path}: its settings are no JSON ({e}); {_ANEW}"
        ) from e
    known = {f.name for f in fields(ModelConfig)} | {"num_ids"}
    if not isinstance(config, dict) or "num_ids" not in config:
        raise CheckpointError(
            f"checkpoint {path}: its settings lack num_ids, the number of identities "
            f"(Nc); {_ANEW}"
        )
    if new := sorted(set(config) - known):
        raise CheckpointError(
            f"checkpoint {path}: its settings hold {', '.join(new)}, which dplib "
            f"{__version__} does not know. A newer version wrote it: update dplib"
        )
    return config, state


_ANEW = "copy the file again from where it was made, or train anew"


def load_state(model: nn.Module, state: dict[str, Tensor], source: object) -> None:
    """Load ``state`` into ``model``, tensor by tensor.

    Args:
        model: The module that takes the tensors; unchanged if they do not fit.
        state: A state dict.
        source: Where it is from, for the message.

    Raises:
        CheckpointError: A tensor is missing, left over, of another shape or not finite;
            the message names the first one.
    """
    own = model.state_dict()
    if strange := [k for k, v in state.items() if not isinstance(v, Tensor)]:
        raise CheckpointError(
            f"checkpoint {source}: {strange[0]!r} is no tensor; {_ANEW}"
        )
    differ = [
        k
        for k in dict.fromkeys([*own, *state])
        if k not in state or k not in own or state[k].shape != own[k].shape
    ]
    if differ:
        key = differ[0]
        shapes = [
            "absent" if key not in s else str(tuple(s[key].shape)) for s in (state, own)
        ]
        there, here = (_identities(s, differ) for s in (state, own))
        if there and here:
            raise CheckpointError(
                f"checkpoint {source} is of {there} identities (Nc), this model of "
                f"{here}: {key} is {shapes[0]} there and {shapes[1]} in this model; "
                f"build the model with num_ids={there}, as checkpoints.load does"
            )
        raise CheckpointError(
            f"checkpoint {source} is of another architecture: {key} is "
            f"{shapes[0]} there and {shapes[1]} in this model; build the model "
            "with the checkpoint's own settings, as checkpoints.load does"
        )
    if bad := tensorfiles.unfit(state):
        raise CheckpointError(
            f"checkpoint {source}: {bad}; the run diverged or the file is damaged: "
            "copy it again, or train anew with a lower lr"
        )
    model.load_state_dict(state)


def _identities(state: Mapping[str, Tensor], differ: list[str]) -> int:
    """Nc of the classifiers, if these tensors are theirs and agree in it, else 0."""
    found = {len(state[k]) for k in differ if k in state and state[k].ndim}
    theirs = all("classifier" in k and k in state for k in differ)
    return found.pop() if theirs and len(found) == 1 else 0


def find(path: str | Path) -> Path:
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
