"""Standard output that takes every character, and survives a reader that leaves."""

from __future__ import annotations

import codecs
import errno
import io
import os
import sys
from typing import Any, TextIO

# What a legacy code page lacks of the signs that the commands print; they must stay
# different from each other. Anything else is written as its code point.
SIGNS = {
    "✓": "+", "✗": "x", "·": ".", "→": "->", "↓": "v", "±": "+/-", "–": "-", "—": "-",
    "…": "...", "≤": "<=", "≥": ">=", "×": "x", "λ": "lambda", "⌊": "floor(", "⌋": ")",
    "█": "#",
}  # fmt: skip


def _in_signs(error: UnicodeError) -> tuple[str | bytes, int]:
    """The handler of errors ``dplib``: a stand-in for what cannot be encoded."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    missing = error.object[error.start : error.end]
    plain = (SIGNS.get(c, c) for c in missing)
    return "".join(
        p if p.isascii() else p.encode("ascii", "backslashreplace").decode()
        for p in plain
    ), error.end


codecs.register_error("dplib", _in_signs)


class _Pipe(io.FileIO):
    """A pipe or file whose reader may leave: what follows goes nowhere.

    ``| head`` ends after its lines. The command goes on, writes its results and keeps
    its exit code, as it does without the pipe.
    """

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError as e:
            if e.errno not in (errno.EPIPE, errno.EINVAL):  # EINVAL: Windows
                raise
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
            return len(data)


def make_safe() -> None:
    """Let standard output and error take every character and lose their reader."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not None and stream is getattr(sys, f"__{name}__"):
            setattr(sys, name, _safe(stream))


def _safe(stream: TextIO) -> TextIO:
    assert isinstance(stream, io.TextIOWrapper)
    if stream.isatty():
        stream.reconfigure(errors="dplib")
        return stream
    stream.flush()
    return io.TextIOWrapper(
        io.BufferedWriter(_Pipe(stream.fileno(), "wb", closefd=False)),
        encoding=stream.encoding,
        errors="dplib",
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )
