"""Four steps of a small net for the check of exercise 5.4, and how they go wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

CASES = {
    f"four steps of a small net and a limit of {limit:g},": (limit,)
    for limit in (6.5, 2.0, 0.9, 1000.0, 0.05)
}
_RATES = (0.5, 0.25, 0.25, 1.0)
# gradients of two weights, [2] and [2, 2]; the first is 13 long, the third short
_PULLS = (
    (torch.tensor([3.0, 0.0]), torch.tensor([[0.0, 4.0], [12.0, 0.0]])),
    (torch.tensor([-8.0, 1.0]), torch.tensor([[2.0, -2.0], [0.0, 5.0]])),
    (torch.tensor([0.5, -0.25]), torch.tensor([[0.0, 0.0], [0.5, 0.125]])),
    (torch.tensor([1.0, 9.0]), torch.tensor([[-7.0, 0.0], [0.5, 0.0]])),
)


class _Net(nn.Module):
    """Two weights that the losses depend on, and one that none does."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Parameter(torch.zeros(2))
        self.unused = nn.Parameter(torch.ones(3))
        self.second = nn.Parameter(torch.zeros(2, 2))


def trace(step: Callable[..., Any], limit: float) -> tuple[Any, ...]:
    """What four calls of a training step give back, and the weights after each."""
    net = _Net()
    groups = [{"params": [net.first, net.unused]}, {"params": [net.second]}]
    optimiser = torch.optim.SGD(groups, lr=7.0)
    found: list[Any] = []
    for lr, (first, second) in zip(_RATES, _PULLS, strict=True):
        loss = (net.first * first).sum() + (net.second * second).sum()
        found.append(step(net, optimiser, loss, lr, limit))
        weights = [net.first.detach().clone(), net.second.detach().flatten().clone()]
        found.append(torch.cat(weights))
    return tuple(found)


def _gradients(net: nn.Module) -> list[Tensor]:
    return [w.grad for w in net.parameters() if w.grad is not None]


def _norm(gradients: Sequence[Tensor]) -> Tensor:
    return torch.cat([g.flatten() for g in gradients]).norm()


def _by_factor(gradients: list[Tensor], limit: float) -> Tensor:
    norm = _norm(gradients)
    for g in gradients:
        g *= min(1.0, limit / max(norm.item(), 1e-12))
    return norm


def _stepping(
    clip: Callable[[list[Tensor], float], Any] = _by_factor,
    *,
    zero: bool = True,
    groups: slice | None = slice(None),
    move: bool = True,
    late_rate: bool = False,
    zero_late: bool = False,
) -> Callable[..., Any]:
    """A training step with parts that are wrong, as they are switched."""

    def step(net: Any, optimiser: Any, loss: Tensor, lr: float, limit: float) -> Any:
        def rate() -> None:
            for group in optimiser.param_groups[groups] if groups else []:
                group["lr"] = lr

        if zero:
            optimiser.zero_grad()
        loss.backward()
        if zero_late:
            optimiser.zero_grad(set_to_none=False)
        norm = clip(_gradients(net), limit)
        if not late_rate:
            rate()
        if move:
            optimiser.step()
        if late_rate:
            rate()
        return norm

    return step


def _each(gradients: list[Tensor], limit: float) -> Tensor:
    norm = _norm(gradients)
    for g in gradients:
        g *= min(1.0, limit / g.norm().item())
    return norm


def _single(gradients: list[Tensor], limit: float) -> Tensor:
    norm = _norm(gradients)
    for g in gradients:
        g.clamp_(-limit, limit)
    return norm


def _as_if(length: Callable[[list[Tensor]], Tensor]) -> Callable[..., Tensor]:
    """Clipping by another length."""

    def clip(gradients: list[Tensor], limit: float) -> Tensor:
        norm = length(gradients)
        for g in gradients:
            g *= min(1.0, limit / norm.item())
        return norm

    return clip


def _always(gradients: list[Tensor], limit: float) -> Tensor:
    norm = _norm(gradients)
    for g in gradients:
        g *= limit / norm.item()
    return norm


def _never_shorter(gradients: list[Tensor], limit: float) -> Tensor:
    norm = _norm(gradients)
    for g in gradients:
        g *= max(1.0, limit / norm.item())
    return norm


def _inverse(gradients: list[Tensor], limit: float) -> Tensor:
    norm = _norm(gradients)
    for g in gradients:
        g *= min(1.0, norm.item() / limit)
    return norm


def _clipped_norm(gradients: list[Tensor], limit: float) -> Tensor:
    _by_factor(gradients, limit)
    return _norm(gradients)


def right_trace(limit: float) -> tuple[Any, ...]:
    """``trace`` of the right step."""
    return trace(_stepping(), limit)


def _traced(**switches: Any) -> Callable[..., Any]:
    return lambda limit: trace(_stepping(**switches), limit)


_ONE = "all tensors together are one vector, and its length is the root of the sum of "
STEP: dict[str, Callable[..., Any]] = {
    "the old gradients are still there, because backward() adds to them: zero_grad() "
    "comes first": _traced(zero=False),
    "the gradients are set to zero after backward(), so that the step has none: "
    "zero_grad() comes before backward()": _traced(zero_late=True),
    "nothing is clipped before optimiser.step(), which moves the weights": (
        lambda limit: trace(_stepping(clip=lambda g, m: _norm(g)), limit)
    ),
    "you clip each tensor by itself, which turns the whole gradient; there is one "
    "length, over all of them": _traced(clip=_each),
    "you cut off single numbers at the limit, which turns the gradient; multiply all "
    "of it by one factor": _traced(clip=_single),
    f"you added the lengths of the tensors; {_ONE}all squares": _traced(
        clip=_as_if(lambda g: torch.stack([x.norm() for x in g]).sum())
    ),
    f"you took the length of the longest tensor; {_ONE}all squares": _traced(
        clip=_as_if(lambda g: torch.stack([x.norm() for x in g]).max())
    ),
    f"you left out the root; {_ONE}all squares": _traced(
        clip=_as_if(lambda g: _norm(g).square())
    ),
    f"you added absolute values; {_ONE}all squares": _traced(
        clip=_as_if(lambda g: torch.cat([x.flatten() for x in g]).abs().sum())
    ),
    "you always multiply by limit / length, so that gradients shorter than the limit "
    "are stretched: the factor is at most 1": _traced(clip=_always),
    "your factor is at least 1, so that long gradients stay long and short ones are "
    "stretched: take the minimum": _traced(clip=_never_shorter),
    "your factor is turned over: it is limit / length": _traced(clip=_inverse),
    "the step is right, but you give back the length after clipping; give that before "
    "it": _traced(clip=_clipped_norm),
    "the optimiser keeps its old rate: set it in each of optimiser.param_groups": (
        _traced(groups=None)
    ),
    "you set the rate of the first group only": _traced(groups=slice(0, 1)),
    "you set the rate after the step, so that it comes one step late": (
        _traced(late_rate=True)
    ),
    "the weights do not move: optimiser.step() is missing": _traced(move=False),
}
