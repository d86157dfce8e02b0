"""What the doctor says of data sets; it neither draws nor unpacks anything."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from conftest import write_market
from imitations import write_cuhk03, write_duke, write_msmt, write_new_protocol

from dplib import datasets
from dplib.cli import doctor
from dplib.incoming import weights as incoming_weights


def test_nothing_there(tmp_path: Path) -> None:
    for name in datasets.NAMES:
        finding = doctor.find_data(name, tmp_path)
        assert finding.ok is None and finding.remedy == doctor.HOW_TO_GET[name]
    assert not any(tmp_path.iterdir())


def test_sets_that_are_there(tmp_path: Path) -> None:
    write_market(tmp_path / "Market-1501-v15.09.15")
    write_duke(tmp_path / "DukeMTMC-reID")
    write_msmt(tmp_path / "MSMT17_V1")
    for name, people in (("market1501", 8), ("dukemtmc", 4), ("msmt17", 3)):
        finding = doctor.find_data(name, tmp_path)
        assert finding.ok is True and f"of {people} people" in finding.found


@pytest.mark.parametrize("name", ["market1501", "dukemtmc", "msmt17"])
def test_half_a_set_is_an_error(tmp_path: Path, name: str) -> None:
    folder = {"market1501": "Market-1501-v15.09.15", "dukemtmc": "DukeMTMC-reID"}
    (tmp_path / folder.get(name, "MSMT17_V2") / "query").mkdir(parents=True)
    finding = doctor.find_data(name, tmp_path)
    assert finding.ok is False and "half extracted" in finding.found


def test_cuhk03_is_not_unpacked_by_asking(tmp_path: Path) -> None:
    pytest.importorskip("h5py")
    pytest.importorskip("scipy")
    home = write_cuhk03(tmp_path / "cuhk03" / "cuhk-03.mat").parent
    write_new_protocol(home, "detected")
    for name in ("cuhk03", "cuhk03np"):
        finding = doctor.find_data(name, tmp_path)
        assert finding.ok is None and "not unpacked yet" in finding.found
    assert not list(home.glob("images*"))
    datasets.load("cuhk03", tmp_path, kind="detected")
    for name in ("cuhk03", "cuhk03np"):
        finding = doctor.find_data(name, tmp_path)
        assert finding.ok is True, finding.found
    assert not (home / "images_labeled").exists()


# --- ImageNet weights -----------------------------------------------------------------


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))
    return incoming_weights.cached("mobilenet_v2")


def weights() -> doctor.Finding:
    return next(f for f in doctor._weights() if f.found.startswith("mobilenet_v2"))


def test_weights_that_are_not_there(cache: Path) -> None:
    finding = weights()
    assert finding.ok is None and "not on this machine" in finding.found
    assert f"put {cache.name} into {cache.parent}" in finding.remedy


@pytest.mark.parametrize("content", [b"", b"<html>sign in</html>", bytes(99), None])
def test_damaged_weights_are_no_tick(cache: Path, content: bytes | None) -> None:
    cache.parent.mkdir(parents=True)
    if content is None:
        cache.mkdir()
    else:
        cache.write_bytes(content)
    finding = weights()
    assert finding.ok is False and str(cache) in finding.found
    assert finding.remedy == f"remove {cache}; the next run fetches it anew"


def test_whole_weights(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = hashlib.sha256(b"weights").hexdigest()
    whole = cache.with_name(f"mobilenet_v2-{digest[:8]}.pth")
    whole.parent.mkdir(parents=True)
    whole.write_bytes(b"weights")
    monkeypatch.setattr(incoming_weights, "cached", lambda name: whole)
    finding = weights()
    assert finding.ok is True and finding.found == f"mobilenet_v2: {whole}"


def test_a_cache_that_cannot_be_written_to(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.access", lambda *_: False)
    assert "TORCH_HOME" in weights().remedy
