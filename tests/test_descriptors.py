"""Descriptors: which features, in which order, and what they are on disk."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor
from torch.testing import assert_close

from dplib import DplibError, checkpoints, descriptors, transforms
from dplib.descriptors import Descriptors, extract
from dplib.evaluation import EvaluationError, evaluate
from dplib.model import DeepPerson
from dplib.presets import Preset
from dplib.reranking import k_reciprocal
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


def test_objects_and_folders_are_called_so(tmp_path: Path) -> None:
    file = tmp_path / "d.npz"
    numbers = {"features": np.ones((2, 3)), "pids": np.arange(2), "camids": np.ones(2)}
    for name in numbers:
        odd = {**numbers, name: numbers[name].astype(object)}
        np.savez(file, **odd)
        with pytest.raises(DplibError, match=r"d\.npz holds Python objects"):
            descriptors.load(file)
    np.savez(file, **numbers)
    assert descriptors.load(file).features.shape == (2, 3)
    with pytest.raises(DplibError, match=r"is a folder; give the \.npz file inside"):
        descriptors.load(tmp_path)


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
    with pytest.raises(DplibError, match=f"{named} holds Python objects"):
        descriptors.load(path)


def test_the_message_says_what_a_file_is_in_truth(tmp_path: Path) -> None:
    path = tmp_path / "d.npz"
    with path.open("wb") as f:
        np.save(f, np.ones((3, 2)))
    with pytest.raises(DplibError, match=r"one array \(3, 2\) \(.npy\).*np.savez"):
        descriptors.load(path)
    path.write_bytes(b"<!DOCTYPE html>")
    with pytest.raises(DplibError, match=r"d.npz is not .* a web page"):
        descriptors.load(path)
    torch.save({"features": torch.ones(2)}, path)
    with pytest.raises(DplibError, match=r"holds no array 'features'; it holds \S+"):
        descriptors.load(path)
    features = np.ones((3, 2))
    features[1, 0] = np.nan
    ids = {"pids": np.ones(3), "camids": np.ones(3)}
    np.savez(path, features=features, **ids, paths=["a.jpg", "b.jpg", "c.jpg"])
    with pytest.raises(DplibError, match=r"d.npz: 1 of 3 .* of row 1 \(b.jpg\); desc"):
        descriptors.load(path)
    np.savez(path, features=features, **ids)
    with pytest.raises(DplibError, match=r"the first are those of row 1; describe"):
        descriptors.load(path)


def test_bfloat16_is_saved_as_float32(tmp_path: Path) -> None:
    x = torch.rand(2, 3, generator=torch.Generator().manual_seed(0)).bfloat16()
    d = Descriptors(x.requires_grad_(), torch.arange(2), torch.arange(2))
    descriptors.save_npz(tmp_path / "d.npz", d, [Path("x.jpg")] * 2)
    got = descriptors.load(tmp_path / "d.npz").features
    assert got.dtype == torch.float32 and torch.equal(got, x.detach().float())


# --- arrays ---------------------------------------------------------------------------

WHOLE = np.random.default_rng(0).integers(0, 100, (8, 4))  # exact in every type
PIDS, CAMIDS = np.array([1, 1, 1, 1, 2, 2, 2, 2]), np.array([1, 1, 2, 2] * 2)


def plain() -> Descriptors:
    return Descriptors(
        torch.as_tensor(WHOLE).float(),
        torch.as_tensor(PIDS),
        torch.as_tensor(CAMIDS),
    )


def mapped(folder: Path) -> np.ndarray:
    np.save(folder / "x.npy", WHOLE.astype(np.float32))
    return np.asarray(np.load(folder / "x.npy", mmap_mode="r"))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "make",
    [
        lambda folder: WHOLE.astype(np.float64),
        lambda folder: WHOLE.astype(np.float16),
        lambda folder: WHOLE.astype(np.longdouble),
        lambda folder: WHOLE,
        lambda folder: WHOLE.astype(np.uint8),
        lambda folder: WHOLE.astype(np.uint16),
        lambda folder: WHOLE.astype(">f4"),
        lambda folder: np.asfortranarray(WHOLE.astype(np.float32)),
        lambda folder: WHOLE[::-1].copy()[::-1],
        lambda folder: WHOLE.tolist(),
        lambda folder: [torch.tensor(x) for x in WHOLE],
        lambda folder: np.ma.masked_array(WHOLE, mask=False),
        lambda folder: torch.tensor(WHOLE).bfloat16(),
        lambda folder: torch.tensor(WHOLE, dtype=torch.float64, requires_grad=True),
        lambda folder: torch.tensor(WHOLE).t().contiguous().t(),
        mapped,
    ],
)
def test_features_of_any_type_and_layout(
    make: Callable[[Path], Any], tmp_path: Path
) -> None:
    d = plain()._replace(features=make(tmp_path))
    got = descriptors.as_tensors("query", d, DplibError)
    assert got.features.is_floating_point()
    assert torch.equal(got.features.float(), plain().features)
    assert evaluate(d, d).summary() == evaluate(plain(), plain()).summary()
    q, g = Descriptors(*(x[:4] for x in d)), Descriptors(*(x[4:] for x in d))
    a, b = (Descriptors(*(x[s] for x in plain())) for s in (np.s_[:4], np.s_[4:]))
    assert_close(k_reciprocal(q, g, k1=3), k_reciprocal(a, b, k1=3))


@pytest.mark.parametrize(
    "make",
    [
        lambda x: x.tolist(),
        lambda x: x.astype(np.float64),
        lambda x: x.astype(">i4"),
        lambda x: x.astype(np.uint64),
        lambda x: x.astype(np.int8),
        lambda x: np.repeat(x, 2)[::2],
    ],
)
def test_pids_and_camids_of_any_type(make: Callable[[np.ndarray], Any]) -> None:
    d = Descriptors(torch.ones(8, 1), make(PIDS), make(CAMIDS))
    got = descriptors.as_tensors("query", d, DplibError)
    assert got.pids.dtype == got.camids.dtype == torch.int64
    assert got.pids.tolist() == PIDS.tolist()
    assert got.camids.tolist() == CAMIDS.tolist()


@pytest.mark.parametrize(
    ("field", "values", "found"),
    [
        ("pids", PIDS.astype(str), r"pids \(<U21\) are not numbers; number the names"),
        ("pids", np.where(PIDS == 2, np.nan, PIDS), "pids: number 4 is nan; expected"),
        ("pids", PIDS + 0.5, "pids: number 0 is 1.5; expected whole numbers"),
        ("pids", PIDS * 1e30, "pids: number 0 is 1e[+]30; expected whole numbers"),
        ("pids", PIDS.astype(np.uint64) << np.uint64(62), "pids: number 0 is 46"),
        ("pids", PIDS == 1, "pids are True and False"),
        ("pids", PIDS[:, None], r"pids are \(8, 1\); expected one number per image"),
        ("pids", PIDS[:5], "8 features, 5 pids and 8 camids"),
        ("camids", None, "camids are missing .None.; .* all queries one camera and"),
        ("camids", 3, r"camids are \(\); expected one number per image"),
        ("features", WHOLE[:, 0], r"features are \(8,\); expected one row of values"),
        ("features", WHOLE[None], "1 features, 8 pids and 8 camids"),
        ("features", WHOLE + 1j, "features .complex128. are not numbers"),
        ("features", WHOLE.astype(object), "features .object. are not numbers"),
        ("features", [[1, 2], [3]], "features .list. are not numbers in rows of one"),
        ("features", np.ma.masked_array(WHOLE, WHOLE > 50), "features have masked val"),
        ("features", torch.tensor(WHOLE).to_sparse(), "sparse.*give a dense tensor"),
        ("features", torch.tensor(WHOLE) + 1j, "complex64.*are not plain numbers"),
        ("features", torch.full((8, 2), torch.nan), "descriptor 0 is not finite"),
        ("features", np.empty((8, 0)), r"features are \(8, 0\); expected one row"),
    ],
)
def test_arrays_that_are_refused(field: str, values: object, found: str) -> None:
    bad = plain()._replace(**{field: values})
    for name, pair in (("query", (bad, plain())), ("gallery", (plain(), bad))):
        with pytest.raises(EvaluationError, match=f"{name}.*{found}"):
            evaluate(*pair)


def test_no_images_and_other_things() -> None:
    with pytest.raises(EvaluationError, match=r"query: 0 features.* at least one"):
        evaluate(Descriptors(*(x[:0] for x in plain())), plain())
    for other in (plain()[:2], "d.npz", WHOLE, {"features": WHOLE}):
        with pytest.raises(EvaluationError, match=r"query is \w+: .*descriptors.load"):
            evaluate(other, plain())  # type: ignore[arg-type]


def test_an_open_npz_file_stands_for_descriptors(tmp_path: Path) -> None:
    descriptors.save_npz(tmp_path / "d.npz", plain(), [Path("x.jpg")] * 8)
    with np.load(tmp_path / "d.npz") as file:
        got = evaluate(file, plain())
    assert got.summary() == evaluate(plain(), plain()).summary()


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
