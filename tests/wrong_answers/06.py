"""Typical mistakes in lesson 6's exercises, of the right shape and type."""

WRONG = {
    "6.1": [
        # the share that steps up at rank k, not summed up to k
        "def cmc_curve(r, n):\n"
        "    first = [min(x) for x in r]\n"
        "    return [first.count(k) / len(r) for k in range(1, n + 1)]",
        # every match counts
        "def cmc_curve(r, n):\n"
        "    every = [x for ranks in r for x in ranks]\n"
        "    return [sum(x <= k for x in every) / len(every) for k in range(1, n + 1)]",
        # starts at rank 0
        "def cmc_curve(r, n):\n"
        "    return [sum(min(x) <= k for x in r) / len(r) for k in range(n)]",
    ],
    "6.2": [
        # by steps
        "def trapezoid_ap(r):\n"
        "    return sum(j / x for j, x in enumerate(r, 1)) / len(r)",
        # before rank 1 the precision is taken as 0
        "def trapezoid_ap(r):\n"
        "    pairs = [((j - 1) / max(x - 1, 1), j / x) for j, x in enumerate(r, 1)]\n"
        "    return sum(a + b for a, b in pairs) / 2 / len(r)",
        # j - 1 matches among r pictures, not r - 1
        "def trapezoid_ap(r):\n"
        "    j = range(1, len(r) + 1)\n"
        "    pairs = [((i - 1) / x if x > 1 else 1, i / x) for i, x in zip(j, r)]\n"
        "    return sum(a + b for a, b in pairs) / 2 / len(r)",
    ],
    "6.3": ['answer = "a"', 'answer = "c"', 'answer = "d"'],
    "6.4": [
        # not scaled to length 1 again
        "def pool(q, b):\n"
        "    both = zip(q.pids, q.camids)\n"
        "    masks = [(b.pids == p) & (b.camids == c) for p, c in both]\n"
        "    return torch.stack([b.features[m].mean(0) for m in masks])",
        # the boxes of every camera
        "def pool(q, b):\n"
        "    rows = [b.features[b.pids == p].mean(0) for p in q.pids]\n"
        "    return F.normalize(torch.stack(rows))",
        # the largest value in place of the mean
        "def pool(q, b):\n"
        "    both = zip(q.pids, q.camids)\n"
        "    masks = [(b.pids == p) & (b.camids == c) for p, c in both]\n"
        "    return F.normalize(torch.stack([b.features[m].amax(0) for m in masks]))",
    ],
}
