"""What a data set is made of."""

from __future__ import annotations

from dataclasses import replace

from dplib.samples import ReIDData


def test_drop_single_images(market: ReIDData) -> None:
    lone = replace(market, train=[*market.train[:-6], market.train[-1]])
    assert lone.train[-1].pid not in {s.pid for s in lone.drop_single_images().train}
    assert len(lone.drop_single_images().train) == 42
