"""The file of records: one line of JSON for each finished run.

A record holds what a run was asked to be, how it went, and what it measured for each
query. Beside the records lies one file that lists the pid of each query.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import IO, Any

from dplib import DplibError, files

Record = dict[str, Any]
Key = tuple[str, str, str, int]  # (data, cues, variant, seed): what makes a run
RESULTS = Path(__file__).parents[1] / "assets" / "results"


class RecordError(DplibError):
    """Records or a run's folder that are damaged or belong to another recipe."""


def records_file(results: Path, data: str) -> Path:
    """The file of the records of a data set.

    Args:
        results: The folder of all records.
        data: Name of the data set, such as ``"toymarket"``.
    """
    return results / f"{data}.jsonl"


def key_of(record: Record) -> Key:
    """The (data, cues, variant, seed) of a record."""
    return record["data"], record["cues"], record["variant"], record["seed"]


def read(path: str | Path, *, cut: bool = False) -> list[Record]:
    """Read the records of a file.

    Args:
        path: The file; one that is not there has no records.
        cut: Whether to pass over a last line that a kill cut short.

    Returns:
        The records in the file's order.

    Raises:
        RecordError: A line is not a record, or two lines are of the same run. The
            message names the lines.
    """
    path = Path(path)
    content = path.read_bytes() if path.exists() else b""
    return _parse(path, _whole(content) if cut else content)


def query_pids(results: str | Path, data: str, cues: str = "layout") -> list[int]:
    """The pid of each query, in the order of the records' ``ap`` and ``hits``.

    Args:
        results: The folder of all records.
        data: Name of the data set.
        cues: Where identity lies in a drawn set.

    Raises:
        RecordError: The file of query pids is missing, damaged, or lacks these cues.
    """
    path = _queries_file(Path(results), data)
    try:
        return list(json.loads(path.read_text("utf-8"))[cues])
    except (OSError, ValueError, KeyError) as e:
        raise RecordError(
            f"{path} does not name the queries of {data} ({cues}); the runner writes "
            "it: python -m dplib ablate"
        ) from e


def append(path: Path, record: Record) -> None:
    """Add a record's line; it is on disk when this returns.

    Args:
        path: The file of records; it is made when it is not there.
        record: What to add.

    Raises:
        RecordError: The file has a record of the same run already.
        DplibError: Another runner does not let go of the file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with files.locked(path) as f:
        known = {key_of(r) for r in _parse(path, _mend(f))}
        if key_of(record) in known:
            raise RecordError(
                f"{path} has {record['variant']}, seed {record['seed']} already: "
                "another runner has made the same run; one at a time is enough"
            )
        f.write((json.dumps(record, separators=(",", ":")) + "\n").encode())
        f.flush()
        os.fsync(f.fileno())


def note_queries(path: Path, data: str, cues: str, pids: list[int]) -> None:
    """Note beside a file of records which person each query shows.

    Args:
        path: The file of records.
        data: Name of the data set.
        cues: Where identity lies in a drawn set.
        pids: The pid of each query.

    Raises:
        RecordError: Other queries have been noted for the same data.
        DplibError: Another runner does not let go of the records.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    queries = _queries_file(path.parent, data)
    with files.locked(path):
        noted = json.loads(queries.read_text("utf-8")) if queries.exists() else {}
        if noted.get(cues, pids) != pids:
            raise RecordError(
                f"{queries} lists other queries for {cues} than this data set has; its "
                "records are of another set: choose another --results"
            )
        if cues not in noted:
            noted[cues] = pids
            files.write(queries, json.dumps(noted, separators=(",", ":")) + "\n")


def mend(path: Path) -> None:
    """Make a file of records end with a whole line.

    A last line that a kill cut short is dropped, because the result of its run is still
    on disk. A last line that only lacks its newline, as editors leave it, gets one.

    Args:
        path: The file of records; one that is not there is left alone.
    """
    if path.exists() and _whole(content := path.read_bytes()) != content:
        with files.locked(path) as f:
            _mend(f)


def _parse(path: Path, content: bytes) -> list[Record]:
    """The records of a file's content; errors name the line."""
    first_lines: dict[Key, int] = {}
    records = []
    lines = content.removesuffix(b"\n").split(b"\n") if content else []
    for number, line in enumerate(lines, 1):
        try:
            record = json.loads(line)
            key = key_of(record)
        except (ValueError, KeyError, TypeError) as e:
            raise RecordError(
                f"{path}, line {number} of {len(lines)} is no record; remove that "
                "line, its run is then made again"
            ) from e
        first = first_lines.setdefault(key, number)
        if first != number:
            _, cues, variant, seed = key
            raise RecordError(
                f"{path}, lines {first} and {number} are both of {variant}, cues "
                f"{cues}, seed {seed}; remove one of them"
            )
        records.append(record)
    return records


def _whole(content: bytes) -> bytes:
    """The content of a file of records with its end mended, see ``mend``."""
    if not content or content.endswith(b"\n"):
        return content
    start = content.rfind(b"\n") + 1
    try:
        json.loads(content[start:])
    except ValueError:
        if content.startswith(b"{", start):  # as ``append`` begins a line
            return content[:start]
    return content + b"\n"


def _mend(f: IO[bytes]) -> bytes:
    """Mend the end of an open file of records; returns its content."""
    f.seek(0)
    content = f.read()
    whole = _whole(content)
    if len(whole) < len(content):
        f.truncate(len(whole))
    f.write(whole[len(content) :])
    return whole


def _queries_file(results: Path, data: str) -> Path:
    return results / f"{data}-queries.json"
