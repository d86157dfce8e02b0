"""The explorer of rankings: what it says and shows is what the results hold."""

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from dplib import DplibError, evaluation, plots
from dplib.descriptors import Descriptors
from dplib.evaluation import Retrieval
from dplib.lessons.evaluation import figures, widgets
from dplib.samples import Sample


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> list[Sample]:
    """24 pictures: 4 pids (one is a distractor's) before 3 cameras, in turn."""
    folder = tmp_path_factory.mktemp("people")
    found = []
    for i in range(24):
        rng = np.random.default_rng(i)
        path = folder / f"{i}.png"
        Image.fromarray(rng.integers(0, 256, (16, 8, 3), np.uint8)).save(path)
        found.append(Sample(path, 1 + i % 4, 1 + i // 4 % 3))
    return found


def described(samples: list[Sample], seed: int) -> Descriptors:
    features = torch.randn(24, 8, generator=torch.Generator().manual_seed(seed))
    pids = torch.tensor([s.pid for s in samples])
    return Descriptors(features, pids, torch.tensor([s.camid for s in samples]))


def result(samples: list[Sample], seed: int, queries: int = 8) -> Retrieval:
    both = described(samples, seed)
    return evaluation.evaluate(Descriptors(*(x[:queries] for x in both)), both)


def parts(widget: Any) -> dict[str, Any]:
    """The explorer's pieces by name."""
    (top, middle, text, ranking, marks) = widget.children
    variant, again = top.children
    order, slider = middle.children
    names = ["variant", "again", "order", "slider", "text", "ranking", "marks"]
    values = (variant, again, order, slider, text, ranking, marks)
    return dict(zip(names, values, strict=True))


@pytest.fixture
def explorer(samples: list[Sample]) -> tuple[dict[str, Any], dict[str, Any]]:
    results = {"a": result(samples, 0), "b": result(samples, 1)}
    reranked = {"a": result(samples, 2)}
    widget = widgets.ranking_explorer(
        results, samples[:8], samples, reranked=reranked, k=5
    )
    return parts(widget), {**results, "a, re-ranked": reranked["a"]}


def said(r: Retrieval, i: int, samples: list[Sample], name: str) -> str:
    ranks = ", ".join(str(int(x)) for x in r.match_ranks[i])
    s = samples[i]
    return (
        f"pid {s.pid}, camera {s.camid} · {name}: AP {float(r.ap[i]):.3f}, "
        f"true matches at ranks {ranks}"
    )


def test_text_and_pictures_follow_the_controls(
    explorer: tuple[dict[str, Any], dict[str, Any]], samples: list[Sample]
) -> None:
    p, results = explorer
    assert p["text"].value == said(results["a"], 0, samples, "a")
    before = p["ranking"].value, p["marks"].value
    assert all(bytes(x).startswith(b"\x89PNG") for x in before)
    p["slider"].value = 3
    assert p["text"].value == said(results["a"], 3, samples, "a")
    assert p["ranking"].value != before[0] and p["marks"].value != before[1]
    before = p["ranking"].value, p["marks"].value
    p["again"].value = True
    assert p["text"].value == said(results["a, re-ranked"], 3, samples, "a, re-ranked")
    assert p["ranking"].value != before[0] and p["marks"].value != before[1]
    p["variant"].value = "b"  # not re-ranked: shown as it is
    assert p["again"].disabled
    assert p["text"].value == said(results["b"], 3, samples, "b")
    p["variant"].value = "a"
    assert not p["again"].disabled and ", re-ranked" in p["text"].value


def test_pictures_are_those_of_the_static_figures(
    explorer: tuple[dict[str, Any], dict[str, Any]], samples: list[Sample]
) -> None:
    p, results = explorer
    p["slider"].value = 2
    row = plots.ranked_row(results["a"], 2, samples[:8], samples, k=5)
    assert p["ranking"].value == plots.png(plots.ranked_galleries([row]))
    ranks = {name: results[name].match_ranks[2] for name in ("a", "b")}
    fig = figures.match_ranks(ranks, 24, chosen="a")
    assert p["marks"].value == plots.png(fig)


def test_order_is_that_of_the_first_variant(
    explorer: tuple[dict[str, Any], dict[str, Any]], samples: list[Sample]
) -> None:
    p, results = explorer
    ap, again = results["a"].ap, results["a, re-ranked"].ap
    firsts = {
        "worst AP first": ap.argmin(),
        "best AP first": ap.argmax(),
        "re-ranking harms most": (again - ap).argmin(),
        "re-ranking helps most": (again - ap).argmax(),
    }
    assert list(p["order"].options) == ["as in the data set", *firsts]
    for order, i in firsts.items():
        p["order"].value = order
        assert p["text"].value == said(results["a"], int(i), samples, "a")
    p["variant"].value = "b"  # the same query
    assert p["text"].value == said(results["b"], int(i), samples, "b")


def test_names_are_text_not_html(samples: list[Sample]) -> None:
    widget = widgets.ranking_explorer({"<b>": result(samples, 0)}, samples[:8], samples)
    assert "&lt;b&gt;" in parts(widget)["text"].value
    assert parts(widget)["again"].disabled  # nothing is re-ranked
    assert len(parts(widget)["order"].options) == 3


def test_refuses_what_cannot_be_compared(samples: list[Sample]) -> None:
    one, other = result(samples, 0), result(samples, 1, queries=5)
    show = widgets.ranking_explorer
    with pytest.raises(DplibError, match="no variants"):
        show({}, samples[:8], samples)
    with pytest.raises(DplibError, match="'x', which is none of the variants: 'a'"):
        show({"a": one}, samples[:8], samples, reranked={"x": one})
    with pytest.raises(DplibError, match="'b' ranks 24 images for 5 queries"):
        show({"a": one, "b": other}, samples[:8], samples)
