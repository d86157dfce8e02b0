"""Typical mistakes in lesson 0's exercises, of the right shape and type."""

WRONG = {
    "0.1": [
        # the number of queries, not their share
        "def rank_one(r):\n    return sum(min(x) == 1 for x in r)",
        # takes the ranks to be sorted
        "def rank_one(r):\n    return sum(x[0] == 1 for x in r) / len(r)",
        # divides by the matches
        "def rank_one(r):\n    return sum(min(x) == 1 for x in r) / sum(map(len, r))",
        # the mean reciprocal rank
        "def rank_one(r):\n    return sum(1 / min(x) for x in r) / len(r)",
    ],
    "0.2": [
        # the reciprocal rank of every match
        "def average_precision(r):\n    return sum(1 / x for x in r) / len(r)",
        # the sum, not the mean
        "def average_precision(r):\n"
        "    return sum(k / x for k, x in enumerate(sorted(r), 1))",
        # takes the ranks to be sorted
        "def average_precision(r):\n"
        "    return sum(k / x for k, x in enumerate(r, 1)) / len(r)",
        # the precision at the last match
        "def average_precision(r):\n    return len(r) / max(r)",
        # counts matches from 0
        "def average_precision(r):\n"
        "    return sum(k / x for k, x in enumerate(sorted(r))) / len(r)",
    ],
    "0.3": [
        # counts from 0
        "def match_ranks(d, s, j):\n"
        "    order = d.argsort()\n"
        "    return s[order[~j[order]]].nonzero().flatten()",
        # leaves junk in the list, though not among the matches
        "def match_ranks(d, s, j):\n"
        "    return (s & ~j)[d.argsort()].nonzero().flatten() + 1",
        # forgets junk
        "def match_ranks(d, s, j):\n    return s[d.argsort()].nonzero().flatten() + 1",
        # takes the farthest first
        "def match_ranks(d, s, j):\n"
        "    order = d.argsort(descending=True)\n"
        "    return s[order[~j[order]]].nonzero().flatten() + 1",
        # images, not ranks
        "def match_ranks(d, s, j):\n"
        "    order = d.argsort()\n"
        "    return order[(s & ~j)[order]]",
        # does not sort
        "def match_ranks(d, s, j):\n    return s[~j].nonzero().flatten() + 1",
    ],
    "0.4": [
        # a ratio of sums
        "def chance_rank_one(m, c):\n    return sum(m) / sum(c)",
        # a sum
        "def chance_rank_one(m, c):\n"
        "    return sum(x / y for x, y in zip(m, c, strict=True))",
        # one match each
        "def chance_rank_one(m, c):\n    return sum(1 / y for y in c) / len(c)",
        # the matches are not among the images
        "def chance_rank_one(m, c):\n"
        "    return sum(x / (y - x) for x, y in zip(m, c, strict=True)) / len(m)",
    ],
    "0.5": ['answer = "a"', 'answer = "c"', 'answer = "d"'],
}
