"""Files of tensors: read them without running code, or say what they are in truth.

What a file holds is seen in its first bytes, not in its name: a download may have ended
in a sign-in page, or a file may have been named .pth that is a TorchScript archive.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from dplib import DplibError

_AGAIN = "copy it again or download it anew"
_CONVERT = "convert it, in the program it is from, to a state dict of PyTorch"
_HEADS = {
    b"version https://git-lfs": (
        "a Git LFS pointer, which stands for the file",
        "fetch the file itself, with git lfs pull",
    ),
    b"\x89HDF\r\n": ("an HDF5 file, as Keras and TensorFlow write", _CONVERT),
    b"\x93NUMPY": ("a NumPy array", _CONVERT),
    b"\x1f\x8b": ("a gzip archive", "unpack it and give the file inside"),
    b"BZh": ("a bzip2 archive", "unpack it and give the file inside"),
    b"\xfd7zXZ": ("an xz archive", "unpack it and give the file inside"),
    b"7z\xbc\xaf": ("a 7z archive", "unpack it and give the file inside"),
    b"Rar!": ("a rar archive", "unpack it and give the file inside"),
}


class Held(NamedTuple):
    """What a file holds."""

    content: Any  # of a safetensors file a dict of tensors
    metadata: dict[str, str]  # of a safetensors file


def read(path: Path, error: type[DplibError], what: str, by: str = "") -> Held:
    """Read a file of ``torch.save`` (tensors, plain values) or of safetensors.

    Args:
        path: The file.
        error: What to raise.
        what: What the message calls the file, such as "weights".
        by: Who should have written it. The message about another kind of file says that
            it was not.

    Returns:
        Its content, on the CPU.

    Raises:
        DplibError: The file is no such file, or it is damaged, or reading it would run
            code. The message says what it is and what to do.
    """

    def damaged(found: str) -> DplibError:
        return error(f"{what} {path}: cannot be read: this is {found}; {_AGAIN}")

    def other(found: str, remedy: str) -> DplibError:
        note = f" and was not written by {by}" if by else ""
        return error(f"{what} {path}: cannot be read: this is {found}{note}; {remedy}")

    try:
        with path.open("rb") as f:
            head = f.read(512)
        size = path.stat().st_size
    except OSError as e:
        reason = e.strerror or str(e)
        raise error(
            f"{what} {path}: cannot be read ({reason}); give a file that you may read"
        ) from e
    if not head:
        raise damaged("an empty file, truncated or never written")
    length = int.from_bytes(head[:8], "little")
    if head[8:9] == b"{" and length < 100_000_000:
        try:
            with safe_open(path, framework="pt") as file:
                tensors = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118
                return Held(tensors, file.metadata() or {})
        except (SafetensorError, ValueError, OSError) as e:
            raise damaged(
                f"a truncated or damaged safetensors file of {size:,} bytes ({e})"
            ) from e
    if found := foreign(head):
        raise other(*found)
    if head[:2] == b"PK" and not zipfile.is_zipfile(path):
        raise damaged(f"a truncated file of torch.save, {size:,} bytes long")
    if head[:2] == b"PK" and (found := _archive(path)):
        raise other(*found)
    if head[:2] != b"PK" and head[:1] != b"\x80":
        raise other("no file of torch.save or safetensors", _other(head))
    try:
        return Held(torch.load(path, map_location="cpu", weights_only=True), {})
    except Exception as e:
        # torch names the class that it will not make
        if name := re.search(r"GLOBAL (\S+)", str(e)):
            raise other(*_code(path, name[1])) from e
        kind = type(e).__name__
        raise damaged(
            f"a truncated or damaged file of torch.save, {size:,} bytes long ({kind})"
        ) from e


def foreign(head: bytes) -> tuple[str, str] | None:
    """What else a file is that begins with these bytes, and what to do."""
    for start, found in _HEADS.items():
        if head.startswith(start):
            return found
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if text[:1] == b"<":
        remedy = "open the address in a browser, download the file itself"
        return "a web page, not the file that was meant", remedy
    if text[:1] in b"{[" and text[:1]:
        return "text (JSON)", "give the file of the tensors beside it"
    if head[4:8] == b"TFL3":
        return "a TensorFlow Lite model", _CONVERT
    if head[257:262] == b"ustar":
        return "a tar archive", "unpack it and give the file inside"
    return None


def _other(head: bytes) -> str:
    """What to do about a file that begins with these bytes, which say nothing."""
    if all(b in b"\t\r\n" or 32 <= b < 127 for b in head):
        return "it is text: give the file that holds the tensors"
    return (
        f"TensorFlow's, ONNX's and other formats: {_CONVERT}; a file that should be "
        "one of these is damaged"
    )


def _archive(path: Path) -> tuple[str, str] | None:
    """What a zip archive is that torch.save did not write, and what to do."""
    try:
        with zipfile.ZipFile(path) as file:
            names = file.namelist()
    except (zipfile.BadZipFile, OSError):
        return None  # torch says so
    ends = {n.split("/", 1)[-1] for n in names}
    if "constants.pkl" in ends:
        target = path.with_name(f"{path.stem}-state.pt").name
        return (
            "a TorchScript archive, a program with its weights",
            'if you trust it, save its state dict: python -c "import torch; '
            f"torch.save(torch.jit.load({path.name!r}, 'cpu').state_dict(), "
            f'{target!r})"',
        )
    if "data.pkl" in ends:
        return None
    if any(n.endswith(".weights.h5") for n in names):
        return "a Keras model", _CONVERT
    if names and all(n.endswith(".npy") for n in names):
        return "a .npz file of NumPy arrays", _CONVERT
    inside = ", ".join(names[:3]) or "nothing"
    return f"a zip archive that holds {inside}", "unpack it and give the file inside"


def _code(path: Path, name: str) -> tuple[str, str]:
    """What a file is that needs the class of that name to be read, and what to do."""
    module, _, leaf = name.rpartition(".")
    package = module.split(".")[0]
    if package == "numpy":
        found = f"a sound file that holds NumPy values ({name}) beside its tensors"
    elif re.match(r"torch\.nn\.|torchvision\.|timm\.|.*\.(Module|Net|Model)$", name):
        found = f"a whole network of the class {leaf} ({module}), not its state dict"
    else:
        found = f"a file that holds more than tensors, such as {name}"
    target = path.with_name(f"{path.stem}-state.pt").name
    remedy = (
        "dplib reads tensors alone, as reading other objects runs code. If you trust "
        f"the file, where {package or 'its program'} can be imported: python -c "
        f"\"import torch; x = torch.load({path.name!r}, 'cpu', weights_only=False); "
        "d = x if isinstance(x, dict) else x.state_dict(); "
        "s = d.get('state_dict', d.get('model', d)); "
        "s = s if isinstance(s, dict) else s.state_dict(); torch.save({k: v for k, v "
        f'in s.items() if isinstance(v, torch.Tensor)}}, {target!r})"'
    )
    return found, remedy


# --- state dicts ----------------------------------------------------------------------

# What programs put a state dict into, and what they put before the names in it. The
# first of two that hold as many tensors is taken.
NESTED = ("state_dict", "model_state_dict", "model", "net", "params", "ema")
PREFIXES = (
    "module",
    "model",
    "backbone",
    "base",
    "encoder",
    "net",
    "_orig_mod",
    "features",
)


def tensors(content: Any) -> dict[str, Tensor]:
    """The state dict within what ``torch.save`` wrote; empty if there is none.

    Where a mapping holds others, the one with the most tensors is taken.
    """
    if not isinstance(content, Mapping):
        return {}
    options = [{str(k): v for k, v in content.items() if isinstance(v, Tensor)}]
    for key in dict.fromkeys((*NESTED, *PREFIXES)):
        if isinstance(content.get(key), Mapping):
            options.append(tensors(content[key]))
    return max(options, key=len)


def describe(content: Any) -> str:
    """What ``torch.save`` wrote, in words, for a message."""
    if isinstance(content, Mapping):
        keys = ", ".join(repr(k) for k in list(content)[:4])
        return f"a dict with the keys {keys}" if keys else "an empty dict"
    if isinstance(content, Tensor):
        return f"one tensor of shape {tuple(content.shape)}"
    return f"an object of type {type(content).__name__}"


def unfit(state: Mapping[str, Tensor]) -> str | None:
    """Name the first tensor that no network can use, with the reason."""
    for key, x in state.items():
        if x.is_meta or x.layout != torch.strided or x.is_quantized:
            return f"{key} holds no plain values (meta, sparse or quantised)"
        if key.endswith("num_batches_tracked"):
            continue
        if not x.is_floating_point():
            return f"{key} holds {str(x.dtype).removeprefix('torch.')}, not floats"
        if key.endswith("running_var") and bool((x < 0).any()):
            return f"{key} is a variance, but has values below 0"
        if not bool(x.float().isfinite().all()):
            count = int((~x.float().isfinite()).sum())
            return f"{count} of {x.numel()} values of {key} are not finite"
    return None
