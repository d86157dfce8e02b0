"""Files are written whole or not at all; a lock keeps processes apart."""

import errno
import multiprocessing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dplib import DplibError, files


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def test_write_makes_folders_and_replaces(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b.txt"
    assert files.write(path, "füße") == path
    assert path.read_bytes() == "füße".encode()
    files.write(path, b"\x00")
    assert path.read_bytes() == b"\x00" and names(path.parent) == ["b.txt"]


@pytest.mark.parametrize("error", [RuntimeError("broken"), KeyboardInterrupt()])
def test_an_error_in_the_block_keeps_the_old_file(
    tmp_path: Path, error: BaseException
) -> None:
    path = files.write(tmp_path / "x", "old")
    with pytest.raises(type(error)), files.replacing(path) as part:
        part.write_text("half")
        raise error
    assert path.read_text() == "old" and names(tmp_path) == ["x"]


def test_a_full_disk_is_said_in_words_and_leaves_nothing(tmp_path: Path) -> None:
    path = files.write(tmp_path / "x", "old")
    with (
        pytest.raises(DplibError, match=r"/x: the disk is full, nothing was written"),
        files.replacing(path) as part,
    ):
        part.write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")
    assert path.read_text() == "old" and names(tmp_path) == ["x"]


def test_a_file_in_the_place_of_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DplibError, match=r"file/x\.json cannot be written \("):
        files.write(tmp_path / "file" / "x.json", "{}")
    (tmp_path / "folder").mkdir()
    with pytest.raises(DplibError, match=r"/folder cannot be written \("):
        files.write(tmp_path / "folder", "{}")
    assert names(tmp_path) == ["file", "folder"]


def test_another_files_error_is_not_ours(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), files.replacing(tmp_path / "x"):
        (tmp_path / "elsewhere").read_text()


def test_clear_removes_what_a_killed_process_left(tmp_path: Path) -> None:
    files.write(tmp_path / "x", "whole")
    with (
        pytest.raises(DplibError, match="y cannot be written"),
        files.replacing(tmp_path / "y") as part,
    ):
        part.write_text("half")
        left = part.rename(part.with_name(".y.1.tmp"))  # as if killed here
    assert names(tmp_path) == [left.name, "x"]
    files.clear(tmp_path)
    files.clear(tmp_path / "none")
    assert names(tmp_path) == ["x"]


def _hold(path: Path, held: "multiprocessing.synchronize.Event") -> None:
    with files.locked(path):
        held.set()
        multiprocessing.Event().wait(60)


def test_a_lock_ends_with_its_process(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    context = multiprocessing.get_context("spawn")
    held = context.Event()
    process = context.Process(target=_hold, args=(path, held))
    process.start()
    assert held.wait(60)
    with (
        pytest.raises(DplibError, match="lock is in use by another process"),
        files.locked(path, seconds=0.2),
    ):
        pass
    process.kill()
    process.join()
    with files.locked(path, seconds=10) as f:
        f.write(b"mine")
    assert path.read_bytes() == b"mine"


# --- names that are no text -----------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("anna/door_1.jpg", "anna/door_1.jpg"),
        ("Jürgen ☃", "Jürgen ☃"),
        ("J\udcfcrgen", r"J\xfcrgen"),
        ("back\\slash\udce4", r"back\\slash\xe4"),
        (r"not \xfc escaped", r"not \\xfc escaped"),
        (r"C:\Users\udo\x.jpg", r"C:\Users\udo\x.jpg"),  # of Windows: as it is
        ("half a pair \ud83d", r"half a pair \ud83d"),
    ],
)
def test_readable_names_can_be_written_and_restored(name: str, text: str) -> None:
    assert files.readable(name) == text
    assert files.restored(text) == name
    text.encode()


@given(
    st.text(
        st.sampled_from(["\\", "x", "u", "d", "f", "c", "0", "/", "\udcfc", "\ud800"]),
        max_size=9,
    )
)
def test_every_name_comes_back(name: str) -> None:
    files.readable(name).encode()
    assert files.restored(files.readable(name)) == name


def test_a_lock_keeps_threads_of_one_process_apart(tmp_path: Path) -> None:
    path = tmp_path / "new" / "lock"
    with files.locked(path):
        for _ in range(2):  # the refusal does not let go of the first one's lock
            with (
                pytest.raises(files.InUseError, match="is in use by another process"),
                files.locked(path, seconds=0),
            ):
                pass
        context = multiprocessing.get_context("spawn")
        held = context.Event()
        process = context.Process(target=_hold, args=(path, held))
        process.start()
        assert not held.wait(3)
        process.kill()
        process.join()
    with files.locked(path, seconds=0):
        pass


def test_a_lock_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(DplibError, match=r"file/lock cannot be written"),
        files.locked(tmp_path / "file" / "lock"),
    ):
        pass


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "the disk is full"),
        (errno.EDQUOT, "your share of the disk is used up"),
        (errno.EFBIG, "larger than the disk or a limit allows"),
    ],
)
def test_kinds_of_full_disks(tmp_path: Path, number: int, words: str) -> None:
    said = str(files.not_written(tmp_path / "x", OSError(number, "?")))
    assert words in said and f"{tmp_path / 'x'}: " in said


def test_two_writers_of_one_file_do_not_meet(tmp_path: Path) -> None:
    path = tmp_path / "x"
    with files.replacing(path) as a:
        a.write_text("first")
        with files.replacing(path) as b:
            b.write_text("second")
        assert path.read_text() == "second" and a != b
    assert path.read_text() == "first" and names(tmp_path) == ["x"]
