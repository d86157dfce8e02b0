"""The drawn set: its layout, its stamp, and that it is the same anywhere."""

from __future__ import annotations

import csv
import errno
import json
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dplib import DplibError, stamps, toymarket
from dplib.toymarket import generation

SMALL = {"train_pids": 6, "test_pids": 4, "progress": False}


NAME = re.compile(r"(-1|\d{4})_c([1-6])s([1-6])_(\d{6})_(\d{2})\.jpg")


def _bytes(folder: Path) -> dict[str, bytes]:
    return {
        str(p.relative_to(folder)): p.read_bytes()
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


def _names(folder: Path) -> list[str]:
    return [p.name for p in folder.iterdir()]


def _rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "nuisance.csv").open(newline="") as f:
        return list(csv.DictReader(f))


def _pids(folder: Path) -> dict[tuple[int, int], list[str]]:
    """(pid, camera) → file names of one folder."""
    found = defaultdict(list)
    for p in sorted(folder.iterdir()):
        m = NAME.fullmatch(p.name)
        assert m, p.name
        found[int(m[1]), int(m[2])].append(p.name)
    return found


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toymarket.generate(tmp_path_factory.mktemp("toy"), workers=1, **SMALL)


# --- layout -----------------------------------------------------------------------


def test_layout_is_market1501s(small: Path) -> None:
    assert small.name == "ToyMarket"
    for folder in toymarket.IMAGE_FOLDERS:
        assert len(_pids(small / folder)) > 3
        for p in list((small / folder).iterdir())[:5]:
            with Image.open(p) as image:
                assert (image.format, image.size, image.mode) == (
                    "JPEG",
                    (64, 128),
                    "RGB",
                )


def test_pids_and_cameras(small: Path) -> None:
    train, test, query, boxes = (_pids(small / f) for f in toymarket.IMAGE_FOLDERS)
    train_pids = {p for p, _ in train}
    test_pids = {p for p, _ in test} - {-1, 0}
    assert len(train_pids) == 6 and len(test_pids) == 4
    assert not train_pids & test_pids
    assert min(train_pids | test_pids) > 0
    assert {p for p, _ in query} == test_pids == {p for p, _ in boxes}
    assert sum(len(v) for (p, _), v in test.items() if p == 0) == 8
    assert sum(len(v) for (p, _), v in test.items() if p == -1) == 6
    for images in (train, query):
        for pid in {p for p, _ in images}:
            assert len([c for p, c in images if p == pid]) >= 2


def test_one_query_per_camera_with_a_match_elsewhere(small: Path) -> None:
    _, test, query, boxes = (_pids(small / f) for f in toymarket.IMAGE_FOLDERS)
    for (pid, camera), names in query.items():
        assert len(names) == 1
        assert any(p == pid and c != camera for p, c in test)
        assert names[0] not in test[pid, camera]
        assert names[0] in boxes[pid, camera]  # the query's moment, well boxed
        assert 2 <= len(boxes[pid, camera]) <= 3


def test_two_to_four_train_images_per_camera(small: Path) -> None:
    train = _pids(small / "bounding_box_train")
    assert {len(names) for names in train.values()} <= {2, 3, 4}


def test_nuisance_rows_are_the_images(small: Path) -> None:
    rows = _rows(small)
    on_disk = {
        f"{f}/{p.name}" for f in toymarket.IMAGE_FOLDERS for p in (small / f).iterdir()
    }
    assert len(rows) == len(on_disk)
    assert {f"{r['folder']}/{r['file']}" for r in rows} == on_disk
    stamp = f"{toymarket.VERSION}:{toymarket.generator_hash()}"
    for r in rows:
        m = NAME.fullmatch(r["file"])
        assert m and (int(m[1]), int(m[2])) == (int(r["pid"]), int(r["camid"]))
        assert r["generator"] == stamp
        assert 0 <= float(r["occlusion"]) <= 0.9


def test_a_row_draws_its_image_again(small: Path) -> None:
    for r in _rows(small)[::9]:
        image, _ = toymarket.draw(
            int(r["person"]),
            int(r["camid"]),
            seed=int(r["seed"]),
            occlusion=float(r["occlusion"]),
            blur=float(r["blur"]),
            shift=(float(r["shift_x"]), float(r["shift_y"])),
            scale=float(r["scale"]),
            pose=float(r["pose"]),
            viewpoint=float(r["viewpoint"]),
            background=int(r["background"]),
            light=int(r["light"]),
            clutter=float(r["clutter"]),
        )
        with Image.open(small / r["folder"] / r["file"]) as stored:
            assert np.array_equal(np.asarray(stored), np.asarray(image)), r["file"]


# --- determinism, idempotence, atomicity ------------------------------------------


def test_same_bytes_with_one_and_two_workers(small: Path, tmp_path: Path) -> None:
    two = toymarket.generate(tmp_path, workers=2, **SMALL)
    assert _bytes(small) == _bytes(two)


def test_same_bytes_when_workers_are_spawned(small: Path, tmp_path: Path) -> None:
    """As on Windows and macOS, where nothing is inherited from the parent."""
    code = (
        "import multiprocessing, sys; multiprocessing.set_start_method('spawn');"
        "from dplib import toymarket;"
        f"toymarket.generate(sys.argv[1], workers=2, **{SMALL!r})"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    assert _bytes(small) == _bytes(tmp_path / "ToyMarket")


def test_another_seed_draws_others(small: Path, tmp_path: Path) -> None:
    other = toymarket.generate(tmp_path, workers=1, seed=1, **SMALL)
    a, b = _bytes(small), _bytes(other)
    shared = [k for k in a if k in b and k.endswith(".jpg")]
    assert not any(a[k] == b[k] for k in shared)
    assert a["nuisance.csv"] != b["nuisance.csv"]


def test_complete_set_is_returned_untouched(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    args = {"train_pids": 2, "test_pids": 2, "workers": 1, "progress": False}
    folder = toymarket.generate(tmp_path, **args)
    before = {p: p.stat().st_mtime_ns for p in folder.rglob("*")}

    def fail(*_: object) -> None:
        raise AssertionError("drawn again")

    monkeypatch.setattr(generation, "render", fail)
    assert toymarket.generate(tmp_path, **args) == folder
    assert before == {p: p.stat().st_mtime_ns for p in folder.rglob("*")}
    assert capsys.readouterr().out == ""


def test_redrawn_when_settings_differ(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    args = {"test_pids": 2, "workers": 1, "progress": False}
    folder = toymarket.generate(tmp_path, train_pids=2, **args)
    first = _bytes(folder)
    toymarket.generate(tmp_path, train_pids=3, **args)
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert "train_pids=2" in out and "train_pids=3" in out
    assert len({p for p, _ in _pids(folder / "bounding_box_train")}) == 3
    assert _bytes(folder) != first
    assert _names(tmp_path) == ["ToyMarket"]


@pytest.mark.parametrize("damage", ["image", "record", "table", "version"])
def test_redrawn_when_damaged(
    tmp_path: Path, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    args = {"train_pids": 2, "test_pids": 2, "workers": 1, "progress": False}
    folder = toymarket.generate(tmp_path, **args)
    whole = _bytes(folder)
    record = folder / "toymarket.json"
    if damage == "image":
        next((folder / "query").iterdir()).unlink()
    elif damage == "record":
        record.write_text("{")
    elif damage == "table":
        (folder / "nuisance.csv").unlink()
    else:
        data = json.loads(record.read_text())
        data["settings"]["generator"] = "0.9:000000000000"
        record.write_text(json.dumps(data))
    toymarket.generate(tmp_path, **args)
    assert "Redrawing" in capsys.readouterr().out
    assert _bytes(folder) == whole


@pytest.mark.parametrize("workers", [1, 2])
def test_full_disk_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    def full(path: Path, data: bytes) -> None:
        path.write_bytes(data[: len(data) // 2])
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    if workers == 1:
        monkeypatch.setattr(generation, "_write", full)
    else:  # only the table, which the parent writes: workers may not see the patch
        real = generation._write

        def at_the_end(path: Path, data: bytes) -> None:
            (full if path.name == "nuisance.csv" else real)(path, data)

        monkeypatch.setattr(generation, "_write", at_the_end)
    with pytest.raises(DplibError, match=r"disk is full.* \d+ MB.*[Ff]ree some space"):
        toymarket.generate(tmp_path, workers=workers, **SMALL)
    assert _names(tmp_path) == []


@pytest.mark.parametrize("error", [RuntimeError("x"), KeyboardInterrupt()])
def test_error_or_interrupt_keeps_the_old_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    args = {"test_pids": 2, "workers": 1, "progress": False}
    folder = toymarket.generate(tmp_path, train_pids=2, **args)
    before = _bytes(folder)
    count = 0

    def fail(path: Path, data: bytes) -> None:
        nonlocal count
        count += 1
        if count > 5:
            raise error
        path.write_bytes(data)

    monkeypatch.setattr(generation, "_write", fail)
    with pytest.raises(type(error)):
        toymarket.generate(tmp_path, train_pids=3, **args)
    assert _names(tmp_path) == ["ToyMarket"]
    assert _bytes(folder) == before


@pytest.mark.parametrize("interrupted", [False, True])
def test_failed_swap_brings_the_old_set_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, interrupted: bool
) -> None:
    args = {"test_pids": 2, "workers": 1, "progress": False}
    folder = toymarket.generate(tmp_path, train_pids=2, **args)
    before = _bytes(folder)
    real = Path.rename

    def rename(self: Path, target: Path) -> Path:
        if self.parent.name.startswith(".ToyMarket-") and self.name == "ToyMarket":
            if interrupted:
                raise KeyboardInterrupt
            raise PermissionError(errno.EACCES, "denied", str(self))
        return real(self, target)

    monkeypatch.setattr(Path, "rename", rename)
    expected = KeyboardInterrupt if interrupted else DplibError
    with pytest.raises(expected, match=None if interrupted else "could not be written"):
        toymarket.generate(tmp_path, train_pids=3, **args)
    assert _names(tmp_path) == ["ToyMarket"]
    assert _bytes(folder) == before


def test_a_foreign_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "ToyMarket").mkdir()
    (tmp_path / "ToyMarket" / "thesis.tex").write_text("mine")
    with pytest.raises(DplibError, match=r"no toymarket\.json"):
        toymarket.generate(tmp_path, workers=1, **SMALL)
    assert (tmp_path / "ToyMarket" / "thesis.tex").read_text() == "mine"


def test_global_set_is_drawn(tmp_path: Path) -> None:
    args = {"train_pids": 2, "test_pids": 2, "workers": 1, "progress": False}
    folder = toymarket.generate(tmp_path, cues="global", **args)
    assert len(_rows(folder)) > 30


# --- the stamp --------------------------------------------------------------------


DRAWING = [
    f"toymarket.{name}"
    for name in [
        "body",
        "cloth",
        "heads",
        "limbs",
        "trunk",
        "figures",
        "scenes",
        "cameras",
        "obstacles",
        "people",
        "pictures",
        "shots",
    ]
]


def test_the_stamp_stands_for_these_statements() -> None:
    """When this fails, a statement of the drawing code has changed.

    If the sixteen pictures below are still the same to the pixel and the change cannot
    alter any other (a name, a cut along an idea), write the new digest here. If a
    picture may change, GENERATOR must change as well, and every record and checkpoint
    that was made with the old drawings has to be made again.
    """
    assert toymarket.generator_hash() == "6d52255f1826"
    assert stamps.of_modules(*DRAWING) == "e892ad670033"


def test_sixteen_pictures_and_their_masks_are_as_they_were() -> None:
    sheet = np.asarray(Image.open(Path(__file__).parent / "drawn16.png").convert("RGB"))
    drawn = sixteen()
    assert drawn.shape == sheet.shape
    # another processor may round another way, here and there by one level
    apart = np.abs(drawn.astype(int) - sheet.astype(int))
    assert apart.max() <= 3
    assert (apart > 0).mean() < 1e-3


def sixteen() -> np.ndarray:
    """Sixteen pictures side by side, their masks below: all cues and conditions."""
    columns = []
    for i in range(16):
        image, mask = toymarket.draw(
            toymarket.identity(1 + 37 * i, i % 2, toymarket.CUES[i % 2]),
            1 + i % 6,
            seed=i,
            occlusion=(0.0, 0.35, 0.6, 0.0)[i % 4],
            blur=(0.0, 0.0, 1.2)[i % 3],
            shift=((0.0, 0.0), (0.1, -0.2))[i % 5 == 0],
            scale=(1.0, 0.8, 1.3)[i % 3],
            viewpoint=(None, *toymarket.VIEWPOINTS)[i % 5],
            clutter=(None, 3.0)[i % 7 == 0],
            light=(None, i)[i % 2],
            cues=toymarket.CUES[i % 2],
        )
        pair = np.stack([np.asarray(image), np.asarray(mask.convert("RGB"))])
        columns.append(pair.reshape(256, 64, 3))
    return np.concatenate(columns, axis=1)


# --- bad input --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train_pids": 1}, "train_pids=1: expected a whole number, at least 2"),
        ({"test_pids": 0}, "test_pids=0"),
        ({"train_pids": 2.5}, "train_pids=2.5"),
        ({"train_pids": 9000, "test_pids": 1000}, "four digits"),
        ({"seed": -1}, "seed=-1"),
        ({"workers": 0}, "workers=0"),
        ({"cues": "both"}, "cues='both': expected one of layout, global"),
    ],
)
def test_generate_refuses(
    tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(DplibError, match=re.escape(message)):
        toymarket.generate(tmp_path, **(SMALL | changes))
    assert _names(tmp_path) == []


def test_root_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(DplibError, match="data is a file; choose a folder"):
        toymarket.generate(tmp_path / "data", workers=1, **SMALL)
