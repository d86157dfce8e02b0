"""Damaged images through every way in: what is no error of the project's is a fault.

    python tools/fuzz_images.py [--images 20000] [--seed 0]

Small valid files of every kind are damaged (flipped bits, cut, edited headers, swapped
parts, random bytes, garbage as EXIF, another suffix). Each is then decoded for
training, described, shown, drawn into a ranked list and so on. A file may be decoded or
refused, alike by all of them; a refusal is a DplibError that names the file. Counts are
printed, and what is a fault, with its seed; the exit code is 1 if there is any. What
libtiff and libjpeg write to stderr of themselves is no fault.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
import tempfile
import traceback
import warnings
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from dplib import DplibError, datasets, descriptors, evaluation, plots, transforms
from dplib.cli import ranked_lists
from dplib.datasets import duplicates, market, scanning
from dplib.descriptors import Descriptors
from dplib.samples import Sample

SIZE = (16, 8)  # (height, width) that the ways in resize to


class Seed(NamedTuple):
    """A whole image file."""

    kind: str
    suffix: str
    data: bytes


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def seeds() -> list[Seed]:
    """Whole files of every kind that is read, in many modes."""
    rng = np.random.default_rng(0)
    rgb = Image.fromarray(rng.integers(0, 256, (24, 12, 3), dtype=np.uint8))
    deep = Image.fromarray(rng.integers(0, 65536, (24, 12), dtype=np.uint16))
    real = Image.fromarray(rng.random((24, 12), dtype=np.float32))
    two = {"save_all": True, "append_images": [rgb.rotate(180)]}
    exif = Image.Exif()
    exif[0x0112] = 6
    made = [
        *(("JPEG", ".jpg", rgb.convert(m), {}) for m in ("RGB", "L", "CMYK")),
        ("JPEG", ".jpeg", rgb, {"progressive": True, "exif": exif}),
        *(("PNG", ".png", rgb.convert(m), {}) for m in ("RGB", "L", "LA", "RGBA", "1")),
        ("PNG", ".png", rgb.quantize(16), {"transparency": 3}),
        ("PNG", ".png", deep, {"exif": exif}),
        ("PNG", ".png", rgb, two),
        *(("BMP", ".bmp", rgb.convert(m), {}) for m in ("RGB", "P", "1", "RGBA")),
        ("WEBP", ".webp", rgb, {"exif": exif}),
        ("WEBP", ".webp", rgb.convert("RGBA"), {"lossless": True}),
        ("WEBP", ".webp", rgb, two),
        *(("TIFF", ".tif", im, {}) for im in (rgb, deep, real, rgb.convert("CMYK"))),
        ("TIFF", ".tiff", rgb, {"compression": "tiff_lzw"}),
        ("TIFF", ".tiff", rgb, {"compression": "tiff_adobe_deflate", **two}),
        ("TIFF", ".tiff", rgb, {"compression": "jpeg"}),
        ("GIF", ".gif", rgb.quantize(16), {"transparency": 3}),
        ("GIF", ".gif", rgb, two),
        *(("PPM", ".ppm", rgb.convert(m), {}) for m in ("RGB", "L", "1")),
        ("PPM", ".pgm", deep, {}),
    ]
    return [Seed(k, suffix, saved(im, k, **how)) for k, suffix, im, how in made]


# --- damage ---------------------------------------------------------------------------


def flip_bits(data: bytearray, rng: np.random.Generator) -> None:
    for i in rng.integers(0, len(data), int(rng.integers(1, 40))):
        data[i] ^= 1 << int(rng.integers(8))


def cut(data: bytearray, rng: np.random.Generator) -> None:
    del data[int(rng.integers(0, len(data))) :]


def edit_header(data: bytearray, rng: np.random.Generator) -> None:
    for i in rng.integers(0, min(len(data), 80), int(rng.integers(1, 6))):
        data[i] = int(rng.integers(256))


def extreme_number(data: bytearray, rng: np.random.Generator) -> None:
    """Some bytes, often of the header, become a number at an end of its range."""
    values = "0000", "ffff", "00000000", "ffffff7f", "7fffffff"
    value = bytes.fromhex(values[int(rng.integers(len(values)))])
    end = min(len(data), 64) if rng.random() < 0.7 else len(data)
    at = int(rng.integers(0, end))
    data[at : at + len(value)] = value


def swap_parts(data: bytearray, rng: np.random.Generator) -> None:
    a, b, c, d = sorted(rng.integers(0, len(data), 4).tolist())
    data[:] = data[:a] + data[c:d] + data[b:c] + data[a:b] + data[d:]


def repeat_part(data: bytearray, rng: np.random.Generator) -> None:
    a, b = sorted(rng.integers(0, len(data), 2).tolist())
    data[b:b] = data[a:b] * int(rng.integers(1, 4))


def garble_exif(data: bytearray, rng: np.random.Generator) -> None:
    """A JPEG gets an APP1 of garbage; elsewhere garbage goes where it falls."""
    junk = b"Exif\0\0" + rng.choice([b"II*\0", b"MM\0*", b""]) + rng.bytes(40)
    at = 2 if data[:2] == b"\xff\xd8" else int(rng.integers(len(data)))
    data[at:at] = b"\xff\xe1" + (len(junk) + 2).to_bytes(2, "big") + junk


def replace_all(data: bytearray, rng: np.random.Generator) -> None:
    keep = int(rng.integers(0, 13)) if rng.random() < 0.5 else 0
    data[keep:] = rng.bytes(int(rng.integers(0, 200)))


def leave_whole(data: bytearray, rng: np.random.Generator) -> None:
    pass


def repair_checksums(data: bytearray) -> None:
    """Each chunk of a PNG, as far as they can be followed, gets a right checksum."""
    at = 8
    while at + 12 <= len(data):
        end = at + 8 + int.from_bytes(data[at : at + 4], "big")
        if end + 4 > len(data):
            break
        check = zlib.crc32(data[at + 4 : end])
        data[end : end + 4] = check.to_bytes(4, "big")
        at = end + 4


DAMAGE: tuple[Callable[[bytearray, np.random.Generator], None], ...] = (
    *(flip_bits, cut, edit_header, extreme_number, swap_parts),
    *(repeat_part, garble_exif, replace_all, leave_whole),
)


def damaged(sources: list[Seed], rng: np.random.Generator) -> tuple[str, str, bytes]:
    """What was done to which kind, the file's suffix, and its bytes."""
    source = sources[int(rng.integers(len(sources)))]
    data = bytearray(source.data)
    names = []
    for _ in range(1 + (rng.random() < 0.2)):
        harm = DAMAGE[int(rng.integers(len(DAMAGE)))]
        if data:
            harm(data, rng)
            names.append(harm.__name__)
    if data[:4] == b"\x89PNG" and rng.random() < 0.5:
        repair_checksums(data)  # or hardly any PNG would get past its first chunk
        names.append("repair_checksums")
    suffix = source.suffix
    if rng.random() < 0.1:
        suffix = scanning.SUFFIXES[int(rng.integers(len(scanning.SUFFIXES)))]
    return f"{source.kind}, {' and '.join(names)}", suffix, bytes(data)


# --- the ways in ----------------------------------------------------------------------


class MeanColour(torch.nn.Module):
    """The least that can be described with: an image's mean colour."""

    image_size = SIZE
    branches = ()

    def descriptor(self, images: torch.Tensor) -> torch.Tensor:
        return images.mean((2, 3))


def ways(whole: Path, out: Path) -> dict[str, Callable[[Path], object]]:
    """Everything that opens an image file, by name.

    Args:
        whole: An image that is not damaged.
        out: A folder for ranked lists.
    """
    net: Any = MeanColour()
    lone = Descriptors(torch.eye(1, 2), torch.tensor([1]), torch.tensor([1]))
    two = Descriptors(torch.eye(2), torch.tensor([1, 2]), torch.tensor([2, 2]))
    result = evaluation.evaluate(lone, two)

    def ranked(path: Path) -> None:
        gallery = [Sample(path, 1, 2), Sample(whole, 2, 2)]
        where = out / "lists"
        try:
            ranked_lists.write(
                result, [Sample(whole, 1, 1)], gallery, where, progress=False
            )
            for file in sorted(where.rglob("*"), reverse=True):
                file.rmdir() if file.is_dir() else file.unlink()
            where.rmdir()
        finally:
            assert list(out.iterdir()) == [], "half a ranked list is left"

    def in_a_folder(path: Path) -> None:
        samples = market.read_folder(path.parent)
        assert [s.path for s in samples] == [path]
        next(transforms.stream(samples, SIZE, 1))

    def own_folder(path: Path) -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            data = datasets.load(
                "folder", path.parents[1], pattern=PATTERN, test_share=1
            )
        datasets.verify(data)
        duplicates.same_pixels(data, progress=False)
        transforms.decode([*data.query, *data.gallery], SIZE, progress=False)

    def one(path: Path) -> list[Sample]:
        return [Sample(path, 1, 1)]

    return {
        "read_image": lambda path: transforms.read_image(path, SIZE),
        "decode": lambda path: transforms.decode(one(path), SIZE, progress=False),
        "extract": lambda path: descriptors.extract(
            net, one(path), device="cpu", progress=False
        ),
        "histograms": lambda path: descriptors.colour_histograms(
            one(path), image_size=SIZE, stripes=2, progress=False
        ),
        "as_array": plots.as_array,
        "ranked lists": ranked,
        "Market-1501's layout": in_a_folder,
        "own folder": own_folder,
    }


PATTERN = r"(?P<pid>\d{4})_c(?P<camid>\d)"


def try_all(
    path: Path, known: dict[str, Callable[[Path], object]]
) -> tuple[str, list[str]]:
    """What became of the file, "decoded" or "refused", and the faults."""
    ends, faults = set(), []
    for way, use in known.items():
        try:
            use(path)
            ends.add("decoded")
        except DplibError as e:
            ends.add("refused")
            if str(path) not in str(e):
                faults.append(f"{way}: the file is not named: {e}")
        except Exception:
            ends.add("refused")
            faults.append(f"{way}: {traceback.format_exc(limit=-4)}")
    if len(ends) != 1:
        faults.append("some ways decoded it, some refused it")
    return min(ends), faults


def run(images: int, seed: int, tell: Callable[[str], None] = print) -> list[str]:
    """Try ``images`` damaged files; return the faults, and tell the counts."""
    sources, counts = seeds(), Counter[str]()
    faults: list[str] = []
    with tempfile.TemporaryDirectory() as name:
        top = Path(name)
        whole = top / "own" / "0001_c2s1_000451_00.png"
        folder, out = top / "own" / "damaged", top / "out"
        folder.mkdir(parents=True)
        out.mkdir()
        whole.write_bytes(sources[4].data)
        for pid, cam in ((1, 3), (2, 1), (2, 3)):
            (top / "own" / f"{pid:04}_c{cam}.png").write_bytes(sources[4].data)
        known = ways(whole, out)
        for i in range(images):
            rng = np.random.default_rng([seed, i])
            what, suffix, data = damaged(sources, rng)
            path = folder / f"0001_c1s1_{i % 10**6:06}_00{suffix}"
            path.write_bytes(data)
            with warnings.catch_warnings():
                # now and then as one who makes warnings errors
                warnings.simplefilter("error" if i % 10 == 0 else "ignore")
                end, found = try_all(path, known)
            path.unlink()
            counts[end] += 1
            counts[f"{end}: {what.partition(',')[0]}"] += 1
            faults += [f"seed {seed}, image {i} ({what}, {suffix}): {f}" for f in found]
            if (i + 1) % 1000 == 0:
                tell(f"{i + 1:,} of {images:,}: {len(faults)} faults")
    for name, n in sorted(counts.items()):
        tell(f"{name:16}{n:>8,}")
    tell(f"{len(known)} ways in: {', '.join(known)}")
    return faults


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    faults = run(args.images, args.seed)
    for fault in faults[:20]:
        print(fault)
    print(f"{args.images:,} images, {len(faults)} faults")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
