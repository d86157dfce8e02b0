"""How a run is watched and stopped: Ctrl-C at the end of a batch, TensorBoard."""

from __future__ import annotations

import math
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from dplib import bars, files
from dplib.running.rows import COLUMNS, Row


@contextmanager
def _interruptible() -> Iterator[threading.Event]:
    """Within the block SIGINT sets the event; a second one raises as usual."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop  # signals reach the main thread only
        return

    def ask(signum: int, frame: Any) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        bars.say("stopping after this batch; once more to stop at once")

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _tensorboard(log: Any) -> Iterator[Callable[[Row], None]]:
    """A function that logs one row, where TensorBoard is installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        yield lambda row: None
        return
    folder = log.out / "tensorboard"
    try:
        writer = SummaryWriter(str(folder), purge_step=log.iterations)
    except OSError as e:
        raise files.not_written(folder, e) from e
    failed = False

    def attempt(work: Callable[[], None]) -> None:
        nonlocal failed
        if failed:
            return
        try:
            work()
        except OSError as e:  # its files are a convenience: the run goes on
            failed = True
            bars.say(f"{files.not_written(folder, e)}; the run goes on without them")

    def write(row: Row) -> None:
        for key in COLUMNS[2:]:
            if not math.isnan(row[key]):
                value, step = row[key], int(row["iteration"])
                attempt(partial(writer.add_scalar, key, value, step))

    try:
        yield write
    finally:
        attempt(writer.close)
