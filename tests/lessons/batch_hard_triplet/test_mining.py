"""Mining, and the flat embedding, against the loss of the paper."""

import pytest
import torch

from dplib import DplibError, losses
from dplib.lessons.batch_hard_triplet.mining import (
    MINING,
    FlatEmbedding,
    Settings,
    mine,
)

LABELS = torch.tensor([0, 1, 0, 2, 1, 2, 0])
POINTS = torch.randn(7, 3, generator=torch.Generator().manual_seed(1))


def test_hard_is_equation_1() -> None:
    d = losses.pairwise_distances(POINTS)
    a, p, n = mine(d, LABELS, "hard")
    result = losses.batch_hard_triplet(POINTS, LABELS)
    torch.testing.assert_close(d[a, p], result.hardest_positive)
    torch.testing.assert_close(d[a, n], result.hardest_negative)


def test_all_and_random_are_valid_triplets() -> None:
    d, n = losses.pairwise_distances(POINTS), len(LABELS)
    every = {tuple(t) for t in torch.stack(mine(d, LABELS, "all"), 1).tolist()}
    assert every == {
        (a, p, q)
        for a in range(n)
        for p in range(n)
        for q in range(n)
        if a != p and LABELS[a] == LABELS[p] and LABELS[a] != LABELS[q]
    }
    drawn = [torch.stack(mine(d, LABELS, "random", seed=s), 1).tolist() for s in (0, 1)]
    assert drawn[0] != drawn[1]
    for triplets in drawn:
        assert [t[0] for t in triplets] == list(range(n))
        assert {tuple(t) for t in triplets} <= every


def test_refusals() -> None:
    d = losses.pairwise_distances(POINTS)
    with pytest.raises(DplibError, match="'best' is none of hard, all, random"):
        mine(d, LABELS, "best")
    with pytest.raises(DplibError, match="without a positive"):
        mine(d, torch.arange(7))
    with pytest.raises(DplibError, match="P ≥ 2"):
        mine(d, torch.zeros(7))


@pytest.mark.parametrize("how", MINING)
def test_the_embedding_separates_the_pids(how: str) -> None:
    flat, again = FlatEmbedding(seed=2), FlatEmbedding(seed=2)
    settings = Settings(mining=how)
    flat.train(120, settings)
    again.train(60, settings)
    again.train(120, settings)
    assert torch.equal(flat.trace[120], again.trace[120])
    ends = [losses.batch_hard_triplet(flat.trace[t], flat.labels) for t in (0, 120)]
    assert ends[1].loss < 0.1 * ends[0].loss
    again.rewind(60)
    assert (len(again.trace), len(again.losses)) == (61, 60)
    again.train(61, Settings(mining=how, margin=2.0))
    assert not torch.equal(again.trace[61], flat.trace[61])


def test_a_step_goes_down_the_slope() -> None:
    flat = FlatEmbedding(seed=0)
    settings = Settings(p=3, k=2)
    look = flat.look(0, settings)
    points = flat.trace[0].clone().requires_grad_()
    batch = losses.batch_hard_triplet(points[look.batch], flat.labels[look.batch])
    batch.loss.backward()
    flat.train(1, settings)
    assert points.grad is not None
    torch.testing.assert_close(
        flat.trace[1], flat.trace[0] - 0.1 * 6 * points.grad, msg="0.1 for each anchor"
    )
    torch.testing.assert_close(look.loss, batch.loss.detach())
    assert look.active == pytest.approx(batch.active.item())
    assert flat.losses == [look.loss.item()]
