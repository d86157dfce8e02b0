"""A split of our own: people held out of the training set to choose settings on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dplib.samples import DatasetError, ReIDData, Sample


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
    train = [s for s in data.train if s.pid not in held]
    if data.protocol == "cuhk03":
        query = gallery = [s for s in data.train if s.pid in held]
    return replace(
        data,
        name=f"{data.name}-val{pids}",
        train=train,
        query=query,
        gallery=gallery,
        multi_query=[],
    )
