"""From files to normalised batches (§4.1): decode once, augment whole batches.

A data set of this field fits in memory as uint8 (Market-1501 at 128 x 64: 0.3 GB), so
that a training step costs its arithmetic alone and no worker processes are needed.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from dplib import bars
from dplib.incoming import decoding
from dplib.presets import Preset
from dplib.samples import Sample

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's
PORTION = 16  # images augmented at a time: few enough to stay in a processor's cache


def read_image(path: str | Path, image_size: tuple[int, int]) -> np.ndarray:
    """Read one file, resized (bilinear, antialiased) to (h, w) pixels.

    ``decoding`` says how files of other kinds than 8-bit RGB are read.

    Args:
        path: The image file.
        image_size: (h, w) in pixels.

    Returns:
        uint8 [h, w, 3], RGB.

    Raises:
        DatasetError: The file is missing, damaged, no image, or of a kind that is not
            read; see ``decoding.read``.
    """
    return np.array(decoding.read(path, image_size))


def decode(
    samples: Sequence[Sample], image_size: tuple[int, int], *, progress: bool = True
) -> Tensor:
    """Read all images into memory, with one thread per core.

    Args:
        samples: The images, N of them.
        image_size: (h, w) in pixels, to which each is resized.
        progress: Whether to show how far it is.

    Returns:
        uint8 [N, 3, h, w], in the order of the samples.

    Raises:
        DatasetError: An image cannot be read, see ``read_image``.
    """
    h, w = image_size
    images = torch.empty(len(samples), 3, h, w, dtype=torch.uint8)

    def put(i: int) -> None:
        pixels = torch.from_numpy(read_image(samples[i].path, image_size))
        images[i] = pixels.permute(2, 0, 1)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        done = pool.map(put, range(len(samples)))
        try:
            for _ in bars.bar(
                done, "decoding", total=len(samples), disable=not progress
            ):
                pass
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return images


def stream(
    samples: Sequence[Sample], image_size: tuple[int, int], batch_size: int
) -> Iterator[Tensor]:
    """Yield images in batches; the next one is decoded while one is used.

    Args:
        samples: The images.
        image_size: (h, w) in pixels, to which each is resized.
        batch_size: Images in a batch; the last one may have fewer.

    Yields:
        uint8 [n, 3, h, w].

    Raises:
        DatasetError: An image cannot be read, see ``read_image``.
    """
    chunks = [samples[i : i + batch_size] for i in range(0, len(samples), batch_size)]

    def read(chunk: Sequence[Sample]) -> Tensor:
        pixels = np.stack([read_image(s.path, image_size) for s in chunk])
        return torch.from_numpy(pixels).permute(0, 3, 1, 2)

    with ThreadPoolExecutor(1) as pool:
        ahead = pool.submit(read, chunks[0]) if chunks else None
        for i in range(len(chunks)):
            assert ahead is not None
            batch = ahead.result()
            if i + 1 < len(chunks):
                ahead = pool.submit(read, chunks[i + 1])
            yield batch


def empty_batch(images: Tensor) -> Tensor:
    """Return memory for a batch, in the order of values that convolutions prefer.

    Args:
        images: [N, 3, h, w] of any type; shape and device are taken from them.

    Returns:
        float32 [N, 3, h, w], ``channels_last``, with undefined values.
    """
    return torch.empty(
        images.shape, device=images.device, memory_format=torch.channels_last
    )


def normalise(images: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Bring pixels to ImageNet's scale: each colour gets mean 0 and deviation 1.

    Args:
        images: uint8 (or float in 0…255) [N, 3, h, w].
        out: Where to write, made by ``empty_batch`` or a slice [i:j] of such a batch.

    Returns:
        float32 [N, 3, h, w].
    """
    mean, std = torch.tensor([MEAN, STD], device=images.device)
    out = empty_batch(images) if out is None else out
    out.copy_(images)
    # x / (255 sd) - mean / sd. The colours of a pixel are neighbours in memory, so one
    # row of pixels is w times (r, g, b), which is faster than three numbers at a time
    width = images.shape[3]
    rows = out.permute(0, 2, 3, 1).view(-1, 3 * width)
    scale, shift = (1 / (255 * std)).repeat(width), (-mean / std).repeat(width)
    torch.addcmul(shift, rows, scale, out=rows)
    return out


def draw_crops(
    n: int,
    image_size: tuple[int, int],
    rng: np.random.Generator,
    *,
    scale: tuple[float, float] = (0.64, 1.0),
    ratio: tuple[float, float] = (2.0, 3.0),
    log_ratio: bool = True,
) -> np.ndarray:
    """Draw the boxes of random crops, as torchvision's RandomResizedCrop does (§4.1).

    Args:
        n: How many boxes.
        image_size: (h, w) of the images in pixels.
        rng: What decides them.
        scale: Range of the box's share of the area, uniform.
        ratio: Range of height / width.
        log_ratio: Whether the ratio is log-uniform, as in torchvision; the authors
            draw it uniformly.

    Returns:
        Whole numbers [n, 4]: top, left, height and width in pixels. After ten draws
        that do not fit into the image the box is the whole image.
    """
    h, w = image_size
    area = h * w * rng.uniform(*scale, (n, 10))
    if log_ratio:
        r = np.exp(rng.uniform(math.log(ratio[0]), math.log(ratio[1]), (n, 10)))
    else:
        r = rng.uniform(*ratio, (n, 10))
    hs = np.rint(np.sqrt(area * r)).astype(int)
    ws = np.rint(np.sqrt(area / r)).astype(int)
    fits = (hs <= h) & (ws <= w)
    first = fits.argmax(1)  # the first of the ten that fits
    one = np.arange(n), first
    ch = np.where(fits.any(1), hs[one], h)
    cw = np.where(fits.any(1), ws[one], w)
    u = rng.random((2, n))
    top = np.floor(u[0] * (h - ch + 1)).astype(int)
    left = np.floor(u[1] * (w - cw + 1)).astype(int)
    return np.stack([top, left, ch, cw], 1)


def crop_resize_flip(images: Tensor, boxes: np.ndarray, flips: np.ndarray) -> Tensor:
    """Cut each box out, resize it back to (h, w) bilinearly, mirror where asked.

    Crop, resize and mirror are one sampling per image, at xs by ys in [-1, 1].

    Args:
        images: float [N, 3, h, w].
        boxes: [N, 4] as from ``draw_crops``: (top, left, height, width) in pixels.
        flips: bool [N], whether to mirror.

    Returns:
        float [N, 3, h, w].
    """
    h, w = images.shape[2:]
    top, left, ch, cw = boxes[..., None].transpose(1, 0, 2)  # [N, 1] each
    xs = (2 * left + (2 * np.arange(w) + 1) * cw / w) / w - 1  # [N, w]
    ys = (2 * top + (2 * np.arange(h) + 1) * ch / h) / h - 1  # [N, h]
    xs = np.where(flips[:, None], xs[:, ::-1], xs)
    x, y = torch.from_numpy(xs).to(images), torch.from_numpy(ys).to(images)
    # torch.complex writes pairs (x, y) at once: the fastest way to [N, h, w, 2]
    grid = torch.complex(*torch.broadcast_tensors(x[:, None, :], y[:, :, None]))
    return F.grid_sample(
        images,
        torch.view_as_real(grid),
        padding_mode="border",
        align_corners=False,
    )


def augment(images: Tensor, preset: Preset, key: tuple[int, ...]) -> Tensor:
    """Random crop, resize and mirror, then normalise (§4.1).

    Args:
        images: uint8 [N, 3, h, w].
        preset: The recipe: scale and shape of the crops, share of mirror images.
        key: What seeds the draw: (seed, epoch, batch).

    Returns:
        float32 [N, 3, h, w].
    """
    rng = np.random.default_rng([*key, 0x415547])
    boxes = draw_crops(
        len(images),
        (images.shape[2], images.shape[3]),
        rng,
        scale=preset.crop_scale,
        ratio=preset.crop_ratio,
        log_ratio=preset.log_ratio,
    )
    flips = rng.random(len(images)) < preset.flip
    out = empty_batch(images)
    for i in range(0, len(images), PORTION):
        here = slice(i, i + PORTION)
        cut = crop_resize_flip(images[here].float(), boxes[here], flips[here])
        normalise(cut, out=out[here])
    return out
