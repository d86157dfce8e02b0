"""The explorer of rankings, on the drawings of ``plots`` and ``figures``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import ipywidgets

from dplib import DplibError, plots
from dplib.evaluation import Retrieval
from dplib.lessons import view
from dplib.lessons.evaluation import figures
from dplib.samples import Sample


def ranking_explorer(
    variants: Mapping[str, Retrieval],
    query: Sequence[Sample],
    gallery: Sequence[Sample],
    *,
    reranked: Mapping[str, Retrieval] | None = None,
    k: int = 10,
) -> ipywidgets.Widget:
    """Choose a query, a variant and re-ranking; see the ranking and the match ranks.

    The order of the queries is that of the first variant, so that the same query is
    shown when another variant is chosen.

    Args:
        variants: The result of each variant, by its name: the same queries against the
            same gallery.
        query: The samples that were evaluated, in that order.
        gallery: Likewise.
        reranked: The re-ranked results; a variant that is missing here cannot be
            re-ranked.
        k: How many gallery images are shown.

    Raises:
        DplibError: There are no variants, or their results are of different queries.
    """
    better = dict(reranked or {})
    _check(variants, better)
    first = next(iter(variants))
    orders = _orders(variants[first], better.get(first))
    variant = ipywidgets.Dropdown(options=list(variants), description="variant")
    again = ipywidgets.Checkbox(
        value=False,
        description="re-ranked",
        indent=False,
        layout={"margin": "2px 2px 2px 1em"},
    )
    order = ipywidgets.Dropdown(options=list(orders), description="order")
    last = len(orders["as in the data set"]) - 1
    slider = view.slider("query", 0, last)
    page = view.View([variant, again], [order, slider], pictures=2)

    def draw() -> None:
        name = variant.value
        again.disabled = name not in better
        use = again.value and name in better
        shown = better[name] if use else variants[name]
        i = orders[order.value][slider.value]
        rows = {
            v: (better if again.value and v in better else variants) for v in variants
        }
        label = {v: f"{v}, re-ranked" if r is better else v for v, r in rows.items()}
        ranks = {label[v]: r[v].match_ranks[i] for v, r in rows.items()}
        page.say(describe(shown, i, query, label[name]))
        row = plots.ranked_row(shown, i, query, gallery, k=k)
        page.show(
            plots.ranked_galleries([row]),
            figures.match_ranks(ranks, shown.num_ranked, chosen=label[name]),
        )

    return page.follow(draw)


def describe(result: Retrieval, i: int, query: Sequence[Sample], name: str) -> str:
    """The explorer's text about query i: its pid, camera, AP and match ranks."""
    sample = query[int(result.queries[i])]
    ranks = ", ".join(map(str, result.match_ranks[i].tolist()))
    return (
        f"pid {sample.pid}, camera {sample.camid} · {name}: "
        f"AP {float(result.ap[i]):.3f}, true matches at ranks {ranks}"
    )


def _orders(first: Retrieval, again: Retrieval | None) -> dict[str, list[int]]:
    """Evaluated queries as given, by AP and by what re-ranking does to their AP."""
    found = {
        "as in the data set": list(range(len(first.queries))),
        "worst AP first": first.ap.argsort(stable=True).tolist(),
        "best AP first": first.ap.argsort(stable=True, descending=True).tolist(),
    }
    if again is not None:
        gain = again.ap - first.ap
        found["re-ranking harms most"] = gain.argsort(stable=True).tolist()
        found["re-ranking helps most"] = (-gain).argsort(stable=True).tolist()
    return found


def _check(
    variants: Mapping[str, Retrieval], reranked: Mapping[str, Retrieval]
) -> None:
    if not variants:
        raise DplibError("ranking_explorer got no variants: give at least one result")
    unknown = [name for name in reranked if name not in variants]
    if unknown:
        raise DplibError(
            f"reranked has {unknown[0]!r}, which is none of the variants: "
            f"{', '.join(map(repr, variants))}"
        )
    name, first = next(iter(variants.items()))
    for other, result in [*variants.items(), *reranked.items()]:
        same = result.queries.tolist() == first.queries.tolist()
        if not same or result.num_ranked != first.num_ranked:
            raise DplibError(
                f"{other!r} ranks {result.num_ranked} images for {len(result.queries)} "
                f"queries, {name!r} {first.num_ranked} for {len(first.queries)}: "
                "evaluate all variants on the same queries and gallery"
            )


def ranked_gallery(
    result: Retrieval,
    query: Sequence[Sample],
    gallery: Sequence[Sample],
    *,
    k: int = 10,
) -> ipywidgets.Widget:
    """Choose a query and see its ranking; the queries can be ordered by their AP.

    Args:
        result: The evaluation.
        query: The samples whose descriptors were evaluated, in that order.
        gallery: Likewise.
        k: How many gallery images are shown.
    """
    orders = _orders(result, None)
    order = ipywidgets.Dropdown(options=list(orders), description="order")
    slider = view.slider("query", 0, len(result.queries) - 1)
    page = view.View([order, slider])

    def draw() -> None:
        i = orders[order.value][slider.value]
        sample = query[int(result.queries[i])]
        ranks = ", ".join(map(str, result.match_ranks[i].tolist()))
        page.say(
            f"pid {sample.pid}, camera {sample.camid}: AP {float(result.ap[i]):.2f}, "
            f"true matches at ranks {ranks}"
        )
        row = plots.ranked_row(result, i, query, gallery, k=k)
        page.show(plots.ranked_galleries([row]))

    return page.follow(draw)
