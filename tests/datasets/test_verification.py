"""Counts beside the published ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import write_market
from imitations import write_msmt

from dplib import datasets, workspace
from dplib.datasets import PUBLISHED
from dplib.samples import DatasetError, ReIDData

REAL = workspace.folders()[0] / "Market-1501-v15.09.15"


def test_verify_names_every_count_that_differs(market: ReIDData) -> None:
    with pytest.raises(DatasetError) as e:
        datasets.verify(market)
    text = str(e.value)
    assert "train images: 48 found, 12,936 published" in text
    assert "distractors (pid 0): 4 found, 2,798 published" in text
    assert "query pids: 3 found, 750 published" in text
    assert "Extract the archive again" in text


def test_verify_is_silent_on_counts_that_agree(
    market: ReIDData, monkeypatch: pytest.MonkeyPatch
) -> None:
    published = {**datasets.PUBLISHED["market1501"], **datasets.counts(market)}
    published["cameras"] = 6  # the tiny set has three
    monkeypatch.setitem(datasets.PUBLISHED, "market1501", published)
    with pytest.raises(DatasetError) as e:
        datasets.verify(market)
    said, _, table = str(e.value).partition("\n")
    assert said.count("published") == 2  # the one count, and "published set"
    assert [x.split()[0] for x in table.splitlines() if "✗" in x] == ["cameras"]
    assert "cameras: 3 found, 6 published" in str(e.value)
    monkeypatch.setitem(published, "cameras", 3)
    assert "train pids" in datasets.verify(market)


def test_counts_of_the_tiny_set(market: ReIDData) -> None:
    assert datasets.counts(market) == {
        "images": 74,
        "identities": 11,
        "cameras": 3,
        "train images": 48,
        "train pids": 8,
        "query images": 9,
        "query pids": 3,
        "gallery files": 26,
        "junk (pid -1)": 4,
        "distractors (pid 0)": 4,
        "ranked gallery": 22,
        "multi-query images": 9,
    }


def test_toymarkets_own_list_is_what_its_folder_is_compared_with(
    tmp_path: Path,
) -> None:
    home = write_market(tmp_path / "ToyMarket", train_pids=2)
    toy = datasets.load("toymarket", tmp_path)
    with pytest.raises(DatasetError, match=r"nuisance\.csv is missing; draw"):
        datasets.verify(toy)
    lists = (toy.train, toy.query, toy.gallery, toy.multi_query)
    rows = [
        f"{s.path.parent.name},{s.path.name},{s.pid},{s.camid}"
        for samples in lists
        for s in samples
    ]
    text = "\n".join(["folder,file,pid,camid", *rows])
    (home / "nuisance.csv").write_text(text, encoding="utf-8")
    assert "train images" in datasets.verify(toy)
    toy.query[0].path.unlink()
    with pytest.raises(DatasetError, match="query images: 8 found, 9 listed"):
        datasets.verify(datasets.load("toymarket", tmp_path))


@pytest.mark.skipif(not REAL.is_dir(), reason="the real Market-1501 is not here")
def test_the_real_market_1501_has_every_published_count() -> None:
    data = datasets.load("market1501", REAL)
    table = datasets.verify(data)
    assert datasets.counts(data) == datasets.PUBLISHED["market1501"]
    assert "15,913" in table


def test_verify_compares_msmt17_with_its_paper(tmp_path: Path) -> None:
    write_msmt(tmp_path / "MSMT17_V2", 2)
    with pytest.raises(DatasetError) as e:
        datasets.verify(datasets.load("msmt17", tmp_path))
    for text in (
        "images: 17 found, 126,441 published",
        "identities: 5 found, 4,101 published",
        "gallery pids: 2 found, 3,060 published",
    ):
        assert text in str(e.value)


def test_published_counts_add_up() -> None:
    for name, n in PUBLISHED.items():
        if name == "market1501":
            assert n["images"] == n["train images"] + n["gallery files"]
            assert n["ranked gallery"] == n["gallery files"] - n["junk (pid -1)"]
        elif "train images" in n:
            parts = n["train images"] + n["query images"] + n["gallery files"]
            assert n["images"] == parts, name
        assert n["identities"] == (
            n["train pids"]
            + n.get("gallery pids", n["query pids"] + n.get("distractor ids", 0))
        )
