"""Losses: batch-hard against a triple loop, and the sum of equation 3."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from dplib import DplibError, losses
from dplib.model import Outputs


def triple_loop(fm: Tensor, labels: Tensor, margin: float) -> tuple[float, float]:
    """Equation 1, read aloud; the loss and the share of active anchors."""
    total, active = 0.0, 0
    for a in range(len(fm)):
        worst = -math.inf
        for p in range(len(fm)):
            if p == a or labels[p] != labels[a]:
                continue
            for n in range(len(fm)):
                if labels[n] != labels[a]:
                    to_p = float((fm[a] - fm[p]).pow(2).sum().sqrt())
                    to_n = float((fm[a] - fm[n]).pow(2).sum().sqrt())
                    worst = max(worst, margin + to_p - to_n)
        total += max(worst, 0)
        active += worst > 0
    return total / len(fm), active / len(fm)


@given(
    seed=st.integers(0, 10**6),
    sizes=st.lists(st.integers(2, 4), min_size=2, max_size=4),
    dim=st.integers(1, 16),
    margin=st.sampled_from([0.0, 0.3, 0.5, 2.0]),
    spread=st.sampled_from([0.1, 1.0, 10.0]),
)
def test_batch_hard_equals_a_triple_loop(
    seed: int, sizes: list[int], dim: int, margin: float, spread: float
) -> None:
    g = torch.Generator().manual_seed(seed)
    labels = torch.repeat_interleave(torch.tensor(sizes))
    labels = labels[torch.randperm(len(labels), generator=g)]
    fm = spread * torch.randn(len(labels), dim, generator=g, dtype=torch.float64)
    result = losses.batch_hard_triplet(fm.float(), labels, margin)
    loss, active = triple_loop(fm, labels, margin)
    assert float(result.loss) == pytest.approx(loss, rel=1e-3, abs=1e-3 * spread)
    assert abs(float(result.active) - active) <= 1 / len(fm)  # one may sit on the hinge


def test_hardest_distances_of_four_points_on_a_line() -> None:
    fm = torch.tensor([[0.0], [1.0], [4.0], [9.0]])
    r = losses.batch_hard_triplet(fm, torch.tensor([0, 0, 1, 1]), margin=0.5)
    assert_close(r.hardest_positive, torch.tensor([1.0, 1.0, 5.0, 5.0]))
    assert_close(r.hardest_negative, torch.tensor([4.0, 3.0, 3.0, 8.0]))
    assert float(r.loss) == pytest.approx(2.5 / 4)  # only 0.5 + 5 - 3 is above 0
    assert float(r.active) == 0.25


def test_the_margin_shifts_the_hinge() -> None:
    fm = torch.tensor([[0.0], [1.0], [4.0], [9.0]])
    labels = torch.tensor([0, 0, 1, 1])
    assert float(losses.batch_hard_triplet(fm, labels).loss) == pytest.approx(0.625)
    assert float(losses.batch_hard_triplet(fm, labels, 3.0).loss) == pytest.approx(
        (0 + 1 + 5 + 0) / 4
    )


def test_gradient_is_finite_when_two_images_are_identical() -> None:
    g = torch.Generator().manual_seed(0)
    base = torch.randn(4, 32, generator=g)
    whole = base.round()  # whose squared distance is 0 exactly, without rounding
    for values in (base, whole, 100 * base):
        for rows in ([0, 0, 1, 2], [0, 1, 0, 2], [0, 0, 0, 0]):
            fm = values[rows].requires_grad_()
            r = losses.batch_hard_triplet(fm, torch.tensor([0, 0, 1, 1]))
            r.loss.backward()
            assert r.loss.isfinite()
            assert fm.grad is not None and fm.grad.isfinite().all()


def test_gradient_pulls_the_positive_and_pushes_the_negative() -> None:
    fm = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.2], [9.0, 9.0], [9.0, 8.0]])
    fm.requires_grad_()
    losses.batch_hard_triplet(fm, torch.tensor([0, 0, 1, 1, 1])).loss.backward()
    assert fm.grad is not None
    assert fm.grad[1, 0] > 0  # descent moves the positive left, to the anchor at 0
    assert fm.grad[0, 1] > 0  # and the anchor down, away from the negative above


def test_half_precision_is_summed_in_single() -> None:
    fm = torch.randn(8, 64, generator=torch.Generator().manual_seed(1)).bfloat16()
    r = losses.batch_hard_triplet(fm, torch.arange(8) // 2)
    assert r.loss.dtype == torch.float32


def test_a_label_alone_in_its_batch_has_no_positive() -> None:
    with pytest.raises(DplibError, match=r"label 7 has one image.*K ≥ 2"):
        losses.batch_hard_triplet(torch.randn(3, 4), torch.tensor([5, 5, 7]))


def test_a_batch_of_one_image_each_is_refused() -> None:
    with pytest.raises(DplibError, match="no positive"):
        losses.batch_hard_triplet(torch.randn(4, 4), torch.arange(4))


def test_a_batch_of_one_label_has_no_negative() -> None:
    with pytest.raises(DplibError, match=r"no negative.*P ≥ 2"):
        losses.batch_hard_triplet(torch.randn(4, 4), torch.ones(4, dtype=torch.long))


@pytest.mark.parametrize("shape", [(4,), (4, 2, 2), (3, 2)])
def test_wrong_shapes_are_quoted(shape: tuple[int, ...]) -> None:
    with pytest.raises(DplibError, match=r"expected fm \[N, C\] and labels \[N\]"):
        losses.batch_hard_triplet(torch.randn(shape), torch.tensor([0, 0, 1, 1]))


# --- identification and the sum -----------------------------------------------------


def test_identification_is_ln_nc_at_chance() -> None:
    labels = torch.tensor([0, 5, 9])
    assert_close(
        losses.identification(torch.zeros(3, 10), labels), torch.tensor(math.log(10))
    )


def test_identification_averages_over_rows() -> None:
    logits = torch.randn(5, 8, 10, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([0, 3, 9, 3, 1])
    rows = [losses.identification(logits[:, t], labels) for t in range(8)]
    assert_close(losses.identification(logits, labels), torch.stack(rows).mean())


def outputs(**parts: Tensor) -> Outputs:
    g = torch.Generator().manual_seed(0)
    return Outputs(torch.randn(4, 8, generator=g), **parts)


LABELS = torch.tensor([0, 0, 1, 1])


def test_the_sum_is_weighted() -> None:
    g = torch.Generator().manual_seed(2)
    part, whole = torch.randn(2, 4, 3, generator=g)
    out = outputs(part_logits=part, global_logits=whole)
    r = losses.deep_person_loss(out, LABELS, (1, 2, 3), margin=0.5)
    assert r.ranking is not None and r.part is not None and r.global_ is not None
    assert_close(r.ranking, losses.batch_hard_triplet(out.fm, LABELS, 0.5).loss)
    assert_close(r.part, losses.identification(part, LABELS))
    assert_close(r.global_, losses.identification(whole, LABELS))
    assert_close(r.total, r.ranking + 2 * r.part + 3 * r.global_)


def test_absent_branches_are_none_and_cost_nothing() -> None:
    r = losses.deep_person_loss(outputs(), LABELS)
    assert r.part is None and r.global_ is None and r.ranking is not None
    assert_close(r.total, r.ranking)
    out = outputs(global_logits=torch.zeros(4, 3))
    r = losses.deep_person_loss(out, LABELS, ranking=False)
    assert r.ranking is None and r.triplet is None
    assert float(r.total) == pytest.approx(math.log(3))


def test_a_branch_of_weight_zero_gets_no_gradient_at_all() -> None:
    """A gradient of zero would still let Adam's weight decay eat the branch."""
    part = torch.randn(4, 3, requires_grad=True)
    r = losses.deep_person_loss(
        outputs(part_logits=part)._replace(fm=torch.randn(4, 8, requires_grad=True)),
        LABELS,
        (1, 0, 0),
    )
    r.total.backward()
    assert part.grad is None
    assert r.part is not None  # and yet it is reported


def test_no_branch_at_all_is_refused() -> None:
    with pytest.raises(DplibError, match="no branch to train"):
        losses.deep_person_loss(outputs(), LABELS, ranking=False)
