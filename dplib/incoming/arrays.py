"""Arrays of any kind as tensors, without a copy where that can be."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from dplib import DplibError


def as_tensor(name: str, values: object, error: type[DplibError]) -> Tensor:
    """Return a tensor, an array or a list as a tensor on the CPU, of its own type.

    Args:
        name: What the message calls the values.
        values: Numbers in any memory layout, byte order and float width.
        error: What is raised for text, objects, complex or missing values.
    """
    if isinstance(values, Tensor):
        x = values.detach().cpu()
        if x.layout != torch.strided or x.is_quantized or x.is_complex() or x.is_meta:
            kind = f"{x.dtype}, {x.layout}, {x.device}"
            raise error(f"{name} ({kind}) are not plain numbers; give a dense tensor")
        return x
    if values is None:
        raise error(
            f"{name} are missing (None); give one number per image. Where cameras are "
            "not known, give all queries one camera and all gallery images another"
        )
    if np.ma.isMaskedArray(values) and np.ma.getmaskarray(values).any():
        raise error(f"{name} have masked values; fill them or leave these rows out")
    try:
        array = np.asarray(values)
    except (TypeError, ValueError, RuntimeError) as e:  # rows of unlike lengths
        raise error(
            f"{name} ({type(values).__name__}) are not numbers in rows of one length; "
            "give an array or a tensor"
        ) from e
    if array.dtype.kind in "SU":
        raise error(
            f"{name} ({array.dtype}) are not numbers; number the names, alike in query "
            "and gallery, as np.unique(names, return_inverse=True)[1] does for both "
            "together"
        )
    if array.dtype.kind not in "fiub":
        kind = type(values).__name__
        if isinstance(values, np.ndarray):
            kind = str(array.dtype)
        raise error(f"{name} ({kind}) are not numbers; give an array or a tensor")
    if array.dtype.kind == "f" and array.dtype.itemsize > 8:
        array = array.astype(np.float64)  # long double
    # PyTorch takes arrays in this machine's byte order, without negative strides and
    # such as may be written to; memory-mapped ones may not
    array = array.astype(array.dtype.newbyteorder("="), copy=not array.flags.writeable)
    if any(stride < 0 for stride in array.strides):
        array = array.copy()
    return torch.from_numpy(array)


def as_whole(name: str, x: Tensor, error: type[DplibError]) -> Tensor:
    """Pids or camids [N] as int64; the message names the first that is no such one."""
    if x.ndim != 1:
        raise error(f"{name} are {tuple(x.shape)}; expected one number per image, [N]")
    if x.dtype == torch.bool:
        raise error(f"{name} are True and False; expected numbers")
    if x.is_floating_point() or x.dtype == torch.uint64:
        wide = x.double()
        bad = ~(wide.isfinite() & (wide == wide.floor()) & (wide.abs() <= 2**53))
        if bad.any():
            i = int(bad.nonzero()[0])
            raise error(f"{name}: number {i} is {x[i].item()}; expected whole numbers")
    return x.long()
