"""One decoder for every picture: a file becomes RGB of 8 bits, or is refused by name.

Training, descriptors, ranked lists and figures all read images here, so that they see
the same pixels. The rules:

- The picture is turned as its EXIF orientation says.
- 16-bit greys are divided by 257 (12-bit TIFF by 65535 / 4095 less), floats in [0, 1]
  are multiplied by 255 and floats up to 255 stay. Values whose range cannot be known
  are refused, such as 16-bit greys up to 4095, which a camera of 12 bits may have
  written: a picture that turns black or white tells no people apart.
- Transparent pixels are laid on white.
- Of an animation or of several pages, the first is read.
- CMYK, YCbCr, palettes and greys are converted; LAB is refused. Colour profiles are
  not applied.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from dplib.samples import DatasetError

# Pillow knows more kinds, but hands some of them to other programs (EPS to Ghostscript)
FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "GIF", "TIFF", "PPM")
_NAMED = 10  # unreadable images that a message names
GROUND = (255, 255, 255)  # under transparent pixels
_TWELVE_BITS = 4095  # the largest value of many cameras that write 16-bit files
_ORIENTATION, _BITS, _PHOTOMETRIC = 0x0112, 258, 262  # tags of EXIF and TIFF
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def read(path: str | Path, image_size: tuple[int, int] | None = None) -> Image.Image:
    """One file as a picture in RGB, see the rules above.

    Args:
        path: The file; its contents decide what it is, not its suffix.
        image_size: (height, width) in pixels to resize to (bilinear, antialiased);
            None keeps its own.

    Raises:
        DatasetError: The file is missing, damaged, no image, or of a kind whose values
            have no known range. The message names it and says what to do.
    """
    with _refusing(str(path)), Image.open(path, formats=FORMATS) as opened:
        found = _rgb(opened, str(path))
        if image_size is not None and found.size != image_size[::-1]:
            found = found.resize(image_size[::-1], Image.Resampling.BILINEAR)
        return found


def check(paths: Iterable[str | Path]) -> list[DatasetError]:
    """What ``read`` would refuse, found before the work that needs these pictures.

    Each file is decoded by one thread per core and thrown away, as no header tells that
    the rest is damaged.

    Args:
        paths: The files.

    Returns:
        The error of each file that cannot be read, in their order.
    """

    def tried(path: str | Path) -> DatasetError | None:
        try:
            read(path)
        except DatasetError as e:
            return e
        return None

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return [e for e in pool.map(tried, paths) if e is not None]


def refuse(paths: Sequence[str | Path]) -> None:
    """Name the images that cannot be decoded, before the work that needs them all.

    Args:
        paths: The files.

    Raises:
        DatasetError: There are some; the message names the first ten.
    """
    errors = check(paths)
    if len(errors) == 1:
        raise errors[0]
    if errors:
        shown = "\n".join(f"  {e}" for e in errors[:_NAMED])
        more = f"\n  and {len(errors) - _NAMED:,} more" if len(errors) > _NAMED else ""
        raise DatasetError(
            f"{len(errors):,} of {len(paths):,} images cannot be read, so nothing was "
            f"described:\n{shown}{more}"
        )


def rgb(image: Image.Image, name: str = "the picture") -> Image.Image:
    """A Pillow image as RGB of 8 bits, turned as its EXIF says; see the rules above.

    Args:
        image: Of any mode. It is loaded, but not changed.
        name: What a message calls it.

    Raises:
        DatasetError: The range of its values is not known, its mode is not read, or its
            file is damaged.
    """
    with _refusing(name):
        return _rgb(image, name)


@contextlib.contextmanager
def _refusing(name: str) -> Iterator[None]:
    """Whatever goes wrong within becomes a DatasetError that names the picture."""
    try:
        yield
    except DatasetError:
        raise
    except Exception as e:  # damaged bytes make decoders raise almost anything
        raise _refusal(name, e) from e


def _rgb(image: Image.Image, name: str) -> Image.Image:
    if 0 in image.size:
        raise DatasetError(f"{name}: the image has no pixels; remove the file")
    step = _key_step(image)
    _load(image)
    turn = _TURNS.get(_orientation(image))
    if image.mode.startswith("I") or image.mode == "F":
        found = Image.fromarray(_scaled(image, name)).convert("RGB")
    elif image.mode == "LAB":
        raise DatasetError(
            f"{name}: its colours are LAB, which is not read; save it as RGB"
        )
    elif image.has_transparency_data:
        found = _on_ground(image, step)
    else:
        found = image if image.mode == "RGB" else image.convert("RGB")
    return found if turn is None else found.transpose(turn)


def _load(image: Image.Image) -> None:
    """Decode the picture, without mapping its file into memory.

    Pillow maps uncompressed files, and then swaps the width and the height of a TIFF
    that lies on its side: every row of such a picture begins at a wrong place.
    """
    name = getattr(image, "filename", "")
    if not name:
        image.load()
        return
    image.filename = ""  # type: ignore[attr-defined]  # what Pillow would map
    try:
        image.load()
    finally:
        image.filename = name  # type: ignore[attr-defined]


def _key_step(image: Image.Image) -> int:
    """What Pillow multiplies greys of 2 or 4 bits by, but not their transparent one."""
    tile = next(iter(getattr(image, "tile", ())), None)
    return {"L;2": 85, "L;4": 17}.get(str(tile[3]), 1) if tile else 1


def _orientation(image: Image.Image) -> Any:
    """EXIF's number for how the camera was held; 1, upright, where there is none."""
    try:
        return image.getexif().get(_ORIENTATION, 1)
    except Exception:  # damaged metadata of a whole picture
        return 1


def _on_ground(image: Image.Image, step: int) -> Image.Image:
    """The picture in RGB, its transparent pixels laid on ``GROUND``; see _key_step."""
    key = image.info.get("transparency")
    if step > 1 and isinstance(key, int):
        image = image.copy()
        image.info["transparency"] = key * step
    if image.mode == "La":  # colours multiplied by alpha; Pillow knows one way back
        image = image.convert("LA")
    layer = image.convert("RGBA")
    ground = Image.new("RGBA", layer.size, GROUND)
    return Image.alpha_composite(ground, layer).convert("RGB")


def _scaled(image: Image.Image, name: str) -> np.ndarray:
    """Values of more than 8 bits as uint8 [h, w]."""
    values = np.asarray(image)
    low, high = float(values.min()), float(values.max())
    values = values.astype(np.float32)  # exact up to 24 bits, and half of float64
    tags: Any = getattr(image, "tag_v2", {})
    if image.mode == "F":
        # between the two ranges lies what would be all black or all white
        if not (low >= 0 and (high <= 1 or 16 <= high <= 255)):
            raise DatasetError(
                f"{name}: floating-point values from {low:g} to {high:g}; expected 0 "
                "to 1 or 0 to 255; scale them, or save the image in 8 bits"
            )
        scaled = values * 255 if high <= 1 else values
    else:
        bits = tags.get(_BITS, (16,))[0]
        top = 2**bits - 1 if 8 < bits < 16 else 65535
        # what would be all black has most likely fewer bits than its file has room for
        least = 255 if top < 65535 else _TWELVE_BITS
        if not (low >= 0 and (high == 0 or least < high <= top)):
            raise DatasetError(
                f"{name}: whole numbers of more than 8 bits from {low:.0f} to "
                f"{high:.0f}; expected 0 to {top}, the largest above {least} (a camera "
                "may have fewer bits than its files); scale them, or save the image "
                "in 8 bits"
            )
        scaled = values * 255 / top
    if tags.get(_PHOTOMETRIC) == 0:  # TIFF's "white is zero"
        scaled = 255 - scaled
    grey = np.rint(scaled).astype(np.uint8)
    key = image.info.get("transparency")  # of a 16-bit PNG: the grey that is not there
    if isinstance(key, int):
        grey[values == key] = GROUND[0]
    return grey


def _refusal(path: str, error: Exception) -> DatasetError:
    """What the user is told of a file that cannot be decoded."""
    if isinstance(error, FileNotFoundError):
        return DatasetError(f"{path}: no such image; was the data set moved?")
    if isinstance(error, IsADirectoryError):
        return DatasetError(f"{path} is a folder, not an image; name its images")
    if isinstance(error, PermissionError):
        return DatasetError(
            f"{path}: the image may not be read; change its permissions, or remove it"
        )
    if isinstance(error, UnidentifiedImageError):
        return DatasetError(
            f"{path}: cannot be decoded: it is none of {', '.join(FORMATS)}; the file "
            "is corrupt or no image: convert it to one of these, extract the data set "
            "again, or remove the file"
        )
    bombs = (Image.DecompressionBombError, Image.DecompressionBombWarning)
    if isinstance(error, bombs):
        counts = re.findall(r"\d+", str(error))
        size = f"{int(counts[0]):,} pixels" if counts else "too many pixels"
        return DatasetError(
            f"{path}: by its header it has {size}, more than are decoded; the file is "
            "corrupt, or a large scan: make the image smaller, or remove the file"
        )
    if isinstance(error, MemoryError):
        return DatasetError(
            f"{path}: there is not enough memory to decode it; the file is corrupt, or "
            "very large: make the image smaller, or remove the file"
        )
    reason = str(error) or type(error).__name__
    return DatasetError(
        f"{path}: cannot be decoded ({reason}); the file is corrupt: extract the data "
        "set again, or remove the file"
    )
