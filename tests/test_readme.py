"""What the README says stands in the records of runs, and its links lead somewhere."""

import re
import shlex
import shutil
from dataclasses import replace
from pathlib import Path

import make_figures
import pytest
import typer
from commands import run
from drawn import picture
from imitations import write_msmt
from PIL import Image

from dplib import DplibError, presets, toymarket, workspace
from dplib.cli.app import app
from dplib.presets import Preset

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text("utf-8")


def test_the_table_is_what_the_records_say() -> None:
    start, end = make_figures.MARK
    shown = README.partition(start)[2].partition(end)[0]
    assert shown == make_figures.table()


def test_links_to_files_exist() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", README)
    assert len(links) >= 5
    assert not [link for link in links if not (ROOT / link).exists()]


def test_the_lessons_that_exist_are_linked() -> None:
    built = sorted(p.name for p in (ROOT / "notebooks").glob("[0-9]*.ipynb"))
    assert built
    assert all(f"(notebooks/{name})" in README for name in built)


PAGES = sorted(
    p.relative_to(ROOT)
    for p in (*ROOT.glob("*.md"), *ROOT.glob("*/*.md"))
    if not {".venv", "my-lessons"} & set(p.parts)
)


def commands(page: Path) -> list[str]:
    """The lines after ``python -m dplib`` that a page shows."""
    text = (ROOT / page).read_text("utf-8")
    shown = re.findall(r"(?:^|`)(?:\S*python) -m dplib ([^`\n]+)", text, re.M)
    return [line.partition(" #")[0] for line in shown]


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_the_commands_shown_are_ones_the_program_takes(page: Path) -> None:
    assert page != Path("README.md") or len(commands(page)) >= 12
    for line in commands(page):
        words = shlex.split(line)
        command = typer.main.get_command(app)
        while words and words[0] in getattr(command, "commands", {}):
            command = command.commands[words.pop(0)]
        assert not hasattr(command, "commands"), f"no such command: {line}"
        command.make_context(line, words)  # parses, and runs nothing


IN_CODE = "## The same thing in code"


# --- and run --------------------------------------------------------------------------


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny: Preset) -> Path:
    """A working folder with what the pages speak of, as small as it can be."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DPLIB_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(workspace, "checkout", lambda: None)
    for name in ("toy", "market-cpu"):
        monkeypatch.setitem(presets.PRESETS, name, replace(tiny, weights=None))
    seeds = iter(range(10_000))

    def put(path: Path, kind: str = "JPEG") -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture(next(seeds))).save(path, kind)

    cards = [["path", "pid", "camid", "split"]]
    for n in range(20):
        for camera, serial in (("door", 1), ("yard", 2), ("yard", 3)):
            path = Path("photos", f"anna{n:02}", f"{camera}_{serial:04}.jpg")
            put(path)
            put(Path("flat", f"{n + 1:04}_c{1 + (serial > 1)}_{serial}.jpg"))
            split = "query" if camera == "door" else "gallery"
            cards.append([f"anna{n:02}/{path.name}", f"anna{n:02}", camera, split])
        for frame in (1, 2, 40):
            put(Path("porch", f"anna{n:02}", f"1_{frame:04}.jpg"))
    for n in range(6):
        put(Path("photos", f"lone{n}", "door_0001.jpg"))
        cards.append([f"lone{n}/door_0001.jpg", f"lone{n}", "door", "query"])
    Path("list.csv").write_text("".join(",".join(c) + "\n" for c in cards))
    return tmp_path


def blocks(page: str, heading: str) -> list[str]:
    """The commands of the sh blocks after a heading, up to the next one."""
    text = (ROOT / page).read_text("utf-8").partition(f"\n{heading}\n")[2]
    text = text.partition("\n## ")[0]
    shown = "\n".join(re.findall(r"```sh\n(.*?)```", text, re.S))
    return re.findall(r"^python -m dplib (.+?)(?:\s+# .*)?$", shown, re.M)


def test_the_walk_through_of_own_photographs(desk: Path) -> None:
    lines = blocks("data/README.md", "## Your own photographs")
    assert len(lines) == 7
    said = [run(*shlex.split(line)) for line in lines]
    assert "2 cameras" not in said[0] or "door" in said[0]
    assert (
        "cameras, with the share of the people each saw: door (100%), yard" in said[0]
    )
    assert "published" not in said[0] and "No image is a copy" in said[0]
    assert "NO TEST" not in said[3] and "folder: " in said[3]
    assert "Left out of training" in said[2] and "lone" in said[2]
    assert "No image is a copy" in said[4]
    assert "(%)" in said[6] and "NOT COMPARABLE with published results" in said[6]
    for folder in ("ranked", "ranked-mine"):
        assert (desk / folder / "lists.csv").is_file()
        assert any((desk / folder / "pictures").iterdir())
    # the people that train kept for the test are those that evaluate ranks
    (again,) = re.findall(r"^Evaluate it: python -m dplib (.+)$", said[2], re.M)
    assert shlex.split(lines[3])[: len(shlex.split(again))] == shlex.split(again)


def test_the_short_way_of_the_readme(desk: Path) -> None:
    lines = [x for x in blocks("README.md", IN_CODE) if "photos " in x]
    assert len(lines) == 3
    for line in lines:
        run(*shlex.split(line))
    assert (desk / "ranked-mine/lists.csv").is_file()


def test_the_commands_of_the_readme_for_data_sets(
    desk: Path, market_home: Path
) -> None:
    """In their order, on sets of the published layout and a few images."""
    archive = shutil.make_archive(
        "Market-1501-v15.09.15", "zip", market_home.parent, market_home.name
    )
    assert Path(archive).is_file()
    write_msmt(desk / "data/MSMT17_V1")
    toymarket.generate(
        desk / "data", train_pids=8, test_pids=12, workers=1, progress=False
    )
    lines = [x for x in blocks("README.md", IN_CODE) if "photos " not in x]
    assert len(lines) >= 7
    for line in lines:
        words = [
            w
            for word in shlex.split(line)
            for w in (sorted(map(str, desk.glob(word))) if "*" in word else [word])
        ]
        if "photos/*.jpg" in line:
            words[1:1] = [str(desk / "photos/anna00")]
        if words[:2] == ["data", "verify"]:  # a few images are not the published set
            with pytest.raises(DplibError, match="48 found, 12,936 published"):
                run(*words)
            continue
        run(*words)
    assert (desk / "my-lists/lists.csv").is_file()
    assert (desk / "descriptors.npz").is_file()


def test_the_ablations_of_the_readme_are_planned(desk: Path) -> None:
    lines = blocks("README.md", "## Does the paper's story hold?")
    planned = [run(*shlex.split(x), "--dry-run") for x in lines if x.startswith("abl")]
    assert len(planned) == 4 and all(" to do" in said for said in planned)
