"""Ranked lists on disk agree with the evaluation; nothing half-written stays."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dplib import DplibError, descriptors, evaluation, files
from dplib.cli import ranked_lists
from dplib.evaluation import Retrieval
from dplib.samples import ReIDData


@pytest.fixture(scope="module")
def result(market: ReIDData) -> Retrieval:
    generator = torch.Generator().manual_seed(0)

    def describe(samples: list) -> descriptors.Descriptors:  # type: ignore[type-arg]
        return descriptors.Descriptors(
            torch.randn(len(samples), 4, generator=generator),
            torch.tensor([s.pid for s in samples]),
            torch.tensor([s.camid for s in samples]),
        )

    return evaluation.evaluate(describe(market.query), describe(market.gallery))


def test_table_gives_back_the_match_ranks(
    market: ReIDData, result: Retrieval, tmp_path: Path
) -> None:
    args = (result, market.query, market.gallery)
    out = ranked_lists.write(*args, tmp_path / "a", top=99, pictures=0, progress=False)
    with (out / "lists.csv").open() as f:
        rows = list(csv.DictReader(f))
    assert tuple(rows[0]) == ranked_lists.FIELDS
    assert len(rows) == len(market.query) * len(market.gallery)
    for i, ranks in enumerate(result.match_ranks):
        name = "query/" + market.query[i].path.name
        mine = [r for r in rows if r["query"] == name]
        right = [int(r["rank"]) for r in mine if r["verdict"] == "right"]
        assert right == ranks.tolist()
        assert all((r["rank"] == "") == (r["verdict"] == "junk") for r in mine)
        distances = [float(r["distance"]) for r in mine]
        assert distances == sorted(distances)
    assert not list((out / "pictures").iterdir()) and str(tmp_path) not in str(rows)


def test_pictures_show_the_query_and_mark_the_verdicts(
    market: ReIDData, result: Retrieval, tmp_path: Path
) -> None:
    args = (result, market.query, market.gallery, tmp_path / "b")
    out = ranked_lists.write(*args, top=3, pictures=2, shown=5, progress=False)
    drawn = sorted((out / "pictures").iterdir())
    assert [f.name[:5] for f in drawn] == ["0000_", "0001_"]
    assert drawn[0].stem.endswith(market.query[0].path.stem)
    pixels = np.asarray(Image.open(drawn[0]))
    top = result.ranked(0, 5)
    step = 64 + 8 + 6
    assert pixels.shape == (128 + 8 + 14, 6 * step + 6, 3)
    from matplotlib.colors import to_rgb

    from dplib import plots

    for n, (right, junk) in enumerate(zip(top.right, top.junk, strict=True), 1):
        want = plots.UNCOUNTED if junk else plots.RIGHT if right else plots.WRONG
        frame = pixels[-2, n * step + 6 + 2]
        np.testing.assert_allclose(frame / 255, to_rgb(want), atol=0.01)


def test_nothing_half_written_and_nothing_overwritten(
    market: ReIDData, result: Retrieval, tmp_path: Path
) -> None:
    gallery = [s._replace(path=s.path.with_name("gone.jpg")) for s in market.gallery]
    with pytest.raises(DplibError, match=r"gone\.jpg: no such image"):
        ranked_lists.write(
            result, market.query, gallery, tmp_path / "c", progress=False
        )
    assert not list(tmp_path.iterdir())
    (tmp_path / "c").mkdir()
    with pytest.raises(DplibError, match="exists: name a folder that does not"):
        ranked_lists.write(result, market.query, market.gallery, tmp_path / "c")


def test_names_that_are_no_text(
    market: ReIDData, result: Retrieval, tmp_path: Path
) -> None:
    """Latin-1 from an old archive, and names as long as a system allows."""
    (tmp_path / "own").mkdir()
    strange = [tmp_path / "own" / f"J\udcfc{i}{'x' * 240}.jpg" for i in (1, 2)]
    try:
        for file in strange:
            file.write_bytes(market.query[0].path.read_bytes())
    except (OSError, UnicodeError):
        pytest.skip("names are always text here")
    query = [s._replace(path=strange[0]) for s in market.query]
    gallery = [s._replace(path=strange[1]) for s in market.gallery]
    where = tmp_path / "c"
    ranked_lists.write(result, query, gallery, where, top=2, pictures=2, progress=False)
    with (where / "lists.csv").open(encoding="utf-8") as f:
        rows = list(csv.DictReader(f))
    name = files.restored(rows[0]["query"])
    assert tmp_path / name == strange[0] and "\\xfc" in rows[0]["gallery"]
    drawn = sorted((where / "pictures").iterdir())
    assert len(drawn) == 2
    for file in drawn:
        file.name.encode()
        assert "\\" not in file.name
