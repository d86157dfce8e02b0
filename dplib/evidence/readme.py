"""The README's section of evidence, between its two marks."""

from __future__ import annotations

from dplib import DplibError
from dplib.evidence import tables
from dplib.evidence.claims import CLAIMS, QUESTIONS
from dplib.evidence.findings import (
    MEASURES,
    Evidence,
    beside,
    counted,
    seeds_in_words,
    sentences,
    starts,
    starts_counted,
)
from dplib.evidence.grids import grid, spread

SHOWN = ("part_in_full", "context", "order_fixed", "head_linear")  # of the questions
MARK = "<!-- evidence: python -m dplib report -->\n", "<!-- /evidence -->"


def put(readme: str, evidence: Evidence) -> str:
    """``readme`` with its section of evidence made anew.

    Raises:
        DplibError: The text lacks the marks that the section stands between.
    """
    start, end = MARK
    before, mark, rest = readme.partition(start)
    _, closing, after = rest.partition(end)
    if not (mark and closing):
        raise DplibError(f"README.md has no lines {start.strip()!r} and {end!r}")
    return before + start + summary(evidence) + end + after


def summary(evidence: Evidence) -> str:
    """The section itself: tables 4, 6 and 7, the claims, and some questions."""
    lines = "\n".join(f"- {s}" for s in sentences(evidence))
    asked = evidence.verdicts(QUESTIONS, "map", correct=False)
    told = [
        f"- {c.text}: mAP {asked[c.id].stated} ({seeds_in_words([asked[c.id].seeds])})"
        for c in QUESTIONS
        if c.id in SHOWN and c.id in asked
    ]
    rows = [row for n in (4, 6, 7) for row in beside(evidence, n).values()]
    seeds = seeds_in_words([len(row["map"]) for row in rows])
    return (
        f"\nPublished on Market-1501; ours on {evidence.name}, {seeds}, "
        f"mean ± standard deviation:\n\n{_tables(evidence)}\n\n"
        "The paper's claims, with intervals over seeds and people, corrected by Holm's "
        f"procedure:\n\n{lines}\n\n"
        f"![{counted(evidence)}](docs/evidence/claims.png)\n\n"
        "Questions of ours, intervals of 95 %, not corrected:\n\n"
        + "\n".join(told)
        + f"\n\n{further(evidence)}\n\n"
    )


def further(evidence: Evidence) -> str:
    """The paper's differences between nets that start from ImageNet weights."""
    pretrained = starts(evidence)
    told = [
        f"- {c.text}: mAP {d.stated} ({seeds_in_words([d.seeds])}; published "
        f"{c.published[1]:+.2f})"
        for c in CLAIMS
        if c.published and (d := pretrained.get(c.id))
    ]
    return "\n\n".join([starts_counted(evidence), *(["\n".join(told)] if told else [])])


def _tables(evidence: Evidence) -> str:
    """Tables 4, 6 and 7 as one, published and ours."""
    rows = []
    for number in (4, 6, 7):
        ours = beside(evidence, number)
        for row, published in tables.table(number).rows.items():
            mine = ours.get(row)
            cells = [f"{value:.2f}" for value in published]
            cells += [spread(mine[m]) if mine else "–" for m in MEASURES]
            rows.append([f"{number}", row, *cells])
    return grid(["table", "", "rank-1", "mAP", "ours: rank-1", "mAP"], rows)
