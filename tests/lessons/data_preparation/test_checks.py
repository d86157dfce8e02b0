"""Lesson 1's checks name the mistake."""

import pytest
import torch

from dplib.lessons.checks import check


def said(capsys: pytest.CaptureFixture[str], id: str, answer: object) -> str:
    check(id, answer)
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("cam(", "no regular expression"),
        (r"cam(\d+)-person(?P<pid>-?\d+)-\d+\.jpg", "no group named camid"),
        (r"cam(?P<camid>\d+)-person(?P<pid>-?\d+)-\d+.jpg", "no dot before jpg"),
        (r"cam(?P<camid>\d+)-person(?P<pid>-?\d+)-\d+\.jpg.*", "goes on after .jpg"),
        (r"cam(?P<camid>\d+)-person(?P<pid>-?\d+).*\.jpg", "has no number"),
        (r"cam(?P<camid>\d+)-person(?P<pid>.+)-\d+\.jpg", "a pid is digits"),
        (r"cam(?P<camid>\d+)-person(?P<pid>-?\d+)-\d{4}\.jpg", "may have any length"),
        (r"cam(?P<camid>\d+)-person-?(?P<pid>\d+)-\d+\.jpg", "finds pid 1"),
        (7, "give the pattern as a text"),
    ],
)
def test_patterns(
    capsys: pytest.CaptureFixture[str], pattern: object, words: str
) -> None:
    text = said(capsys, "1.1", pattern)
    assert "✗ Not yet" in text and words in text


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("(p == -1) | ((p == pid) & (c == cam))", "turned round"),
        ("p != -1", "use the camera rule"),
        ("(p != -1) & (p != pid)", "nothing right is left"),
        ("(p != -1) & ~((p == 7) & (c == 2))", "right for pid 7 in camera 2 only"),
        ("(p != pid) & (c != cam)", "every picture of camera 2"),
        ("(p != -1) & (p != pid) & (c != cam)", "both at once"),
        ("c != cam", "all of camera 2"),
        ("p == pid", "pid 7 in camera 2 should not count"),
        ("((p != -1) & ~((p == pid) & (c == cam))).float()", "boolean tensor"),
        ("(p != -1)[:3]", "one value for each"),
    ],
)
def test_masks(capsys: pytest.CaptureFixture[str], expression: str, words: str) -> None:
    def answer(pid: int, cam: int, p: torch.Tensor, c: torch.Tensor) -> object:
        return eval(expression, {"p": p, "c": c, "pid": pid, "cam": cam})

    text = said(capsys, "1.2", answer)
    assert "✗ Not yet" in text and words in text


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("set(Counter(x).values()) == {k}", "there are two people, not three"),
        ("len(set(x)) == p", "count the images of each"),
        ("len(set(x)) >= p and set(Counter(x).values()) == {k}", "four people"),
        ("{len(set(x)), len(x)} == {p, p * k} and k > 1", "count the images"),
        ("len(x)", "give back True or False, not int"),
    ],
)
def test_batches(
    capsys: pytest.CaptureFixture[str], expression: str, words: str
) -> None:
    from collections import Counter

    def answer(x: list[int], p: int, k: int) -> object:
        return eval(expression, {"Counter": Counter, "x": x, "p": p, "k": k})

    text = said(capsys, "1.4", answer)
    assert "✗ Not yet" in text and words in text
