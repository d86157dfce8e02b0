"""Descriptors as others hand them in: arrays of any kind, and files of such arrays."""

from __future__ import annotations

import contextlib
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from dplib import DplibError, files
from dplib.incoming import tensorfiles
from dplib.incoming.arrays import as_tensor, as_whole


class Descriptors(NamedTuple):
    """One row per image, on the CPU."""

    features: Tensor  # [N, D] float32; evaluate takes float16 and float64, too
    pids: Tensor  # [N] int64
    camids: Tensor  # [N] int64


def as_tensors(name: str, descriptors: Any, error: type[DplibError]) -> Descriptors:
    """Return descriptors with NumPy arrays or lists turned into tensors.

    Args:
        name: What the message calls the descriptors.
        descriptors: Features [N, D], pids [N] and camids [N] of any number type, also
            as the arrays of a .npz file.
        error: What is raised for anything else.

    Returns:
        The same, on the CPU, with floating-point features and int64 pids and camids.
    """
    fields = Descriptors._fields
    if isinstance(descriptors, Mapping) and all(f in descriptors for f in fields):
        descriptors = Descriptors(*(descriptors[f] for f in fields))
    if not isinstance(descriptors, tuple | list) or len(descriptors) != len(fields):
        raise error(
            f"{name} is {type(descriptors).__name__}: expected "
            "Descriptors(features, pids, camids); descriptors.load reads a .npz file"
        )
    features, pids, camids = (
        as_tensor(f"{name} {f}", x, error)
        for f, x in zip(fields, descriptors, strict=True)
    )
    kept = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
    if features.dtype not in kept:
        features = features.float()
    numbers = (
        as_whole(f"{name} {f}", x, error)
        for f, x in (
            ("pids", pids),
            ("camids", camids),
        )
    )
    return Descriptors(features, *numbers)


def check_pair(
    query: Descriptors, gallery: Descriptors, error: type[DplibError]
) -> None:
    """Make sure that the two can be compared.

    Args:
        query: Descriptors [Q, D].
        gallery: Descriptors [G, D].
        error: What is raised for values that are not finite, and for features of
            different widths.
    """
    for name, d in (("query", query), ("gallery", gallery)):
        # NaN and infinity survive a sum. Large numbers may overflow in it, so those
        # rows are looked at again.
        wide = torch.promote_types(d.features.dtype, torch.float32)
        bad = (~d.features.sum(1, dtype=wide).isfinite()).nonzero().flatten()
        bad = bad[~d.features[bad].isfinite().all(1)]
        if len(bad):
            raise error(
                f"{name} descriptor {int(bad[0])} is not finite (NaN or "
                "infinity): the model diverged; look at its training log"
            )
    if query.features.shape[1] != gallery.features.shape[1]:
        raise error(
            f"query features have {query.features.shape[1]} values, gallery features "
            f"{gallery.features.shape[1]}; describe both with one model"
        )


def save_npz(
    path: str | Path, descriptors: Descriptors, images: Sequence[Path]
) -> None:
    """Write descriptors and the paths of their images as NumPy arrays, atomically.

    Args:
        path: The .npz file to write.
        descriptors: Features [N, D], pids and camids [N].
        images: The N paths; those that are no text are written as ``files.readable``
            has them.
    """
    # an open file, as savez adds .npz to a name that ends otherwise
    with files.replacing(path) as part, part.open("wb") as f:
        features = descriptors.features.detach().cpu()
        if features.dtype == torch.bfloat16:  # NumPy has none; float32 holds it all
            features = features.float()
        np.savez(
            f,
            features=features.numpy(),
            pids=descriptors.pids.numpy(),
            camids=descriptors.camids.numpy(),
            paths=np.array([files.readable(p) for p in images]),
        )


def load(path: str | Path) -> Descriptors:
    """Read what ``save_npz`` and ``python -m dplib describe`` write.

    Args:
        path: The .npz file; its paths are not read.

    Returns:
        Features [N, D] as they were written, pids [N], camids [N].

    Raises:
        DplibError: If the file is missing, is no .npz file, lacks one of these arrays,
            holds arrays that do not belong together or features that are not finite.
    """
    path = Path(path)
    if path.is_dir():
        raise DplibError(f"{path} is a folder; give the .npz file inside it")
    if not path.is_file():
        raise DplibError(
            f"{path}: there is no such file; write it with python -m dplib describe"
        )
    try:
        with path.open("rb") as raw:
            file = np.load(raw)
            if isinstance(file, np.ndarray):
                raise DplibError(
                    f"{path} is not a whole .npz file: it is one array {file.shape} "
                    "(.npy); write it with its pids and camids: np.savez('x.npz', "
                    "features=…, pids=…, camids=…)"
                )
            if lacking := [x for x in Descriptors._fields if x not in file]:
                raise DplibError(
                    f"{path} holds no array {lacking[0]!r}; it holds "
                    f"{', '.join(file) or 'nothing'}; expected features, pids and "
                    "camids, as python -m dplib describe writes them"
                )
            found = [file[x] for x in Descriptors._fields]
            paths = file.get("paths")
    except (OSError, ValueError, TypeError, EOFError, zipfile.BadZipFile) as e:
        if "Object arrays" in str(e):
            raise DplibError(
                f"{path} holds Python objects in place of numbers, and reading those "
                "would run code; turn each array into numbers before np.savez: "
                "np.stack(features).astype('float32')"
            ) from e
        with contextlib.suppress(OSError), path.open("rb") as raw:
            if what := tensorfiles.foreign(raw.read(512)):
                raise DplibError(
                    f"{path} is not a whole .npz file: this is {what[0]}; {what[1]}"
                ) from e
        raise DplibError(
            f"{path} is not a whole .npz file; write it anew with python -m dplib "
            "describe"
        ) from e
    shapes = [x.shape for x in found]
    if len(shapes[0]) != 2 or shapes[1] != shapes[0][:1] or shapes[2] != shapes[1]:
        raise DplibError(
            f"{path}: features {shapes[0]}, pids {shapes[1]} and camids {shapes[2]} do "
            "not belong together; expected [N, D], [N] and [N]"
        )
    loaded = as_tensors(str(path), Descriptors(*found), DplibError)
    bad = (~loaded.features.isfinite().all(1)).nonzero().flatten()
    if len(bad):
        i = int(bad[0])
        image = f" ({paths[i]})" if paths is not None and len(paths) > i else ""
        raise DplibError(
            f"{path}: {len(bad)} of {len(loaded.pids)} features hold NaN or infinity, "
            f"the first are those of row {i}{image}; describe these images again"
        )
    return loaded
