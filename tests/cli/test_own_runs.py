"""Where nothing can be written, and who was trained on, from the command line."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from commands import run
from PIL import Image

from dplib import DplibError, checkpoints, datasets, toymarket

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of a small ToyMarket."""
    root = tmp_path_factory.mktemp("data")
    toymarket.generate(root, train_pids=16, test_pids=3, workers=1, progress=False)
    return root


def person_folder(root: Path, *names: str, cams: tuple[int, ...] = (1, 2)) -> Path:
    """An own folder: two images of each person and camera, none like another."""
    for name in names:
        for cam in cams:
            for i in range(2):
                rng = np.random.default_rng([*f"{root.name}/{name}".encode(), cam, i])
                file = root / name / f"{cam}_{i:04}.png"
                file.parent.mkdir(parents=True, exist_ok=True)
                pixels = rng.integers(0, 255, (64, 32, 3)).astype(np.uint8)
                Image.fromarray(pixels).save(file)
    return root


def test_an_own_folder_that_grew_is_tested_on_the_split_of_the_run(
    tmp_path: Path,
) -> None:
    own = person_folder(tmp_path / "set", *(f"p{i:02}" for i in range(16)))
    out = tmp_path / "run"
    common = ("--data", "folder", "--root", own)
    few = ("--p", 4, "--epochs", 1, "--seed", 4)
    run("train", "toy", *common, *few, "--out", out)
    note = json.loads((out / "train.json").read_text())["people"]
    assert note == checkpoints.people(out)
    data = datasets.load("folder", own, seed=4)
    assert set(note["trained"]) == {data.name_of(p) for p in data.labels}
    person_folder(own, "a00")
    for seed in (4, 0):
        said = run("evaluate", out, *common, "--seed", seed)
        assert "NO TEST" not in said
        assert "those of the training run; 4 images that came later" in said
        assert f"folder: {len(data.query)} queries of" in said
    shutil.rmtree(own / "a00")
    # another split of the same folder: the people are told by name
    shutil.move(out / "train.json", tmp_path / "train.json")
    said = run("evaluate", out, *common, "--val-pids", 3, "--seed", 4)
    assert "NO TEST: 3 of these 3 people were trained on" in said
    other = person_folder(tmp_path / "other", *(f"x{i:02}" for i in range(16)))
    strangers = ("evaluate", out, "--data", "folder", "--root", other)
    said = run(*strangers)
    assert "NO TEST" not in said and "SEEN BEFORE" not in said
    # the very images of one who was trained on, under another name
    shutil.copytree(own / min(note["trained"]), other / "x99")
    said = run(*strangers, "--test-share", 1)
    assert "NO TEST" not in said
    assert "SEEN BEFORE: 1 of these 17 people, such as 'x99'" in said
    assert "under other names (4 test images, byte for byte)" in said
    exported = tmp_path / "m.safetensors"
    run("train", "toy", *common, *few, "--out", tmp_path / "b",
        "--export", exported)  # fmt: skip
    record = json.loads(exported.with_suffix(".json").read_text())
    assert "split" not in record["people"] and str(tmp_path) not in json.dumps(record)
    said = run("evaluate", exported, *common, "--val-pids", 3, "--seed", 4)
    assert "NO TEST: 3 of these 3 people were trained on" in said


READ_ONLY = """
import os, sys, runpy
where, words = sys.argv[1], sys.argv[2:]
if os.getuid() == 0:
    import ctypes
    for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
        ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)
os.chdir(where)
os.execv(sys.executable, [sys.executable, "-m", "dplib", *words])
"""


@pytest.mark.skipif(
    sys.platform != "linux", reason="root gives up its rights as on Linux"
)
@pytest.mark.parametrize(
    ("words", "named"),
    [
        ("train toy --epochs 1 --out ro/run", "ro/run"),
        ("train toy --epochs 1 --out ok --export ro/m.safetensors", "ro/m.safetensors"),
        ("describe a.png -o ro/x.npz", "ro/x.npz"),
        ("evaluate toy --lists ro/lists", "ro/lists"),
        ("evaluate toy --metrics-json ro/m.json", "ro/m.json"),
        ("report --out ro/page", "ro/page"),
        ("lessons ro/mine", "ro/mine"),
        ("lab --dest ro/mine", "ro/mine"),
        ("quickstart --out ro/quick", "ro/quick"),
        ("quickstart --out q --root ro/data", "ro/data"),
        ("data toymarket --root ro", "ro"),
        ("data unpack a.zip --root ro", "ro"),
        ("ablate --table 4 --seeds 1 --epochs 1 --results ro/results", "ro/results"),
    ],
)
def test_a_folder_that_cannot_be_written_is_named_before_the_work(
    market: Path, tmp_path: Path, words: str, named: str
) -> None:
    Image.new("RGB", (8, 16)).save(tmp_path / "a.png")
    shutil.make_archive(str(tmp_path / "a"), "zip", tmp_path, "a.png")
    (tmp_path / "ro").mkdir(mode=0o555)
    env = {**os.environ, "DPLIB_DATA": str(market), "OMP_NUM_THREADS": "1"}
    env["PYTHONPATH"] = str(ROOT)
    done = subprocess.run(
        [sys.executable, "-c", READ_ONLY, str(tmp_path), *words.split()],
        capture_output=True,
        text=True,
        env=env,
    )
    last = done.stderr.splitlines()[-1]
    assert done.returncode == 1 and last.startswith("Error: ") and named in last
    assert "Traceback" not in done.stderr and not any((tmp_path / "ro").iterdir())
    assert not (tmp_path / "ok").exists()


@pytest.mark.parametrize("target", ["taken", "taken/x", "taken/x/y"])
@pytest.mark.parametrize(
    "words",
    [
        "train toy --epochs 1 --out {}",
        "train toy --epochs 1 --out ok --export {}/m.safetensors",
        "describe a.png -o {}/d.npz",
        "evaluate toy --lists {}",
        "evaluate toy --metrics-json {}/m.json",
        "report --out {}",
        "lessons {}",
        "lab --dest {}",
        "quickstart --out {}",
        "quickstart --out ok --root {}",
        "data toymarket --root {}",
        "data unpack a.zip --root {}",
        "ablate --table 4 --seeds 1 --epochs 1 --results {}",
        "ablate --table 4 --seeds 1 --epochs 1 --results ok --runs {}",
    ],
)
def test_a_file_in_the_place_of_a_folder_is_named(
    market: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: str,
    target: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DPLIB_DATA", str(market))
    Image.new("RGB", (8, 16)).save("a.png")
    shutil.make_archive("a", "zip", tmp_path, "a.png")
    Path("taken").write_text("precious")
    with pytest.raises(DplibError) as e:
        run(*words.format(target).split())
    said = str(e.value)
    assert "taken" in said and "Errno" not in said and "\n" not in said
    assert Path("taken").read_text() == "precious"
    assert not list(tmp_path.rglob("*.tmp")) and not Path("ok").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows knows no such limit")
@pytest.mark.parametrize(
    ("words", "named", "left"),
    [
        ("train toy --epochs 1 --out run", "checkpoint.pt", "run/checkpoint.pt"),
        ("describe a.png -o x.npz", "x.npz", "x.npz"),
        ("evaluate toy --lists lists", "lists", "lists"),
        ("lessons mine 0", "00_quickstart.ipynb", "mine/00_quickstart.ipynb"),
        ("data toymarket --root new --train-pids 3 --test-pids 2 --workers 1", "new",
         "new/ToyMarket"),
        ("data unpack a.zip --root new", "new", "new/a"),
    ],
)  # fmt: skip
def test_a_full_disk_leaves_one_message_and_no_half_file(
    market: Path, tmp_path: Path, words: str, named: str, left: str
) -> None:
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    ).save(tmp_path / "a.png")  # fmt: skip
    shutil.make_archive(str(tmp_path / "a"), "zip", tmp_path, "a.png")
    limited = (
        "import os, resource, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "os.execv(sys.executable, [sys.executable, '-m', 'dplib', *sys.argv[1:]])"
    )
    env = {**os.environ, "DPLIB_DATA": str(market), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", limited, *words.split()],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**env, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
    )
    last = done.stderr.splitlines()[-1]
    assert done.returncode == 1 and last.startswith("Error: ") and named in last
    assert "Traceback" not in done.stderr and not (tmp_path / left).exists()
    assert not [*tmp_path.rglob("*.tmp"), *tmp_path.rglob("*.part")]


def test_describe_names_what_cannot_be_read_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A header that is whole says nothing of the rest, so all is decoded first."""

    def works(*_: object, **__: object) -> None:
        raise AssertionError("described before all images were tried")

    folder = person_folder(tmp_path / "set", "anna", "bo")
    out = tmp_path / "d.npz"
    run("describe", folder / "anna", folder / "bo", "-o", out)
    before = out.read_bytes()
    monkeypatch.setattr("dplib.descriptors.extract", works)
    late = folder / "bo" / "2_0001.png"  # the last one
    late.write_bytes(late.read_bytes()[:-400])
    with pytest.raises(DplibError, match=r"2_0001\.png: cannot be decoded"):
        run("describe", folder / "anna", folder / "bo", "-o", out)
    (folder / "anna" / "1_0000.png").write_text("no image")
    with pytest.raises(DplibError) as e:
        run("describe", folder / "anna", folder / "bo", "-o", out)
    said = str(e.value)
    assert said.startswith("2 of 8 images cannot be read, so nothing was described")
    assert said.index("1_0000.png: cannot") < said.index("2_0001.png: cannot")
    for i in range(20):
        (folder / "anna" / f"x_{i:02}.jpg").write_text("no image")
    with pytest.raises(DplibError, match=r"22 of 28 images(.|\n)*and 12 more") as e:
        run("describe", folder / "anna", folder / "bo", "-o", out)
    assert len(str(e.value).splitlines()) == 12
    assert out.read_bytes() == before


@pytest.mark.parametrize("part", ["query", "gallery"])
def test_a_damaged_image_is_named_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    """evaluate describes nothing in vain, and train --export trains nothing."""

    def works(*_: object, **__: object) -> None:
        raise AssertionError("the work was begun")

    own = person_folder(tmp_path / "set", *(f"p{i:02}" for i in range(8)))
    late = getattr(datasets.load("folder", own), part)[-1].path
    whole = late.read_bytes()
    late.write_bytes(whole[:-400])
    monkeypatch.setattr("dplib.descriptors.extract", works)
    monkeypatch.setattr("dplib.training.train", works)
    common = ("--data", "folder", "--root", own)
    export = ("--p", 4, "--out", tmp_path / "run", "--export", tmp_path / "m")
    name = re.escape(f"{late}: cannot be decoded")
    with pytest.raises(DplibError, match=name):
        run("evaluate", "toy", *common)
    with pytest.raises(DplibError, match=name):
        run("train", "toy", *common, *export)
    late.write_bytes(whole)
    with pytest.raises(AssertionError, match="begun"):
        run("evaluate", "toy", *common)
    with pytest.raises(AssertionError, match="begun"):
        run("train", "toy", *common, *export)
