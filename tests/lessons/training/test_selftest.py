"""The self-test: its right answers are right, its widget says so."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import ipywidgets
import pytest
import torch

from dplib import evaluation, losses, presets
from dplib.lessons.training import selftest, selftest_widgets
from dplib.lessons.training.selftest import QUESTIONS


def find(text: str) -> selftest.Question:
    (q,) = [q for q in QUESTIONS if text in q.text]
    return q


def test_questions_are_well_formed_and_right_answers_spread() -> None:
    assert len(QUESTIONS) == 15
    asked = [q.lesson for q in QUESTIONS]
    assert asked == sorted(asked) and set(asked) == set(range(6))
    assert 2 <= min(Counter(asked).values()) <= max(Counter(asked).values()) <= 3
    for q in QUESTIONS:
        assert 0 <= q.right < len(q.choices) == len(set(q.choices)) and q.why
    most = Counter(q.right for q in QUESTIONS).most_common(1)[0][1]
    assert most < 9  # always taking one letter must not pass


def test_numbers_in_the_answers_are_those_of_the_library() -> None:
    q = find("ranks 1 and 4")
    ap, _ = evaluation.average_precision(torch.tensor([1, 4]).numpy())
    assert float(q.choices[q.right]) == pytest.approx(ap)
    q, paper = find("751 training pids"), presets.get("paper")
    assert int(q.choices[q.right]) == 751 // paper.p and paper.k == 8
    q = find("norm is usually 10 to 30")
    limit = presets.get("toy").clip_norm
    assert q.choices[q.right].startswith(f"{limit:g}, ")
    q = find("positives lie at 0.3 and 0.9")
    x = torch.tensor([[0.0], [0.3], [0.9], [-0.8], [1.5]])
    hard = losses.batch_hard_triplet(x, torch.tensor([0, 0, 0, 1, 1]))
    hinge = 0.5 + hard.hardest_positive[0] - hard.hardest_negative[0]
    assert math.isclose(float(q.choices[q.right]), hinge, abs_tol=1e-6)


def test_the_lesson_heads_it_with_the_lessons_asked_about() -> None:
    lesson = Path(__file__).parents[3] / "notebooks/src/05_training.py"
    first, last = QUESTIONS[0].lesson, QUESTIONS[-1].lesson
    heading = f"# ### Self-test: lessons {first} to {last}\n"
    assert heading in lesson.read_text("utf-8")


def test_a_gradient_does_not_follow_from_the_value_of_a_loss() -> None:
    """The same triplets active, one loss nine times the other: one gradient."""
    assert "with the same force whatever its loss" in find("BtR's gradient").why
    labels, seen = torch.tensor([0, 0, 1, 1]), []
    for gap in (0.55, 0.95):  # between the two pids, on a line
        x = torch.tensor([[0.0], [0.5], [0.5 + gap], [1.0 + gap]], requires_grad=True)
        loss = losses.batch_hard_triplet(x, labels).loss
        seen.append((loss.item(), torch.autograd.grad(loss, x)[0]))
    assert seen[0][0] == pytest.approx(9 * seen[1][0], rel=1e-4)
    torch.testing.assert_close(seen[0][1], seen[1][1])


def test_score() -> None:
    assert selftest.score({}) == (0, 0)
    every = {i: q.right for i, q in enumerate(QUESTIONS)}
    assert selftest.score(every) == (15, 15)
    assert selftest.score({0: QUESTIONS[0].right, 1: -1}) == (1, 2)


def test_widget_judges_and_counts() -> None:
    box = selftest_widgets.self_test()
    *rows, total = box.children
    assert total.value == "0 right of 0 answered, 15 questions"
    for i, (row, q) in enumerate(zip(rows, QUESTIONS, strict=True)):
        title, choice, verdict = row.children
        assert isinstance(choice, ipywidgets.RadioButtons) and q.text in title.value
        assert choice.value is None and verdict.value == ""
        choice.value = (q.right + 1) % len(q.choices)
        assert verdict.value == f"✗ No. {q.why}"
        choice.value = q.right
        assert verdict.value == f"✓ Right. {q.why}"
        assert total.value.startswith(f"{i + 1} right of {i + 1} answered")
