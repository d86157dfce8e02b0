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
from dplib.datasets.near import SAID, near
from dplib.samples import DISTRACTOR, DatasetError, ReIDData, Sample


def validation_split(data: ReIDData, pids: int, seed: int = 0) -> ReIDData:
    """Hold training pids out, as query (one image per camera) and gallery.

    Only people seen by two cameras or more are drawn, and only their images are ranked.
    Under the protocol ``"cuhk03"`` query and gallery both hold all of these images;
    under ``"same_camera"`` it takes two images that are not near copies of each other.

    Args:
        data: The data set; its own query and gallery are dropped.
        pids: Number of people to hold out.
        seed: Decides which people, and which image of each camera is the query.

    Raises:
        DatasetError: Too few people can be drawn, or fewer than two would be left to
            train on.
    """
    seed = seeds.check(seed)
    same_camera = data.protocol == "same_camera"
    able = sorted(_able(data.train, same_camera))
    everybody = len({s.pid for s in data.train})
    most = min(len(able), everybody - 2)
    if not seeds.is_whole(pids) or not 0 < pids <= most:
        what = f"with two images that are not {SAID}" if same_camera else _TWO
        raise DatasetError(
            f"val_pids={pids}: {data.name} has {everybody} training pids, {len(able)} "
            f"of them {what}; take 1 to {most}"
        )
    if data.pid_names:  # a folder may grow: its people are drawn by their names
        names = data.pid_names
        first = sorted(able, key=lambda p: _chance(seed, "held out", names[p]))[:pids]
        ranked = [s for s in data.train if s.pid in set(first)]
        return _held_out(data, set(first), *query_of(ranked, seed, names, same_camera))
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
    samples: list[Sample],
    test_share: float,
    seed: int,
    names: Mapping[int, str],
    same_camera: bool = False,
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
        same_camera: Whether one camera is enough, see ``query_of``.

    Returns:
        Training set, query and gallery.

    Raises:
        DatasetError: Nobody can be a query, or too few people are left.
    """
    if not seeds.is_real(test_share) or not 0 < test_share <= 1:
        raise DatasetError(f"test_share={test_share}: expected above 0 and at most 1")
    cams: dict[int, set[int]] = defaultdict(set)
    for s in samples:
        if s.pid > DISTRACTOR:  # junk and distractors belong in the gallery
            cams[s.pid].add(s.camid)
    able = _able(samples, same_camera)
    if not able:
        raise _nobody(f"none of {len(cams)} people", same_camera)
    order = sorted(cams, key=lambda p: (_chance(seed, "test", names[p]), names[p]))
    kinds = [[p for p in order if (p in able) == can] for can in (True, False)]
    shares = [round(test_share * len(kind)) for kind in kinds]
    shares[0] = max(1, shares[0])
    test = {p for kind, n in zip(kinds, shares, strict=True) for p in kind[:n]}
    # fewer than two people have no negatives: those farthest from the test stay
    wanted = min(2, len(cams) - 1) if test_share < 1 else 0
    for p in reversed(order):
        alone = not test & able - {p}
        if p in test and len(cams) - len(test) < wanted and not alone:
            test.remove(p)
    train = [s for s in samples if s.pid in cams and s.pid not in test]
    if test_share < 1 and len({s.pid for s in train}) < 2:
        raise DatasetError(
            f"test_share={test_share} of {len(cams)} people leaves fewer than two to "
            "train on; add people, or take test_share=1 to rank them all"
        )
    ranked = [s for s in samples if s.pid in test or s.pid <= DISTRACTOR]
    return train, *query_of(ranked, seed, names, same_camera)


def query_of(
    samples: list[Sample],
    seed: int,
    names: Mapping[int, str],
    same_camera: bool = False,
) -> tuple[list[Sample], list[Sample]]:
    """One query for each (pid, camera) that leaves a match in another camera's gallery.

    A camera's only image stays in the gallery, or the other cameras' queries would lose
    it; where each camera of a pid has one image, one of them is the query.

    Args:
        samples: Images of the people to rank.
        seed: Decides, with the person's name and the file's, which image is the query.
        names: The name of each pid.
        same_camera: Whether the match may be of the same camera, unless it is a near
            copy. Each camera of a pid then has a query, as long as they leave a match
            for one another.

    Returns:
        Query and gallery.

    Raises:
        DatasetError: Nobody can be a query.
    """

    def order(s: Sample) -> tuple[float, Sample]:
        return _chance(seed, "query", names[s.pid], s.path.name), s

    groups: dict[int, dict[int, list[Sample]]] = defaultdict(lambda: defaultdict(list))
    for s in samples:
        groups[s.pid][s.camid].append(s)
    query = []
    for pid, views in sorted(groups.items()):
        if pid <= DISTRACTOR:
            continue
        if same_camera:
            query += _apart([sorted(g, key=order) for _, g in sorted(views.items())])
            continue
        if len(views) < 2:
            continue
        many = [g for _, g in sorted(views.items()) if len(g) > 1]
        everything = [s for g in views.values() for s in g]
        query += [min(g, key=order) for g in many or [everything]]
    if not query:
        raise _nobody("no test person", same_camera)
    taken = set(query)
    return query, [s for s in sorted(samples) if s not in taken]


def _able(samples: list[Sample], same_camera: bool) -> set[int]:
    """The people of whom an image can be a query, with a match in the others."""
    images: dict[int, list[Sample]] = defaultdict(list)
    for s in samples:
        if s.pid > DISTRACTOR:
            images[s.pid].append(s)
    if not same_camera:
        return {p for p, mine in images.items() if len({s.camid for s in mine}) > 1}
    return {p for p, mine in images.items() if _apart([mine])}


def _apart(views: list[list[Sample]]) -> list[Sample]:
    """Take the first image of each camera that leaves all that are taken a match.

    Args:
        views: The images of one person, by camera, the preferred one first.
    """
    mine = [s for view in views for s in view]
    copies = near(mine, mine)
    left, taken = set(range(len(mine))), set[int]()
    start = 0
    for view in views:
        for i in range(start, start + len(view)):
            if all(left - {i} - copies[q] for q in (*taken, i)):
                taken.add(i)
                left.remove(i)
                break
        start += len(view)
    return [mine[i] for i in sorted(taken)]


_TWO = "seen by two cameras"


def _nobody(who: str, same_camera: bool) -> DatasetError:
    if same_camera:
        return DatasetError(
            f"{who} has two images that are not {SAID}, so nobody can be found again; "
            "add images, and number photographs that are no frames of a film otherwise"
        )
    return DatasetError(
        f"{who} is {_TWO}, so nobody can be found again; are the cameras told apart? "
        "With same_camera=True one camera is enough"
    )


def _chance(seed: int, *words: str) -> float:
    """A number in [0, 1) that nothing but the seed and the words decides."""
    text = "\0".join([str(seeds.check(seed)), *words]).encode(
        "utf-8", "surrogateescape"
    )
    return int.from_bytes(hashlib.sha256(text).digest()[:7]) / 256**7
