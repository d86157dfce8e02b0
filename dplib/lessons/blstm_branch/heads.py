"""What stands before a classifier, taken apart: BatchNorm's two steps, one at a time.

BatchNorm subtracts the mean of the batch (centring) and divides by its standard
deviation (scaling); then it applies a learned scale γ and shift β. The heads of this
file have one step, both or none, so that lesson 3 can ask which of them a branch needs.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from dplib import DplibError
from dplib.model import DeepPerson

KINDS = ("linear", "centred", "scaled", "both", "frozen", "bn")


class Standardise(nn.Module):
    """The features [N, D] of a batch, centred, scaled, or both.

    Args:
        centre: Whether to subtract the mean of the batch, feature by feature.
        scale: Whether to divide by the standard deviation of the batch.
        eps: Added to the variance, as BatchNorm does.
    """

    def __init__(self, centre: bool, scale: bool, eps: float = 1e-5) -> None:
        super().__init__()
        self.centre, self.scale, self.eps = centre, scale, eps

    def forward(self, x: Tensor) -> Tensor:
        """[N, D] → [N, D]."""
        apart = x - x.mean(0)
        y = apart if self.centre else x
        return y / (apart.square().mean(0) + self.eps).sqrt() if self.scale else y


def put(part: str, global_: str) -> Callable[[DeepPerson], None]:
    """What changes the heads of a model with ``head="bn"``, for ``shortruns.run``.

    Args:
        part: What stands before BpI's classifier, one of ``KINDS``: "linear" is
            nothing, "frozen" is a BatchNorm that keeps its first statistics (mean 0,
            variance 1) but learns γ and β.
        global_: The same before BgI's classifier.

    Raises:
        DplibError: There is no such kind.
    """
    for kind in (part, global_):
        if kind not in KINDS:
            raise DplibError(f"head {kind!r}: choose from {', '.join(KINDS)}")

    def change(model: DeepPerson) -> None:
        _put(model.part_classifier, part)
        _put(model.global_classifier, global_)

    return change


def _put(classifier: nn.Module, kind: str) -> None:
    """Replace the BatchNorm at the beginning of a classifier."""
    assert isinstance(classifier, nn.Sequential)
    if kind == "frozen":
        classifier[0].eval()
    elif kind == "linear":
        classifier[0] = nn.Identity()
    elif kind != "bn":
        classifier[0] = Standardise(kind != "scaled", kind != "centred")
