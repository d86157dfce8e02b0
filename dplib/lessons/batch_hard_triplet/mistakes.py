"""Batches for the checks of lesson 4, and the functions that make typical mistakes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import softplus

from dplib.losses import pairwise_distances

Mistakes = dict[str, Callable[..., Any]]


# --- distances ------------------------------------------------------------------------


def _squares(fm: Tensor, product: float) -> Tensor:
    """|a|² + |b|² plus a multiple of a·b."""
    norms = fm.square().sum(1)
    return norms[:, None] + norms + product * fm @ fm.T


DISTANCES: Mistakes = {
    "those are squared distances: the root is missing": lambda x: _squares(x, -2),
    "you added absolute differences; the Euclidean distance is the root of the sum of "
    "their squares": lambda x: (x[:, None] - x).abs().sum(-1),
    "you subtracted a·b once; |a - b|² has - 2 a·b": (
        lambda x: _squares(x, -1).clamp(min=1e-12).sqrt()
    ),
    "you added 2 a·b, which gives |a + b|; |a - b|² has - 2 a·b": (
        lambda x: _squares(x, 2).clamp(min=1e-12).sqrt()
    ),
    "the term - 2 a·b is missing": lambda x: _squares(x, 0).sqrt(),
    "you took the mean over the C coordinates; the squares are added up": (
        lambda x: (x[:, None] - x).square().mean(-1).sqrt()
    ),
    "you added the differences before you squared them: square each first": (
        lambda x: (x[:, None] - x).sum(-1).abs()
    ),
}


# --- masks ----------------------------------------------------------------------------


def masks(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Who is a positive of whom, and who a negative: two Booleans [N, N]."""
    same = _same(labels)
    return same & ~_itself(labels), ~same


def _same(labels: Tensor) -> Tensor:
    return labels[:, None] == labels


def _itself(labels: Tensor) -> Tensor:
    return torch.eye(len(labels), dtype=torch.bool)


MASKS: Mistakes = {
    "the diagonal of your positives is True: no picture is a positive of itself": (
        lambda y: (_same(y), ~_same(y))
    ),
    "the two masks are swapped: the positives come first": lambda y: masks(y)[::-1],
    "the diagonal of your negatives is True: a picture is neither a positive nor a "
    "negative of itself": lambda y: (masks(y)[0], ~masks(y)[0]),
    "you exchanged == and !=: positives have the anchor's pid, negatives another": (
        lambda y: (~_same(y) & ~_itself(y), _same(y))
    ),
    "your negatives are the pictures of the *same* pid: negate them": (
        lambda y: (masks(y)[0], _same(y))
    ),
    "you gave the positives twice": lambda y: (masks(y)[0], masks(y)[0]),
    "you joined the conditions of a positive by *or*; it has the anchor's pid *and* is "
    "another picture": lambda y: (_same(y) | ~_itself(y), ~_same(y)),
    "your positives are each picture itself and nobody else: negate the identity "
    "matrix": lambda y: (_same(y) & _itself(y), ~_same(y)),
    "you kept one half of the positives: if b is a positive of a, a is one of b": (
        lambda y: (masks(y)[0].triu(), ~_same(y))
    ),
    "of integers, ~ gives -1 and -2: negate Booleans": (
        lambda y: (masks(y)[0].int(), ~_same(y).int())
    ),
    "of integers, ~ gives -1 and -2 (negate Booleans), and the diagonal of your "
    "positives is True": lambda y: (_same(y).int(), ~_same(y).int()),
}


# --- the loss, and the share of active triplets ---------------------------------------


class Case(NamedTuple):
    """A batch, as the reader's function gets it."""

    distances: Tensor  # [N, N]
    positive: Tensor  # [N, N] bool
    negative: Tensor
    margin: float

    @property
    def far(self) -> Tensor:
        return self.distances.masked_fill(~self.positive, -torch.inf).amax(1)

    @property
    def near(self) -> Tensor:
        return self.distances.masked_fill(~self.negative, torch.inf).amin(1)

    @property
    def cost(self) -> Tensor:
        """m + D(a, p) - D(a, n) [a, p, n] of all N³ combinations."""
        d = self.distances
        return self.margin + d[:, :, None] - d[:, None]

    @property
    def valid(self) -> Tensor:
        return self.positive[:, :, None] & self.negative[:, None]


def _made() -> dict[str, Case]:
    """Pids in mixed order and not equally often: from disorder to distant groups."""
    labels = torch.tensor([4, 9, 4, 7, 9, 4, 7, 9])
    positive, negative = masks(labels)
    points = torch.randn(8, 3, generator=torch.Generator().manual_seed(4))
    centres = {4: 0.0, 9: 1.7, 7: 3.4}
    moved = torch.tensor([[centres[int(x)], 0, 0] for x in labels])
    disorder = pairwise_distances(points)
    strayed = 0.4 * points + 4 * moved  # three groups far apart, one picture astray
    strayed[5] = strayed[6] + 0.1
    order = pairwise_distances(0.4 * points + moved)
    two = torch.tensor([0, 1, 2, 3, 4, 6])  # each pid twice
    few = (two[:, None], two)
    quarters = (4 * pairwise_distances(points)).round() / 4
    return {
        "8 pictures in disorder": Case(disorder, positive, negative, 0.5),
        "8 pictures in fair order": Case(order, positive, negative, 0.9),
        "the same with a wider margin": Case(order, positive, negative, 1.2),
        "triplets exactly at the margin": Case(quarters, positive, negative, 0.75),
        "a picture astray": Case(pairwise_distances(strayed), positive, negative, 0.5),
        "6 pictures": Case(order[few], positive[few], negative[few], 2.0),
    }


CASES = _made()


def _hinge_mean(case: Case, far: Tensor, near: Tensor) -> Tensor:
    return (case.margin + far - near).clamp(min=0).mean()


def right_loss(*batch: Any) -> Tensor:
    """Equation 1, from distances, masks and margin."""
    return _hinges(Case(*batch)).mean()


def _closest_positive(c: Case) -> Tensor:
    return c.distances.masked_fill(~c.positive, torch.inf).amin(1)


def _farthest_negative(c: Case) -> Tensor:
    return c.distances.masked_fill(~c.negative, -torch.inf).amax(1)


def _mean_over(c: Case, mask: Tensor) -> Tensor:
    return (c.distances * mask).sum(1) / mask.sum(1)


def _hinges(c: Case) -> Tensor:
    return (c.margin + c.far - c.near).clamp(min=0)


_LOSS: tuple[tuple[Callable[[Case], Tensor], str], ...] = (
    (
        lambda c: _hinges(c).sum(),
        "you added the anchors up; equation 1 is their mean",
    ),
    (
        lambda c: _hinges(c).max(),
        "that is the worst anchor alone; equation 1 is the mean over all of them",
    ),
    (
        lambda c: (c.margin + c.far - c.near).mean().clamp(min=0),
        "you took the mean before [·]₊, so that well separated anchors pay for others",
    ),
    (
        lambda c: (c.margin + c.far - c.near).mean(),
        "[·]₊ is missing: a value below 0 counts as 0",
    ),
    (
        lambda c: _hinges(c).sum() / (_hinges(c) > 0).sum(),
        "you divided by the number of active anchors; equation 1 divides by all PK",
    ),
    (
        lambda c: _hinge_mean(c, c.far.square(), c.near.square()),
        "you squared the distances; equation 1 takes them as they are",
    ),
    (
        lambda c: _hinge_mean(c, c.near, c.far),
        "the signs are exchanged: a *far positive* and a *near negative* must cost "
        "more",
    ),
    (lambda c: (c.far - c.near).clamp(min=0).mean(), "the margin is missing"),
    (
        lambda c: softplus(c.far - c.near).mean(),
        "that is the soft margin, ln(1 + exp(x)); equation 1 has the hinge [m + x]₊",
    ),
    (
        lambda c: softplus(c.margin + c.far - c.near).mean(),
        "you took the softplus ln(1 + exp(x)) in place of the hinge [x]₊",
    ),
    (
        lambda c: (c.far - c.near - c.margin).clamp(min=0).mean(),
        "you subtracted the margin. It is added, so that a negative must be farther "
        "than the positive by m before the anchor costs nothing",
    ),
    (
        lambda c: (c.margin + c.far + c.near).clamp(min=0).mean(),
        "you added the distance of the negative; a far negative must cost less",
    ),
    (
        lambda c: (c.margin + c.far - c.near).clamp(max=0).mean(),
        "you clamped from above; [x]₊ is x where x is positive, and else 0",
    ),
    (
        lambda c: _hinge_mean(c, _closest_positive(c), c.near),
        "you took the nearest positive; the hardest is the *farthest*",
    ),
    (
        lambda c: _hinge_mean(c, c.far, _farthest_negative(c)),
        "you took the farthest negative; the hardest is the *nearest*",
    ),
    (
        lambda c: _hinge_mean(c, _closest_positive(c), _farthest_negative(c)),
        "you took the easiest pairs: the hardest positive is the farthest, the hardest "
        "negative the nearest",
    ),
    (
        lambda c: _hinge_mean(c, c.far, torch.zeros_like(c.near)),
        "your hardest negatives are 0 away, because the minimum finds a 0: the "
        "diagonal, or an entry multiplied by False. Fill what is no negative with +∞",
    ),
    (
        lambda c: _hinge_mean(c, torch.zeros_like(c.far), c.near),
        "your hardest positives are 0 away, which is each anchor itself",
    ),
    (
        lambda c: _hinge_mean(c, c.distances.amax(1), c.near),
        "your hardest positives are the farthest of *all* pictures: use the mask",
    ),
    (
        lambda c: _hinge_mean(c, _mean_over(c, c.positive), _mean_over(c, c.negative)),
        "you took the means over positives and over negatives; batch-hard takes the "
        "farthest and the nearest",
    ),
    (
        lambda c: _hinge_mean(c, c.far.max(), c.near.min()),
        "you took one hardest pair for the whole batch; each anchor has its own",
    ),
    (
        lambda c: _hinge_mean(
            c,
            c.distances.masked_fill(c.positive, -torch.inf).amax(1),
            c.distances.masked_fill(c.negative, torch.inf).amin(1),
        ),
        "you filled the entries that count: masked_fill replaces where its mask is "
        "True, so negate the masks",
    ),
    (
        lambda c: torch.tensor(torch.inf),
        "the loss is infinite: fill with -∞ before a maximum, and with +∞ before a "
        "minimum",
    ),
    (
        lambda c: c.cost.clamp(min=0)[c.valid].mean(),
        "that is the mean over *all* triplets; batch-hard keeps one for each anchor",
    ),
)


def right_share(*batch: Any) -> Tensor:
    """The share of active triplets among the valid ones."""
    c = Case(*batch)
    return (c.cost > 0)[c.valid].float().mean()


def _swapped(c: Case) -> Tensor:
    return c.margin - c.distances[:, :, None] + c.distances[:, None]


def _gap(c: Case) -> Tensor:
    """D(a, p) - D(a, n) [a, p, n]."""
    return c.distances[:, :, None] - c.distances[:, None]


_SHARE: tuple[tuple[Callable[[Case], Tensor], str], ...] = (
    (
        lambda c: (c.cost >= 0)[c.valid].float().mean(),
        "you count triplets whose loss is exactly 0; an active one has a loss above 0",
    ),
    (
        lambda c: ((c.cost > 0) & c.valid).sum(),
        "that is how many are active; divide by the number of valid triplets",
    ),
    (
        lambda c: 100 * right_share(*c),
        "give a share between 0 and 1, not percent",
    ),
    (
        lambda c: (c.cost > 0).float().mean(),
        "you count all N³ combinations; a triplet needs a positive and a negative",
    ),
    (
        lambda c: ((c.cost > 0) & c.valid).float().mean(),
        "you divided by all N³ combinations; divide by the number of valid triplets",
    ),
    (
        lambda c: (c.cost > 0)[c.positive[:, :, None].expand_as(c.cost)].float().mean(),
        "your third picture is anybody; it must be a negative of the anchor",
    ),
    (
        lambda c: (c.cost > 0)[c.negative[:, None].expand_as(c.cost)].float().mean(),
        "your second picture is anybody; it must be a positive of the anchor",
    ),
    (
        lambda c: (
            (c.cost > 0)[c.positive[:, :, None] | c.negative[:, None]].float().mean()
        ),
        "you joined the masks by *or*; a triplet needs a positive *and* a negative",
    ),
    (
        lambda c: (_hinges(c) > 0).float().mean(),
        "that is the share of the *hardest* triplets; count all of them",
    ),
    (
        lambda c: (c.cost <= 0)[c.valid].float().mean(),
        "that is the share of triplets that are *not* active",
    ),
    (
        lambda c: (c.cost < 0)[c.valid].float().mean(),
        "you count the triplets below 0; the active ones are above it",
    ),
    (
        lambda c: (_swapped(c) > 0)[c.valid].float().mean(),
        "positive and negative are exchanged: the loss is m + D(a, p) - D(a, n)",
    ),
    (
        lambda c: (_gap(c) > 0)[c.valid].float().mean(),
        "the margin is missing: the loss is m + D(a, p) - D(a, n)",
    ),
    (
        lambda c: (_gap(c) - c.margin > 0)[c.valid].float().mean(),
        "you subtracted the margin; the loss is m + D(a, p) - D(a, n)",
    ),
    (
        lambda c: (
            (c.margin + c.distances[:, :, None] + c.distances[:, None] > 0)[c.valid]
            .float()
            .mean()
        ),
        "you added the distance of the negative; the loss is m + D(a, p) - D(a, n)",
    ),
    (
        lambda c: c.cost.clamp(min=0)[c.valid].mean(),
        "that is the mean loss over all triplets; count those above 0",
    ),
    (
        lambda c: _by_anchor(c).mean(),
        "you took the mean of the anchors' own shares; anchors differ in their number "
        "of triplets, so count over the whole batch and divide once",
    ),
    (lambda c: _by_anchor(c).sum(), "you added the anchors' shares up"),
)


def _by_anchor(c: Case) -> Tensor:
    return ((c.cost > 0) & c.valid).sum((1, 2)) / c.valid.sum((1, 2))


def _by_words(
    ways: Iterable[tuple[Callable[[Case], Tensor], str]], right: Callable[..., Tensor]
) -> Mistakes:
    """Sentence → its mistake as a function of distances, masks and margin."""
    made: Mistakes = {w: lambda *b, way=way: way(Case(*b)) for way, w in ways}
    for fixed in sorted({case.margin for case in CASES.values()}):
        words = f"you use the margin {fixed:g} whatever the argument says"
        made[words] = lambda *b, fixed=fixed: right(*b[:3], fixed)
    return made


LOSS = _by_words(_LOSS, right_loss)
SHARE = _by_words(_SHARE, right_share)
