"""The library's messages in the words of the command line.

The library's errors and warnings speak of arguments: ``resume=False``, ``val_pids``. On
the command line they have to name options that exist there. A command's parameters are
named after the arguments that they set, so the command itself is the dictionary: an
argument that it has becomes its option. Only what is named otherwise stands in a table.
"""

from __future__ import annotations

import re
import shlex
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

from tqdm import tqdm
from typer.core import TyperGroup

from dplib import DplibError

# Options with a name of their own: the Python phrase, the parameter that a command must
# have, and the words for it.
PHRASES = (
    (r"choose another folder\b", "out", "choose another folder with --out"),
    (r"\blower lr\b", "lr", "lower --lr"),
    (r"unmatched='skip'", "skip_unmatched", "--skip-unmatched"),
    (r"data\.drop_single_images\(\)", "drop_single", "--drop-single"),
    (r"\bload\('(\w+)'\)", "data", r"--data \1"),
    (r"\bload\('(\w+)'\)", "name", r"data verify \1"),
)
# A value that belongs to an option of another name: kind= of descriptors is --features,
# while --kind is of CUHK03's boxes.
ALIASES = {("kind", v): "features" for v in ("fm", "fc", "parts")}
# name=value, `name`, or a name that can be nothing else, as it has an underscore. Words
# that are part of a path, an attribute or an option are left alone.
_ARGUMENT = re.compile(
    r"(?<![\w./\\'\"=-])(?:"
    r"(?P<name>[a-z]\w*)=(?P<value>'[^']*'|\"[^\"]*\"|…|[\w+-][\w.+-]*\w|\w)?(?!=)"
    r"|`(?P<quoted>[a-z]\w*)`"
    r"|(?P<word>[a-z]+_[a-z_]*)(?![\w./\\'\"=(-])"
    r")"
)


def translate(text: str, command: Any) -> str:
    """The text with the arguments that ``command`` has written as its options.

    Args:
        text: A message of the library.
        command: The command in which it was raised.

    Returns:
        The message; what is no argument of this command is left as it is.
    """
    known = {p.name: p for p in command.params if p.name is not None}
    options = {n: p for n, p in known.items() if p.param_type_name == "option"}
    for phrase, name, words in PHRASES:
        if name in known:
            text = re.sub(phrase, words, text)

    def replaced(m: re.Match[str]) -> str:
        name = m["name"] or m["quoted"] or m["word"]
        value = (m["value"] or "").strip("…")
        bare = value[1:-1] if value[:1] in ("'", '"') else value
        name = ALIASES.get((name, bare), name)
        option = options.get(name) or options.get(f"{name}_")
        return m[0] if option is None else _written(option, bare)

    return _ARGUMENT.sub(replaced, text)


def _written(option: Any, value: str) -> str:
    name: str = max(option.opts, key=len)
    if option.is_flag or option.secondary_opts:
        off = value == "False" and option.secondary_opts
        return str(option.secondary_opts[0] if off else name)
    if value == "None":
        value = "none"
    return f"{name} {shlex.quote(value)}" if value else name


def here(error: BaseException, *path: str) -> str:
    """The text of an error that a command prints itself.

    Args:
        error: What was raised.
        path: The command whose options it is about, such as data, verify; without it
            the one that is run.
    """
    groups = _running.get()
    if not groups:
        return str(error)
    command = groups[0].group if path else groups[-1].command()
    for name in path:
        command = command.commands[name]
    return str(error) if command is None else translate(str(error), command)


class _Run(NamedTuple):
    """A group of commands that is run, and the context that knows which of them is."""

    group: Any
    context: Any

    def command(self) -> Any:
        """The command; None while that is a group, which translates by itself."""
        name = self.context.invoked_subcommand or ""
        found = self.group.get_command(self.context, name)
        return None if isinstance(found, Group) else found


_running: ContextVar[tuple[_Run, ...]] = ContextVar("_running", default=())


class Group(TyperGroup):
    """Commands whose errors and warnings are in the words of the command line."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that ``ctx`` names; a DplibError's text is translated."""
        run = _Run(self, ctx)
        before = _running.set((*_running.get(), run))
        try:
            with _warnings_in_words(run):
                return super().invoke(ctx)
        except DplibError as e:
            if (command := run.command()) is not None:
                e.args = (translate(str(e), command),)
            raise
        finally:
            _running.reset(before)


@contextmanager
def _warnings_in_words(run: _Run) -> Iterator[None]:
    """Within the block a warning is one line, without the line of code it is from."""

    def show(message: Any, *_: Any, **__: Any) -> None:
        command = run.command()
        text = str(message) if command is None else translate(str(message), command)
        tqdm.write(f"Warning: {text}", file=sys.stderr)  # a bar stays whole

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield
