"""An own folder whose people have one camera each, from the command line."""

from __future__ import annotations

import csv
import json
import re
import shlex
import zlib
from pathlib import Path

import pytest
from commands import rows_of, run
from drawn import picture
from PIL import Image

from dplib import DplibError, checkpoints, presets
from dplib.presets import Preset

SAID = "NOT COMPARABLE with published results"
PEOPLE = tuple(f"anna{i:02}" for i in range(16))


def put(root: Path, person: str, name: str, like: str = "") -> None:
    """A drawn image; ``like`` names the picture that it shows."""
    path = root / person / name
    path.parent.mkdir(parents=True, exist_ok=True)
    seed = zlib.crc32(f"{person} {like or name}".encode())
    Image.fromarray(picture(seed)).save(path)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny: Preset) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(presets.PRESETS, "toy", tiny)
    return tmp_path


def test_one_camera_from_a_folder_to_ranked_lists(desk: Path) -> None:
    for person in PEOPLE:
        for i in (1, 2, 8):
            put(desk / "set", person, f"1_{i:04}.png")
    common = "--data folder --root set"
    said = run(*f"train toy {common} --p 4 --epochs 1 --out run".split())
    assert "nobody is seen by two cameras" in said and SAID in said
    (again,) = re.findall(r"^Evaluate it: python -m dplib (.+)$", said, re.M)
    more = ["--lists", "lists", "--metrics-json", "m.json"]
    said = run(*shlex.split(again), *more)
    shown = rows_of(said)["single query"]
    assert SAID in said.partition("(%)")[2] and "NO TEST" not in said
    kept = json.loads(Path("m.json").read_text())
    assert "same_camera" in kept["protocol"] and SAID in kept["protocol"]
    assert f"{100 * kept['metrics']['rank1']:.2f}" == shown["rank-1"]
    with Path("lists/lists.csv").open() as f:
        rows = list(csv.DictReader(f))
    assert {r["protocol"] for r in rows} == {
        "same_camera (not comparable with published results)"
    }
    for query in {r["query"] for r in rows}:
        person, _, name = query.partition("/")
        mine = [r for r in rows if r["query"] == query]
        found = {
            Path(r["gallery"]).name: r["verdict"]
            for r in mine
            if r["gallery"].startswith(f"{person}/")
        }
        copies = {"1_0001.png": "1_0002.png", "1_0002.png": "1_0001.png"}
        for other, verdict in found.items():
            assert verdict == ("junk" if copies.get(name) == other else "right")
    rank1 = [r["verdict"] == "right" for r in rows if r["rank"] == "1"]
    assert sum(rank1) / len(rank1) == pytest.approx(kept["metrics"]["rank1"], abs=1e-6)


def test_near_copies_are_no_success(desk: Path) -> None:
    """Three files show the person; the fourth, a match, shows somebody else."""
    for person in PEOPLE:
        for name in ("1_0001.png", "1_0002.png", "1_0009.png"):
            put(desk / "set", person, name, "first")
    for n, person in enumerate(PEOPLE):
        seed = zlib.crc32(f"{PEOPLE[n - 1]} second".encode())
        Image.fromarray(picture(seed)).save(desk / "set" / person / "1_0005.png")
    line = "evaluate toy --data folder --root set --test-share 1"
    said = run(*line.split(), "--metrics-json", "m.json")
    metrics = json.loads((desk / "m.json").read_text())["metrics"]
    assert metrics["rank1"] < 0.5 and SAID in said
    for person in PEOPLE:
        (desk / "set" / person / "1_0005.png").unlink()
    with pytest.raises(DplibError, match="none of 16 people has two images that are n"):
        run(*line.split())


def test_a_mixed_folder_is_ranked_as_asked_and_a_run_keeps_its_protocol(
    desk: Path,
) -> None:
    for n, person in enumerate(PEOPLE):
        for cam in (1, 2) if n % 4 == 0 else (1,):
            for i in (1, 5):
                put(desk / "set", person, f"{cam}_{i:04}.png")
    common = "--data folder --root set"
    said = run(*f"evaluate toy {common} --test-share 1".split())
    assert "folder: 8 queries of 4 people" in said
    assert "12 of 16 people are seen by one camera only" in said and SAID not in said
    said = run(*f"train toy {common} --same-camera --p 4 --epochs 1 --out run".split())
    (again,) = re.findall(r"^Evaluate it: python -m dplib (.+)$", said, re.M)
    assert again.split().count("--same-camera") == 1
    own = run(*shlex.split(again))
    assert SAID in own.partition("(%)")[2]
    kept = run(*f"evaluate run {common}".split())  # without the option
    assert "so is its protocol, same_camera" in kept
    assert rows_of(kept) == rows_of(own) and SAID in kept.partition("(%)")[2]
    note = checkpoints.people("run")
    assert note is not None and note["protocol"] == "same_camera"


def test_a_validation_split_and_an_export_of_one_camera(desk: Path) -> None:
    for person in PEOPLE:
        for i in (1, 5, 9):
            put(desk / "set", person, f"1_{i:04}.png")
    common = "--data folder --root set --val-pids 3 --test-share 0.2"
    said = run(
        *f"train toy {common} --p 4 --epochs 1 --out run --export m.safetensors".split()
    )
    assert SAID in said.partition("(%)")[2]
    record = json.loads((desk / "m.json").read_text())
    assert SAID in record["protocol"] and record["metrics"]["rank1"] >= 0
    said = run(*f"evaluate run {common} --rerank --k1 3 --k2 2".split())
    assert "folder-val3: 3 queries of 3 people" in said  # no copies, so it is right
    assert set(rows_of(said)) == {"single query", "re-ranked"}
    checked = run("data", "verify", "folder", "--root", "set", "--same-camera")
    assert SAID in checked


@pytest.mark.parametrize("name", ["toymarket", "market1501", "cuhk03"])
def test_published_sets_have_their_own_protocol(desk: Path, name: str) -> None:
    with pytest.raises(DplibError, match=f"--same-camera is not for {name}"):
        run("evaluate", "toy", "--data", name, "--same-camera")
