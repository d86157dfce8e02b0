"""Typical mistakes in lesson 7's exercises, of the right shape and type."""

WRONG = {
    "7.1": [
        # less - more
        "def by_person(more, less, pids):\n"
        "    d = less - more\n"
        "    return np.stack([d[:, pids == p].sum(1) for p in np.unique(pids)], 1)",
        # means over a person's queries
        "def by_person(more, less, pids):\n"
        "    d = more - less\n"
        "    return np.stack([d[:, pids == p].mean(1) for p in np.unique(pids)], 1)",
        # in the order of appearance
        "def by_person(more, less, pids):\n"
        "    d, order = more - less, dict.fromkeys(pids.tolist())\n"
        "    return np.stack([d[:, pids == p].sum(1) for p in order], 1)",
    ],
    "7.2": [
        # Bonferroni
        "def holm(ps):\n    return [p < 0.05 / len(ps) for p in ps]",
        # goes on after the first failure
        "def holm(ps):\n"
        "    order = sorted(ps)\n"
        "    return [p < 0.05 / (len(ps) - order.index(p)) for p in ps]",
        # answers in the order of size
        "def holm(ps):\n"
        "    found = []\n"
        "    for i, p in enumerate(sorted(ps)):\n"
        "        found.append(p < 0.05 / (len(ps) - i) and all(found))\n"
        "    return found",
        # Hochberg: from the largest p down
        "def holm(ps):\n"
        "    found = [False] * len(ps)\n"
        "    order = sorted(range(len(ps)), key=lambda i: ps[i])\n"
        "    for rank, i in enumerate(order):\n"
        "        if ps[i] < 0.05 / (len(ps) - rank):\n"
        "            for j in order[: rank + 1]:\n"
        "                found[j] = True\n"
        "    return found",
    ],
    "7.3": [
        # the best of all
        "def best_of(values, k):\n    return max(values)",
        # the first k
        "def best_of(values, k):\n    return max(values[:k])",
        # with replacement
        "def best_of(values, k):\n"
        "    from itertools import product\n"
        "    return np.mean([max(c) for c in product(values, repeat=k)])",
        # what it wins
        "def best_of(values, k):\n"
        "    best = [max(c) for c in combinations(values, k)]\n"
        "    return np.mean(best) - np.mean(values)",
        # equal runs counted once
        "def best_of(values, k):\n"
        "    return np.mean([max(c) for c in combinations(set(values), k)])",
    ],
    "7.4": ['answer = "a"', 'answer = "c"', 'answer = "d"'],
}
