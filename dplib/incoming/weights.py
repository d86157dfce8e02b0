"""Pretrained weights of a backbone: matched by name, refused by name."""

from __future__ import annotations

import hashlib
import re
import warnings
from collections.abc import Mapping
from http.client import HTTPException
from pathlib import Path
from urllib.error import URLError

import torch
from torch import Tensor, nn
from torchvision import models

from dplib import DplibError
from dplib.incoming import tensorfiles


def load_weights(net: nn.Module, name: str, source: str | Path) -> None:
    """Put pretrained weights into ``net``.

    Args:
        net: A backbone's network, as ``build`` makes it; unchanged if they do not fit.
        name: Its name.
        source: "imagenet", which uses torchvision's download cache, or the file of a
            state dict written by ``torch.save`` or safetensors. Tensors are matched by
            name, without prefixes such as "module."; a classifier is left out. Where
            the names are altogether others, as of another MobileNetV2, they are matched
            by order, if role and shape of each tensor agree, with a warning.

    Raises:
        DplibError: The download or the file fails, or a tensor does not fit; the
            message names the tensor.
    """
    state = _imagenet(name) if source == "imagenet" else _read(Path(source))
    own = {k: v for k, v in net.state_dict().items() if not _UNUSED(k)}
    found = _by_name(state, own, f"weights {source}", name)
    if bad := tensorfiles.unfit(found):
        raise DplibError(
            f"weights {source}: {bad}; take the weights of a sound training run"
        )
    net.load_state_dict(found, strict=False)


# BatchNorm's counters are absent from older files, and nothing reads them
_UNUSED = re.compile(r"(fc|classifier)\.|.*num_batches_tracked$").match


def _by_name(
    state: Mapping[str, Tensor], own: Mapping[str, Tensor], what: str, name: str
) -> dict[str, Tensor]:
    """The tensors of a file under the network's own names.

    Args:
        state: The file's tensors.
        own: The network's, of the same kind.
        what: What the message calls the file.
        name: The backbone's name.

    Raises:
        DplibError: A tensor is missing or has another shape, two have the same name, or
            the file is of a larger network.
    """
    theirs: dict[str, str] = {}  # name without prefix → name in the file
    for key in state:
        short = key
        while short.split(".")[0] in tensorfiles.PREFIXES and "." in short:
            short = short.split(".", 1)[1]
        if _UNUSED(short):
            continue
        if short in theirs:
            raise DplibError(
                f"{what}: {theirs[short]!r} and {key!r} are both {short!r} without "
                "their prefixes; save one of the two networks by itself"
            )
        theirs[short] = key
    missing = [k for k in own if k not in theirs]
    if missing:
        files = {k: state[theirs[k]] for k in theirs}
        differs = _out_of_order(files, own)
        if differs is None:
            first = next(iter(theirs))
            warnings.warn(
                f"{what}: the names are not those of torchvision's {name}. Its "
                f"{len(own)} tensors were matched by their order, as role and shape of "
                f"each agree: {theirs[first]!r} with {next(iter(own))!r}, and so on",
                stacklevel=3,
            )
            return dict(zip(own, files.values(), strict=True))
        raise DplibError(
            f"{what}: {len(missing)} of {len(own)} tensors of {name} are missing, the "
            f"first is {missing[0]!r}; {_instead(theirs, own, differs)}; expected a "
            f"state dict of torchvision's {name}"
        )
    wrong = [k for k in own if state[theirs[k]].shape != own[k].shape]
    if wrong:
        shapes = " and ".join(
            f"{k} has shape {tuple(state[theirs[k]].shape)}, this {name} needs "
            f"{tuple(own[k].shape)}"
            for k in wrong[:2]
        )
        raise DplibError(
            f"{what}: {shapes} ({len(wrong)} of {len(own)} tensors differ); were they "
            "made at another width, or for another network?"
        )
    # what would stand between these tensors makes it another network
    extra = [k for k in theirs if k not in own]
    tops = {k.split(".")[0] for k in own}
    inside = [k for k in extra if k.split(".")[0] in tops or k[0].isdigit()]
    if inside:
        raise DplibError(
            f"{what}: {len(inside)} tensors have no place in {name}, the first is "
            f"{theirs[inside[0]]!r}: this is another network; expected a state dict "
            f"of torchvision's {name}"
        )
    if extra:
        names = ", ".join(theirs[k] for k in extra[:3])
        warnings.warn(
            f"{what}: {len(extra)} tensors that are not of {name} were left out: "
            f"{names}{', …' if len(extra) > 3 else ''}",
            stacklevel=3,
        )
    return {k: state[theirs[k]] for k in own}


def _out_of_order(
    theirs: Mapping[str, Tensor], own: Mapping[str, Tensor]
) -> str | None:
    """Why tensors must not be matched by their order; None if nothing contradicts it.

    Each tensor has to have the shape and the role (weight, bias, …) of its counterpart.
    The words of the network's names, such as conv1, must not stand for others, numbers
    in the names must ascend, and what is one module there is one here.
    """
    if len(theirs) != len(own):
        return f"the file has {len(theirs)} tensors, {len(own)} are needed"
    vocabulary = {w for k in own for w in k.split(".") if not w.isdigit()}
    modules: dict[str, str] = {}
    numbers: dict[str, int] = {}
    for (a, x), (b, y) in zip(theirs.items(), own.items(), strict=True):
        pair = f"{a!r} {tuple(x.shape)} stands where {b!r} {tuple(y.shape)} is needed"
        (module, _, role), (place, _, wanted) = a.rpartition("."), b.rpartition(".")
        if x.shape != y.shape or role != wanted:
            return pair
        if set(a.split(".")) & vocabulary - set(b.split(".")):
            return pair
        if a != b and a in own and own[a].shape == x.shape:
            return pair
        if module and modules.setdefault(module, place) != place:
            return pair
        for n in re.finditer(r"\d+", a):
            if int(n[0]) < numbers.get(a[: n.start()], 0):
                return f"the numbers in the names do not ascend at {a!r}"
            numbers[a[: n.start()]] = int(n[0])
    return None


def _instead(theirs: Mapping[str, str], own: Mapping[str, Tensor], differs: str) -> str:
    """What is there in place of missing tensors, for the message."""
    first = next(iter(own))
    prefixes = {k.removesuffix(first) for k in theirs if k.endswith("." + first)}
    whole = [p for p in sorted(prefixes) if all(p + k in theirs for k in own)]
    if len(whole) > 1:
        return (
            f"the file has {len(whole)} such networks, with the prefixes "
            f"{', '.join(map(repr, whole))}: save the one that you mean, as "
            f"{{k.removeprefix({whole[-1]!r}): v for k, v in state.items() "
            f"if k.startswith({whole[-1]!r})}}"
        )
    if whole:
        prefix = whole[0]
        return (
            f"all are there with the prefix {prefix!r} in front, which is not one "
            f"that dplib takes off ({'., '.join(tensorfiles.PREFIXES)}.): save "
            f"{{k.removeprefix({prefix!r}): v for k, v in state.items()}}"
        )
    if not theirs:
        return "the file holds nothing but a classifier"
    extra = [v for k, v in theirs.items() if k not in own]
    names = ", ".join(repr(k) for k in extra[:3])
    has = f"the file has {len(extra)} others, such as {names}" if extra else ""
    order = f"they cannot be matched by their order either, as {differs}"
    return "; ".join(x for x in (has, order if extra else "") if x) or differs


# torchvision's V1 weights, of the paper's day
_PUBLISHED = {
    "resnet50": models.ResNet50_Weights.IMAGENET1K_V1,
    "resnet18": models.ResNet18_Weights.IMAGENET1K_V1,
    "mobilenet_v2": models.MobileNet_V2_Weights.IMAGENET1K_V1,
}


def cached(name: str) -> Path:
    """Where torchvision keeps its ImageNet weights of this backbone."""
    return Path(torch.hub.get_dir()) / "checkpoints" / Path(_PUBLISHED[name].url).name


def damage(name: str) -> str | None:
    """What is wrong with the cached ImageNet weights of a backbone, and what to do.

    The names of torchvision's files end in the first digits of their SHA-256.

    Args:
        name: One of ``NAMES``.

    Returns:
        A sentence, or None if the file is whole or is not there.
    """
    path = cached(name)
    if not path.exists():
        return None
    remedy = f"remove {path}; the next run fetches it anew"
    if path.is_dir():
        return f"{path} is a folder, not a file; {remedy}"
    expected = path.stem.rpartition("-")[2]
    try:
        with path.open("rb") as f:
            digest = hashlib.file_digest(f, "sha256").hexdigest()
    except OSError as e:
        return f"{path} cannot be read ({e.strerror or e}); allow it, or {remedy}"
    if digest.startswith(expected):
        return None
    return (
        f"{path} ({path.stat().st_size:,} bytes) is damaged or is another file: its "
        f"SHA-256 begins with {digest[: len(expected)]}, not {expected}; {remedy}"
    )


def _imagenet(name: str) -> Mapping[str, Tensor]:
    """torchvision's state dict, from its cache or the net."""
    path = cached(name)
    otherwise = (
        f"With a connection elsewhere, fetch {path.name} and put it into "
        f"{path.parent}, or pass its path as weights=FILE; weights=None trains from "
        "random weights"
    )
    if bad := damage(name):
        raise DplibError(f"ImageNet weights of {name}: {bad}. {otherwise}")
    there = path.exists()
    try:
        # weights_only, as for any other file: no code in it is run
        return _PUBLISHED[name].get_state_dict(
            progress=True, check_hash=True, weights_only=True
        )
    except (URLError, TimeoutError, ConnectionError, HTTPException) as e:
        raise DplibError(
            f"ImageNet weights of {name} could not be downloaded ({e}). {otherwise}"
        ) from e
    except OSError as e:
        raise DplibError(
            f"ImageNet weights of {name} could not be written to {path} "
            f"({e.strerror or e}). Let the environment variable TORCH_HOME name a "
            f"folder that can be written to and has room. {otherwise}"
        ) from e
    except Exception as e:
        # torch.hub compares the hash of a download and raises a mere RuntimeError
        where = f"{path} cannot be loaded" if there else "the download is not the file"
        raise DplibError(
            f"ImageNet weights of {name}: {where} ({str(e).splitlines()[0]}); a proxy "
            f"or a sign-in page may have answered. {otherwise}"
        ) from e


def _read(path: Path) -> Mapping[str, Tensor]:
    """The state dict in a file."""
    if path.is_dir():
        raise DplibError(f"weights {path}: this is a folder; pass a file inside it")
    if not path.is_file():
        raise DplibError(
            f"weights {path}: no such file; pass a state dict's path, "
            'weights="imagenet", or weights=None for random weights'
        )
    content = tensorfiles.read(path, DplibError, "weights").content
    state = tensorfiles.tensors(content)
    if not state:
        raise DplibError(
            f"weights {path}: expected a state dict, a map of tensors, perhaps under "
            f"one of the keys {', '.join(tensorfiles.NESTED)}; found "
            f"{tensorfiles.describe(content)}; save one with "
            "torch.save(net.state_dict(), …)"
        )
    return state
