"""Archives: what they hold arrives whole, and evil ones write nothing anywhere."""

from __future__ import annotations

import base64
import io
import re
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dplib.datasets import archives
from dplib.samples import DatasetError

FILES = {
    "Set/query/0001_c1.jpg": b"first",
    "Set/query/0002_c1.jpg": bytes(5000),
    "Set/empty.txt": b"",
}
TARS = {"tar": "w", "tar.gz": "w:gz", "tgz": "w:gz", "tar.xz": "w:xz"}
ENDINGS = ["zip", *TARS]


def pack(archive: Path, files: dict[str, bytes] = FILES) -> Path:
    """An honest archive of the kind that the name says."""
    ending = archive.name.split(".", 1)[1]
    if ending == "zip":
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as z:
            for name, content in files.items():
                z.writestr(name, content)
        return archive
    with tarfile.open(archive, TARS[ending]) as t:  # type: ignore[call-overload]
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            t.addfile(info, io.BytesIO(content))
    return archive


def tree(root: Path) -> dict[str, bytes]:
    """Every file below, by its path."""
    files = (p for p in root.rglob("*") if p.is_file())
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in files}


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("progress", [True, False])
def test_unpacks_as_the_archives_own_folder(
    tmp_path: Path,
    ending: str,
    progress: bool,
    capsys: pytest.CaptureFixture[str],
) -> None:
    archive = pack(tmp_path / f"s.{ending}")
    home = archives.unpack(archive, tmp_path / "data", progress=progress)
    assert home == tmp_path / "data" / "Set"
    assert tree(tmp_path / "data") == FILES
    shown = capsys.readouterr().err  # nobody watches: one line, at the end
    all_of_it = rf"s\.{re.escape(ending)}: (\S+)/\1 in \d\d:\d\d\n"
    assert re.fullmatch(all_of_it if progress else "", shown)


@pytest.mark.parametrize("ending", ENDINGS)
def test_several_top_folders_get_the_archives_name(tmp_path: Path, ending: str) -> None:
    files = {"train/a.jpg": b"a", "test/b.jpg": b"b", "list_train.txt": b"c"}
    extra = {"__MACOSX/train/._a.jpg": b"?", "train/.DS_Store": b"?"}
    archive = pack(tmp_path / f"MSMT17_V1.{ending}", files | extra)
    home = archives.unpack(archive, tmp_path / "data", progress=False)
    assert home.name == "MSMT17_V1" and tree(home) == files


@pytest.mark.parametrize("ending", ["zip", "tar.gz"])
def test_never_overwrites(tmp_path: Path, ending: str) -> None:
    archive = pack(tmp_path / f"s.{ending}")
    archives.unpack(archive, tmp_path / "data", progress=False)
    (tmp_path / "data" / "Set" / "mine.txt").write_bytes(b"mine")
    before = tree(tmp_path)
    with pytest.raises(DatasetError, match=r"Set is there already and is left as it"):
        archives.unpack(archive, tmp_path / "data", progress=False)
    assert tree(tmp_path) == before
    assert [p.name for p in (tmp_path / "data").iterdir()] == ["Set"]


def link(kind: bytes, name: str, target: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


@pytest.mark.parametrize(
    ("kind", "target"),
    [
        (tarfile.SYMTYPE, "../query/0001_c1.jpg"),
        (tarfile.LNKTYPE, "Set/query/0001_c1.jpg"),
    ],
)
def test_link_to_a_file_of_the_archive_becomes_a_copy(
    tmp_path: Path, kind: bytes, target: str
) -> None:
    archive = tmp_path / "s.tar"
    with tarfile.open(archive, "w") as t:
        t.addfile(link(kind, "Set/alias/x.jpg", target))
        info = tarfile.TarInfo("Set/query/0001_c1.jpg")
        info.size = 5
        t.addfile(info, io.BytesIO(b"first"))
    home = archives.unpack(archive, tmp_path / "data", progress=False)
    assert (home / "alias" / "x.jpg").read_bytes() == b"first"
    assert not (home / "alias" / "x.jpg").is_symlink()


@pytest.mark.parametrize("ending", ENDINGS)
def test_names_as_other_programs_write_them(tmp_path: Path, ending: str) -> None:
    archive = tmp_path / f"s.{ending}"
    names = ["./Set/a.jpg", "Set\\query\\b.jpg", "Set//c.jpg"]
    if ending == "zip":
        with zipfile.ZipFile(archive, "w") as z:
            for name in names:
                info = zipfile.ZipInfo()
                info.filename = name  # ZipInfo(name) itself would tidy it up
                z.writestr(info, name)
    else:
        pack(archive, {name: name.encode() for name in names})
    home = archives.unpack(archive, tmp_path / "data", progress=False)
    assert home.name == "Set"
    wanted = zip(["a.jpg", "query/b.jpg", "c.jpg"], names, strict=True)
    assert tree(home) == {path: name.encode() for path, name in wanted}


def test_a_python_without_the_data_filter_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(tarfile, "data_filter")
    archive = pack(tmp_path / "s.tar.gz")
    with pytest.raises(DatasetError, match=r"since 3\.11\.4; use a newer Python"):
        archives.unpack(archive, tmp_path / "data", progress=False)
    assert not tree(tmp_path / "data")
    assert archives.unpack(pack(tmp_path / "s.zip"), tmp_path / "data").is_dir()


def evil_tar(*members: tarfile.TarInfo) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        archive = folder / "evil.tar.gz"
        with tarfile.open(archive, "w:gz") as t:
            good = tarfile.TarInfo("Set/good.jpg")
            good.size = 4
            t.addfile(good, io.BytesIO(b"good"))
            for m in members:
                m.size = 4 if m.isreg() else 0
                t.addfile(m, io.BytesIO(b"evil"))
        return archive

    return write


def evil_zip(name: str, content: bytes = b"evil", mode: int = 0) -> Callable:
    def write(folder: Path) -> Path:
        archive = folder / "evil.zip"
        with zipfile.ZipFile(archive, "w") as z:
            z.writestr("Set/good.jpg", b"good")
            info = zipfile.ZipInfo("placeholder")
            info.filename = name  # ZipInfo() itself would tidy it up
            info.external_attr = mode << 16
            z.writestr(info, content)
        return archive

    return write


file, sym, hard = tarfile.TarInfo, tarfile.SYMTYPE, tarfile.LNKTYPE
EVIL: list[tuple[str, Callable[[Path], Path], str]] = [
    ("tar ..", evil_tar(file("../evil")), "'../evil' leads out of the folder"),
    ("tar a/../..", evil_tar(file("a/../../evil")), "'a/../../evil' leads out"),
    ("tar absolute", evil_tar(file("/tmp/evil")), "'/tmp/evil' has an absolute path"),
    ("tar C:", evil_tar(file("C:/evil")), "'C:/evil' has an absolute path"),
    ("tar ..\\", evil_tar(file("..\\evil")), "leads out of the folder"),
    ("zip ..", evil_zip("../evil"), "'../evil' leads out of the folder"),
    ("zip absolute", evil_zip("/tmp/evil"), "'/tmp/evil' has an absolute path"),
    ("zip \\\\host", evil_zip("\\\\host\\evil"), "has an absolute path"),
    ("symlink ..", evil_tar(link(sym, "Set/l", "../../x")), "'Set/l' is a link to"),
    ("symlink /", evil_tar(link(sym, "Set/l", "/etc/passwd")), "outside the archive"),
    ("hard link", evil_tar(link(hard, "Set/l", "../x")), "outside the archive"),
    (
        "through a link",
        evil_tar(link(sym, "Set/l", ".."), file("Set/l/evil")),
        "'Set/l' links to '', which is no file",
    ),
    (
        "dangling link",
        evil_tar(link(sym, "Set/l", "no")),
        "links to 'Set/no', which is",
    ),
    (
        "zip symlink",
        evil_zip("Set/l", b"/etc/passwd", stat.S_IFLNK),
        "outside the arch",
    ),
    ("zip pipe", evil_zip("Set/p", b"", stat.S_IFIFO), "'Set/p' is a device or pipe"),
    ("device", evil_tar(link(tarfile.CHRTYPE, "Set/d", "")), "'Set/d' is a device"),
    ("pipe", evil_tar(link(tarfile.FIFOTYPE, "Set/p", "")), "'Set/p' is a device"),
    ("file as folder", evil_tar(file("Set/good.jpg/x")), "cannot be unpacked below"),
]


@pytest.mark.parametrize(
    ("write", "said"), [e[1:] for e in EVIL], ids=[e[0] for e in EVIL]
)
def test_evil_archives_write_nothing(
    tmp_path: Path, write: Callable[[Path], Path], said: str
) -> None:
    (tmp_path / "in").mkdir()
    archive = write(tmp_path / "in")
    before = tree(tmp_path)
    with pytest.raises(DatasetError) as e:
        archives.unpack(archive, tmp_path / "a" / "data", progress=False)
    assert said in str(e.value) and str(archive) in str(e.value)
    assert tree(tmp_path) == before
    assert not list((tmp_path / "a" / "data").iterdir())


# --- damaged ------------------------------------------------------------------------


def noisy(folder: Path, ending: str) -> Path:
    content = np.random.default_rng(0).bytes(20_000)
    return pack(folder / f"s.{ending}", {"Set/a.bin": content, "Set/b.bin": content})


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.6, 0.75])
def test_truncated(tmp_path: Path, ending: str, share: float) -> None:
    whole = noisy(tmp_path, ending)
    whole.write_bytes(whole.read_bytes()[: int(share * whole.stat().st_size)])
    with pytest.raises(DatasetError, match=r"cut short"):
        archives.unpack(whole, tmp_path / "data", progress=False)
    assert not tree(tmp_path / "data")


@settings(max_examples=60)
@given(st.sampled_from(["zip", "tar", "tar.gz"]), st.integers(0, 30_000))
def test_cut_anywhere_it_is_refused_or_whole(
    tmp_path_factory: pytest.TempPathFactory, ending: str, at: int
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    archive = pack(folder / f"s.{ending}", FILES)
    archive.write_bytes(archive.read_bytes()[:at])
    try:
        archives.unpack(archive, folder / "data", progress=False)
    except DatasetError:
        assert not tree(folder / "data")
    else:
        assert tree(folder / "data") == FILES


@pytest.mark.parametrize("ending", ["zip", "tar.gz", "tar.xz"])
def test_flipped_bytes(tmp_path: Path, ending: str) -> None:
    archive = noisy(tmp_path, ending)
    content = bytearray(archive.read_bytes())
    content[10_000:10_050] = bytes(x ^ 0x55 for x in content[10_000:10_050])
    archive.write_bytes(content)
    with pytest.raises(DatasetError, match=r"is damaged or was cut short"):
        archives.unpack(archive, tmp_path / "data", progress=False)
    assert not tree(tmp_path / "data")


def test_what_is_no_archive(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"no archive .*none\.zip"):
        archives.unpack(tmp_path / "none.zip", tmp_path)
    rar = tmp_path / "s.rar"
    rar.write_bytes(b"Rar!\x1a\x07\x01\x00" + bytes(2000))
    with pytest.raises(DatasetError, match=r"is no zip or tar archive.*\.rar and \.7z"):
        archives.unpack(rar, tmp_path)
    with pytest.raises(DatasetError, match=r"e\.zip is empty"):
        archives.unpack(pack(tmp_path / "e.zip", {}), tmp_path)


# a.txt holding b"hello\n", password "secret": Python writes no such zip itself
LOCKED = base64.b64decode(
    "UEsDBBQAAQAAAAAAIVogMDo2EgAAAAYAAAAFAAAAYS50eHTIiMK/DeOkA/QVMu+Zoyh9YnxQSwEC"
    "FAAUAAEAAAAAACFaIDA6NhIAAAAGAAAABQAAAAAAAAAAAAAAAAAAAAAAYS50eHRQSwUGAAAAAAEA"
    "AQAzAAAANQAAAAAA"
)


def test_password(tmp_path: Path) -> None:
    archive = tmp_path / "locked.zip"
    archive.write_bytes(LOCKED)
    with pytest.raises(DatasetError, match=r"protected by a password.*pass password="):
        archives.unpack(archive, tmp_path / "data", progress=False)
    with pytest.raises(DatasetError, match=r"password"):
        archives.unpack(archive, tmp_path / "data", progress=False, password="wrong")
    assert not tree(tmp_path / "data")
    home = archives.unpack(
        archive, tmp_path / "data", progress=False, password="secret"
    )
    assert tree(home) == {"a.txt": b"hello\n"}


def test_a_zip_that_python_cannot_read_names_a_program_that_can(tmp_path: Path) -> None:
    archive = pack(tmp_path / "s.zip")
    content = bytearray(archive.read_bytes())
    with zipfile.ZipFile(archive) as z:
        for at in (i.header_offset for i in z.infolist()):
            content[at + 8 : at + 10] = (9).to_bytes(2, "little")  # Deflate64
        start = z.start_dir
    for _ in FILES:
        content[start + 10 : start + 12] = (9).to_bytes(2, "little")
        start = content.find(b"PK\x01\x02", start + 4)
    archive.write_bytes(content)
    with pytest.raises(DatasetError, match=r"cannot read this kind of zip.*7-Zip"):
        archives.unpack(archive, tmp_path / "data", progress=False)
    assert not tree(tmp_path / "data")
