"""From images to descriptors: fm, averaged over the mirror image, L2-normalised.

The paper does not say whether its tables use the mirror image or normalise; the
authors' program does both, and so do we by default.
"""

from __future__ import annotations

import contextlib
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from dplib import DplibError, bars, files, transforms
from dplib.incoming import tensorfiles
from dplib.incoming.arrays import _whole, as_tensor
from dplib.model import DeepPerson
from dplib.samples import Sample

KINDS = ("fm", "fc", "parts")


class Descriptors(NamedTuple):
    """One row per image, on the CPU."""

    features: Tensor  # [N, D] float32; evaluate takes float16 and float64, too
    pids: Tensor  # [N] int64
    camids: Tensor  # [N] int64


def pick_device(device: str | torch.device = "auto") -> torch.device:
    """Return the device of that name.

    Args:
        device: A device or its name; "auto" is CUDA where there is one, else the CPU.

    Raises:
        DplibError: PyTorch does not know the device, or it cannot be used here.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        chosen = torch.device(device)
        torch.empty(0, device=chosen)
    except (RuntimeError, AssertionError) as e:
        raise DplibError(
            f"device {device!r} cannot be used ({str(e).splitlines()[0]}); "
            'take "cpu", "cuda" or "auto"'
        ) from e
    return chosen


def _features(model: DeepPerson, images: Tensor, kind: str) -> Tensor:
    if kind == "fm":
        return model.descriptor(images)
    out = model(images)
    if kind == "parts" and out.part_outputs is not None:
        return out.part_outputs.flatten(1)
    both = [x for x in (out.part_features, out.global_features) if x is not None]
    if kind == "fc" and both:
        return torch.cat(both, 1)
    need = "BpI" if kind == "parts" else "BpI or BgI"
    raise DplibError(
        f'kind={kind!r} needs {need}, the model has {model.branches}; take kind="fm"'
    )


@torch.inference_mode()
def describe(
    model: DeepPerson, images: Tensor, *, flip: bool = True, kind: str = "fm"
) -> Tensor:
    """Describe one batch of images, without L2-normalisation.

    Args:
        model: In eval mode, on the images' device.
        images: uint8 [N, 3, h, w] of the model's size.
        flip: Whether to average the features of the image and of its mirror image.
        kind: One of ``KINDS``, see ``extract``.

    Returns:
        float32 [N, D].

    Raises:
        DplibError: The model lacks a branch that ``kind`` needs.
    """
    x = transforms.normalise(images)
    f = _features(model, x, kind)
    if flip:
        f = (f + _features(model, x.flip(3), kind)) / 2
    return f.float()


@torch.inference_mode()
def extract(
    model: DeepPerson,
    samples: Sequence[Sample],
    *,
    flip: bool = True,
    kind: str = "fm",
    normalise: bool = True,
    batch_size: int = 64,
    device: str | torch.device = "auto",
    progress: bool = True,
) -> Descriptors:
    """Describe every sample; the model is put into eval mode.

    Args:
        model: Moved to the device.
        samples: Images to describe; their files are read and resized.
        flip: Whether to average the features of each image and of its mirror image.
        kind: "fm" [N, C] (§3.4), "fc", the penultimate features of BpI and BgI
            concatenated (table 7), or "parts", the H outputs O_t concatenated
            [N, H·U].
        normalise: Whether to divide each row by its Euclidean norm.
        batch_size: Images described at once.
        device: "auto" is CUDA where there is one, else the CPU.
        progress: Whether to show how far it is.

    Returns:
        One row per sample, in their order.

    Raises:
        DplibError: The kind is unknown, the model lacks a branch that it needs, or
            features are not finite.
        DatasetError: An image cannot be read.
    """
    if kind not in KINDS:
        raise DplibError(f"kind={kind!r}: choose one of {', '.join(KINDS)}")
    if not samples:
        raise DplibError("extract: there are no images to describe")
    where = pick_device(device)
    model = model.to(where).eval()
    found = []
    bar = bars.bar(total=len(samples), desc="describing", disable=not progress)
    with bar:
        for batch in transforms.stream(samples, model.image_size, batch_size):
            f = describe(model, batch.to(where), flip=flip, kind=kind)
            found.append(f.cpu())
            bar.update(len(f))
    features = torch.cat(found)
    bad = ~features.isfinite().all(1)
    if bad.any():
        first = samples[int(bad.nonzero()[0])].path
        raise DplibError(
            f"{int(bad.sum())} descriptors are not finite, the first that of {first}; "
            "the model diverged in training: train with clipping or a lower lr"
        )
    if normalise:
        features = F.normalize(features)
    pids = torch.tensor([s.pid for s in samples])
    return Descriptors(features, pids, torch.tensor([s.camid for s in samples]))


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
        _whole(f"{name} {f}", x, error)
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


def colour_histograms(
    samples: Sequence[Sample],
    *,
    stripes: int = 8,
    columns: float = 0.6,
    bins: tuple[int, int, int] = (8, 4, 4),
    image_size: tuple[int, int] = (128, 64),
    progress: bool = True,
) -> Descriptors:
    """A baseline without learning: one HSV histogram per horizontal stripe.

    Over its full width an image says more about its camera's background than about
    the person, so only the middle is counted. The square roots of the histograms are
    compared (Hellinger's distance).

    Args:
        samples: The images, N of them.
        stripes: Horizontal stripes, each with a histogram of its own.
        columns: The share of the width, in the middle, that is counted.
        bins: Of hue, saturation and value.
        image_size: (h, w) in pixels, to which each image is resized.
        progress: Whether to show how far it is.

    Returns:
        Features [N, stripes · bins] of unit length.

    Raises:
        DatasetError: An image cannot be read.
    """
    h, w = image_size
    margin = round(w * (1 - columns) / 2)
    cells = int(np.prod(bins))
    found = np.empty((len(samples), stripes * cells), np.float32)
    for i, s in enumerate(bars.bar(samples, "histograms", disable=not progress)):
        rgb = transforms.read_image(s.path, image_size)[:, margin : w - margin]
        hsv = np.asarray(Image.fromarray(rgb).convert("HSV")).astype(np.int64)
        index = np.zeros(hsv.shape[:2], np.int64)
        for channel, n in enumerate(bins):
            index = index * n + hsv[..., channel] * n // 256
        index += (np.arange(h) * stripes // h)[:, None] * cells
        found[i] = np.bincount(index.ravel(), minlength=stripes * cells)
    features = F.normalize(torch.from_numpy(found).sqrt())
    pids = torch.tensor([s.pid for s in samples])
    return Descriptors(features, pids, torch.tensor([s.camid for s in samples]))
