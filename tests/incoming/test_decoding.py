"""One decoder: what each kind of file becomes, and what is refused, by name."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from pathlib import Path

import fuzz_images
import numpy as np
import pytest
from PIL import Image

from dplib import DplibError, plots, transforms
from dplib.incoming import decoding
from dplib.samples import DatasetError

H, W = 6, 4


def ramp(top: int = 255) -> np.ndarray:
    """[H, W] from 0 to ``top``, all different: a turned or flat picture is noticed."""
    return np.linspace(0, top, H * W).round().astype(int).reshape(H, W)


def colours() -> Image.Image:
    rng = np.random.default_rng(0)
    return Image.fromarray(rng.integers(0, 256, (H, W, 3), dtype=np.uint8))


def grey(file: Path) -> np.ndarray:
    """The decoded file [h, w], whose three channels must be equal."""
    found = np.asarray(decoding.read(file)).astype(int)
    assert np.array_equal(found[..., 0], found[..., 1])
    assert np.array_equal(found[..., 0], found[..., 2])
    return found[..., 0]


# --- orientation ----------------------------------------------------------------------

# what brings the stored picture upright, as the EXIF standard has it
UPRIGHT = {
    1: lambda a: a,
    2: np.fliplr,
    3: lambda a: np.rot90(a, 2),
    4: np.flipud,
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.rot90(a, 2).swapaxes(0, 1),
    8: lambda a: np.rot90(a, 1),
    0: lambda a: a,
    9: lambda a: a,
}


@pytest.mark.parametrize("number", UPRIGHT)
@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif"])
def test_exif_turns_the_picture(tmp_path: Path, suffix: str, number: int) -> None:
    file = tmp_path / f"phone{suffix}"
    exif = Image.Exif()
    exif[0x0112] = number
    options = {"lossless": True} if suffix == ".webp" else {}
    colours().save(file, exif=exif, **options)
    want = UPRIGHT[number](np.asarray(colours()))
    assert np.array_equal(np.asarray(decoding.read(file)), want)
    assert np.array_equal(plots.as_array(file), want)
    assert np.array_equal(transforms.read_image(file, want.shape[:2]), want)


def test_exif_of_jpeg_and_of_deep_pictures(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    tall = Image.fromarray(np.repeat(ramp()[:, :1], 40, 1).repeat(10, 0).astype("u1"))
    tall.save(tmp_path / "a.jpg", quality=95)
    tall.transpose(Image.Transpose.ROTATE_90).save(
        tmp_path / "b.jpg", quality=95, exif=exif
    )
    apart = np.abs(grey(tmp_path / "a.jpg") - grey(tmp_path / "b.jpg"))
    assert apart.mean() < 2
    deep = Image.fromarray(ramp(65535).astype(np.uint16))
    deep.save(tmp_path / "c.png", exif=exif)
    assert np.array_equal(
        grey(tmp_path / "c.png"), np.rot90(ramp(65535) / 257, -1).round()
    )


@pytest.mark.parametrize("number", UPRIGHT)
@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "I;16"])
def test_tiffs_that_pillow_would_map(tmp_path: Path, mode: str, number: int) -> None:
    """Uncompressed ones of these modes, whose rows Pillow takes from a wrong place."""
    file = tmp_path / "phone.tif"
    stored = colours().convert("P" if mode == "P" else "RGBA").convert(mode)
    if mode == "I;16":
        stored = Image.fromarray((ramp() * 257).astype(np.uint16))
    stored.save(file, tiffinfo={274: number})
    upright = np.asarray(stored) // 257 if mode == "I;16" else np.asarray(stored)
    if mode in ("P", "CMYK", "RGBA"):
        upright = np.asarray(stored.convert("RGB"))
    want = UPRIGHT[number](upright)
    for found in (decoding.read(file), decoding.rgb(Image.open(file))):
        found = np.asarray(found)
        assert np.array_equal(found if want.ndim == 3 else found[..., 0], want)


def test_an_image_that_was_opened_keeps_its_name(tmp_path: Path) -> None:
    colours().save(tmp_path / "a.tif")
    with Image.open(tmp_path / "a.tif") as image:
        decoding.rgb(image)
        assert image.filename == str(tmp_path / "a.tif")


def test_damaged_exif_leaves_a_whole_picture_as_it_is(tmp_path: Path) -> None:
    for i, tail in enumerate(
        (b"", b"II", b"II*\0\xff\xff\xff\xff", b"MM\0*\0\0\0\x08")
    ):
        file = tmp_path / f"{i}.png"
        colours().save(file, exif=b"Exif\0\0" + tail)
        assert np.array_equal(np.asarray(decoding.read(file)), np.asarray(colours()))


# --- more than 8 bits -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("suffix", "mode"),
    [(".png", "I;16"), (".tif", "I;16"), (".tif", "I;16B"), (".ppm", "I;16")],
)
def test_sixteen_bits_are_divided_by_257(
    tmp_path: Path, suffix: str, mode: str
) -> None:
    file = tmp_path / f"deep{suffix}"
    kind = ">u2" if mode == "I;16B" else "<u2"
    values = (ramp() * 257).astype(kind)
    Image.frombytes(mode, (W, H), values.tobytes()).save(file)
    assert np.array_equal(grey(file), ramp())
    assert np.array_equal(transforms.read_image(file, (H, W))[..., 0], ramp())


def test_whole_numbers_of_32_bits(tmp_path: Path) -> None:
    file = tmp_path / "wide.tif"
    Image.fromarray((ramp() * 257).astype(np.int32)).save(file)
    assert np.array_equal(grey(file), ramp())
    for values in (ramp() * 258, ramp() * 257 - 1, ramp(), ramp(1)):
        Image.fromarray(values.astype(np.int32)).save(file)
        with pytest.raises(DatasetError, match="whole numbers of more than 8") as e:
            decoding.read(file)
        assert str(file) in str(e.value) and f"{values.max()}" in str(e.value)
    Image.fromarray(np.zeros((H, W), np.int32)).save(file)
    assert grey(file).max() == 0


def test_twelve_bits_of_a_tiff(tmp_path: Path) -> None:
    """Two values in three bytes, as cameras write them; Pillow reads, but cannot."""
    values = ramp(4095).ravel()
    packed = bytearray()
    for a, b in values.reshape(-1, 2).tolist():
        packed += bytes([a >> 4, (a & 15) << 4 | b >> 8, b & 255])
    tags = {256: W, 257: H, 258: 12, 259: 1, 262: 1, 273: 0, 277: 1, 278: H, 279: 36}
    start = 8 + 2 + 12 * len(tags) + 4
    tags[273] = start
    head = struct.pack("<2sHIH", b"II", 42, 8, len(tags))
    for tag, value in sorted(tags.items()):
        head += struct.pack("<HHII", tag, 4 if tag == 273 else 3, 1, value)
    file = tmp_path / "twelve.tif"
    file.write_bytes(head + bytes(4) + bytes(packed))
    assert np.array_equal(grey(file), (ramp(4095) / 4095 * 255).round())


@pytest.mark.parametrize(
    ("top", "taken"), [(0, True), (255, False), (4095, False), (4096, True)]
)
def test_greys_of_a_camera_with_fewer_bits_than_its_files(
    tmp_path: Path, top: int, taken: bool
) -> None:
    """12 bits in a 16-bit file would be sixteen greys, the brightest nearly black."""
    for suffix in (".png", ".tif"):
        file = tmp_path / f"night{suffix}"
        Image.fromarray(ramp(top).astype(np.uint16)).save(file)
        if taken:
            assert np.array_equal(grey(file), (ramp(top) / 257).round())
            continue
        with pytest.raises(DatasetError, match="the largest above 4095") as e:
            decoding.read(file)
        assert str(file) in str(e.value) and f"from 0 to {top};" in str(e.value)


def test_white_is_zero(tmp_path: Path) -> None:
    file = tmp_path / "negative.tif"
    Image.fromarray((ramp() * 257).astype(np.uint16)).save(file)
    data = bytearray(file.read_bytes())
    entry = data.index(struct.pack("<HHI", 262, 3, 1))
    data[entry + 8] = 0
    file.write_bytes(data)
    assert np.array_equal(grey(file), 255 - ramp())


@pytest.mark.parametrize(("scale", "low"), [(1 / 255, 0), (1, 0)])
def test_floats_of_a_known_range(tmp_path: Path, scale: float, low: int) -> None:
    file = tmp_path / "float.tiff"
    Image.fromarray((ramp() * scale).astype(np.float32)).save(file)
    assert np.array_equal(grey(file), ramp())


@pytest.mark.parametrize(
    "values",
    [
        ramp() / 255 - 0.5,
        ramp() / 250,  # a little above 1: it would be black
        ramp() * 2.0,
        np.full((H, W), np.nan),
        np.where(ramp() > 99, np.inf, 0.5),
    ],
)
def test_floats_of_an_unknown_range_are_refused(
    tmp_path: Path, values: np.ndarray
) -> None:
    file = tmp_path / "float.tiff"
    Image.fromarray(values.astype(np.float32)).save(file)
    with pytest.raises(DatasetError, match=r"floating-point values from .*0 to 1") as e:
        decoding.read(file)
    assert str(file) in str(e.value)


def png(
    kind: int,
    depth: int,
    rows: np.ndarray,
    *chunks: bytes,
    size: tuple[int, int] = (W, H),
) -> bytes:
    """A PNG of the colour type ``kind`` from big-endian rows [h, bytes]."""

    def chunk(name: bytes, data: bytes) -> bytes:
        check = zlib.crc32(name + data)
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", check)

    head = struct.pack(">IIBBBBB", *size, depth, kind, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    parts = [chunk(b"IHDR", head), *chunks, chunk(b"IDAT", data), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.parametrize(("kind", "channels"), [(2, 3), (6, 4), (4, 2)])
def test_sixteen_bit_colours_of_png(tmp_path: Path, kind: int, channels: int) -> None:
    file = tmp_path / "deep.png"
    values = np.repeat(ramp()[..., None] * 257, channels, 2)
    if channels in (2, 4):
        values[..., -1] = 65535
    file.write_bytes(png(kind, 16, values.astype(">u2").reshape(H, -1)))
    assert np.array_equal(grey(file), ramp())


def test_the_transparent_grey_of_a_sixteen_bit_png(tmp_path: Path) -> None:
    file = tmp_path / "key.png"
    values = ramp() * 257
    key = struct.pack(">H", values[2, 1])
    chunk = struct.pack(">I", 2) + b"tRNS" + key
    chunk += struct.pack(">I", zlib.crc32(b"tRNS" + key))
    file.write_bytes(png(0, 16, values.astype(">u2"), chunk))
    want = ramp()
    want[2, 1] = 255
    assert np.array_equal(grey(file), want)


# --- transparency ---------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA", "RGBa", "La"])
def test_transparent_pixels_are_laid_on_white(mode: str) -> None:
    """The hidden colour is black: dropping alpha would show it."""
    layer = Image.new("LA", (3, 1), (0, 0))
    layer.putpixel((1, 0), (100, 255))
    layer.putpixel((2, 0), (100, 128))
    image = layer.convert("RGBA")
    if mode in ("LA", "La"):
        image = layer
    if mode in ("RGBa", "La"):
        image = image.convert(mode)
    if mode == "PA":
        image = Image.new("PA", (3, 1))
        image.putpalette([0, 0, 0, 100, 100, 100])
        for x, (index, alpha) in enumerate([(0, 0), (1, 255), (1, 128)]):
            image.putpixel((x, 0), (index, alpha))
    found = np.asarray(decoding.rgb(image)).astype(int)[0]
    half = round(255 - 128 / 255 * 155)
    assert np.abs(found - np.array([[255], [100], [half]])).max() <= 2


def test_a_palette_with_transparency(tmp_path: Path) -> None:
    image = Image.fromarray((ramp() % 2).astype(np.uint8), "P")
    image.putpalette([0, 0, 0, 90, 90, 90])
    for suffix, options in (
        (".png", {"transparency": b"\0"}),
        (".gif", {"transparency": 0}),
    ):
        file = tmp_path / f"p{suffix}"
        image.save(file, **options)
        assert np.array_equal(grey(file), np.where(ramp() % 2, 90, 255))


def test_a_transparent_colour_of_png(tmp_path: Path) -> None:
    image = Image.fromarray(ramp().astype(np.uint8))
    image.save(tmp_path / "key.png", transparency=0)
    assert grey(tmp_path / "key.png")[0, 0] == 255
    assert np.array_equal(grey(tmp_path / "key.png").ravel()[1:], ramp().ravel()[1:])


@pytest.mark.parametrize(("depth", "step"), [(2, 85), (4, 17)])
def test_a_transparent_grey_of_few_bits(tmp_path: Path, depth: int, step: int) -> None:
    """Pillow scales the greys of such a file, but not the one that is transparent."""
    levels = np.arange(H * W).reshape(H, W) % 2**depth
    bits = levels[..., None] >> np.arange(depth - 1, -1, -1) & 1
    rows = np.packbits(bits.reshape(H, -1).astype(np.uint8), axis=1)
    key = struct.pack(">H", 1)
    chunk = struct.pack(">I", 2) + b"tRNS" + key
    chunk += struct.pack(">I", zlib.crc32(b"tRNS" + key))
    file = tmp_path / "few.png"
    file.write_bytes(png(0, depth, rows, chunk))
    assert np.array_equal(grey(file), np.where(levels == 1, 255, levels * step))
    file.write_bytes(png(0, depth, rows))
    assert np.array_equal(grey(file), levels * step)


# --- other kinds ----------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "YCbCr", "HSV", "RGBX"])
def test_every_mode_becomes_rgb(mode: str) -> None:
    image = Image.new("RGB", (W, H), "white").convert("RGB" if mode == "RGBX" else mode)
    if mode == "RGBX":
        image = Image.frombytes(mode, (W, H), b"\xff\xff\xff\0" * (W * H))
    found = decoding.rgb(image, "x")
    assert found.mode == "RGB" and np.asarray(found).min() >= 254


def test_lab_is_refused_by_name(tmp_path: Path) -> None:
    file = tmp_path / "lab.tif"
    Image.new("LAB", (W, H)).save(file)
    with pytest.raises(DatasetError, match=r"lab\.tif: its colours are LAB"):
        decoding.read(file)


def test_the_first_frame_of_an_animation(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (W, H), c) for c in ("red", "blue")]
    for suffix in (".gif", ".png", ".webp", ".tif"):
        file = tmp_path / f"two{suffix}"
        options = {"lossless": True} if suffix == ".webp" else {}
        frames[0].save(file, save_all=True, append_images=frames[1:], **options)
        with Image.open(file) as opened:
            assert opened.n_frames == 2
        assert np.array_equal(np.asarray(decoding.read(file)), np.asarray(frames[0]))


def test_one_pixel_is_an_image(tmp_path: Path) -> None:
    Image.new("L", (1, 1), 77).save(tmp_path / "dot.png")
    found = transforms.read_image(tmp_path / "dot.png", (8, 4))
    assert found.shape == (8, 4, 3) and set(found.ravel().tolist()) == {77}


def test_the_contents_decide_not_the_suffix(tmp_path: Path) -> None:
    file = tmp_path / "png.jpg"
    colours().save(file, "PNG")
    assert np.array_equal(np.asarray(decoding.read(file)), np.asarray(colours()))


# --- what is no image -----------------------------------------------------------------


def refused(file: Path) -> str:
    """What is said of the file, the same by every way in."""
    with pytest.raises(DatasetError) as e:
        transforms.read_image(file, (8, 4))
    with pytest.raises(DplibError) as shown:
        plots.as_array(file)
    assert str(e.value) == str(shown.value) and str(file) in str(e.value)
    return str(e.value)


def test_a_bomb_is_named(tmp_path: Path) -> None:
    plan = tmp_path / "plan.png"
    plan.write_bytes(png(0, 1, np.zeros((1, 1), np.uint8), size=(20_000, 20_000)))
    assert "400,000,000 pixels" in refused(plan)
    damaged = tmp_path / "damaged.bmp"
    colours().resize((48, 96)).save(damaged)
    data = bytearray(damaged.read_bytes())
    data[20] = 127  # one byte of the width
    damaged.write_bytes(data)
    assert "make the image smaller, or remove" in refused(damaged)


def test_a_bomb_that_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "large.png"
    colours().save(file)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", H * W - 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert f"{H * W} pixels" in refused(file)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", H * W // 2 - 1)
    assert f"{H * W} pixels" in refused(file)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        struct.error("unpack requires a buffer"),
        SyntaxError("broken"),
        OverflowError("too large"),
        EOFError(),
        zlib.error("Error -3"),
        RecursionError(),
        IndexError(),
        KeyError("x"),
    ],
)
def test_whatever_a_decoder_raises_names_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    file = tmp_path / "a.png"
    colours().save(file)

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(Image.Image, "load", fail)
    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", fail)
    assert "remove the file" in refused(file)


def test_other_things_than_images(tmp_path: Path) -> None:
    folder = tmp_path / "x.jpg"
    folder.mkdir()
    assert "is a folder" in refused(folder) or "may not be read" in refused(folder)
    note = tmp_path / "._x.jpg"
    note.write_bytes(b"\0\5\x16\7\0\2\0\0Mac OS X" + bytes(100))
    assert "none of JPEG, PNG" in refused(note)
    note.write_bytes(b"")
    assert "remove the file" in refused(note)
    assert "no such image" in refused(tmp_path / "gone.png")


def test_a_program_is_not_run_for_postscript(tmp_path: Path) -> None:
    """Pillow would hand it to Ghostscript, whatever its suffix."""
    out = io.BytesIO()
    colours().save(out, "EPS")
    (tmp_path / "a.jpg").write_bytes(out.getvalue())
    assert "none of JPEG" in refused(tmp_path / "a.jpg")


def test_a_damaged_picture_that_was_opened_elsewhere(tmp_path: Path) -> None:
    file = tmp_path / "cut.png"
    Image.effect_noise((64, 64), 50).save(file)
    file.write_bytes(file.read_bytes()[:900])
    with Image.open(file) as opened, pytest.raises(DplibError, match="the picture"):
        plots.as_array(opened)


# --- damaged files by every way in ----------------------------------------------------


def test_damaged_files_are_decoded_or_refused_by_name() -> None:
    """A portion of what tools/fuzz_images.py does; see there."""
    told: list[str] = []
    assert fuzz_images.run(200, 7, told.append) == []
    counts = {line[:-8].strip(): int(line[-8:]) for line in told if line[-1].isdigit()}
    assert counts["decoded"] > 40 and counts["refused"] > 40
    assert counts["decoded"] + counts["refused"] == 200


def test_the_fuzzer_finds_faults(monkeypatch: pytest.MonkeyPatch) -> None:
    """An unnamed refusal, a foreign error and a way of its own are all noticed."""

    def unnamed(path: Path, size: tuple[int, int]) -> None:
        raise DplibError("something is wrong")

    def foreign(path: Path, size: tuple[int, int]) -> None:
        raise struct.error("unpack requires a buffer")

    for fault, said in ((unnamed, "is not named"), (foreign, "struct.error")):
        monkeypatch.setattr(transforms, "read_image", fault)
        found = fuzz_images.run(12, 0, lambda line: None)
        assert any("read_image" in f and said in f for f in found)
        assert any("some ways decoded it, some refused it" in f for f in found)
