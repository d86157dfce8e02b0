"""Data sets' archives (zip, tar, tar.gz, tar.xz, tar.bz2), unpacked safely.

An archive comes from elsewhere, and the names in it are not to be trusted: a member may
be called ../../.bashrc, or be a link to somewhere else. ``zipfile`` and ``tarfile``'s
data filter keep files inside the folder that they unpack to. Three things they do
otherwise than a user needs, so these stand here:

- Both put a member with an absolute path, and ``zipfile`` one with .., somewhere else
  in silence. Such an archive is not the data set that it claims to be: it is refused.
- What a name means depends on the system. Here every system's rules hold everywhere.
- ``tarfile`` makes links, which Windows forbids to ordinary users, and ``zipfile``
  writes their targets as text. Here a link to a file of the archive becomes a copy.
"""

from __future__ import annotations

import gzip
import lzma
import os
import re
import shutil
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import NamedTuple

from tqdm import tqdm

from dplib import bars, files
from dplib.samples import DatasetError

_CHUNK = 1 << 20
_ENDINGS = re.compile(r"\.(zip|tar|tgz|txz|tbz2|tar\.(gz|xz|bz2))$", re.IGNORECASE)


class Link(NamedTuple):
    """A link of an archive: its name, where it points, and from which folder."""

    name: str
    target: str
    start: PurePosixPath


def unpack(
    archive: str | Path,
    dest: str | Path,
    *,
    progress: bool = True,
    password: str | None = None,
) -> Path:
    """Unpack an archive as one new folder.

    The folder has the name of the archive's own top folder (Market-1501's holds
    Market-1501-v15.09.15/), or of the archive where there are several. It appears when
    everything is unpacked; until then the files are in a temporary folder beside it.

    Args:
        archive: The file; its content, not its name, says which kind it is.
        dest: The folder to unpack below; it is made when it is not there.
        progress: Whether to show a progress bar.
        password: Of a locked zip file.

    Returns:
        The new folder.

    Raises:
        DatasetError: The folder is there already; a member has an absolute path or ..,
            is a device, or links out of the archive; the archive is damaged, cut short,
            of another kind, or needs a password. Nothing is left behind.
        DplibError: Nothing can be written to the folder.
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
    files.check_writable(dest, folder=True)
    try:
        dest.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(
            prefix=".unpack-", suffix=".tmp", dir=dest, ignore_cleanup_errors=True
        ) as part:
            new = Path(part).resolve() / "new"
            new.mkdir()
            bar = bars.bar(
                desc=archive.name, unit="B", unit_scale=True, disable=not progress
            )
            with _said_plainly(archive), bar:
                if zipped:
                    links = _unpack_zip(archive, new, bar, password)
                else:
                    links = _unpack_tar(archive, new, bar)
            for link in links:
                _copy_target(archive, new, link)
            return _move(archive, new, dest)
    except OSError as e:
        reason = e.strerror or e
        raise DatasetError(
            f"{archive} cannot be unpacked below {dest}: {reason}"
        ) from e


def _unpack_zip(
    archive: Path, new: Path, bar: tqdm, password: str | None
) -> list[Link]:
    """Write the files, and return the links."""
    links = []
    with zipfile.ZipFile(archive) as z:
        if password:
            z.setpassword(password.encode())
        infos = z.infolist()
        bar.reset(total=sum(i.file_size for i in infos))
        for info in infos:
            info.filename = _safe_name(archive, info.filename)
            kind = stat.S_IFMT(info.external_attr >> 16)
            if _is_macs_note(info.filename):
                pass
            elif info.is_dir() or kind in (0, stat.S_IFREG):
                z.extract(info, new)
            elif kind == stat.S_IFLNK:
                target = z.read(info).decode("utf-8", "replace")
                start = PurePosixPath(info.filename).parent
                links.append(Link(info.filename, target, start))
            else:
                raise _refusal(archive, info.filename, "is a device or pipe")
            bar.update(info.file_size)
    return links


def _unpack_tar(archive: Path, new: Path, bar: tqdm) -> list[Link]:
    """Write the files, and return the links."""
    if not hasattr(tarfile, "data_filter"):
        raise DatasetError(
            f"{archive}: Python has unpacked tar archives safely since 3.11.4; use a "
            "newer Python, or unpack it with another program"
        )
    links = []
    with archive.open("rb") as raw, tarfile.open(fileobj=raw) as tar:
        bar.reset(total=archive.stat().st_size)
        for info in tar:
            info.name = _safe_name(archive, info.name)
            if _is_macs_note(info.name):
                pass
            elif info.issym():
                start = PurePosixPath(info.name).parent
                links.append(Link(info.name, info.linkname, start))
            elif info.islnk():  # from the archive's top, not from its own folder
                links.append(Link(info.name, info.linkname, PurePosixPath()))
            else:
                try:
                    tar.extract(info, new, filter="data")
                except tarfile.SpecialFileError as e:
                    raise _refusal(archive, info.name, "is a device or pipe") from e
                except tarfile.FilterError as e:
                    raise _refusal(archive, info.name, f"is not safe ({e})") from e
            bar.update(raw.tell() - bar.n)
        # tarfile takes a header that is cut short for the end
        tar.fileobj.seek(tar.offset)
        if tar.fileobj.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            raise EOFError("it ends within a member")
        while tar.fileobj.read(_CHUNK):
            pass  # gzip and xz check their sum when they come to the end
        bar.update(raw.tell() - bar.n)
    return links


def _safe_name(archive: Path, name: str) -> str:
    """The member's name with / between its parts, as Windows' programs may not write.

    Raises:
        DatasetError: Some system would put the member outside of the folder.
    """
    path = PureWindowsPath(name)  # knows / and \, drives and hosts
    if path.anchor:
        raise _refusal(archive, name, "has an absolute path")
    if ".." in path.parts or "\0" in name:
        raise _refusal(archive, name, "leads out of the folder")
    return name.replace("\\", "/")


def _is_macs_note(name: str) -> bool:
    """Whether macOS added the member, which is none of the data set's files."""
    parts = PurePosixPath(name).parts
    return parts[:1] == ("__MACOSX",) or parts[-1:] == (".DS_Store",)


def _copy_target(archive: Path, new: Path, link: Link) -> None:
    """Put a copy of what the link points at in the link's place."""
    # no link was made, so that .. is what it says and needs no look at the disk
    source = Path(os.path.normpath(new / link.start / link.target.replace("\\", "/")))
    if not source.is_relative_to(new):
        said = f"is a link to {link.target!r}, outside the archive"
        raise _refusal(archive, link.name, said)
    if not source.is_file():
        inside = "/".join(source.relative_to(new).parts)
        raise DatasetError(
            f"{archive}: {link.name!r} links to {inside!r}, which is no file of the "
            "archive; unpack it by hand if you trust it"
        )
    path = new / link.name
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, path)


def _move(archive: Path, new: Path, dest: Path) -> Path:
    """Rename the archive's one top folder, or all of it, into ``dest``."""
    tops = list(new.iterdir())
    if not tops:
        raise DatasetError(f"{archive} is empty")
    one = len(tops) == 1 and tops[0].is_dir()
    stem = _ENDINGS.sub("", archive.name) or archive.name
    source, name = (tops[0], tops[0].name) if one else (new, stem)
    home = dest / name
    if home.exists() or home.is_symlink():
        raise DatasetError(
            f"{home} is there already and is left as it is; move it away, or unpack "
            "into another folder"
        )
    source.rename(home)
    return home


# --- what can go wrong --------------------------------------------------------------


def _is_tar(archive: Path) -> bool:
    try:
        return tarfile.is_tarfile(archive)
    except (EOFError, lzma.LZMAError, zlib.error, OSError):
        return False


def _refusal(archive: Path, name: str, said: str) -> DatasetError:
    return DatasetError(
        f"{archive}: {name!r} {said}; nothing was unpacked. Get the archive from a "
        "source you trust"
    )


@contextmanager
def _said_plainly(archive: Path) -> Iterator[None]:
    """Turn the many errors of the readers into a DatasetError."""
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
        if "password required" in str(e):
            raise DatasetError(
                f"{archive} is protected by a password, which its authors send with "
                "it; pass password="
            ) from e
        if "password" not in str(e):
            raise
        raise DatasetError(f"{archive}: the password is wrong") from e
