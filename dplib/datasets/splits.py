"""Splits of our own: people to train on and people to rank, drawn from a seed.

The people of an own folder stand in an order that the seed and their names decide, and
the first of them are the test. So the share is exact, and a person who is added moves
at most one other to the other side.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from dplib import seeds
from dplib.samples import DISTRACTOR, DatasetError, ReIDData, Sample


def validation_split(data: ReIDData, pids: int, seed: int = 0) -> ReIDData:
    """Hold training pids out, as query (one image per camera) and gallery.

    Only people seen by two cameras or more are drawn, and only their images are ranked.
    Under the protocol ``"cuhk03"`` query and gallery both hold all of these images.

    Args:
        data: The data set; its own query and gallery are dropped.
        pids: Number of people to hold out.
        seed: Decides which people, and which image of each camera is the query.

    Raises:
        DatasetError: Too few people are seen by two cameras, or fewer than two would be
            left to train on.
    """
    seed = seeds.check(seed)
    cams: dict[int, set[int]] = {}
    for s in data.train:
        cams.setdefault(s.pid, set()).add(s.camid)
    able = sorted(p for p, c in cams.items() if len(c) > 1)
    most = min(len(able), len(cams) - 2)
    if not 0 < pids <= most:
        raise DatasetError(
            f"val_pids={pids}: {data.name} has {len(cams)} training pids, {len(able)} "
            f"of them seen by two cameras; take 1 to {most}"
        )
    if data.pid_names:  # a folder may grow: its people are drawn by their names
        names = data.pid_names
        first = sorted(able, key=lambda p: _chance(seed, "held out", names[p]))[:pids]
        ranked = [s for s in data.train if s.pid in set(first)]
        return _held_out(data, set(first), *query_of(ranked, seed, names))
    rng = np.random.default_rng([seed, pids, 0x56414C])
    held = set(rng.choice(able, pids, replace=False).tolist())
    query: list[Sample] = []
    gallery: list[Sample] = []
    groups: dict[tuple[int, int], list[Sample]] = {}
    for s in data.train:
        if s.pid in held:
            groups.setdefault((s.pid, s.camid), []).append(s)
    for _, group in sorted(groups.items()):
        # A camera's only image goes to the gallery, or others would lose their match
        q = int(rng.integers(len(group))) if len(group) > 1 else -1
        query += group[q : q + 1] if q >= 0 else []
        gallery += [s for i, s in enumerate(group) if i != q]
    return _held_out(data, held, query, gallery)


def _held_out(
    data: ReIDData, held: set[int], query: list[Sample], gallery: list[Sample]
) -> ReIDData:
    if data.protocol == "cuhk03":
        query = gallery = [s for s in data.train if s.pid in held]
    return replace(
        data,
        name=f"{data.name}-val{len(held)}",
        train=[s for s in data.train if s.pid not in held],
        query=query,
        gallery=gallery,
        multi_query=[],
        drawn=True,
    )


def split_rows(
    samples: list[Sample], test_share: float, seed: int, names: Mapping[int, str]
) -> tuple[list[Sample], list[Sample], list[Sample]]:
    """Draw people for query and gallery; train on the others.

    The seed and a person's name give the person's place in an order, and the first
    ``test_share`` of the people, rounded, are drawn. Those who can be a query and those
    who cannot (as one camera alone has seen them) are counted apart, so that both sides
    have their share of either kind; at least one who can be a query is drawn, and two
    people are left to train on. Every image gets into one list.

    A person who is added finds a place in that order and moves nobody else in it: at
    most one of the others changes sides, the one next to the border. Nobody at all
    would change if each person were drawn alone, but then the share would be met by
    chance: of 16 people, 6 or 10 might be left to train on as well as 8. The other way
    to keep people where they are is to load the folder with a run, which notes its
    split (``people.as_noted``).

    Args:
        samples: All images.
        test_share: Above 0 and at most 1, which leaves nobody to train on.
        seed: Decides which people and which queries are drawn.
        names: The name of each pid.

    Returns:
        Training set, query and gallery.

    Raises:
        DatasetError: Nobody is seen by two cameras, or too few people are left.
    """
    if not 0 < test_share <= 1:
        raise DatasetError(f"test_share={test_share}: expected above 0 and at most 1")
    cams: dict[int, set[int]] = defaultdict(set)
    for s in samples:
        if s.pid > DISTRACTOR:  # junk and distractors belong in the gallery
            cams[s.pid].add(s.camid)
    able = [p for p, c in cams.items() if len(c) > 1]
    if not able:
        raise DatasetError(
            f"none of {len(cams)} people is seen by two cameras, so nobody can be "
            "found again; are the cameras told apart?"
        )
    order = sorted(cams, key=lambda p: (_chance(seed, "test", names[p]), names[p]))
    kinds = [[p for p in order if (len(cams[p]) > 1) == more] for more in (True, False)]
    shares = [round(test_share * len(kind)) for kind in kinds]
    shares[0] = max(1, shares[0])
    test = {p for kind, n in zip(kinds, shares, strict=True) for p in kind[:n]}
    # fewer than two people have no negatives: those farthest from the test stay
    wanted = min(2, len(cams) - 1) if test_share < 1 else 0
    for p in reversed(order):
        alone = not test & set(able) - {p}
        if p in test and len(cams) - len(test) < wanted and not alone:
            test.remove(p)
    train = [s for s in samples if s.pid in cams and s.pid not in test]
    if test_share < 1 and len({s.pid for s in train}) < 2:
        raise DatasetError(
            f"{len(cams)} people at test_share={test_share} leave fewer than two to "
            "train on; lower test_share, or take 1 to rank them all"
        )
    ranked = [s for s in samples if s.pid in test or s.pid <= DISTRACTOR]
    return train, *query_of(ranked, seed, names)


def query_of(
    samples: list[Sample], seed: int, names: Mapping[int, str]
) -> tuple[list[Sample], list[Sample]]:
    """One query for each (pid, camera) that leaves a match in another camera's gallery.

    A camera's only image stays in the gallery, or the other cameras' queries would lose
    it; where each camera of a pid has one image, one of them is the query.

    Args:
        samples: Images of the people to rank.
        seed: Decides, with the person's name and the file's, which image is the query.
        names: The name of each pid.

    Returns:
        Query and gallery.

    Raises:
        DatasetError: Nobody is seen by two cameras.
    """

    def order(s: Sample) -> tuple[float, Sample]:
        return _chance(seed, "query", names[s.pid], s.path.name), s

    groups: dict[int, dict[int, list[Sample]]] = defaultdict(lambda: defaultdict(list))
    for s in samples:
        groups[s.pid][s.camid].append(s)
    query = []
    for pid, views in sorted(groups.items()):
        if pid <= DISTRACTOR or len(views) < 2:
            continue
        many = [g for _, g in sorted(views.items()) if len(g) > 1]
        everything = [s for g in views.values() for s in g]
        query += [min(g, key=order) for g in many or [everything]]
    if not query:
        raise DatasetError(
            "no test person is seen by two cameras, so there is nothing to query"
        )
    taken = set(query)
    return query, [s for s in sorted(samples) if s not in taken]


def _chance(seed: int, *words: str) -> float:
    """A number in [0, 1) that nothing but the seed and the words decides."""
    text = "\0".join([str(seeds.check(seed)), *words]).encode(
        "utf-8", "surrogateescape"
    )
    return int.from_bytes(hashlib.sha256(text).digest()[:7]) / 256**7
