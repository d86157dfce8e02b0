"""The plan of the ablations: its variants and their runs."""

from __future__ import annotations

import pytest

from dplib import DplibError, presets
from dplib.evidence import variants
from dplib.evidence.variants import VARIANTS, Job


def test_every_row_that_the_issue_of_tables_asks_for() -> None:
    assert len({(v.name, v.cues) for v in VARIANTS}) == len(VARIANTS)
    claims = variants.jobs("toymarket", ["4", "6", "7"])
    assert len(claims) == 7 * 5
    assert [j.seed for j in claims] == sorted(j.seed for j in claims)
    assert {v.preset().part_context for v in variants.jobs("toymarket", ["extra"])} == {
        "fc_shared", "blstm_isolated", "stripes", "blstm_authors", "lstm",
        "blstm_fixed_order", "blstm_random_order", "blstm",
    }  # fmt: skip
    assert {v.preset().head for v in variants.jobs("toymarket", ["extra"])} == {
        "bn", "linear", "authors",
    }  # fmt: skip
    assert len(variants.jobs("toymarket", ["global"], 2)) == 8
    assert not variants.jobs("market1501", ["global", "imagenet"])


def test_a_variant_changes_the_model_and_no_other_number() -> None:
    toy = presets.get("toy")
    model_only = {"branches", "part_context", "head"}
    for variant in VARIANTS:
        base = presets.get(variants.PRETRAINED) if variant.pretrained else toy
        preset = Job("toymarket", variant, 0).preset()
        differs = {k for k, v in vars(preset).items() if v != vars(base)[k]}
        assert differs == {k for k in variant.changes if k in differs} <= model_only


def test_unknown_names_are_refused() -> None:
    with pytest.raises(DplibError, match=r"data='duke': ablations know toymarket"):
        variants.jobs("duke", ["4"])
    with pytest.raises(DplibError, match=r"table '5': choose from 4, 6, 7, extra"):
        variants.jobs("toymarket", ["5"])
