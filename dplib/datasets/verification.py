"""What a data set holds, beside what its authors published (§4.2)."""

from __future__ import annotations

import csv
import re
from dataclasses import replace

from dplib.datasets import market
from dplib.samples import DISTRACTOR, JUNK, DatasetError, ReIDData, Sample

_LIKE_MARKET = ("market1501", "toymarket")

# Market-1501: the paper's §4.2 and the data set's own readme. Duke, CUHK03: §4.2 and
# the readmes of DukeMTMC-reID and of CUHK03-NP. MSMT17: its paper (CVPR 2018), table 1.
PUBLISHED: dict[str, dict[str, int]] = {
    "market1501": {
        "images": 32_668,
        "identities": 1_501,
        "cameras": 6,
        "train images": 12_936,
        "train pids": 751,
        "query images": 3_368,
        "query pids": 750,
        "gallery files": 19_732,
        "junk (pid -1)": 3_819,
        "distractors (pid 0)": 2_798,
        "ranked gallery": 15_913,
        "multi-query images": 25_259,
    },
    "dukemtmc": {
        "images": 36_411,
        "identities": 1_812,
        "cameras": 8,
        "train images": 16_522,
        "train pids": 702,
        "query images": 2_228,
        "query pids": 702,
        "gallery files": 17_661,
        "distractor ids": 408,
    },
    "cuhk03-labeled": {
        "images": 14_096,
        "identities": 1_467,
        "train pids": 1_367,
        "query pids": 100,
        "gallery pids": 100,
    },
    "cuhk03np-labeled": {
        "images": 14_096,
        "identities": 1_467,
        "cameras": 2,
        "train images": 7_368,
        "train pids": 767,
        "query images": 1_400,
        "query pids": 700,
        "gallery files": 5_328,
        "gallery pids": 700,
    },
    "msmt17": {
        "images": 126_441,
        "identities": 4_101,
        "cameras": 15,
        "train images": 32_621,
        "train pids": 1_041,
        "query images": 11_659,
        "query pids": 3_060,
        "gallery files": 82_161,
        "gallery pids": 3_060,
    },
}


PUBLISHED["cuhk03-detected"] = PUBLISHED["cuhk03-labeled"] | {"images": 14_097}


PUBLISHED["cuhk03np-detected"] = PUBLISHED["cuhk03np-labeled"] | {
    "images": 14_097,
    "train images": 7_365,
    "gallery files": 5_332,
}


# with_val=False: list_train.txt alone
PUBLISHED["msmt17-noval"] = PUBLISHED["msmt17"] | {
    "images": 124_068,
    "train images": 30_248,
}


def counts(data: ReIDData) -> dict[str, int]:
    """Count what a data set holds, under the names of ``PUBLISHED``.

    As in its authors' counts, the images of Market-1501 do not include the queries,
    whose boxes were drawn by hand; elsewhere each image of the training set, the query
    and the gallery counts once.
    """
    junk = sum(s.pid == JUNK for s in data.gallery)
    lists = data.train, data.query, data.gallery
    people = {s.pid for part in lists for s in part} - {JUNK, DISTRACTOR}
    like_market = data.name.split("-")[0] in _LIKE_MARKET
    ranked = {s.pid for s in data.gallery} - {JUNK, DISTRACTOR}
    query_pids = {s.pid for s in data.query}
    counted = {
        "images": len(data.train) + len(data.gallery)
        if like_market
        else len(set().union(*lists)),
        "identities": len(people),
        "cameras": len({s.camid for part in lists for s in part}),
        "train images": len(data.train),
        "train pids": len(data.labels),
        "query images": len(data.query),
        "query pids": len(query_pids),
        "gallery files": len(data.gallery),
    }
    if like_market:
        return counted | {
            "junk (pid -1)": junk,
            "distractors (pid 0)": sum(s.pid == DISTRACTOR for s in data.gallery),
            "ranked gallery": len(data.gallery) - junk,
            "multi-query images": len(data.multi_query),
        }
    if data.name.startswith("dukemtmc"):
        return counted | {"distractor ids": len(ranked - query_pids)}
    return counted | {"gallery pids": len(ranked)}


def verify(data: ReIDData) -> str:
    """Compare the counts with the published ones.

    ToyMarket is compared with its own list of what was drawn, ``nuisance.csv``.

    Returns:
        Both counts as a table of text.

    Raises:
        DatasetError: A count differs; the message names every one that does.
    """
    counted = counts(data)
    every_split = re.sub(r"-split\d+$", "", data.name)  # CUHK03: the same for all
    expected: dict[str, int] = PUBLISHED.get(every_split, {})
    if data.name == "toymarket":
        expected = counts(_listed(data))
    source = "listed" if data.name == "toymarket" else "published"
    lines = [f"{data.name} at {data.root}", f"{'':22}{'found':>8}{source:>11}"]
    if not expected:  # of one's own images nothing is published
        lines[1] = f"{'':22}{'found':>8}"
    wrong = []
    for key, n in counted.items():
        want = expected.get(key)
        line = f"{key:22}{n:>8,}"
        if expected:
            line += f"{'–' if want is None else f'{want:,}':>11}"
        if want is not None and n != want:
            wrong.append(f"{key}: {n:,} found, {want:,} {source}")
            line += "  ✗"
        lines.append(line)
    if wrong:
        table = "\n".join(lines[1:])
        raise DatasetError(
            f"{data.name} at {data.root} is not the {source} set: {'; '.join(wrong)}. "
            "Extract the archive again into an empty folder (ToyMarket: draw it again)."
            f"\n{table}"
        )
    return "\n".join(lines)


def _listed(data: ReIDData) -> ReIDData:
    """ToyMarket as its nuisance.csv lists it."""
    path = data.root / "nuisance.csv"
    if not path.is_file():
        raise DatasetError(f"{path} is missing; draw ToyMarket again")
    lists: dict[str, list[Sample]] = {
        name: [] for name in (*market.SPLIT_FOLDERS, market.MULTI_QUERY_FOLDER)
    }
    with path.open(encoding="utf-8", newline="") as f:
        for row in csv.DictReader(f):
            image = data.root / row["folder"] / row["file"]
            sample = Sample(image, int(row["pid"]), int(row["camid"]))
            lists[row["folder"]].append(sample)
    train, query, gallery, multi_query = lists.values()
    return replace(
        data, train=train, query=query, gallery=gallery, multi_query=multi_query
    )
