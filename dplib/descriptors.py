"""From images to descriptors: fm, averaged over the mirror image, L2-normalised.

The paper does not say whether its tables use the mirror image or normalise; the
authors' program does both, and so do we by default.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from dplib import DplibError, bars, transforms
from dplib.incoming.described import Descriptors as Descriptors
from dplib.incoming.described import as_tensors as as_tensors
from dplib.incoming.described import check_pair as check_pair
from dplib.incoming.described import load as load
from dplib.incoming.described import save_npz as save_npz
from dplib.model import DeepPerson
from dplib.samples import Sample

KINDS = ("fm", "fc", "parts")


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
