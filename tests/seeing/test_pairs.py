"""The exact shares of a cosine: they add up, and by hand they are what they are."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from dplib import DplibError
from dplib.seeing import pairs

DRAW = torch.Generator().manual_seed(0)
A, B, C = (torch.randn(6, h, w, generator=DRAW) for h, w in ((8, 4), (8, 4), (5, 3)))


def cosine(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    means = (x.double().mean((1, 2)) for x in (a, b))
    return F.cosine_similarity(*means, dim=0)


@pytest.mark.parametrize("other", [B, C], ids=["same size", "another size"])
def test_all_shares_add_up_to_the_cosine(other: torch.Tensor) -> None:
    whole = pairs.agreement(A, other)
    assert whole.shape == (8, 4, *other.shape[1:])
    for part in (whole, *pairs.shares(A, other)):
        torch.testing.assert_close(part.sum(), cosine(A, other), atol=1e-12, rtol=0)


def test_by_hand() -> None:
    # averages (2, 0) and (0, 3): cosine 0, though one pair of places agrees
    a = torch.tensor([[[4.0, 0.0]], [[1.0, -1.0]]])
    b = torch.tensor([[[2.0, -2.0]], [[3.0, 3.0]]])
    whole = pairs.agreement(a, b)[0, :, 0]  # over |sum a| = 4 and |sum b| = 6
    expected = torch.tensor([[11.0, -5.0], [-3.0, -3.0]], dtype=torch.float64) / 24
    torch.testing.assert_close(whole, expected)
    torch.testing.assert_close(pairs.shares(a, b)[0][0], expected.sum(1))
    torch.testing.assert_close(pairs.shares(a, b)[1][0], expected.sum(0))


def test_the_places_that_decide_add_up_to_the_difference() -> None:
    on_query, on_nearer = pairs.ahead(A, B, C)
    difference = cosine(A, B) - cosine(A, C)
    torch.testing.assert_close(on_query.sum(), difference)
    torch.testing.assert_close(on_nearer.sum(), difference)


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        (A[None], B, r"first map has the shape \(1, 6, 8, 4\)"),
        (A, B[:5], "maps of 6 and 5 channels"),
        (A, torch.zeros_like(B), "second map averages to 0"),
        (A * float("nan"), B, "first map averages to 0 or is not finite"),
    ],
)
def test_what_has_no_cosine_is_refused(
    first: torch.Tensor, second: torch.Tensor, words: str
) -> None:
    with pytest.raises(DplibError, match=words):
        pairs.agreement(first, second)
