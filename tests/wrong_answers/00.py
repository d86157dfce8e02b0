"""Typical mistakes in lesson 0's exercises, of the right shape and type."""

WRONG = {
    "0.1": [
        # the number of queries, not their share
        "def rank_one(r):\n    return sum(min(x) == 1 for x in r)",
        # takes the ranks to be sorted
        "def rank_one(r):\n    return sum(x[0] == 1 for x in r) / len(r)",
        # divides by the matches
        "def rank_one(r):\n    return sum(min(x) == 1 for x in r) / sum(map(len, r))",
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
    ],
    "0.3": ['answer = "a"', 'answer = "c"', 'answer = "d"'],
}
