"""What the doctor says of data sets; it neither draws nor unpacks anything."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import write_market
from imitations import write_cuhk03, write_duke, write_msmt, write_new_protocol

from dplib import datasets
from dplib.cli import doctor


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
