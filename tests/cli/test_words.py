"""Messages on the command line name options that exist there."""

from __future__ import annotations

import ast
import json
import re
import shutil
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from commands import run
from drawn import picture
from PIL import Image

from dplib import DplibError, presets
from dplib.cli import words
from dplib.cli.app import app
from dplib.presets import Preset

LIBRARY = Path(words.__file__).parents[1]
GROUP: Any = typer.main.get_command(app)
COMMANDS: dict[str, Any] = {
    name: command
    for name, command in [
        *GROUP.commands.items(),
        *GROUP.commands["data"].commands.items(),
    ]
    if not hasattr(command, "commands")
}
# Arguments that no command hands on, so that their messages are for Python alone.
PYTHON_ONLY = {
    "axis", "batch_first", "draws", "last_stride", "level", "measure", "num_ids",
    "order", "proj_size", "protocol", "ratio", "row", "rows", "samples", "scale",
    "share", "unmatched", "metric", "x", "y", "how", "chosen", "k", "batch_size",
    "left_out",
}  # fmt: skip


@pytest.mark.parametrize(
    ("command", "text", "said"),
    [
        ("train", "or resume=False to start over", "or --no-resume to start over"),
        ("train", "resume=True goes on", "--resume goes on"),
        ("train", "take p=6 or less", "take --p 6 or less"),
        ("train", "a lower lr or a smaller clip_norm",
         "a lower --lr or a smaller --clip-norm"),
        ("train", 'head="bn" wakes it', "--head bn wakes it"),
        ("train", "with data.drop_single_images(), or", "with --drop-single, or"),
        ("train", "weights=FILE; weights=None trains",
         "--weights FILE; --weights none trains"),
        ("train", "choose another folder, or", "choose another folder with --out, or"),
        ("evaluate", "pass unmatched='skip'", "pass --skip-unmatched"),
        ("evaluate", "lambda_=2: between 0 and 1", "--lambda 2: between 0 and 1"),
        ("evaluate", "k1=700 and k2=6 need", "--k1 700 and --k2 6 need"),
        ("evaluate", 'take kind="fm"', "take --features fm"),
        ("evaluate", "kind='detected'", "--kind detected"),
        ("evaluate", "root='my data/x'", "--root 'my data/x'"),
        ("evaluate", "give pattern= or csv=", "give --pattern or --csv"),
        ("evaluate", "test_share=0.5: lower it", "--test-share 0.5: lower it"),
        ("evaluate", "load('folder') takes csv=F", "--data folder takes --csv F"),
        ("verify", "load('folder') takes csv=F", "data verify folder takes --csv F"),
        ("evaluate", "lower test_share, or", "lower --test-share, or"),
        ("toymarket", "again with workers=1", "again with --workers 1"),
        ("toymarket", "choose another `root`, or", "choose another --root, or"),
        ("unpack", "pass password=", "pass --password"),
        # what only looks like an argument
        ("train", "/a/test_share/x.jpg and a.csv=1", "/a/test_share/x.jpg and a.csv=1"),
        ("train", "no file val_pids.txt", "no file val_pids.txt"),
        ("train", "x == 3, --root=here", "x == 3, --root=here"),
        ("describe", "val_pids=3", "val_pids=3"),
    ],
)  # fmt: skip
def test_translation(command: str, text: str, said: str) -> None:
    assert words.translate(text, COMMANDS[command]) == said


def messages() -> Iterator[tuple[str, str]]:
    """Every text that the library raises or warns with: its place, its words."""
    for file in sorted(LIBRARY.rglob("*.py")):
        room = file.relative_to(LIBRARY).parts[0]
        if room in ("lessons", "seeing", "cli", "plots.py", "losses.py"):
            continue  # no command gets there, or it speaks of options itself
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            called = getattr(node.func, "id", getattr(node.func, "attr", ""))
            if called.endswith("Error") or called in ("error", "warn"):
                for argument in node.args:
                    yield f"{file.name}:{node.lineno}", text_of(argument)


def text_of(node: ast.AST) -> str:
    """The fixed parts of a message, with 7 for what is put in."""
    parts = [
        n.value if isinstance(n, ast.Constant) else "7"
        for n in ast.walk(node)
        if isinstance(n, ast.FormattedValue)
        or (isinstance(n, ast.Constant) and isinstance(n.value, str))
    ]
    if isinstance(node, ast.JoinedStr):
        parts = [v.value if isinstance(v, ast.Constant) else "7" for v in node.values]
    return "".join(map(str, parts))


def test_every_argument_that_a_message_names_has_an_option() -> None:
    found = list(messages())
    named = [
        (place, m[1], text)
        for place, text in found
        for m in re.finditer(
            r"(?<![\w.-])([a-z]\w*)=(?!=)",
            re.sub(r"\bnp\.\w+\(.*?\)", "", text),  # a line of NumPy to be written
        )
    ]
    assert len(found) > 100 and len(named) > 20
    wrong = [
        (place, name, text)
        for place, name, text in named
        if name not in PYTHON_ONLY
        and not any(
            words.translate(f"{name}=7", c) != f"{name}=7" for c in COMMANDS.values()
        )
    ]
    assert not wrong


# --- errors as a user meets them ------------------------------------------------------


def put(root: Path, person: str, camera: str, n: int = 2) -> None:
    for i in range(n):
        path = root / person / f"{camera}_{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture(zlib.crc32(f"{person} {camera} {i}".encode()))).save(
            path
        )


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny: Preset) -> Path:
    """A working folder with a set of twenty people, one of twelve, and odd ones."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DPLIB_DATA", str(tmp_path / "data"))
    monkeypatch.setitem(presets.PRESETS, "toy", tiny)
    for root, people in (("set", 20), ("few", 5), ("two", 2), ("lone", 8)):
        for p in range(people):
            put(tmp_path / root, f"anna{p:02}", "1")
            put(tmp_path / root, f"anna{p:02}", "2")
    for p in range(8):
        put(tmp_path / "lone", f"lone{p}", "1", 1)
    for p in range(4):  # one camera, with consecutive frames
        put(tmp_path / "twice", f"anna{p:02}", "1", 2)
        put(tmp_path / "thrice", f"anna{p:02}", "1", 3)
    lines = [f"anna{p:02}/1_{i}.png,anna{p:02},1" for p in range(20) for i in range(2)]
    ends = [",query" if "_1" in line else ",gallery" for line in lines]
    lines = [line + end for line, end in zip(lines, ends, strict=True)]
    lines.append("anna00/2_0.png,anna00,2,gallery")  # so one person has two cameras
    (tmp_path / "set/one.csv").parent.mkdir(exist_ok=True)
    (tmp_path / "set/one.csv").write_text("path,pid,camid,split\n" + "\n".join(lines))
    own = tmp_path / "own/Market-1501-v15.09.15"
    for folder in ("bounding_box_train", "query", "bounding_box_test"):
        shutil.copytree(tmp_path / "few/anna00", own / folder)
    inside = tmp_path / "named/Market-1501-v15.09.15"
    for folder in ("bounding_box_train", "query", "bounding_box_test"):
        (inside / folder).mkdir(parents=True)
        Image.new("RGB", (4, 8)).save(inside / folder / "anna.jpg")
    rows = [
        f"anna{p:02}/{c}_{i}.png,anna{p:02},{c},"
        + ("train" if p < 10 else "query" if c == 1 or p == 15 else "gallery")
        for p in range(20)
        for c in (1, 2)
        for i in range(2)
    ]
    (tmp_path / "list.csv").write_text("path,pid,camid,split\n" + "\n".join(rows))
    return tmp_path


SET = "--data folder --root set"
ERRORS = [
    # people
    ("train toy --data folder --root few --p 5", "people; take --p "),
    ("train toy --data folder --root lone --epochs 1", "'lone"),
    ("train toy --data folder --root lone --epochs 1", "--drop-single"),
    ("train toy --data folder --root two", "add people, or take --test-share 1 to"),
    (f"train toy {SET} --test-share 1", "no training images"),
    (f"train toy {SET} --val-pids 99", "--val-pids 99: folder has "),
    (f"evaluate toy {SET} --csv list.csv", "set/anna15/1_0.png, person 'anna15'"),
    (f"evaluate toy {SET} --csv list.csv", "--skip-unmatched"),
    # where data are
    ("evaluate toy --data folder", "--root DIR"),
    ("evaluate toy --data folder --root none", "as --root"),
    ("data verify folder", "--root DIR"),
    ("data verify market1501 --root set/anna00", "no Market-1501"),
    ("data verify market1501 --root own", "data verify folder takes them"),
    ("evaluate toy --data market1501 --root own", "--data folder takes them"),
    ("evaluate toy --data market1501 --root named", "--csv FILE"),
    ("evaluate toy --data folder --root own/Market-1501-v15.09.15", "--csv FILE"),
    ("evaluate toy --data market1501 --root own/Market-1501-v15.09.15/query",
     "--root own/Market-1501-v15.09.15"),
    ("evaluate toy --data msmt17 --root own", "no MSMT17"),
    (f"evaluate toy {SET} --csv list.csv --pattern x", "give --pattern or --csv"),
    (f"evaluate toy {SET} --pattern x", "has no groups pid and camid"),
    ("evaluate toy --data folder --root .", "give --pattern or --csv"),
    ("evaluate toy --data market1501 --csv list.csv", "--csv is not for market1501"),
    ("evaluate toy --data msmt17 --test-share 0.3",
     "--test-share is not for msmt17: it takes --with-val"),
    ("evaluate toy --data msmt17 --same-camera",
     "--same-camera is not for msmt17: it takes --with-val"),
    ("evaluate toy --data folder --root twice", "none of 4 people has two images that"),
    ("train toy --data folder --root twice --val-pids 2", "near copies of each other"),
    ("evaluate toy --data folder --root set --csv one.csv", "with --same-camera"),
    ("evaluate toy --data folder --root thrice --test-share 1 --rerank",
     "--rerank: 4 queries have near copies"),
    (f"evaluate toy {SET} --kind detected", "--kind is not for folder: it takes --pat"),
    # settings that are checked before the images are described
    (f"evaluate toy {SET} --rerank --k1 700", "--k1 700 and --k2 6 need 701 images"),
    (f"evaluate toy {SET} --rerank --k2 90", "give a smaller --k1 or --k2"),
    (f"evaluate toy {SET} --multi-query", "no images for it"),
    ("evaluate 'runs/x-{split}' --data cuhk03 --split all", "no such file"),
    (f"evaluate toy {SET} --lists set", "--lists set exists"),
    (f"evaluate toy {SET} --lists list.csv/x", "cannot be written"),
    (f"evaluate toy {SET} --metrics-json set", "set is a folder"),
    (f"evaluate toy {SET} --metrics-json list.csv/m.json", "cannot be written"),
    ("describe set/anna00 -o list.csv/d.npz", "cannot be written"),
    (f"train toy {SET} --out list.csv", "list.csv is a file"),
    (f"train toy {SET} --export list.csv/x", "cannot be written"),
    ("ablate --seeds 1 --epochs 1 --results list.csv/r", "cannot be written"),
    ("ablate --seeds 1 --epochs 1 --results r --runs list.csv", "list.csv is a file"),
    ("report --out list.csv/x", "cannot be written"),
    (f"train toy {SET} --head x", "choose from bn, linear"),
    (f"train toy {SET} --split all", "--split all is for evaluate"),
    (f"train toy {SET} --weights w.pt", "w.pt: no such file"),
    (f"train toy {SET} --device tpu", "cpu"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "said"), ERRORS)
def test_errors_name_options_of_their_command(
    place: Path, monkeypatch: pytest.MonkeyPatch, line: str, said: str
) -> None:
    def describes(*_: object, **__: object) -> None:
        raise AssertionError("images were described before the settings were checked")

    monkeypatch.setattr("dplib.descriptors.extract", describes)
    args = line.replace("'", "").split()
    with pytest.raises(DplibError) as e:
        run(*args)
    text = str(e.value)
    assert said in text
    check_remedies(text, COMMANDS[args[1] if args[0] == "data" else args[0]])


def check_remedies(text: str, command: Any) -> None:
    """Every option in the text is one of the command, and no Python is left."""
    known = {o for p in command.params for o in (*p.opts, *p.secondary_opts)}
    named = set(re.findall(r"(?<![\w-])--[a-z][\w-]*", text))
    assert named <= known, text
    assert not re.search(r"(?<![\w.'-])[a-z]\w*=|\w\(\)|`", text), text


def test_a_second_run_in_one_folder_is_told_what_to_do(place: Path) -> None:
    train = ["train", "toy", *SET.split(), "--epochs", "1", "--out", "run"]
    run(*train)
    kept = Path("run/checkpoint.pt").read_bytes()
    for how in ([], ["--no-resume"]):
        with pytest.raises(
            DplibError, match=r"seed was 0, is 1.*--out, or remove run"
        ) as e:
            run(*train, "--seed", "1", *how)
        check_remedies(str(e.value), COMMANDS["train"])
    assert Path("run/checkpoint.pt").read_bytes() == kept
    assert "Checkpoint" in run(*train, "--no-resume")  # this very run, anew
    Path("run/checkpoint.pt").unlink()
    assert "Checkpoint" in run(*train, "--seed", "1")


def test_a_warning_is_a_line_with_options(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An asleep branch is told in the words of train, without a line of code."""
    monkeypatch.setattr("math.log", lambda *_: 0.0)  # nothing is better than chance
    said = run(*f"train toy {SET} --epochs 3 --out run".split())
    (line,) = (x for x in said.splitlines() if x.startswith("Warning: BpI"))
    assert line.endswith("--head bn wakes it sooner")


def test_dropping_people_with_one_image_says_who(place: Path) -> None:
    common = "train toy --data folder --root lone --epochs 1 --out run"
    said = run(*common.split(), "--drop-single", "--p", 2, "--k", 2)
    (line,) = (x for x in said.splitlines() if x.startswith("Left out of training"))
    left = re.findall(r"lone\d", line)
    assert f": {len(left)} of " in line and left == sorted(left) and left


def test_settings_of_the_preset_are_kept_in_the_record(place: Path) -> None:
    run(*f"train toy {SET} --epochs 1 --out run --p 3 --k 4 --lr 0.01".split())
    record = json.loads((place / "run/train.json").read_text())
    assert record["changes"] == {"p": 3, "k": 4, "lr": 0.01}
    assert record["iterations"] == len(record["pids"]) // 3 > 0


def test_a_failure_after_the_measures_does_not_lose_them(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise DplibError("re-ranking ran out of memory")

    monkeypatch.setattr("dplib.reranking.k_reciprocal", fails)
    shown: list[str] = []
    monkeypatch.setattr(
        "dplib.cli.tables.show", lambda rows, *_, **__: shown.extend(r[0] for r in rows)
    )
    with pytest.raises(DplibError, match="out of memory"):
        run(*f"evaluate toy {SET} --rerank --k1 5".split())
    assert shown == ["single query"]


def test_train_help_lists_every_preset() -> None:
    said = " ".join(run("train", "--help").replace("│", " ").split())
    assert all(re.search(rf"\b{name}\b", said) for name in presets.PRESETS)
