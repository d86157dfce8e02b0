"""Networks as the tools of this room use them: the maps of their stages, a descriptor.

``see`` does it for a ``DeepPerson``; ``adapt`` for any other network whose modules can
be named::

    resnet = torchvision.models.resnet18(weights="DEFAULT")
    net = adapt(resnet, ["layer3", "layer4"])

Images are float32 [N, 3, h, w], normalised as the network expects them
(``transforms.normalise`` for ours).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from dplib import DplibError
from dplib.model import DeepPerson
from dplib.seeing import fields

Function = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Net:
    """A network whose maps can be looked at.

    Attributes:
        module: All of it; the tools put it into eval mode while they look.
        stages: The modules whose output is a map [N, C, H, W], by name, in the order
            in which an image passes them.
        describe: Images [N, 3, h, w] → descriptors [N, D].
        heads: The class scores [N, Nc] of each branch that has a classifier, by the
            name of the branch. The classes are people who were trained on.
    """

    module: nn.Module
    stages: Mapping[str, nn.Module]
    describe: Function
    heads: Mapping[str, Function] = field(default_factory=dict)

    @property
    def last(self) -> str:
        """The name of the last stage; of a ``DeepPerson``, its output is fb."""
        return tuple(self.stages)[-1]

    def stage(self, name: str | None) -> nn.Module:
        """The module of a stage, the last one by default.

        Raises:
            DplibError: There is no such stage.
        """
        name = self.last if name is None else name
        if name not in self.stages:
            raise DplibError(
                f"stage {name!r} is unknown: choose one of {', '.join(self.stages)}"
            )
        return self.stages[name]

    def head(self, branch: str) -> Function:
        """The class scores of a branch.

        Raises:
            DplibError: The network has no classifier of that name.
        """
        if branch not in self.heads:
            known = ", ".join(self.heads) or "none: look at pairs of images instead"
            raise DplibError(
                f"branch {branch!r} has no classifier in this network; those that have "
                f"one: {known}"
            )
        return self.heads[branch]


def see(model: DeepPerson) -> Net:
    """A ``DeepPerson`` as a ``Net``: the stages of its backbone, fm, BpI and BgI.

    For stripes, whose rows have a classifier each, the scores are their mean.
    """

    def part(images: Tensor) -> Tensor:
        logits = model(images).part_logits
        assert logits is not None  # the branch is there, see below
        return logits.mean(1) if logits.ndim == 3 else logits  # [N, H, Nc] → [N, Nc]

    def global_(images: Tensor) -> Tensor:
        logits = model(images).global_logits
        assert logits is not None
        return logits

    known: dict[str, tuple[str, Function]] = {
        "BpI": ("part", part),
        "BgI": ("global", global_),
    }
    heads = {name: f for name, (b, f) in known.items() if b in model.branches}
    children = dict(model.backbone.named_children())
    stages = {name: children[name] for name in fields.stages(model.backbone)}
    return Net(model, stages, model.descriptor, heads)


def adapt(
    module: nn.Module,
    stages: Sequence[str],
    *,
    describe: Function | None = None,
    heads: Mapping[str, Function] | None = None,
) -> Net:
    """Any network as a ``Net``.

    Args:
        module: The network.
        stages: Names of its modules whose output is a map [N, C, H, W], as
            ``named_modules`` has them, in the order in which an image passes them.
        describe: Images → descriptors [N, D]; by default the last stage's map,
            averaged over its places.
        heads: Images → class scores [N, Nc], by name.

    Raises:
        DplibError: No stage is named, or the network has no module of that name.
    """
    named = dict(module.named_modules())
    if unknown := [name for name in stages if not name or name not in named]:
        raise DplibError(
            f"this network has no module {unknown[0]!r}; its children are "
            f"{', '.join(n for n, _ in module.named_children()) or 'none'}"
        )
    if not stages:
        raise DplibError("name at least one stage, a module that gives a map")
    chosen = {name: named[name] for name in stages}

    def averaged(images: Tensor) -> Tensor:
        with watching(chosen[stages[-1]]) as seen:
            module(images)
        return _as_map(stages[-1], seen).mean((2, 3))

    return Net(module, chosen, describe or averaged, dict(heads or {}))


@contextlib.contextmanager
def watching(module: nn.Module) -> Iterator[list[Tensor]]:
    """Collect what a module gives while the block runs, one entry for each call."""
    seen: list[Tensor] = []

    def keep(_module: nn.Module, _inputs: object, output: Tensor) -> None:
        seen.append(output)

    handle = module.register_forward_hook(keep)
    try:
        yield seen
    finally:
        handle.remove()


@contextlib.contextmanager
def in_eval(module: nn.Module) -> Iterator[None]:
    """Put a network into eval mode for the block, so that images do not mix."""
    was_training = [m for m in module.modules() if m.training]
    module.eval()
    try:
        yield
    finally:
        for m in was_training:
            m.training = True


def stage_map(net: Net, images: Tensor, stage: str | None = None) -> Tensor:
    """The map of a stage; gradients flow where they are enabled.

    Args:
        net: The network.
        images: Normalised [N, 3, h, w].
        stage: A name in ``net.stages``; the last one by default.

    Returns:
        [N, C, H, W].

    Raises:
        DplibError: There is no such stage, the images have another shape, or what the
            stage gives is no map.
    """
    module = net.stage(stage)
    check_images(images)
    with in_eval(net.module), watching(module) as seen:
        net.describe(images)
    return _as_map(stage or net.last, seen)


@torch.no_grad()
def all_maps(net: Net, images: Tensor) -> dict[str, Tensor]:
    """The maps of all stages, from one pass.

    Args:
        net: The network.
        images: Normalised [N, 3, h, w].

    Returns:
        [N, C, H, W] of each stage, by name.

    Raises:
        DplibError: As ``stage_map``.
    """
    check_images(images)
    with contextlib.ExitStack() as stack:
        stack.enter_context(in_eval(net.module))
        seen = {k: stack.enter_context(watching(m)) for k, m in net.stages.items()}
        net.describe(images)
    return {name: _as_map(name, found) for name, found in seen.items()}


def check_images(images: Tensor) -> None:
    """Make sure that these are normalised images, and not pixels or a single picture.

    Raises:
        DplibError: The shape is not [N, 3, h, w], or the values are whole numbers.
    """
    if images.ndim != 4 or images.shape[1] != 3 or not images.shape[0]:
        raise DplibError(
            f"images of shape {tuple(images.shape)}: expected a batch [N, 3, h, w]"
        )
    if not images.is_floating_point():
        raise DplibError(
            f"images of type {images.dtype}: expected normalised images; "
            "transforms.normalise makes them from pixels"
        )


def _as_map(stage: str, seen: list[Tensor]) -> Tensor:
    if not seen:
        raise DplibError(
            f"stage {stage!r} was not passed: the descriptor does not depend on it"
        )
    found = seen[-1]
    if not isinstance(found, Tensor) or found.ndim != 4:
        shape = tuple(found.shape) if isinstance(found, Tensor) else type(found)
        raise DplibError(f"stage {stage!r} gives {shape}; expected a map [N, C, H, W]")
    return found
