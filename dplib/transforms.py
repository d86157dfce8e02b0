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
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from dplib.samples import DatasetError, Sample

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's


def read_image(path: str | Path, image_size: tuple[int, int]) -> np.ndarray:
    """One file as uint8 [h, w, 3], resized (bilinear, antialiased) to (h, w) pixels.

    Raises DatasetError for a file that is missing or not an image.
    """
    h, w = image_size
    try:
        with Image.open(path) as im:
            rgb = im.convert("RGB")
            if rgb.size != (w, h):
                rgb = rgb.resize((w, h), Image.Resampling.BILINEAR)
            return np.array(rgb)
    except FileNotFoundError:
        raise DatasetError(f"{path}: no such image; was the data set moved?") from None
    except (OSError, SyntaxError, ValueError) as e:
        raise DatasetError(
            f"{path}: cannot be decoded ({e}); the file is corrupt: extract the data "
            "set again, or remove the file"
        ) from e


def decode(
    samples: Sequence[Sample], image_size: tuple[int, int], *, progress: bool = True
) -> Tensor:
    """All images in memory: uint8 [N, 3, h, w], decoded by one thread per core."""
    h, w = image_size
    images = torch.empty(len(samples), 3, h, w, dtype=torch.uint8)

    def put(i: int) -> None:
        pixels = torch.from_numpy(read_image(samples[i].path, image_size))
        images[i] = pixels.permute(2, 0, 1)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        done = pool.map(put, range(len(samples)))
        try:
            for _ in tqdm(done, "decoding", len(samples), disable=not progress):
                pass
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return images


def stream(
    samples: Sequence[Sample], image_size: tuple[int, int], batch_size: int
) -> Iterator[Tensor]:
    """Batches of uint8 [n, 3, h, w]; the next is decoded while one is used."""
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


def normalise(images: Tensor) -> Tensor:
    """uint8 (or float in 0…255) [N, 3, h, w] → float32, ImageNet mean 0 and sd 1."""
    mean, std = torch.tensor([MEAN, STD], device=images.device).view(2, 3, 1, 1)
    out = torch.empty(
        images.shape, device=images.device, memory_format=torch.channels_last
    )
    # x / (255 sd) - mean / sd, written once, in the order that convolutions like
    return torch.addcmul(-mean / std, images.float(), 1 / (255 * std), out=out)


def draw_crops(
    n: int,
    image_size: tuple[int, int],
    rng: np.random.Generator,
    *,
    scale: tuple[float, float] = (0.64, 1.0),
    ratio: tuple[float, float] = (2.0, 3.0),
    log_ratio: bool = True,
) -> np.ndarray:
    """n random boxes [n, 4] of (top, left, height, width) in pixels.

    As torchvision's RandomResizedCrop: area share uniform in ``scale``, height/width
    in ``ratio`` (log-uniform, or uniform as the authors have it), ten tries to fit,
    else the whole image.
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
    first = fits.argmax(1)
    one = np.arange(n), first
    ch = np.where(fits.any(1), hs[one], h)
    cw = np.where(fits.any(1), ws[one], w)
    u = rng.random((2, n))
    top = np.floor(u[0] * (h - ch + 1)).astype(int)
    left = np.floor(u[1] * (w - cw + 1)).astype(int)
    return np.stack([top, left, ch, cw], 1)


def crop_resize_flip(images: Tensor, boxes: np.ndarray, flips: np.ndarray) -> Tensor:
    """Cut each box out, resize it back to (h, w) bilinearly, mirror where asked.

    images: float [N, 3, h, w]; boxes: [N, 4] as from ``draw_crops``; flips: bool [N].
    Crop, resize and mirror are one sampling per image, at xs by ys in [-1, 1].
    """
    n, _, h, w = images.shape
    top, left, ch, cw = boxes[..., None].transpose(1, 0, 2)  # [n, 1] each
    xs = (2 * left + (2 * np.arange(w) + 1) * cw / w) / w - 1  # [n, w]
    ys = (2 * top + (2 * np.arange(h) + 1) * ch / h) / h - 1  # [n, h]
    xs = np.where(flips[:, None], xs[:, ::-1], xs)
    grid = images.new_empty(n, h, w, 2)  # less than half affine_grid's time
    grid[..., 0] = torch.from_numpy(xs)[:, None, :]
    grid[..., 1] = torch.from_numpy(ys)[:, :, None]
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)
