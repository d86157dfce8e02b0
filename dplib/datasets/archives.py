"""Data sets' archives (zip, tar, tar.gz, tar.xz, tar.bz2), unpacked safely.

An archive comes from elsewhere and its names are not to be trusted: a member may call
itself ../../.bashrc or be a link to somewhere else. Nothing is written outside the new
folder, and no link is ever made: a link to a file of the archive becomes a copy of it.
"""

from __future__ import annotations

import gzip
import lzma
import re
import shutil
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

from tqdm import tqdm

from dplib import bars
from dplib.samples import DatasetError

_CHUNK = 1 << 20
_ENDINGS = re.compile(r"\.(zip|tar|tgz|txz|tbz2|tar\.(gz|xz|bz2))$", re.IGNORECASE)


class Member(NamedTuple):
    """One entry: its path as parts, and its content or the path it links to."""

    name: str
    parts: tuple[str, ...]
    content: IO[bytes] | None  # None: a folder, or a link
    target: tuple[str, ...] | None = None


def unpack(
    archive: str | Path,
    dest: str | Path,
    *,
    progress: bool = True,
    password: str | None = None,
) -> Path:
    """Unpack ``archive`` as one new folder below ``dest``, and return that folder.

    It has the name of the archive's own top folder (Market-1501's holds
    Market-1501-v15.09.15/), or of the archive where there are several. It appears when
    everything is unpacked; until then the files are in a temporary folder beside it.
    ``password`` is for zip files.

    Raises DatasetError, and leaves nothing behind, when the folder is there already;
    when a member has an absolute path or .., is a device, or links out of the archive;
    when the archive is damaged, cut short, of another kind, or needs a password.
    """
    archive, dest = Path(archive), Path(dest)
    if not archive.is_file():
        raise DatasetError(f"no archive {archive}")
    zipped = zipfile.is_zipfile(archive)
    if not zipped and not _is_tar(archive):
        raise DatasetError(
            f"{archive} is no zip or tar archive, or its download was cut short; get "
            "it again (for .rar and .7z use their own programs)"
        )
    try:
        dest.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(
            prefix=".unpack-", suffix=".tmp", dir=dest, ignore_cleanup_errors=True
        ) as part:
            new = Path(part) / "new"
            new.mkdir()
            read = _zip_members if zipped else _tar_members
            with _said_plainly(archive), _progress(archive, progress) as bar:
                _write(archive, read(archive, password, bar), new)
            return _move(archive, new, dest)
    except OSError as e:
        raise DatasetError(f"{archive} cannot be unpacked below {dest}: {e}") from e


def _move(archive: Path, new: Path, dest: Path) -> Path:
    """Rename the archive's one top folder, or all of it, into ``dest``."""
    tops = list(new.iterdir())
    if not tops:
        raise DatasetError(f"{archive} is empty")
    one = len(tops) == 1 and tops[0].is_dir()
    source, name = (tops[0], tops[0].name) if one else (new, _stem(archive))
    home = dest / name
    if home.exists() or home.is_symlink():
        raise DatasetError(
            f"{home} is there already and is left as it is; move it away, or unpack "
            "into another folder"
        )
    source.rename(home)
    return home


def _stem(archive: Path) -> str:
    return _ENDINGS.sub("", archive.name) or archive.name


def _write(archive: Path, members: Iterator[Member], new: Path) -> None:
    links: list[Member] = []
    for m in members:
        if m.parts[:1] == ("__MACOSX",) or m.parts[-1:] == (".DS_Store",):
            continue  # a Mac's own notes
        path = new.joinpath(*m.parts)
        if m.target is not None:
            links.append(m)
        elif m.content is None:
            path.mkdir(parents=True, exist_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as f:
                shutil.copyfileobj(m.content, f, _CHUNK)
    for m in links:
        source = new.joinpath(*m.target or ())
        if not source.is_file():
            raise DatasetError(
                f"{archive}: {m.name!r} links to {'/'.join(m.target or ())!r}, which "
                "is no file of the archive; unpack it by hand if you trust it"
            )
        path = new.joinpath(*m.parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, path)


# --- members, with their names judged -----------------------------------------------


def _zip_members(archive: Path, password: str | None, bar: tqdm) -> Iterator[Member]:
    with zipfile.ZipFile(archive) as z:
        if password is not None:
            z.setpassword(password.encode())
        infos = z.infolist()
        bar.reset(total=sum(i.file_size for i in infos))
        for info in infos:
            parts = _safe(archive, info.filename)
            mode = info.external_attr >> 16
            if info.is_dir():
                yield Member(info.filename, parts, None)
                continue
            if info.flag_bits & 1 and password is None:
                raise DatasetError(
                    f"{archive} is protected by a password, which its authors send "
                    "with it; pass password="
                )
            if stat.S_ISLNK(mode):
                target = _target(
                    archive,
                    info.filename,
                    z.read(info).decode("utf-8", "replace"),
                    parts,
                )
                yield Member(info.filename, parts, None, target)
            elif stat.S_IFMT(mode) not in (0, stat.S_IFREG):
                raise _device(archive, info.filename)
            else:
                with z.open(info) as content:
                    yield Member(info.filename, parts, content)
            bar.update(info.file_size)


def _tar_members(archive: Path, password: str | None, bar: tqdm) -> Iterator[Member]:
    with archive.open("rb") as raw, tarfile.open(fileobj=raw) as tar:
        bar.reset(total=archive.stat().st_size)
        for info in tar:
            parts = _safe(archive, info.name)
            if info.isdir():
                yield Member(info.name, parts, None)
            elif info.issym():
                target = _target(archive, info.name, info.linkname, parts)
                yield Member(info.name, parts, None, target)
            elif info.islnk():  # from the archive's top, not from its own place
                target = _target(archive, info.name, info.linkname, ())
                yield Member(info.name, parts, None, target)
            elif info.isreg():
                yield Member(info.name, parts, tar.extractfile(info))
            else:
                raise _device(archive, info.name)
            bar.update(raw.tell() - bar.n)
        # tarfile takes a header that is cut short for the end
        tar.fileobj.seek(tar.offset)
        if tar.fileobj.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            raise EOFError("it ends within a member")
        while tar.fileobj.read(_CHUNK):
            pass  # gzip and xz check their sum when they come to the end
        bar.update(raw.tell() - bar.n)


def _safe(archive: Path, name: str) -> tuple[str, ...]:
    """The parts of a member's path, or DatasetError: every system's rules at once."""
    plain = name.replace("\\", "/")
    if plain.startswith("/") or re.match(r"[A-Za-z]:", plain):
        raise DatasetError(
            f"{archive}: {name!r} has an absolute path; nothing was unpacked. Get the "
            "archive from a source you trust"
        )
    parts = tuple(p for p in plain.split("/") if p not in ("", "."))
    if ".." in parts or "\0" in plain:
        raise DatasetError(
            f"{archive}: {name!r} leads out of the folder; nothing was unpacked. Get "
            "the archive from a source you trust"
        )
    return parts


def _target(
    archive: Path, name: str, link: str, place: tuple[str, ...]
) -> tuple[str, ...]:
    """Where a link at ``place`` leads, as parts from the archive's top."""
    plain = link.replace("\\", "/")
    at = list(place[:-1])
    outside = plain.startswith("/") or bool(re.match(r"[A-Za-z]:", plain))
    for p in plain.split("/"):
        if p == "..":
            outside |= not at
            at = at[:-1]
        elif p not in ("", "."):
            at.append(p)
    if outside:
        raise DatasetError(
            f"{archive}: {name!r} is a link to {link!r}, outside the archive; nothing "
            "was unpacked. Get the archive from a source you trust"
        )
    return tuple(at)


def _device(archive: Path, name: str) -> DatasetError:
    return DatasetError(
        f"{archive}: {name!r} is a device or pipe, not a file; nothing was unpacked. "
        "Get the archive from a source you trust"
    )


# --- what can go wrong --------------------------------------------------------------


def _is_tar(archive: Path) -> bool:
    try:
        return tarfile.is_tarfile(archive)
    except (EOFError, lzma.LZMAError, zlib.error, OSError):
        return False


@contextmanager
def _said_plainly(archive: Path) -> Iterator[None]:
    """The many ways in which the readers fail, as DatasetError."""
    try:
        yield
    except (
        zipfile.BadZipFile,
        tarfile.TarError,
        gzip.BadGzipFile,
        zlib.error,
        lzma.LZMAError,
        EOFError,
    ) as e:
        raise DatasetError(
            f"{archive} is damaged or was cut short ({e}); nothing was unpacked. Get "
            "it again (with a password: it may be a wrong one)"
        ) from e
    except NotImplementedError as e:  # AES, Deflate64
        raise DatasetError(
            f"{archive}: Python cannot read this kind of zip ({e}); unpack it with "
            "7-Zip"
        ) from e
    except RuntimeError as e:
        if "password" not in str(e):
            raise
        raise DatasetError(f"{archive}: the password is wrong") from e


@contextmanager
def _progress(archive: Path, show: bool) -> Iterator[tqdm]:
    with bars.bar(
        desc=archive.name, unit="B", unit_scale=True, disable=not show, total=0
    ) as bar:
        yield bar
