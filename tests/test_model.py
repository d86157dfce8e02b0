"""The model: shapes of every variant, what has context, and models on disk."""

from __future__ import annotations

import json
from dataclasses import fields
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from dplib import DplibError, backbones, checkpoints, presets
from dplib.checkpoints import CheckpointError
from dplib.contexts import BLSTM, PART_CONTEXTS, RowFC
from dplib.model import BRANCHES, HEADS, DeepPerson, ModelConfig

SIZE, IDS, UNITS = (64, 32), 7, 8
SUBSETS = [s for n in (1, 2, 3) for s in combinations(BRANCHES, n)]


def small(backbone: str = "resnet18", **settings: Any) -> DeepPerson:
    settings = {"image_size": SIZE, "part_units": UNITS, "last_stride": 1, **settings}
    return DeepPerson(IDS, backbone=backbone, backbone_width=0.125, **settings)


def images(n: int = 2) -> Tensor:
    return torch.randn(n, 3, *SIZE, generator=torch.Generator().manual_seed(0))


def count(m: nn.Module) -> int:
    return sum(p.numel() for p in m.parameters())


# --- shapes -------------------------------------------------------------------------


@pytest.mark.parametrize("backbone", backbones.NAMES)
@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("part_context", PART_CONTEXTS)
def test_shapes_of_every_variant(part_context: str, head: str, backbone: str) -> None:
    m = small(backbone, part_context=part_context, head=head)
    with torch.no_grad():
        out = m(images())
    rows, c = 4, m.channels  # 64 pixels at stride 16
    wide = 2048 if head == "authors" else None
    stripes = part_context == "stripes"
    assert m.feature_map(images()).shape == (2, c, rows, 2)
    assert out.fm.shape == (2, c)
    assert out.part_outputs is not None and out.part_outputs.shape == (2, rows, UNITS)
    assert out.part_logits is not None
    assert out.part_logits.shape == ((2, rows, IDS) if stripes else (2, IDS))
    assert out.part_features is not None
    features = rows * UNITS if stripes or wide is None else wide
    assert out.part_features.shape == (2, features)
    assert out.global_features is not None and out.global_logits is not None
    assert out.global_features.shape == (2, wide or c)
    assert out.global_logits.shape == (2, IDS)


@pytest.mark.parametrize("branches", SUBSETS, ids="+".join)
def test_absent_branches_give_none_and_have_no_parameters(
    branches: tuple[str, ...],
) -> None:
    m = small(branches=branches)
    out = m(images())
    has_part, has_global = "part" in branches, "global" in branches
    assert out.fm.shape == (2, 64)
    part = (out.part_logits, out.part_outputs, out.part_features)
    assert [x is not None for x in part] == [has_part] * 3
    whole = (out.global_logits, out.global_features)
    assert [x is not None for x in whole] == [has_global] * 2
    names = {n.split("_")[0] for n, _ in m.named_parameters()}
    assert ("part" in names, "global" in names) == (has_part, has_global)
    assert m.branches == branches


def test_branches_in_any_order_are_one_model() -> None:
    a, b = small(branches=("ranking", "part")), small(branches=["part", "ranking"])
    assert a.branches == b.branches == ("part", "ranking")


def test_lists_as_json_has_them_give_the_same_configuration() -> None:
    own = ModelConfig(image_size=SIZE, branches=("part", "ranking"))
    fromjson = ModelConfig(image_size=[64, 32], branches=["ranking", "part"])  # type: ignore[arg-type]
    assert own == fromjson and hash(own) == hash(fromjson)


def test_a_configuration_and_settings_in_place_of_its_own() -> None:
    config = ModelConfig("resnet18", 0.125, image_size=SIZE, part_units=UNITS)
    m = DeepPerson(IDS, config, head="linear")
    assert m.config == small(last_stride=2, head="linear").config
    assert list(m.config) == ["num_ids", *(f.name for f in fields(ModelConfig))]
    with pytest.raises(TypeError, match="part_contxt"):
        DeepPerson(IDS, config, part_contxt="fc")


def test_triplet_alone_adds_nothing_to_the_backbone() -> None:
    m = small(branches=("ranking",))
    assert count(m) == count(m.backbone)


def test_fm_is_the_mean_of_fb_and_the_rows_are_its_row_means() -> None:
    m = small().eval()
    x = images()
    with torch.no_grad():
        fb = m.feature_map(x)
        s = m.part_sequence(fb)
        out = m(x)
    assert_close(out.fm, fb.flatten(2).mean(2))
    assert_close(m.descriptor(x), out.fm)
    assert s.shape == (2, 4, m.channels)
    for t in range(4):
        assert_close(s[:, t], fb[:, :, t].mean(2))


def test_a_batch_of_one() -> None:
    for part_context in PART_CONTEXTS:
        m = small(part_context=part_context).eval()
        out, both = m(images(1)), m(images(2))
        assert out.part_logits is not None and both.part_logits is not None
        assert out.part_logits.shape == (1, *both.part_logits.shape[1:])
        assert out.fm.shape == (1, 64)


def test_wrong_height_says_to_what_to_resize() -> None:
    m = small().eval()
    with pytest.raises(
        DplibError, match=r"images of 128 x 32 pixels give 8 rows.*has 4; resize to 64"
    ):
        m(torch.zeros(1, 3, 128, 32))
    assert small(branches=("global",)).eval()(torch.zeros(1, 3, 128, 32)).fm.ndim == 2


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"backbone": "vgg"}, r"unknown backbone 'vgg'"),
        ({"branches": ("part", "local")}, r"branches: 'local'.*part, global, ranking"),
        ({"branches": ()}, r"branches is empty"),
        ({"part_context": "gru"}, r"part_context: 'gru'.*blstm, fc, fc_shared"),
        ({"head": "cosface"}, r"head: 'cosface'.*bn, linear, authors"),
        ({"last_stride": 4}, r"last_stride=4"),
    ],
)
def test_unknown_settings_list_the_known(setting: dict[str, Any], message: str) -> None:
    with pytest.raises(DplibError, match=message):
        small(**setting)


def test_one_identity_is_no_model() -> None:
    with pytest.raises(DplibError, match=r"num_ids=1.*at least 2"):
        DeepPerson(1, backbone="resnet18")


# --- the paper's numbers ------------------------------------------------------------


def test_the_authors_model_has_their_count_of_parameters() -> None:
    m = presets.PRESETS["authors"].build_model(751, weights=None)
    assert count(m) == 41_025_054


@pytest.fixture(scope="module")
def paper() -> DeepPerson:
    return presets.PRESETS["paper"].build_model(751, weights=None).eval()


def test_the_papers_layer_shapes(paper: DeepPerson) -> None:
    """§3.1 and §4.1: 256 x 128 → fb 8 x 4 x 2048 → S_t 2048 → O_t 256 → 8 x 256."""
    with torch.no_grad():
        x = torch.zeros(1, 3, 256, 128)
        fb = paper.feature_map(x)
        s = paper.part_sequence(fb)
        o = paper.part_context(s)
        out = paper(x)
    assert fb.shape == (1, 2048, 8, 4)
    assert s.shape == (1, 8, 2048)
    assert o.shape == (1, 8, 256)
    assert out.fm.shape == (1, 2048)
    assert out.part_features is not None and out.part_features.shape == (1, 2048)
    assert out.part_logits is not None and out.part_logits.shape == (1, 751)
    assert out.global_logits is not None and out.global_logits.shape == (1, 751)


def test_the_papers_lstm(paper: DeepPerson) -> None:
    lstm = paper.part_context.lstm
    assert isinstance(lstm, nn.LSTM)
    assert (lstm.input_size, lstm.hidden_size, lstm.num_layers) == (2048, 256, 2)
    assert lstm.bidirectional and lstm.batch_first


def test_parameters_of_table_4() -> None:
    """The BLSTM and eight independent FC layers: "about the same number"."""
    gates = 4 * 256
    first = 2 * gates * (2048 + 256 + 2)  # two directions, two biases
    second = 2 * gates * (512 + 256 + 2)
    after = 512 * 256 + 256
    assert count(BLSTM(2048, 256)) == first + second + after == 6_430_976
    assert count(RowFC(8, 2048, 256)) == 8 * (2048 * 256 + 256) == 4_196_352


# --- context ------------------------------------------------------------------------


def reach(part_context: str) -> list[list[bool]]:
    """reach[t][k]: whether O_t depends on S_k."""
    m = small(part_context=part_context).eval()
    g = torch.Generator().manual_seed(1)
    s = torch.randn(3, m.rows, m.channels, generator=g, requires_grad=True)
    o = m.part_context(s)
    found = []
    for t in range(m.rows):
        (grad,) = torch.autograd.grad(o[:, t].sum(), s, retain_graph=True)
        found.append([bool(grad[:, k].abs().max() > 0) for k in range(m.rows)])
    return found


@pytest.mark.parametrize("part_context", PART_CONTEXTS)
def test_who_has_context(part_context: str) -> None:
    full = part_context.startswith("blstm") and part_context != "blstm_isolated"
    above = part_context == "lstm"  # from head to foot
    rows = range(4)
    assert reach(part_context) == [
        [full or t == k or (above and k < t) for k in rows] for t in rows
    ]


def test_the_isolated_blstm_has_the_same_parameters() -> None:
    a = small(part_context="blstm").state_dict()
    b = small(part_context="blstm_isolated").state_dict()
    assert a.keys() == b.keys()
    assert all(torch.equal(a[k], b[k]) for k in a)


def test_the_isolated_blstm_is_the_blstm_on_each_row_alone() -> None:
    whole, alone = BLSTM(6, 3), BLSTM(6, 3, isolated=True)
    alone.load_state_dict(whole.state_dict())
    s = torch.randn(2, 5, 6)
    rows = [whole(s[:, t : t + 1]) for t in range(5)]
    assert_close(alone(s), torch.cat(rows, 1))


@pytest.mark.parametrize("order", ["fixed", "random"])
def test_a_shuffled_order_is_undone_after_the_lstm(order: str) -> None:
    torch.manual_seed(0)
    m = BLSTM(6, 3, order=order).train()
    natural = BLSTM(6, 3)
    state = m.state_dict()
    state.pop("batches", None)
    natural.load_state_dict(state)
    s = torch.randn(2, 8, 6)
    draw = 1 if order == "random" else 0
    places = torch.randperm(8, generator=torch.Generator().manual_seed(draw))
    assert places.tolist() != list(range(8))
    once = m(s)
    assert_close(once[:, places], natural(s[:, places]))
    assert torch.allclose(once, m(s)) == (order == "fixed")
    assert torch.allclose(m.eval()(s), natural(s)) == (order == "random")


def test_the_random_order_goes_on_where_it_was_saved() -> None:
    m, again = BLSTM(6, 3, order="random"), BLSTM(6, 3, order="random")
    s = torch.randn(2, 8, 6)
    m(s)
    again.load_state_dict(m.state_dict())
    assert_close(m(s), again(s))


def test_an_unknown_order_is_refused() -> None:
    with pytest.raises(DplibError, match=r"order='foot'.*natural, fixed, random"):
        BLSTM(6, 3, order="foot")


def test_fc_has_its_own_layer_per_row_and_fc_shared_one() -> None:
    same = torch.randn(1, 1, 64).expand(1, 4, 64)  # four equal rows
    own = small(part_context="fc").part_context(same)
    shared = small(part_context="fc_shared").part_context(same)
    assert not torch.allclose(own[:, 0], own[:, 1])
    assert_close(shared[:, 0], shared[:, 3])


# --- initialisation -----------------------------------------------------------------


@pytest.mark.parametrize("branches", SUBSETS, ids="+".join)
def test_adding_a_branch_leaves_all_other_initial_weights(
    branches: tuple[str, ...],
) -> None:
    full = small(seed=5).state_dict()
    own = small(branches=branches, seed=5).state_dict()
    assert own.keys() <= full.keys()
    assert all(torch.equal(v, full[k]) for k, v in own.items())


def test_seeds_decide_the_initial_weights_and_leave_torchs_generator_alone() -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    a, b, c = (small(seed=s).state_dict() for s in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    random = [k for k in a if a[k].ndim > 1]
    assert all(torch.equal(a[k], b[k]) for k in a)
    assert not any(torch.equal(a[k], c[k]) for k in random)


# --- on disk ------------------------------------------------------------------------


def test_save_and_load(tmp_path: Path) -> None:
    m = small(part_context="fc", head="linear", seed=3)
    with torch.no_grad():
        m(images(8))  # running statistics of its own
    path = checkpoints.save(m, tmp_path / "deep" / "toy", {"seed": 3})
    assert path == tmp_path / "deep" / "toy.safetensors"
    record = json.loads(path.with_suffix(".json").read_text("utf-8"))
    assert record["seed"] == 3 and record["config"]["part_context"] == "fc"
    loaded = checkpoints.load(path)
    assert not loaded.training and loaded.config == m.config
    assert all(p.dtype == torch.float32 for p in loaded.parameters())
    m.eval()
    with torch.no_grad():
        assert_close(m(images()), loaded(images()), rtol=1e-2, atol=1e-2)
        assert not torch.equal(m(images()).fm, loaded(images()).fm)  # it was halved
    size = sum(p.numel() for p in m.parameters())
    assert path.stat().st_size < 2.5 * size


def test_save_replaces_and_leaves_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints.save(small(seed=1), tmp_path / "toy", {"run": 1})
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}

    real = Path.write_bytes
    for fits in (0, 1):  # nothing fits; the tensors do, and their note does not
        written: list[Path] = []

        def until_full(
            self: Path, data: bytes, fits: int = fits, written: list[Path] = written
        ) -> int:
            if len(written) == fits:
                real(self, data[: len(data) // 2])
                raise OSError(28, "No space left on device")
            written.append(self)
            return real(self, data)

        with monkeypatch.context() as m:
            m.setattr(Path, "write_bytes", until_full)
            with pytest.raises(DplibError, match=r"toy\.\S+: the disk is full"):
                checkpoints.save(small(seed=2), tmp_path / "toy", {"run": 2})
        assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


@pytest.mark.parametrize("keep", [0.0, 0.5, 0.99])
def test_truncated_model(tmp_path: Path, keep: float) -> None:
    path = checkpoints.save(small(), tmp_path / "toy", {})
    whole = path.read_bytes()
    path.write_bytes(whole[: int(keep * len(whole))])
    with pytest.raises(CheckpointError, match=r"toy\.safetensors: cannot be read"):
        checkpoints.load(path)


def test_files_that_dplib_did_not_write(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    torch.save(small().state_dict(), tmp_path / "theirs.pt")
    (tmp_path / "notes.pt").write_text("not a checkpoint")
    save_file({"x": torch.zeros(1)}, tmp_path / "theirs.safetensors")
    for name in ("theirs.pt", "notes.pt", "theirs.safetensors"):
        with pytest.raises(CheckpointError, match="was not written by dplib") as e:
            checkpoints.load(tmp_path / name)
        assert name in str(e.value)


def test_missing_model_lists_the_shipped_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "ASSETS", tmp_path)
    checkpoints.save(small(seed=4), tmp_path / "mini", {})
    with pytest.raises(CheckpointError, match=r"nothing: no such file.*names: mini"):
        checkpoints.load("nothing")
    weight = "backbone.conv1.weight"
    assert_close(
        checkpoints.load("mini").state_dict()[weight],
        small(seed=4).state_dict()[weight].half().float(),
    )


def test_load_state_names_the_tensor_of_another_architecture() -> None:
    m = small()
    before = {k: v.clone() for k, v in m.state_dict().items()}
    wide = small(part_units=16).state_dict()
    other = small(part_context="fc").state_dict()
    fewer = small(branches=("ranking",)).state_dict()
    for state, words in (
        (wide, r"part_context\.lstm\.weight_ih_l0 is \(64, 64\) there and \(32, 64\)"),
        (other, r"part_context\.lstm\.weight_ih_l0 is absent there"),
        (fewer, r"part_context\.\S+ is absent there"),
        ({**before, "extra": torch.zeros(1)}, r"extra is \(1,\) there and absent in"),
    ):
        with pytest.raises(CheckpointError, match=words):
            checkpoints.load_state(m, state, "x.pt")
        assert all(torch.equal(v, before[k]) for k, v in m.state_dict().items())
