"""Tables and names: what is one image and one person, however it is written."""

from __future__ import annotations

import sys
import unicodedata
from pathlib import Path

import pytest
from imitations import put

from dplib import datasets
from dplib.datasets import folder, own_rows
from dplib.samples import DatasetError, ReIDData

NFC, NFD = (unicodedata.normalize(form, "Jürgen") for form in ("NFC", "NFD"))
needs_bytes = pytest.mark.skipif(
    sys.platform in ("win32", "darwin"), reason="names are always text there"
)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """6 people on 2 cameras, one of them as macOS writes the name."""
    for who in (NFD, *"bcdef"):
        for cam in (1, 2):
            put(tmp_path / "own" / who / f"{cam}_0.png")
    return tmp_path / "own"


def table(root: Path, *rows: str, head: str = "path,pid,camid", mark: str = "") -> Path:
    file = root.parent / "list.csv"
    file.write_text(mark + "\n".join((head, *rows)) + "\n", encoding="utf-8")
    return file


def everyone(*jürgen: str) -> list[str]:
    """A row for each image; Jürgen's are written as given, on camera 1 and 2."""
    names = [(who, cam) for who in "bcdef" for cam in (1, 2)]
    names += [(name, cam) for cam, name in enumerate(jürgen, 1)]
    return [f"{name}/{cam}_0.png,{name},{cam}" for name, cam in names]


def people(data: ReIDData) -> set[str]:
    return {data.pid_names[s.pid] for s in (*data.train, *data.query, *data.gallery)}


@pytest.mark.parametrize("first", [NFC, NFD])
@pytest.mark.parametrize("second", [NFC, NFD])
def test_one_name_written_in_two_ways(own: Path, first: str, second: str) -> None:
    data = datasets.load("folder", own, csv=table(own, *everyone(first, second)))
    assert people(data) == {NFC, *"bcdef"}
    every = [*data.train, *data.query, *data.gallery]
    assert len({s.path for s in every}) == 12 and all(s.path.is_file() for s in every)


def test_the_pattern_and_the_folders_agree_on_names(own: Path) -> None:
    pattern = r"(?P<pid>Jürgen|\w)/(?P<camid>\d)"
    for form in ("NFC", "NFD"):
        given = unicodedata.normalize(form, pattern)
        assert people(datasets.load("folder", own, pattern=given)) == {NFC, *"bcdef"}
    assert people(datasets.load("folder", own)) == {NFC, *"bcdef"}


@needs_bytes
def test_names_that_look_the_same_are_refused(tmp_path: Path) -> None:
    """One is NFC, one NFD; the row has a third form of its own."""
    root = tmp_path / "own"
    letters = {f: unicodedata.normalize(f, "ǘ") for f in ("NFC", "NFD")}
    for letter in letters.values():
        put(root / letter / "1_0.png")
    between = "ü\u0301"
    assert between not in letters.values()
    with pytest.raises(DatasetError, match=r"row 2: .* look the same") as e:
        datasets.load("folder", root, csv=table(root, f"{between}/1_0.png,a,1"))
    assert r"'\u01d8/1_0.png'" in str(e.value) and r"u\u0308\u0301" in str(e.value)
    # what is written exactly as one of them is that one
    rows = own_rows.read(root, None, table(root, f"{letters['NFD']}/1_0.png,a,1"))
    assert rows[0].path == root / letters["NFD"] / "1_0.png"


@pytest.mark.parametrize(
    "rows",
    [
        [r.replace("/", "\\") for r in everyone(NFD, NFD)],
        [f" {r.replace(',', ' , ')} " for r in everyone(NFC, NFC)],
        [f"./{r}" for r in everyone(NFC, NFD)],
        [f"./{r}".replace("/", "\\") for r in everyone(NFC, NFC)],
    ],
    ids=["backslashes", "blanks", "dots", "dots and backslashes"],
)
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("head", ["path,pid,camid", " Path , PID , CamID "])
def test_tables_as_people_write_them(
    own: Path, rows: list[str], mark: str, head: str
) -> None:
    data = datasets.load("folder", own, csv=table(own, *rows, mark=mark, head=head))
    assert people(data) == {NFC, *"bcdef"}


def test_whole_paths(own: Path) -> None:
    rows = [f"{own.absolute()}/{r}" for r in everyone(NFC, NFD)]
    assert people(datasets.load("folder", own, csv=table(own, *rows))) == {
        NFC,
        *"bcdef",
    }


@pytest.mark.parametrize(
    "again",
    [
        "b/1_0.png",
        "./b/1_0.png",
        "b//1_0.png",
        "c/../b/1_0.png",
        "b\\1_0.png",
        "{own}/b/1_0.png",
    ],
)
def test_an_image_stands_in_one_row(own: Path, again: str) -> None:
    again = again.format(own=own.absolute())
    file = table(own, *everyone(NFD, NFD), f"{again},b,1")
    with pytest.raises(DatasetError, match=r"row 14: .* is in row 2 already"):
        datasets.load("folder", own, csv=file)


@needs_bytes
def test_another_case_is_named(own: Path) -> None:
    with pytest.raises(DatasetError, match=r"there is .*b/1_0\.png, which differs"):
        datasets.load("folder", own, csv=table(own, "B/1_0.PNG,b,1"))
    put(own / "b" / "1_0.PNG")  # another image, where case counts
    file = table(own, *everyone(NFD, NFD), "b/1_0.PNG,b,1")
    assert len(own_rows.read(own, None, file)) == 13


@pytest.mark.parametrize(
    "path", ["x" * 300 + ".png", "a\0.png", "b", "C:\\data\\x.png", "../own", "~/x.png"]
)
def test_a_path_without_an_image_names_its_row(own: Path, path: str) -> None:
    with pytest.raises(DatasetError, match=r"list\.csv.*(row 2|cannot be read)"):
        datasets.load("folder", own, csv=table(own, f"{path},b,1"))


def test_other_encodings_and_separators_are_named(own: Path) -> None:
    file = table(own)
    file.write_bytes("path,pid,camid\nJürgen/1_0.png,a,1\n".encode("latin-1"))
    with pytest.raises(DatasetError, match=r"not UTF-8 .*save it as"):
        datasets.load("folder", own, csv=file)
    file.write_bytes("path,pid,camid\n".encode("utf-16"))
    with pytest.raises(DatasetError, match=r"not UTF-8 .*save it as"):
        datasets.load("folder", own, csv=file)


@pytest.mark.parametrize("sign", [",", ";", "\t"])
def test_whatever_a_spreadsheet_separates_columns_by(own: Path, sign: str) -> None:
    rows = [r.replace(",", sign) for r in everyone(NFC, NFC)]
    data = datasets.load(
        "folder", own, csv=table(own, *rows, head=sign.join(["path", "pid", "camid"]))
    )
    assert people(data) == {NFC, *"bcdef"}


def test_two_columns_of_one_name_are_refused(own: Path) -> None:
    with pytest.raises(DatasetError, match=r"list\.csv has 2 columns pid; leave one"):
        datasets.load("folder", own, csv=table(own, head="path,pid,camid,pid"))


def test_splits_in_capitals(own: Path) -> None:
    parts = ["Train", "QUERY", "gallery"]
    rows = [f"b/{c}_0.png,b,{c},{parts[0]}" for c in (1, 2)]
    rows += [f"c/{c}_0.png,c,{c},{parts[c]}" for c in (1, 2)]
    head = "path,pid,camid,split"
    data = datasets.load("folder", own, csv=table(own, *rows, head=head))
    assert (len(data.train), len(data.query), len(data.gallery)) == (2, 1, 1)


def test_a_table_that_is_not_there(own: Path) -> None:
    with pytest.raises(DatasetError) as e:
        datasets.load("folder", own, csv="none.csv")
    assert str(e.value).startswith("none.csv cannot be read as CSV: there is no such")
    assert str(own / "none.csv") in str(e.value)


@pytest.mark.parametrize(
    ("kind", "texts", "said"),
    [
        ("people", ["Anna", "anna", "b"], "'Anna' and 'anna' are taken for 2 people"),
        ("cameras", ["1", "01", "2"], "'01' and '1' are taken for 2 cameras"),
        ("cameras", ["1", "1.0", "3"], "'1' and '1.0' are taken for 2 cameras"),
        ("cameras", ["c1", "C01", "c10"], "'C01' and 'c1' are taken for 2 cameras"),
        ("people", ["1", "10", "100", "a0", "a"], ""),
        ("people", ["1", "01", "a", "A"], "and so are 1 more such names"),
    ],
)
def test_names_that_may_be_one_are_said(kind: str, texts: list[str], said: str) -> None:
    found = folder.describe_alike(kind, texts)
    assert said in found and bool(said) == bool(found)


def test_cameras_of_the_folder_that_may_be_one_are_said(
    own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    datasets.load("folder", own)
    assert "write them alike" not in capsys.readouterr().out
    (own / "b" / "2_0.png").rename(own / "b" / "02_0.png")
    datasets.load("folder", own)
    assert "'02' and '2' are taken for 2 cameras" in capsys.readouterr().out


@needs_bytes
def test_names_that_are_no_text(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = "J\udcfcrgen"  # Latin-1, from an old archive
    (own / NFD).rename(own / name)
    assert people(datasets.load("folder", own)) == {name, *"bcdef"}
    rows = everyone(r"J\xfcrgen", r"J\xfcrgen")  # as lists.csv has it
    data = datasets.load("folder", own, csv=table(own, *rows))
    every = [*data.train, *data.query, *data.gallery]
    assert len(every) == 12 and sum(name in s.path.parts for s in every) == 2
    capsys.readouterr().out.encode()  # what was printed is text


# --- junk -----------------------------------------------------------------------------

SPLIT = "path,pid,camid,split"


def split_rows(**pids: str) -> list[str]:
    """b and c train, d and e are ranked, f is as given; pids by folder."""
    parts = {"b": "train", "c": "train", "d": "test", "e": "test", "f": "gallery"}
    rows = []
    for who, part in parts.items():
        for cam in (1, 2):
            split = part if part != "test" else ("query", "gallery")[cam - 1]
            rows.append(f"{who}/{cam}_0.png,{pids.get(who, who)},{cam},{split}")
    return rows


def test_junk_and_distractors_of_a_table(
    own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        *split_rows(f="-1"),
        f"{NFD}/1_0.png,0,1,train",
        f"{NFD}/2_0.png,-1,2,train",
    ]
    data = datasets.load("folder", own, csv=table(own, *rows, head=SPLIT))
    assert [data.pid_names[s.pid] for s in data.train] == ["b", "b", "c", "c"]
    assert sorted(data.labels.values()) == [0, 1]
    assert [s.pid for s in data.gallery if s.path.parent.name == "f"] == [-1, -1]
    assert "1 junk (pid -1), 1 distractors (pid 0)" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["-1", "-1.0", "−1", "-01"])
def test_junk_needs_a_split(own: Path, text: str) -> None:
    rows = [f"{who}/{cam}_0.png,{who},{cam}" for who in "bcde" for cam in (1, 2)]
    file = table(own, *rows, f"f/1_0.png,{text},1")
    with pytest.raises(DatasetError, match="has pid -1, which stands for junk"):
        datasets.load("folder", own, csv=file)


@pytest.mark.parametrize("text", ["-2", "-2.0", "-100"])
def test_other_numbers_below_0_are_refused(own: Path, text: str) -> None:
    file = table(own, *split_rows(f=text), head=SPLIT)
    with pytest.raises(DatasetError, match=rf"f/1_0\.png has pid {text}; only -1"):
        datasets.load("folder", own, csv=file)


def test_people_may_be_numbered_from_0(own: Path) -> None:
    rows = split_rows(b="0", c="1", d="2", e="3", f="4")
    data = datasets.load("folder", own, csv=table(own, *rows, head=SPLIT))
    assert {data.pid_names[p] for p in data.labels} == {"0", "1"}
    assert min(data.pid_names) == 1
