"""The record of the heads is whole: three seeds of each, and how it was made."""

import json
import runpy
from collections import Counter
from pathlib import Path

from dplib import checkpoints
from dplib.lessons.blstm_branch import shortruns

TOOL = Path(__file__).parents[3] / "tools" / "record_heads.py"


def test_the_record_of_the_heads_is_whole() -> None:
    path = checkpoints.ASSETS.parent / "records" / "heads.json"
    record = json.loads(path.read_text("utf-8"))
    tool = runpy.run_path(str(TOOL))
    assert record["command"] == "python tools/record_heads.py"
    found = Counter((r["experiment"], r["variant"], r["seed"]) for r in record["runs"])
    assert found == Counter(
        (name, variant, seed)
        for name, experiment in tool["EXPERIMENTS"].items()
        for variant in experiment.variants
        for seed in tool["SEEDS"]
    )
    for run in record["runs"]:
        settings = record["experiments"][run["experiment"]]
        blocks = run["iterations"] / settings["block"]
        assert run["iterations"] <= settings["iterations"]
        assert all(len(run[key]) == blocks for key in shortruns.COLUMNS)
        assert {"date", "commit", "machine", "cores", "versions"} <= set(run)
