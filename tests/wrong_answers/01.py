"""Typical mistakes in lesson 1's exercises, of the right shape and type."""

_LOOP = """
def pk_batches(labels, p, k, shuffle):
    people, batches = shuffle(sorted(set(labels))), []
    for start in range(0, len(people) - p + 1, p):
        batch = []
        for person in people[start : start + p]:
            images, drawn = [i for i, x in enumerate(labels) if x == person], []
            while len(drawn) < k:
                drawn += shuffle(images)
            batch += drawn[:k]
        batches.append(batch)
    return batches
"""

_CROP = """
def crop_box(h, w, tries, u, v):
    height, width = h, w
    for a, r in tries:
        tall, wide = round((a * r * h * w) ** 0.5), round((a * h * w / r) ** 0.5)
        if tall <= h and wide <= w:
            height, width = tall, wide
            break
    top, left = int(u * (h - height + 1)), int(v * (w - width + 1))
    return top, left, height, width
"""


def _with(code: str, old: str, new: str) -> str:
    """The solution with one mistake."""
    assert old in code, old
    return code.replace(old, new)


WRONG = {
    "1.1": [
        # the camera taken for the person
        'pattern = r"cam(?P<pid>\\d+)-person(?P<camid>-?\\d+)-\\d+\\.jpg"',
        # cameras of one digit only
        'pattern = r"cam(?P<camid>\\d)-person(?P<pid>-?\\d+)-\\d+\\.jpg"',
        # cameras of up to two digits
        'pattern = r"cam(?P<camid>\\d{1,2})-person(?P<pid>-?\\d+)-\\d+\\.jpg"',
        # forgets junk, whose pid is -1
        'pattern = r"cam(?P<camid>\\d+)-person(?P<pid>\\d+)-\\d+\\.jpg"',
        # four digits, as in the example
        'pattern = r"cam(?P<camid>\\d+)-person(?P<pid>-?\\d+)-\\d{4}\\.jpg"',
        # a dot that matches anything
        'pattern = r"cam(?P<camid>\\d+)-person(?P<pid>-?\\d+)-\\d+.jpg"',
    ],
    "1.2": [
        # leaves out the whole camera
        "def counts(qp, qc, p, c):\n    return (p != -1) & (qc[:, None] != c)",
        # neither the pid nor the camera, in place of not both
        "def counts(qp, qc, p, c):\n"
        "    return (p != -1) & (qp[:, None] != p) & (qc[:, None] != c)",
        # forgets junk
        "def counts(qp, qc, p, c):\n"
        "    return ~((qp[:, None] == p) & (qc[:, None] == c))",
        # drops distractors with the junk
        "def counts(qp, qc, p, c):\n"
        "    return (p > 0) & ~((qp[:, None] == p) & (qc[:, None] == c))",
        # gallery by query
        "def counts(qp, qc, p, c):\n"
        "    own = (p[:, None] == qp) & (c[:, None] == qc)\n"
        "    return ~(own | (p == -1)[:, None])",
        # the right images alone
        "def counts(qp, qc, p, c):\n"
        "    return (qp[:, None] == p) & (qc[:, None] != c) & (p != -1)",
        # True for what does not count
        "def counts(qp, qc, p, c):\n"
        "    return (p == -1) | ((qp[:, None] == p) & (qc[:, None] == c))",
    ],
    "1.3": [
        # the ratio upside down
        _with(
            _CROP,
            "a * r * h * w) ** 0.5), round((a * h * w / r",
            "a * h * w / r) ** 0.5), round((a * r * h * w",
        ),
        # the last try that fits
        _with(_CROP, "            break\n", ""),
        # an off-by-one in the place
        _with(_CROP, " + 1", ""),
        # u and v exchanged
        _with(_CROP, "crop_box(h, w, tries, u, v)", "crop_box(h, w, tries, v, u)"),
        # does not ask whether the box fits
        _with(_CROP, "if tall <= h and wide <= w:", "if True:"),
        # the place rounded, among one position less
        _with(
            _CROP,
            "int(u * (h - height + 1)), int(v * (w - width + 1))",
            "round(u * (h - height)), round(v * (w - width))",
        ),
        # asks whether the box fits before it is rounded
        _with(
            _with(_CROP, "round((a * r", "((a * r"),
            ", round((a * h * w / r) ** 0.5)",
            ", ((a * h * w / r) ** 0.5)",
        ).replace("= tall, wide", "= round(tall), round(wide)"),
        # sizes rounded down
        _with(_CROP, "round(", "int("),
    ],
    "1.4": ['answer = "a"', 'answer = "c"', 'answer = "d"'],
    "1.5": [
        # the people in their own order
        _with(_LOOP, "shuffle(sorted(set(labels)))", "sorted(set(labels))"),
        # neither people nor images shuffled
        _with(
            _with(_LOOP, "shuffle(sorted(set(labels)))", "sorted(set(labels))"),
            "drawn += shuffle(images)",
            "drawn += images",
        ),
        # the people in the order in which they appear
        _with(_LOOP, "sorted(set(labels))", "list(dict.fromkeys(labels))"),
        # a short person filled up with its first image
        _with(
            _LOOP,
            "while len(drawn) < k:\n                drawn += shuffle(images)",
            "drawn = shuffle(images)\n            drawn += [drawn[0]] * k",
        ),
        # the images in their own order
        _with(_LOOP, "drawn += shuffle(images)", "drawn += images"),
        # a smaller batch at the end
        _with(_LOOP, "len(people) - p + 1", "len(people)"),
        # a person with few images gives fewer
        _with(_LOOP, "while len(drawn) < k:", "if True:"),
        # all images that were drawn
        _with(_LOOP, "drawn[:k]", "drawn"),
        # P and K exchanged
        _with(_LOOP, "labels, p, k, shuffle", "labels, k, p, shuffle"),
    ],
    "1.6": [
        # the share within the cameras
        "def explained(v, c):\n"
        "    means = np.array([v[c == x].mean() for x in c])\n"
        "    return (v - means).var() / v.var()",
        # every camera counts once
        "def explained(v, c):\n"
        "    return np.var([v[c == x].mean() for x in np.unique(c)]) / v.var()",
        # N - 1 in one of the two variances
        "def explained(v, c):\n"
        "    means = np.array([v[c == x].mean() for x in c])\n"
        "    return means.var() / v.var(ddof=1)",
        # the variances within the cameras
        "def explained(v, c):\n"
        "    return np.mean([v[c == x].var() for x in np.unique(c)]) / v.var()",
        # all cameras count alike within
        "def explained(v, c):\n"
        "    within = np.mean([v[c == x].var() for x in np.unique(c)])\n"
        "    return 1 - within / v.var()",
        # standard deviations
        "def explained(v, c):\n"
        "    return np.std([v[c == x].mean() for x in c]) / v.std()",
    ],
}
