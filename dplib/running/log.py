"""What surrounds the training loop: its log, its checkpoint, and how it is watched.

``training.train`` is the loop. Here stands what a run keeps on disk (checkpoint.pt,
log.csv, TensorBoard's files), the progress bar, and what Ctrl-C does.
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dplib import DplibError, bars, files, people
from dplib.checkpoints import CheckpointError, load_state, read
from dplib.incoming import tensorfiles
from dplib.losses import LossParts
from dplib.model import DeepPerson
from dplib.presets import Preset, as_record, with_defaults
from dplib.running.rows import COLUMNS, History, Row
from dplib.running.watching import _interruptible, _tensorboard
from dplib.samples import ReIDData


@dataclass
class TrainResult:
    """What ``training.train`` returns.

    Attributes:
        model: The trained model, in eval mode.
        history: One row per iteration with the keys ``COLUMNS``. Values of an absent
            branch are NaN.
        checkpoint: The file that holds model, optimiser and history.
        interrupted: Whether the run was stopped before its end.
    """

    model: DeepPerson
    history: History
    checkpoint: Path
    interrupted: bool

    @property
    def seconds(self) -> float:
        """Total time of all iterations, including those before a resume, in seconds."""
        return float(sum(h["seconds"] for h in self.history))

    @property
    def clipped_share(self) -> float:
        """Share of iterations in which the gradient's norm was above the limit."""
        return float(np.mean([h["clipped"] for h in self.history]))


class TrainingLog:
    """History and checkpoint of one run, in its folder.

    Args:
        out: The run's folder. Nothing is written before the first ``save``.
        model: What a checkpoint saves and restores, together with the optimiser.
        optimiser: Of the model's parameters.
        preset: The run's recipe.
        data: What it trains on.
        seed: Its seed.
        weights: What was asked for as its initial weights.
    """

    def __init__(
        self,
        out: Path,
        model: DeepPerson,
        optimiser: torch.optim.Optimizer,
        preset: Preset,
        data: ReIDData,
        seed: int,
        weights: str | Path | None,
    ) -> None:
        self.out, self.path = out, out / "checkpoint.pt"
        self.model, self.optimiser, self.preset = model, optimiser, preset
        # what makes it this run and no other: a checkpoint of it agrees in all of this
        self.identity = {
            **as_record(preset),
            "data": data.name,
            "images": len(data.train),
            "seed": seed,
            "initial weights": str(preset.weights if weights == "preset" else weights),
        }
        self.data = data
        self.pids = sorted(data.labels)  # class i is pids[i]
        self.history = History()
        self._watchers: list[Callable[[Row], None]] = []
        self._warned: set[str] = set()

    @cached_property
    def people(self) -> people.Note:
        """Who is trained on, see ``people.note``; this reads their images."""
        return people.note(self.data)

    @property
    def iterations(self) -> int:
        """How many iterations are done."""
        return len(self.history)

    def result(self, *, interrupted: bool) -> TrainResult:
        """The run as it stands; the model is put into eval mode."""
        return TrainResult(self.model.eval(), self.history, self.path, interrupted)

    # --- one iteration ------------------------------------------------------------

    def add(
        self, epoch: int, lr: float, loss: LossParts, norm: Tensor, start: float
    ) -> None:
        """Append one iteration's row and show it to all who watch.

        Args:
            epoch: Number of the epoch, from 0.
            lr: Learning rate of this iteration.
            loss: The losses of its batch.
            norm: Norm of its gradient, before clipping.
            start: ``time.perf_counter()`` when it began.

        Raises:
            DplibError: The loss or the gradient is not finite.
        """
        active = None if loss.triplet is None else loss.triplet.active
        values = {
            "total": loss.total,
            "ranking": loss.ranking,
            "part": loss.part,
            "global": loss.global_,
            "active": active,
            "grad_norm": norm,
        }
        row = {"iteration": float(self.iterations), "epoch": float(epoch), "lr": lr}
        row |= {k: math.nan if v is None else v.item() for k, v in values.items()}
        if not math.isfinite(row["total"] + row["grad_norm"]):
            saved = f"; the last weights saved are in {self.path}"
            where = saved if self.path.exists() else ""
            raise DplibError(
                f"iteration {self.iterations}: loss {row['total']}, gradient norm "
                f"{row['grad_norm']}: the run diverged{where}. Train with a lower lr "
                "or a smaller clip_norm"
            )
        limit = self.preset.clip_norm
        row["clipped"] = float(limit is not None and row["grad_norm"] > limit)
        row["seconds"] = time.perf_counter() - start
        self.history.append(row)
        for watcher in self._watchers:
            watcher(row)

    def warn_if_asleep(self, per_epoch: int) -> None:
        """Warn once of a branch that two epochs of training left at ln Nc.

        Args:
            per_epoch: Iterations of an epoch; to be called at the end of one.
        """
        epochs = self.iterations // per_epoch
        if epochs < self.preset.ranking_only_epochs + 3:
            return
        chance = math.log(len(self.pids))
        for key, name in (("part", "BpI"), ("global", "BgI")):
            mean = float(np.mean([h[key] for h in self.history[-per_epoch:]]))
            if mean >= chance - 0.05 and key not in self._warned:
                self._warned.add(key)
                warnings.warn(
                    f"{name} is still at chance after epoch {epochs}: loss {mean:.2f}, "
                    f"ln Nc = {chance:.2f}. It gives the backbone nothing yet; "
                    'head="bn" wakes it sooner',
                    stacklevel=2,
                )

    # --- on disk ------------------------------------------------------------------

    def save(self) -> None:
        """Write checkpoint.pt and log.csv, each whole or not at all."""
        state = {
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "iteration": self.iterations,
            "config": json.dumps(self.model.config),
            "identity": json.dumps(self.identity),
            "history": json.dumps(self.history),
            "pids": self.pids,
            "people": json.dumps(self.people),
            "torch": str(torch.__version__),  # its own class is no plain str
        }
        # into memory first: of a full disk torch says no more than "unexpected pos"
        content = io.BytesIO()
        torch.save(state, content)
        files.write(self.path, content.getvalue())
        table = io.StringIO()
        writer = csv.DictWriter(table, COLUMNS)
        writer.writeheader()
        writer.writerows(self.history)
        files.write(self.out / "log.csv", table.getvalue())

    def restore(self) -> None:
        """Go on from the folder's checkpoint, if there is one.

        Raises:
            CheckpointError: It cannot be read, or it is of another run.
        """
        if not self.path.exists():
            return
        try:
            state = read(self.path).content
        except CheckpointError as e:
            advice = "choose another folder, or resume=False to start over"
            raise CheckpointError(f"{e}; {advice}") from e
        kept, history = self._same_run(state)
        load_state(self.model, state["model"], self.path)
        self.optimiser.load_state_dict(kept)
        self.history = history

    def check_own(self) -> None:
        """Before a run starts over: the folder may hold this run, and no other.

        The checkpoint stays until the first of the new ones takes its place. One that
        cannot be read is in nobody's way.

        Raises:
            CheckpointError: The folder holds another run, or a file of other software.
        """
        if not self.path.exists():
            return
        try:
            state = read(self.path).content
        except CheckpointError:
            return
        self._same_run(state)

    def _same_run(self, state: dict[str, Any]) -> tuple[dict[str, Any], History]:
        """The optimiser's state and the history of a checkpoint of this very run.

        Raises:
            CheckpointError: It is of another run, or of other software.
        """
        advice = f"choose another folder, or remove {self.path}"
        try:
            run = with_defaults(json.loads(state["identity"]))
            kept, history = state["optimiser"], History(json.loads(state["history"]))
        except (KeyError, TypeError, ValueError) as e:
            raise CheckpointError(
                f"checkpoint {self.path}: this is a whole file, but it was not written "
                f"by dplib: it holds {tensorfiles.describe(state)}; {advice}"
            ) from e
        differ = [
            f"{k} was {run.get(k)!r}, is {v!r}"
            for k, v in self.identity.items()
            if run.get(k) != v
        ]
        differ += self._other_people(state)
        if differ:
            raise CheckpointError(
                f"{self.path} holds another run: {'; '.join(differ)}; {advice}"
            )
        return kept, history

    def _other_people(self, state: dict[str, Any]) -> list[str]:
        """How the people of a checkpoint differ, by name: a pid may move."""
        if "people" not in state:  # of an older version
            same = state.get("pids") == self.pids
            return [] if same else ["its training pids are others"]
        noted = json.loads(state["people"])
        was, now = set(noted["trained"]), {self.data.name_of(pid) for pid in self.pids}
        if noted["set"] != self.data.people:
            return [f"its people are those of {noted['set'] or 'another folder'}"]
        groups = (("left", sorted(was - now)), ("came", sorted(now - was)))
        return [
            f"{len(names):,} people {verb}, such as {names[0]!r}"
            for verb, names in groups
            if names
        ]

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Within the block no other process trains in this folder.

        Raises:
            DplibError: Another one does, or the folder cannot be written to.
        """
        if self.path.exists() and not os.access(self.out, os.W_OK):
            yield  # nobody can train here, but a finished run can be read
            return
        made = not self.out.exists()
        with ExitStack() as stack:
            lock = self.out / "train.lock"
            try:
                # not run.lock, which a queue's runner holds meanwhile
                stack.enter_context(files.locked(lock, seconds=0))
            except files.InUseError as e:
                raise DplibError(
                    f"another training is at work in {self.out}; wait until it ends, "
                    "or choose another folder for this one (out; --out on the command "
                    "line)"
                ) from e
            files.clear(self.out)
            try:
                yield
            finally:
                if not self.path.exists():  # ended before its first epoch: no trace
                    with suppress(OSError):  # Windows holds on to an open file
                        lock.unlink()
                        if made:
                            self.out.rmdir()

    # --- who watches --------------------------------------------------------------

    @contextmanager
    def watched(self, total: int, *, progress: bool) -> Iterator[threading.Event]:
        """Within the block rows reach the bar and TensorBoard; Ctrl-C sets the event.

        Args:
            total: Iterations of the whole run.
            progress: Whether to show a bar.
        """
        begun = self.iterations
        bar = bars.bar(
            total=total,
            initial=begun,
            desc="training",
            disable=not progress,
        )

        def show(row: Row) -> None:
            bar.set_postfix_str(self.describe(row), refresh=False)
            bar.update()
            if self.iterations == begun + 1:
                bar.refresh()  # a first line at once, that a log shows it began

        files.check_writable(self.path)
        with bar, _interruptible() as stop, _tensorboard(self) as board:
            self._watchers = [show, board]
            try:
                yield stop
            finally:
                self._watchers = []

    def describe(self, row: Row) -> str:
        """The losses of an iteration, beside what guessing would give, ln Nc."""
        names = {"ranking": "BtR", "part": "BpI", "global": "BgI"}
        text = [
            f"{short} {row[k]:.2f}"
            for k, short in names.items()
            if not math.isnan(row[k])
        ]
        return f"{' '.join(text)} | chance {math.log(len(self.pids)):.2f}"
