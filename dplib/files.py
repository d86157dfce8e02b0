"""Files that are written whole or not at all, and a lock between processes."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from dplib import DplibError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl


class InUseError(DplibError):
    """A file that another process has locked."""


# what stands for a full disk, by the system's number
_FULL = {
    getattr(errno, "EDQUOT", -1): "your share of the disk is used up",
    errno.EFBIG: "the file would be larger than the disk or a limit allows",
    errno.ENOSPC: "the disk is full",
}


@contextlib.contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A temporary name beside ``path`` that takes its place when all went well.

    A reader of ``path`` sees the old content or the new one, never a part of it.
    Folders above it are made; whatever happens, no temporary file is left.

    Args:
        path: The file to write. The block writes to the name that it is given.

    Yields:
        The temporary name, in the same folder.

    Raises:
        DplibError: The file cannot be written. The message names it and the reason.
    """
    path = Path(path)
    # a name of its own for each time, as two may write the same file at once
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        part.replace(path)
    except OSError as e:
        # the block may read as well: only what concerns these two names is ours
        if e.filename is not None and Path(os.fsdecode(e.filename)) not in {
            part,
            path,
            *path.parents,
        }:
            raise
        raise not_written(path, e) from e
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def write(path: str | Path, content: str | bytes) -> Path:
    """Write ``content`` (text as UTF-8) to ``path``, whole or not at all.

    Raises:
        DplibError: The file cannot be written, see ``replacing``.
    """
    path = Path(path)
    data = content.encode() if isinstance(content, str) else content
    with replacing(path) as part:
        part.write_bytes(data)
    return path


def check_writable(path: str | Path, *, folder: bool = False) -> None:
    """Find out whether ``path`` could be written, before the work whose result it is.

    Nothing is left behind: the trial is a nameless file in the nearest folder.

    Args:
        path: Where something will be written.
        folder: Whether that is a folder of files; else it is one file.

    Raises:
        DplibError: It cannot; the message names ``path`` and the reason.
    """
    path = Path(path)
    if path.exists() and path.is_dir() != folder:
        kind, other = ("file", "folder") if folder else ("folder", "file")
        raise DplibError(f"{path} is a {kind}; give the name of a {other}")
    try:
        nearest = next(p for p in (path, *path.absolute().parents) if p.exists())
        with tempfile.TemporaryFile(
            dir=path.parent if path.is_file() else nearest
        ) as f:
            f.write(b"-")
    except OSError as e:
        raise not_written(path, e) from e


def clear(folder: Path) -> None:
    """Remove what killed processes left of the files they were writing to ``folder``.

    Only for a folder that no other process writes to.
    """
    for part in folder.glob(".*.tmp"):
        part.unlink(missing_ok=True)


def not_written(path: Path, error: OSError) -> DplibError:
    """The error to raise when ``path`` could not be written, in the user's words."""
    if error.errno in _FULL:
        return DplibError(
            f"{path}: {_FULL[error.errno]}, nothing was written. Free some space, or "
            "choose a folder on another disk"
        )
    reason = error.strerror or str(error) or type(error).__name__
    return DplibError(
        f"{path} cannot be written ({reason}). Check that the folder exists and may "
        "be written to, or choose another one"
    )


@contextlib.contextmanager
def locked(path: Path, seconds: float = 10) -> Iterator[IO[bytes]]:
    """The file, open for reading and appending, for this process alone.

    The lock is the system's own: it ends with its process, however that ends, so that
    none is left behind.

    Args:
        path: The file; it is made when it is not there.
        seconds: How long to wait for another process.

    Raises:
        InUseError: Another process, or a thread of this one, still has the lock after
            that time.
        DplibError: The file cannot be made.
    """
    key = os.path.realpath(path)
    end = time.monotonic() + seconds
    # Threads of this process first: the system's lock does not keep them apart, and a
    # second handle of the file that is closed would let go of it.
    _wait(lambda: _claim(key), path, end)
    try:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            f = path.open("a+b")
        except OSError as e:
            raise not_written(path, e) from e
        with f:
            _wait(lambda: _lock(f.fileno()), path, end)
            yield f
    finally:
        _claimed.discard(key)


_claimed: set[str] = set()
_claiming = threading.Lock()


def _claim(key: str) -> bool:
    with _claiming:
        free = key not in _claimed
        _claimed.add(key)
        return free


def _wait(free: Callable[[], bool], path: Path, end: float) -> None:
    """Wait until it is free.

    Raises:
        InUseError: It is not by then.
    """
    while not free():
        if time.monotonic() >= end:
            raise InUseError(
                f"{path} is in use by another process; wait until that one ends, "
                "or choose another folder for this one"
            )
        time.sleep(0.1)


# Why not filelock, which torch requires: it cannot lock the file of records itself, so
# that a .lock file stays beside each; it raises where a network folder knows no locks;
# and it locks by flock, which a forked child inherits: only recent releases close the
# child's copy, while torch accepts any.
def _lock(file: int) -> bool:
    """False when another process has the lock; it is let go when the file is closed."""
    if sys.platform == "win32":
        os.lseek(file, 1 << 30, os.SEEK_SET)  # far behind the text, which stays free
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
    else:
        try:  # lockf, as children do not inherit it: an orphan would keep it for ever
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            return False
        except OSError:
            pass  # some network folders know no locks
    return True


# --- names that are no text -----------------------------------------------------------

# Linux allows any bytes in a name, and old archives bring Latin-1; Python holds such
# bytes as lone surrogates, which no encoding writes
_ESCAPED = re.compile(r"\\\\|\\x([0-9a-f]{2})|\\u(d[89a-f][0-9a-f]{2})")


def readable(path: str | Path) -> str:
    r"""A path as text that can be written anywhere: a byte that is no UTF-8 is \xfc.

    Names that are proper text stay as they are. ``restored`` is the way back.

    >>> readable("J\udcfcrgen/1.jpg")
    'J\\xfcrgen/1.jpg'
    """
    text = str(path)
    plain = not any("\ud800" <= c <= "\udfff" for c in text)
    if plain and not re.search(r"\\(x[0-9a-f]{2}|ud[89a-f][0-9a-f]{2})", text):
        return text

    def escaped(c: str) -> str:
        if "\udc80" <= c <= "\udcff":
            return f"\\x{ord(c) - 0xDC00:02x}"
        return f"\\u{ord(c):04x}" if "\ud800" <= c <= "\udfff" else c

    return "".join(map(escaped, text.replace("\\", "\\\\")))


def restored(text: str) -> str:
    """The path that ``readable`` made this text of."""
    if not re.search(r"\\(x[0-9a-f]{2}|ud[89a-f][0-9a-f]{2})", text):
        return text

    def plain(m: re.Match[str]) -> str:
        if m[1]:
            return chr(0xDC00 + int(m[1], 16))
        return chr(int(m[2], 16)) if m[2] else "\\"

    return _ESCAPED.sub(plain, text)
