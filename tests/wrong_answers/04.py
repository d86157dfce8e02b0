"""Typical mistakes in lesson 4's exercises, of the right shape and type."""

_D2 = (
    "    square = fm.square().sum(1)\n"
    "    d2 = square[:, None] + square - 2 * fm @ fm.T\n"
)
_MASKS = (
    "    same = labels[:, None] == labels\n"
    "    other = ~torch.eye(len(labels), dtype=torch.bool)\n"
)
_HARDEST = (
    "    r = losses.batch_hard_triplet(fm, labels, margin)\n"
    "    far, near = r.hardest_positive, r.hardest_negative\n"
)

WRONG = {
    "4.1": [
        # the squares
        f"def my_distances(fm):\n{_D2}    return d2.clamp(min=1e-12)",
        # clamped after the root: its slope at 0 is infinite all the same
        f"def my_distances(fm):\n{_D2}    return d2.sqrt().clamp(min=1e-6)",
        # a limit that moves small distances
        f"def my_distances(fm):\n{_D2}    return d2.clamp(min=0.01).sqrt()",
        # absolute differences
        "def my_distances(fm):\n    return (fm[:, None] - fm).abs().sum(-1)",
    ],
    "4.2": [
        # a mask by multiplication
        f"def hardest(distances, labels):\n{_MASKS}"
        "    return (distances * same).amax(1), (distances * ~same).amin(1)",
        # places in place of distances
        f"def hardest(distances, labels):\n{_MASKS}"
        "    far = distances.masked_fill(~same, -torch.inf).argmax(1)\n"
        "    return far, distances.masked_fill(same, torch.inf).argmin(1)",
        # the easiest positive
        f"def hardest(distances, labels):\n{_MASKS}"
        "    near = distances.masked_fill(same, torch.inf).amin(1)\n"
        "    inf = torch.inf\n"
        "    return distances.masked_fill(~(same & other), inf).amin(1), near",
        # the farthest of all negatives
        f"def hardest(distances, labels):\n{_MASKS}"
        "    far = distances.masked_fill(~same, -torch.inf).amax(1)\n"
        "    return far, distances.masked_fill(same, -torch.inf).amax(1)",
    ],
    "4.3": [
        # the hinge of the mean
        f"def batch_hard(fm, labels, margin):\n{_HARDEST}"
        "    return (margin + far - near).mean().clamp(min=0)",
        # squared distances
        f"def batch_hard(fm, labels, margin):\n{_HARDEST}"
        "    return (margin + far**2 - near**2).clamp(min=0).mean()",
        # the mean over active anchors
        f"def batch_hard(fm, labels, margin):\n{_HARDEST}"
        "    hinge = (margin + far - near).clamp(min=0)\n"
        "    return hinge[hinge > 0].mean()",
    ],
    "4.4": ['answer = "a"', 'answer = "b"', 'answer = "d"'],
}
