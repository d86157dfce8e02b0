"""Checks of lesson 1."""

import re
from collections.abc import Callable
from typing import Any

import torch

from dplib.lessons.checks import choice, exercise

_NAMES = {  # name: (pid, camid)
    "cam12-person7-0003.jpg": (7, 12),
    "cam3-person1501-0120.jpg": (1501, 3),
    "cam3-person-1-0003.jpg": (-1, 3),
    "cam1-person0-12345.jpg": (0, 1),
}
_STRANGERS = {
    "cam3-person7-0003.jpg.part": "goes on after .jpg",
    "cam3-person7-0003xjpg": "has no dot before jpg: write \\.",
    "cam3-person7.jpg": "has no number",
    "cam3-personX-0003.jpg": "has no pid: a pid is digits, with or without a minus",
    "Thumbs.db": "is no picture",
}


@exercise("1.1", praise="The same pattern loads such a folder in section 7.")
def _pattern(answer: Any) -> str | None:
    if not isinstance(answer, str | re.Pattern):
        return 'give the pattern as a text, such as r"cam(?P<camid>…)…"'
    try:
        pattern = re.compile(answer)
    except re.error as e:
        return f"that is no regular expression: {e}"
    if missing := sorted({"pid", "camid"} - set(pattern.groupindex)):
        return f"it has no group named {' and '.join(missing)}: write (?P<name>…)"
    for name, (pid, camid) in _NAMES.items():
        match = pattern.fullmatch(name)
        if match is None:
            return f"it does not match {name} from end to end{_why(name)}"
        found = match["pid"], match["camid"]
        if found == (str(camid), str(pid)):
            return f"pid and camid are exchanged: {name} is pid {pid}, camera {camid}"
        if found != (str(pid), str(camid)):
            return (
                f"in {name} it finds pid {match['pid']} and camera {match['camid']}, "
                f"they are {pid} and {camid}"
            )
    for name, fault in _STRANGERS.items():
        if pattern.fullmatch(name):
            return f"it matches {name}, which {fault}"
    return None


def _why(name: str) -> str:
    if "person-1" in name:
        return ": junk has the pid -1, with its minus"
    return ": numbers may have any length"


@exercise(
    "1.2", praise="A distractor stays, and so do strangers in the query's camera."
)
def _counts(answer: Callable[..., Any]) -> str | None:
    pids = torch.tensor([7, 7, 4, 4, -1, 0, -1, 0])
    cams = torch.tensor([2, 5, 2, 5, 2, 2, 5, 5])
    got = answer(7, 2, pids.clone(), cams.clone())
    if not isinstance(got, torch.Tensor) or got.dtype != torch.bool:
        return f"give back a boolean tensor; this is {type(got).__name__}"
    if got.shape != pids.shape:
        return f"give one value for each gallery image: [8], not {list(got.shape)}"
    junk, own = pids == -1, (pids == 7) & (cams == 2)
    if got.equal(junk | own):
        return "it is turned round: True is for the images that count"
    if got.equal(~own):
        return "junk (pid -1) still counts; it is dropped for every query"
    if got.equal(~junk):
        return "the query's own pid in its own camera still counts: use the camera rule"
    neither = (pids != 7) & (cams != 2)
    if got.equal(neither) or got.equal(neither & ~junk):
        return (
            "you leave out every picture of camera 2, and every picture of pid 7; only "
            "those with both at once are ignored. `~(a & b)` is `~a | ~b`"
        )
    if got.equal(~(junk | (cams == 2))) or got.equal(cams != 2):
        return (
            "you left out all of camera 2; only images that share pid *and* camera "
            "with the query are ignored: strangers in its camera are wrong answers"
        )
    if got.equal(~(junk | (pids == 7))):
        return "you left out the query's pid in every camera: nothing right is left"
    if got.equal((pids > 0) & ~own):
        return "you dropped the distractors (pid 0); they stay, as wrong answers"
    wrong = (got != ~(junk | own)).nonzero().flatten().tolist()
    if wrong:
        i = wrong[0]
        return (
            f"query pid 7 in camera 2: the gallery image with pid {pids[i]} in camera "
            f"{cams[i]} should {'not ' if (junk | own)[i] else ''}count"
        )
    if not answer(4, 5, pids.clone(), cams.clone()).equal(
        ~(junk | ((pids == 4) & (cams == 5)))
    ):
        return "it is right for pid 7 in camera 2 only: use `pid` and `cam` as given"
    return None


choice(
    "1.3",
    {
        "a": "a seeded generator goes on from draw to draw: its numbers differ. Try "
        "another seed in the cell above, the boxes stay",
        "b": None,
        "c": "with ratio=(1/3, 1/2) it cuts both ways, and about three quarters are "
        "left. Work out the width of a box with width/height 2",
        "d": "the box is 64 wide, as wide as the upright image. In an image 128 across "
        "and 64 down about half of such boxes would fit, and they would differ",
    },
    praise="Read what a library means by a word, then look at its output.",
)


@exercise("1.4", praise="A sampler is tested in just this way.")
def _is_pk(answer: Callable[..., Any]) -> str | None:
    cases = [
        (([5, 5, 8, 8, 9, 9], 3, 2), True, "it is one: three people, two images each"),
        (
            ([5, 8, 9, 5, 8, 9], 3, 2),
            True,
            "it is one: the images of a person need not stand side by side",
        ),
        (
            ([5, 5, 5, 5, 8, 8], 3, 2),
            False,
            "six images, as p · k asks, but of two people, not three",
        ),
        (
            ([5, 5, 5, 8, 8, 9], 3, 2),
            False,
            "six images of three people, but one has three images and one only one: "
            "count the images of each",
        ),
        (
            ([5, 5, 8, 8], 3, 2),
            False,
            "everybody has two images, but there are two people, not three",
        ),
        (
            ([5, 5, 8, 8, 9, 9, 4, 4], 3, 2),
            False,
            "everybody has two images, but there are four people, not three",
        ),
        (([5, 5, 5, 8, 8, 8], 3, 2), False, "P is 3 and K is 2, not the reverse"),
        (([5, 5, 5, 8, 8, 8], 2, 2), False, "two people, but with three images each"),
        (([1, 2, 3], 3, 1), True, "P may be 3 and K 1, though nobody has a positive"),
    ]
    for (labels, p, k), want, why in cases:
        got = answer(list(labels), p, k)
        if not isinstance(got, bool):
            return f"give back True or False, not {type(got).__name__}"
        if got != want:
            return f"for {labels} with p={p}, k={k} you say {got}: {why}"
    return None
