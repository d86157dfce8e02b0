"""Print how many small mutants of each exercise's solution its check refuses.

    python tools/try_mutants.py            # all exercises
    python tools/try_mutants.py 3.1 4      # one exercise, the exercises of one lesson
    python tools/try_mutants.py 3.1 -v     # and each mutant, with what the check says

Changing are those that give another result for one of the random inputs of
``tests/inputs``. All of them have to be refused, and none of the others. Exits 1
otherwise, as ``tests/test_mutants.py`` fails.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import torch

sys.path[:0] = [str(Path(__file__).parents[1] / name) for name in ("", "tests")]

from answers import Trial, built, trials


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("which", nargs="*", help="exercises (3.1) or lessons (3)")
    parser.add_argument("-v", action="store_true", help="show every mutant")
    given = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{'exercise':<10}{'mutants':>8}{'changing':>10}{'refused':>9}{'CPU s':>8}")
    total, wrong, began = [0, 0, 0], 0, time.process_time()
    for source, id in built():
        if given.which and not {id, id.split(".")[0]} & {*given.which}:
            continue
        start = time.process_time()
        found = trials(source, id)
        changing = [t for t in found if t.differs]
        row = len(found), len(changing), sum(not t.said.right for t in changing)
        total = [a + b for a, b in zip(total, row, strict=True)]
        print(_row(id, row, time.process_time() - start))
        for trial in found:
            wrong += _is_wrong(trial)
            if given.v or _is_wrong(trial):
                print(_line(trial))
    print(_row("all", tuple(total), time.process_time() - began))
    return int(wrong > 0)


def _row(name: str, counts: tuple[int, ...], seconds: float) -> str:
    made, changing, refused = counts
    return f"{name:<10}{made:>8}{changing:>10}{refused:>9}{seconds:>8.1f}"


def _is_wrong(trial: Trial) -> bool:
    return bool(trial.differs) == trial.said.right


def _line(trial: Trial) -> str:
    words = trial.said.text.strip().replace("\n", " ")
    effect = "changing" if trial.differs else "the same"
    sign = "!" if _is_wrong(trial) else " "
    return f"  {sign} {effect} | {trial.mutant.what} | {words[:160]}"


if __name__ == "__main__":
    sys.exit(main())
