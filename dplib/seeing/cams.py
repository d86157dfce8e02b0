"""Class activation maps by branch and for pairs, by the package grad-cam.

A CAM asks which places of a stage's map raise one number. Which number it is must be
said each time:

- ``class_score``: the score of a training person in BpI or BgI. It means nothing for
  people of the test set, who have no class.
- ``similarity``: the cosine between an image's descriptor and another one, which any
  two images have.

For the last stage and the cosine of averaged maps no CAM is needed: ``pairs`` has the
exact shares.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from pytorch_grad_cam import EigenCAM, GradCAM, LayerCAM
from torch import Tensor, nn

from dplib import DplibError
from dplib.seeing.nets import Function, Net, check_images, in_eval

METHODS: dict[str, Any] = {
    "gradcam": GradCAM,  # channels weighted by their mean gradient
    "layercam": LayerCAM,  # places weighted by their own positive gradient
    "eigencam": EigenCAM,  # the first principal component; it looks at no target
}


class Target:
    """The number that a map explains: outputs of a network, and one score of each.

    Args:
        outputs: Normalised images [N, 3, h, w] → [N, K].
        scores: One function [K] → a number for each image.
        words: What the number is, for titles.
    """

    def __init__(
        self,
        outputs: Function,
        scores: Sequence[Callable[[Tensor], Tensor]],
        words: str,
    ) -> None:
        self.outputs, self.scores, self.words = outputs, list(scores), words


def class_score(net: Net, branch: str, classes: Sequence[int]) -> Target:
    """The score (logit) of one training person for each image.

    Args:
        net: The network.
        branch: "BpI" or "BgI", or a name among the heads of an adapted network.
        classes: One class in [0, Nc) for each image, as ``ReIDData.labels`` has them.

    Raises:
        DplibError: The network has no classifier of that branch.
    """
    outputs = net.head(branch)
    chosen = [int(c) for c in classes]

    def score(label: int) -> Callable[[Tensor], Tensor]:
        def of(logits: Tensor) -> Tensor:
            if not 0 <= label < len(logits):
                raise DplibError(
                    f"class {label}: {branch} knows {len(logits)} people, classes 0 to "
                    f"{len(logits) - 1}; people of the test set have no class"
                )
            return logits[label]

        return of

    return Target(outputs, [score(c) for c in chosen], f"class score of {branch}")


def similarity(net: Net, descriptors: Tensor) -> Target:
    """The cosine of each image's descriptor and another descriptor.

    Args:
        net: The network.
        descriptors: [N, D], one for each image, or [D] for all of them alike; no
            gradient flows into them.
    """
    others = descriptors.detach()

    def score(other: Tensor) -> Callable[[Tensor], Tensor]:
        return lambda own: F.cosine_similarity(own, other, dim=0)

    rows = others if others.ndim == 2 else others[None]
    return Target(net.describe, [score(o) for o in rows], "cosine to the other image")


def cam(
    net: Net,
    images: Tensor,
    target: Target,
    *,
    stage: str | None = None,
    method: str = "gradcam",
) -> Tensor:
    """Which pixels raise the target, as grad-cam shows it.

    Args:
        net: The network; its weights, their gradients and its mode are left as they
            were.
        images: Normalised [N, 3, h, w].
        target: From ``class_score`` or ``similarity``.
        stage: The stage whose map is weighted; the last one by default.
        method: A key of ``METHODS``.

    Returns:
        [N, h, w] in [0, 1], enlarged to pixels and scaled for each image by itself;
        what lowers the target is 0.

    Raises:
        DplibError: The method or stage does not exist, there is not one score for each
            image, or the target does not depend on the stage.
    """
    check_images(images)
    if method not in METHODS:
        raise DplibError(f"method={method!r}: choose one of {', '.join(METHODS)}")
    layer = net.stage(stage)
    scores = target.scores
    if len(scores) == 1:
        scores = scores * len(images)
    if len(scores) != len(images):
        raise DplibError(f"{len(scores)} scores for {len(images)} images: one each")
    kept = [p.grad for p in net.module.parameters()]
    with contextlib.ExitStack() as stack:
        stack.enter_context(in_eval(net.module))
        stack.enter_context(torch.enable_grad())
        shown = METHODS[method](_Outputs(net.module, target.outputs), [layer])
        stack.callback(shown.activations_and_grads.release)
        try:
            # the images ask for a gradient, so that frozen networks have one as well
            found = shown(images.detach().clone().requires_grad_(), scores)
            if not shown.activations_and_grads.activations:
                raise DplibError(f"stage {stage!r} was not passed by these images")
            if shown.uses_gradients and not shown.activations_and_grads.gradients:
                raise DplibError(
                    f"the {target.words} does not depend on stage {stage!r}"
                )
        finally:
            for p, gradient in zip(net.module.parameters(), kept, strict=True):
                p.grad = gradient
    return torch.from_numpy(found)


class _Outputs(nn.Module):
    """The network with one of its outputs, as grad-cam calls it."""

    def __init__(self, module: nn.Module, outputs: Function) -> None:
        super().__init__()
        self.module, self.outputs = module, outputs

    def forward(self, images: Tensor) -> Tensor:
        return self.outputs(images)
