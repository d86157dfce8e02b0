"""Files of tensors: what is read, and what the message says of any other file."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torchvision import models

from dplib import DplibError, backbones
from dplib.incoming import tensorfiles, weights


def zipped(**members: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        for name, text in members.items():
            file.writestr(name.replace("_", "."), text)
    return out.getvalue()


@pytest.mark.parametrize(
    ("content", "found", "remedy"),
    [
        (b"", "an empty file", "download it anew"),
        (b"<!DOCTYPE html><html>sign in</html>", "a web page", "the file itself"),
        (b"\n  <html>", "a web page", "the file itself"),
        (b'{"message": "Not Found"}', r"text \(JSON\)", "the tensors beside it"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "LFS pointer", "lfs pull"),
        (b"\x89HDF\r\n\x1a\n", "an HDF5 file, as Keras", "convert it"),
        (b"\x1c\0\0\0TFL3", "a TensorFlow Lite model", "convert it"),
        (b"\x1f\x8b\x08", "a gzip archive", "unpack it"),
        (zipped(weights_pth="x"), "a zip archive that holds weights.pth", "unpack it"),
        (zipped(a_npy="x"), "a .npz file", "convert it"),
        (b"not found", "no file of torch.save", "it is text"),
        (b"\x08\x03\x12\x07", "no file of torch.save", "ONNX"),
        (b"PK\x03\x04" + bytes(2000), "a truncated file .*2,004 bytes", "download it"),
        (b"\x80\x02}q\0", "truncated or damaged file of torch.save", "download it"),
        (b"\x40\0\0\0\0\0\0\0{}", "damaged safetensors file", "download it"),
    ],
)
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_other_files_are_named(
    content: bytes, found: str, remedy: str, suffix: str, tmp_path: Path
) -> None:
    path = tmp_path / f"w{suffix}"
    path.write_bytes(content)
    with pytest.raises(DplibError, match=f"w{suffix}: .*{found}.*; .*{remedy}") as e:
        weights.load_weights(nn.Identity(), "resnet18", path)
    assert ("anew" in str(e.value)) == ("download it" in remedy)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(DplibError, match="this is a folder; pass a file inside it"):
        weights.load_weights(nn.Identity(), "resnet18", tmp_path)


def test_a_safetensors_file_under_any_name(tmp_path: Path) -> None:
    save_file({"a": torch.arange(3.0)}, tmp_path / "w.bin", metadata={"made": "here"})
    held = tensorfiles.read(tmp_path / "w.bin", DplibError, "weights")
    assert held.content["a"].tolist() == [0, 1, 2] and held.metadata == {"made": "here"}


@pytest.mark.parametrize("old", [True, False])
def test_files_of_torch_save_old_and_new(old: bool, tmp_path: Path) -> None:
    content = {"a": torch.arange(3.0), "epoch": 3}
    new = not old
    torch.save(content, tmp_path / "w", _use_new_zipfile_serialization=new)
    held = tensorfiles.read(tmp_path / "w", DplibError, "weights")
    assert held.content["a"].tolist() == [0, 1, 2] and held.content["epoch"] == 3
    whole = (tmp_path / "w").read_bytes()
    for keep in (0.3, 0.9, 0.99):
        (tmp_path / "w").write_bytes(whole[: int(keep * len(whole))])
        with pytest.raises(DplibError, match=r"a truncated .*; .*download it anew"):
            tensorfiles.read(tmp_path / "w", DplibError, "weights")


@pytest.mark.parametrize("kind", ["scalar", "whole", "within", "script"])
def test_the_remedy_for_a_sound_file_makes_one_that_loads(
    kind: str, tmp_path: Path
) -> None:
    net = models.resnet18(weights=None).eval()
    if kind == "script":
        torch.jit.trace(net, torch.zeros(1, 3, 64, 32)).save(tmp_path / "w.pt")
    else:
        scalar = {"state_dict": net.state_dict(), "rank1": np.float64(0.9)}
        whole = {"scalar": scalar, "whole": net, "within": {"model": net, "epoch": 1}}
        torch.save(whole[kind], tmp_path / "w.pt")
    own = backbones.build("resnet18").net
    with pytest.raises(DplibError) as e:
        weights.load_weights(own, "resnet18", tmp_path / "w.pt")
    said = str(e.value)
    words = {"scalar": "NumPy values", "script": "a TorchScript archive"}
    assert words.get(kind, "a whole network of the class ResNet") in said
    assert "anew" not in said
    code = said.split('python -c "')[1].removesuffix('"')
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], cwd=tmp_path, check=True
    )
    weights.load_weights(own, "resnet18", tmp_path / "w-state.pt")
    theirs = net.state_dict()
    assert all(torch.equal(v, theirs[k]) for k, v in own.state_dict().items())
