"""Lesson 1's checks name the mistake."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from dplib.lessons.checks import check


def said(capsys: pytest.CaptureFixture[str], id: str, answer: object) -> str:
    check(id, answer)
    return capsys.readouterr().out


CAM, PID, END = r"cam(?P<camid>\d+)", r"-person(?P<pid>-?\d+)", r"-\d+\.jpg"


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("cam(", "not a regular expression"),
        (r"cam(\d+)-person(?P<pid>-?\d+)-\d+\.jpg", "no group named camid"),
        (CAM + PID + r"-\d+.jpg", "no dot before jpg"),
        (CAM + PID + r"-\d+\.?jpg", "no dot before jpg"),
        (CAM + PID + END + ".*", "goes on after .jpg"),
        (".*" + CAM + PID + END, "has something before cam"),
        (CAM + PID + r".*\.jpg", "has no running number"),
        (CAM + PID + r"-\d*\.jpg", "no digit in the running number"),
        (CAM + PID + r"-.+\.jpg", "has a letter in the running number"),
        (CAM + PID + r"--?\d+\.jpg", "a minus before the running number"),
        (CAM + r"-person(?P<pid>.+)" + END, "a pid is digits"),
        (CAM + r"-person(?P<pid>-?\d*)" + END, "no digit in the pid"),
        (CAM + r"-person(?P<pid>-*\d+)" + END, "two minus signs"),
        (CAM + r"-person(?P<pid>[-+]?\d+)" + END, "a plus sign"),
        (r"cam(?P<camid>\d*)" + PID + END, "no digit in the camera number"),
        (r"cam(?P<camid>\w+)" + PID + END, "a letter for the camera"),
        (r"cam(?P<camid>-?\d+)" + PID + END, "camera number with a minus"),
        (r"cam(?P<camid>\d{1,2})" + PID + END, "a camera number may be long"),
        (r"cam(?P<camid>\d{2,})" + PID + END, "a camera number may have one digit"),
        (CAM + r"-person(?P<pid>-?\d{1,6})" + END, "a pid may be long"),
        (CAM + r"-person(?P<pid>-?[1-9]\d*)" + END, "a distractor has the pid 0"),
        (CAM + PID + r"-\d{4}\.jpg", "a running number may have one digit"),
        (CAM + PID + r"-\d{1,9}\.jpg", "a running number may be long"),
        (CAM + PID + r"-\d+\.[a-z]+", "no .jpg file"),
        (CAM + PID + r"-\d+\.(jpg|JPG)", "ends in capitals"),
        (CAM + "-?" + PID[1:] + END, "lacks the hyphen before person"),
        (CAM + r"-person-?(?P<pid>\d+)" + END, "finds pid 1 and camera 12"),
        (7, "give the pattern as a string"),
    ],
)
def test_patterns(
    capsys: pytest.CaptureFixture[str], pattern: object, words: str
) -> None:
    text = said(capsys, "1.1", pattern)
    assert "✗ Not yet" in text and words in text


def test_a_compiled_pattern_is_a_pattern(capsys: pytest.CaptureFixture[str]) -> None:
    import re

    assert "✓ Right" in said(capsys, "1.1", re.compile(CAM + PID + END))
    assert "✓ Right" in said(capsys, "1.1", "^" + CAM + PID + END + "$")


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("(p == -1) | own", "inverted"),
        ("own", "inverted"),
        ("(p != -1) & ~own[0]", "should be"),
        ("((p != -1) & ~own).T", "one row for each query"),
        ("(p != -1).repeat(len(q), 1)", "apply the rule"),
        ("(p != -1) & (p != q[:, None])", "nothing right remains"),
        ("(p != q[:, None]) & (c != qc[:, None])", "should be"),
        ("((p != -1) & ~own)[:, :3]", "the shape should be"),
        ("(p < 1) & ~own", "should be"),
    ],
)
def test_masks(capsys: pytest.CaptureFixture[str], expression: str, words: str) -> None:
    text = said(capsys, "1.2", mask(expression))
    assert "✗ Not yet" in text and words in text


def mask(expression: str) -> Callable[..., Any]:
    def answer(q: Any, qc: Any, p: Any, c: Any) -> object:
        own = (p == q[:, None]) & (c == qc[:, None])
        names = {"q": q, "qc": qc, "p": p, "c": c, "own": own, "np": np}
        return eval(expression, names)

    return answer


@pytest.mark.parametrize(
    "form", ["", ".int()", ".float()", ".numpy()", ".tolist()", ".long().numpy()"]
)
def test_a_mask_may_be_of_any_type(
    capsys: pytest.CaptureFixture[str], form: str
) -> None:
    assert "✓ Right" in said(capsys, "1.2", mask(f"((p != -1) & ~own){form}"))


def crop(h: int, w: int, tries: Any, u: float, v: float) -> tuple[int, ...]:
    sizes = [((a * r * h * w) ** 0.5, (a * h * w / r) ** 0.5) for a, r in tries]
    whole = [(round(x), round(y)) for x, y in sizes]
    ch, cw = next((s for s in whole if s[0] <= h and s[1] <= w), (h, w))
    return int(u * (h - ch + 1)), int(v * (w - cw + 1)), ch, cw


@pytest.mark.parametrize("form", [list, np.array, torch.tensor, np.float32, tuple])
def test_a_box_may_be_of_any_type(
    capsys: pytest.CaptureFixture[str], form: Callable[..., Any]
) -> None:
    assert "✓ Right" in said(capsys, "1.3", lambda *x: form(crop(*x)))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda b: (b[1], b[0], b[3], b[2]), "you gave (left, top, width, height)"),
        (lambda b: (b[2], b[3], b[0], b[1]), "you gave (height, width, top, left)"),
        (
            lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3]),
            "you gave top, left, bottom and right",
        ),
        (lambda b: (*b[:3], b[3] + 1), "it should be (10, 5, 80, 40)"),
        (lambda b: b[:2], "the shape should be [4]"),
    ],
)
def test_boxes(
    capsys: pytest.CaptureFixture[str], change: Callable[..., Any], words: str
) -> None:
    text = said(capsys, "1.3", lambda *x: change(crop(*x)))
    assert "✗ Not yet" in text and words in text


def batches(labels: list[int], p: int, k: int, shuffle: Callable[..., Any]) -> Any:
    """As a generator, of NumPy's numbers: another form of the solution."""
    array = np.array(labels)
    people = shuffle(np.unique(array).tolist())
    for b in range(len(people) // p):
        batch: list[Any] = []
        for person in people[b * p : (b + 1) * p]:
            images = np.flatnonzero(array == person)
            rounds = [shuffle(images) for _ in range(-(-k // len(images)))]
            batch += np.concatenate(rounds)[:k].tolist()
        yield np.array(batch)


def test_batches_may_come_from_a_generator(capsys: pytest.CaptureFixture[str]) -> None:
    assert "✓ Right" in said(capsys, "1.5", batches)
    assert "✓ Right" in said(
        capsys, "1.5", lambda *x: torch.tensor(np.array(list(batches(*x))))
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda x, _: [i for b in x for i in b], "one long list"),
        (lambda x, labels: [[labels[i] for i in b] for b in x], "these are the labels"),
        (lambda x, _: x[:-1], "the shape should be"),
        (lambda x, _: [sorted(b) for b in x], "should be"),
    ],
)
def test_batches(
    capsys: pytest.CaptureFixture[str], change: Callable[..., Any], words: str
) -> None:
    def answer(labels: list[int], *rest: Any) -> Any:
        return change([list(b) for b in batches(labels, *rest)], labels)

    text = said(capsys, "1.5", answer)
    assert "✗ Not yet" in text and words in text


@pytest.mark.parametrize("form", [float, np.float32, torch.tensor, np.array])
def test_a_share_may_be_of_any_type(
    capsys: pytest.CaptureFixture[str], form: Callable[..., Any]
) -> None:
    def answer(values: Any, cameras: Any) -> Any:
        means = {c: values[cameras == c].mean() for c in set(cameras.tolist())}
        between = np.var([means[c] for c in cameras.tolist()])
        return form(between / np.var(values))

    assert "✓ Right" in said(capsys, "1.6", answer)
