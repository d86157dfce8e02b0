"""Descriptors: which features, in which order, and what they are on disk."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor
from torch.testing import assert_close

from dplib import DplibError, checkpoints, descriptors, transforms
from dplib.descriptors import Descriptors, extract
from dplib.evaluation import evaluate
from dplib.model import DeepPerson
from dplib.presets import Preset
from dplib.samples import DatasetError, ReIDData, Sample


@pytest.fixture(scope="module")
def net(tiny: Preset) -> DeepPerson:
    """A model whose running statistics differ from those of any one batch."""
    m = tiny.build_model(8)
    g = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for _ in range(3):
            m(torch.randn(16, 3, *tiny.image_size, generator=g))
    return m.eval()


def by_hand(net: DeepPerson, samples: list[Sample]) -> Tensor:
    """Normalised images [N, 3, h, w], one file after the other."""
    pixels = [transforms.read_image(s.path, net.image_size) for s in samples]
    x = torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).float() / 255
    mean, std = (
        torch.tensor(v).view(3, 1, 1) for v in (transforms.MEAN, transforms.STD)
    )
    return (x - mean) / std


def quiet(net: DeepPerson, samples: list[Sample], **settings: object) -> Descriptors:
    return extract(net, samples, progress=False, device="cpu", **settings)  # type: ignore[arg-type]


def test_rows_follow_the_samples(net: DeepPerson, market: ReIDData) -> None:
    samples = [*market.gallery[::-1], *market.query]
    d = quiet(net, samples, batch_size=5)
    assert d.features.shape == (35, 64) and d.features.dtype == torch.float32
    assert d.pids.tolist() == [s.pid for s in samples]
    assert d.camids.tolist() == [s.camid for s in samples]
    assert d.pids.dtype == d.camids.dtype == torch.int64
    for i in (0, 17, 34):
        assert_close(d.features[i], quiet(net, samples[i : i + 1]).features[0])


def test_rows_have_length_one(net: DeepPerson, market: ReIDData) -> None:
    for kind in descriptors.KINDS:
        d = quiet(net, market.query, kind=kind)
        assert_close(d.features.norm(dim=1), torch.ones(9))
    raw = quiet(net, market.query, normalise=False).features
    assert not torch.allclose(raw.norm(dim=1), torch.ones(9), atol=0.01)
    assert_close(F.normalize(raw), quiet(net, market.query).features)


def test_flip_averages_the_image_and_its_mirror_image(
    net: DeepPerson, market: ReIDData
) -> None:
    x = by_hand(net, market.query)
    with torch.no_grad():
        one, mirrored = net(x).fm, net(x.flip(3)).fm
    assert not torch.allclose(one, mirrored, atol=1e-4)
    plain = quiet(net, market.query, flip=False, normalise=False)
    both = quiet(net, market.query, normalise=False)
    assert_close(plain.features, one, rtol=1e-4, atol=1e-5)
    assert_close(both.features, (one + mirrored) / 2, rtol=1e-4, atol=1e-5)


def test_kinds(net: DeepPerson, market: ReIDData) -> None:
    with torch.no_grad():
        out = net(by_hand(net, market.query))
    assert out.part_features is not None and out.global_features is not None
    assert out.part_outputs is not None
    want = {
        "fm": out.fm,
        "fc": torch.cat([out.part_features, out.global_features], 1),
        "parts": out.part_outputs.reshape(9, -1),
    }
    assert set(want) == set(descriptors.KINDS)
    for kind, features in want.items():
        d = quiet(net, market.query, kind=kind, flip=False, normalise=False)
        assert_close(d.features, features, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("branches", [("global",), ("part",), ("ranking",)])
def test_a_kind_that_needs_an_absent_branch(
    market: ReIDData, branches: tuple[str, ...]
) -> None:
    m = DeepPerson(
        8,
        backbone="resnet18",
        branches=branches,
        image_size=(64, 32),
        backbone_width=0.125,
    )
    quiet(m, market.query[:2], kind="fm")
    for kind, needs in (("parts", {"part"}), ("fc", {"part", "global"})):
        if needs & set(branches):
            quiet(m, market.query[:2], kind=kind)
        else:
            with pytest.raises(DplibError, match=rf"kind='{kind}' needs BpI.*take "):
                quiet(m, market.query[:2], kind=kind)


@pytest.mark.parametrize("batch_size", [1, 4, 100])
def test_the_batch_size_does_not_change_the_result(
    net: DeepPerson, market: ReIDData, batch_size: int
) -> None:
    net.train()  # extract puts it back into eval mode
    a = quiet(net, market.gallery, batch_size=batch_size)
    b = quiet(net, market.gallery, batch_size=7)
    assert not net.training
    assert_close(a.features, b.features, rtol=1e-4, atol=1e-6)


def test_other_file_sizes_are_resized(
    net: DeepPerson, market: ReIDData, tmp_path: Path
) -> None:
    large, small = tmp_path / "large.png", tmp_path / "small.png"
    with Image.open(market.query[0].path) as im:
        im.resize((50, 170)).save(large)
    with Image.open(large) as im:
        im.resize((32, 64), Image.Resampling.BILINEAR).save(small)
    a, b = (quiet(net, [Sample(path, 101, 1)]).features for path in (large, small))
    assert_close(a, b)


# --- refusals -----------------------------------------------------------------------


def test_unknown_kind_and_no_images(net: DeepPerson, market: ReIDData) -> None:
    with pytest.raises(DplibError, match="kind='fx': choose one of fm, fc, parts"):
        quiet(net, market.query, kind="fx")
    with pytest.raises(DplibError, match="no images"):
        quiet(net, [])


def test_a_corrupt_image_is_named(
    net: DeepPerson, market: ReIDData, tmp_path: Path
) -> None:
    bad = Path(shutil.copy(market.query[3].path, tmp_path))
    bad.write_bytes(bad.read_bytes()[:200])
    samples = [*market.query[:3], Sample(bad, 101, 1), *market.query[4:]]
    with pytest.raises(DatasetError, match="is corrupt: extract the data set") as e:
        quiet(net, samples, batch_size=2)
    assert str(bad) in str(e.value)
    assert list(tmp_path.iterdir()) == [bad]


def test_features_that_are_not_finite(tiny: Preset, market: ReIDData) -> None:
    m = tiny.build_model(8)
    with torch.no_grad():
        m.backbone.bn1.bias.fill_(torch.nan)  # type: ignore[union-attr, operator]
    with pytest.raises(DplibError, match="9 descriptors are not finite, the") as e:
        quiet(m, market.query)
    assert str(market.query[0].path) in str(e.value)


@pytest.mark.parametrize("device", ["gpu", "cuda:99", "tpu0"])
def test_unknown_devices(device: str) -> None:
    with pytest.raises(DplibError, match=rf"device '{device}' cannot be used") as e:
        descriptors.pick_device(device)
    assert '"cpu", "cuda" or "auto"' in str(e.value)


# --- on disk ------------------------------------------------------------------------


def test_npz_round_trip(net: DeepPerson, market: ReIDData, tmp_path: Path) -> None:
    d = quiet(net, market.query)
    path = tmp_path / "deep" / "d.npz"
    descriptors.save_npz(path, d, [s.path for s in market.query])
    with np.load(path) as saved:  # no pickles: allow_pickle is off
        assert set(saved) == {"features", "pids", "camids", "paths"}
        np.testing.assert_array_equal(saved["features"], d.features.numpy())
        assert saved["pids"].tolist() == d.pids.tolist()
        assert saved["camids"].tolist() == d.camids.tolist()
        assert saved["paths"].tolist() == [str(s.path) for s in market.query]
    assert [p.name for p in path.parent.iterdir()] == ["d.npz"]


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = torch.as_tensor(rng.random((6, 3)))
    for dtype in (torch.float16, torch.float32):
        d = Descriptors(x.to(dtype), torch.arange(6) % 3, torch.arange(6) // 3)
        descriptors.save_npz(tmp_path / "d.npz", d, [Path("x.jpg")] * 6)
        got = descriptors.load(tmp_path / "d.npz")
        for a, b in zip(got, d, strict=True):
            assert torch.equal(a, b) and a.dtype == b.dtype
    descriptors.save_npz(tmp_path / "d.npz", d, [Path("J\udcfcrgen/x.jpg")] * 6)
    with np.load(tmp_path / "d.npz") as saved:  # Latin-1 of an old archive, as text
        assert saved["paths"].tolist() == [r"J\xfcrgen/x.jpg"] * 6
    assert 0 < evaluate(got, got).map <= 1


def test_what_cannot_be_loaded_is_named(tmp_path: Path) -> None:
    path = tmp_path / "d.npz"
    named = re.escape(str(path))
    with pytest.raises(DplibError, match=f"{named}: there is no such file"):
        descriptors.load(path)
    for content in (b"", b"text", b"PK\x03\x04 cut short"):
        path.write_bytes(content)
        with pytest.raises(DplibError, match=f"{named} is not a whole .npz file"):
            descriptors.load(path)
    with path.open("wb") as f:
        np.save(f, np.ones(3))
    with pytest.raises(DplibError, match=f"{named} is not a whole .npz file"):
        descriptors.load(path)
    np.savez(path, features=np.ones((3, 2)), pids=np.ones(3))
    with pytest.raises(DplibError, match=f"{named} holds no array 'camids'"):
        descriptors.load(path)
    np.savez(path, features=np.ones((3, 2)), pids=np.ones(3), camids=np.ones(2))
    with pytest.raises(DplibError, match=r"features \(3, 2\), pids \(3,\) and camids"):
        descriptors.load(path)
    np.savez(path, features=np.array([["a"]]), pids=np.ones(1), camids=np.ones(1))
    with pytest.raises(DplibError, match=r"d.npz features \(<U1\) are not numbers"):
        descriptors.load(path)
    pickled = np.array([{}], dtype=object)
    np.savez(path, features=pickled, pids=np.ones(1), camids=np.ones(1))
    with pytest.raises(DplibError, match=f"{named} is not a whole .npz file"):
        descriptors.load(path)


def test_npz_is_written_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    d = Descriptors(torch.ones(1, 2), torch.ones(1), torch.ones(1))
    path = tmp_path / "d.npz"
    path.write_bytes(b"the one before")

    def full_disk(file: object, **arrays: object) -> None:
        file.write(b"half")  # type: ignore[attr-defined]
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full_disk)
    with pytest.raises(DplibError, match=r"d\.npz: the disk is full"):
        descriptors.save_npz(path, d, [Path("x.jpg")])
    assert [p.name for p in tmp_path.iterdir()] == ["d.npz"]
    assert path.read_bytes() == b"the one before"


def test_a_shipped_model_describes_nearly_as_before(
    net: DeepPerson, market: ReIDData, tmp_path: Path
) -> None:
    loaded = checkpoints.load(checkpoints.save(net, tmp_path / "m", {}))
    a, b = (quiet(m, market.gallery).features for m in (net, loaded))
    assert float((a * b).sum(1).min()) > 0.9999
    assert not torch.equal(a, b)
