"""The queue of an ablation's runs (§4.3; tables 4, 6 and 7), resumable at any moment.

Each finished run adds its record to the file of records. Runs that have theirs are not
made again, and a run that was cut off goes on from its last epoch.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait as wait_for
from pathlib import Path
from typing import Any

from dplib import DplibError, descriptors, files
from dplib.evidence import records, runs
from dplib.evidence.records import Key, Record, RecordError
from dplib.evidence.runs import Run

Failed = tuple[Run, BaseException]


def remaining(queue: Sequence[Run]) -> list[Run]:
    """The runs that have no record yet; nothing is written.

    Raises:
        RecordError: A record of the same name is of another recipe or generator. The
            message names what differs.
    """
    left = []
    known: dict[Path, dict[Key, Record]] = {}
    for run in queue:
        if run.records not in known:
            read = records.read(run.records, cut=True)
            known[run.records] = {records.key_of(r): r for r in read}
        record = known[run.records].get(run.job.key)
        if record is None:
            left.append(run)
        elif differ := runs.differences(record, run):
            raise RecordError(
                f"{run.records} has {run.job.variant.name}, seed {run.job.seed}, of "
                f"another recipe: {'; '.join(differ)}; remove that line, or choose "
                "another --results"
            )
    return left


def prepare(queue: Sequence[Run]) -> None:
    """Find what the runs need, once for all: room for results, device, weights, data.

    A ToyMarket that is not there is drawn.

    Raises:
        DplibError: Something is missing; the message names it.
    """
    for path in {p for run in queue for p in (run.records, run.folder / "run.json")}:
        files.check_writable(path)
    for device in {run.device for run in queue}:
        descriptors.pick_device(device)
    # building a net reads the file of weights, or downloads what torchvision has
    starts = {(run.preset.backbone, run.weights): run for run in queue}
    for run in starts.values():
        run.preset.build_model(2, weights=run.weights or "preset")
    for run in {(run.job.data, run.root): run for run in queue}.values():
        runs.find_data(run)


def run_all(
    queue: Sequence[Run], *, workers: int = 1, progress: bool = True
) -> Generator[Record | Failed]:
    """Make the runs that are left.

    Ctrl-C ends the batches under way, saves, and ends the queue; the same call goes on
    from there.

    Args:
        queue: The runs, from ``runs.plan``.
        workers: Processes at a time, each with the number of threads of its run.
        progress: Whether to show progress bars; more than one worker shows none.

    Yields:
        Each record once it is on disk. A run that fails is yielded as (run, error) and
        the queue goes on; when a process is killed, that is so for all runs under way.

    Raises:
        DplibError: What ``remaining`` and ``prepare`` raise, before any run begins.
    """
    todo = remaining(queue)
    for path in {run.records for run in queue}:
        records.mend(path)
    prepare(todo)
    workplace = _Workplace(workers, progress and workers == 1)
    try:
        while todo or workplace.waiting:
            while todo and len(workplace.waiting) < workers:
                workplace.begin(todo.pop(0))
            for run, outcome in workplace.finished():
                if isinstance(outcome, BaseException):
                    yield run, outcome
                elif outcome is None:  # interrupted
                    todo.clear()
                else:
                    yield _keep(run, outcome)
    except KeyboardInterrupt:  # reaches the workers too: they save and come back
        todo.clear()
    finally:
        workplace.close()


def _keep(run: Run, record: Record) -> Record | Failed:
    """Write a finished run's record; the error when another runner was first."""
    pids = record.pop("pids")
    records.note_queries(run.records, run.job.data, run.job.variant.cues, pids)
    try:
        records.append(run.records, record)
    except DplibError as e:
        return run, e
    return record


# --- its processes --------------------------------------------------------------------


class _Workplace:
    """The processes that make runs; those that were killed are replaced."""

    def __init__(self, workers: int, progress: bool) -> None:
        self.workers, self.progress = workers, progress
        # with its pool, as one that broke may have been replaced since
        self.waiting: dict[Future[Record | None], tuple[Run, ProcessPoolExecutor]] = {}
        self.pool = self._new_pool()

    def begin(self, run: Run) -> None:
        """Hand a run on to a free process."""
        try:
            future = self._submit(run)
        except BrokenProcessPool:  # an idle process was killed
            self.pool = self._new_pool()
            future = self._submit(run)
        self.waiting[future] = run, self.pool

    def finished(self) -> Generator[tuple[Run, Record | BaseException | None]]:
        """Wait for the next runs to end; each with its record, its error, or None."""
        for future in wait(self.waiting, return_when=FIRST_COMPLETED).done:
            run, pool = self.waiting.pop(future)
            error = future.exception()
            if isinstance(error, BrokenProcessPool):
                if pool is self.pool:
                    pool.shutdown()  # ends its other processes, too
                    self.pool = self._new_pool()
                error = DplibError(
                    "its process, or one beside it, ended before its time (killed, or "
                    "short of memory?); the same command goes on from its last epoch"
                )
            yield run, future.result() if error is None else error

    def close(self) -> None:
        self.pool.shutdown(wait=True, cancel_futures=True)

    def _new_pool(self) -> ProcessPoolExecutor:
        context = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(
            self.workers, mp_context=context, initializer=_start_worker
        )

    def _submit(self, run: Run) -> Future[Record | None]:
        """Submit with SIGINT held back in a process that is started for this run.

        While that process imports, Ctrl-C would end it with a traceback.
        """
        if not hasattr(signal, "pthread_sigmask"):  # Windows
            return self.pool.submit(_work, run, self.progress)
        before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
        try:
            return self.pool.submit(_work, run, self.progress)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


_interrupted = threading.Event()  # in a worker: Ctrl-C came while it had no run


def _start_worker() -> None:
    """Prepare a worker process for the death of its runner and for Ctrl-C.

    It ends at once when the runner was killed, so that none is orphaned; from now on it
    notes Ctrl-C, and one that was held back.
    """
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        wait_for([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
    signal.signal(signal.SIGINT, _note_interrupt)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])


def _note_interrupt(signum: int, frame: Any) -> None:
    _interrupted.set()


def _work(run: Run, progress: bool) -> Record | None:
    """``runs.make`` in a worker: None when Ctrl-C came before it, or within it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return None if _interrupted.is_set() else runs.make(run, progress=progress)
    except KeyboardInterrupt:  # while it drew, decoded or measured: all else is saved
        return None
    finally:
        signal.signal(signal.SIGINT, _note_interrupt)
