"""Typical mistakes in lesson 6's exercises, of the right shape and type."""

_POOL = """
def pool(query, boxes):
    rows = []
    for pid, camid in zip(query.pids, query.camids):
        mine = {mask}
        rows.append({one})
    return {last}
"""
_MASK = "(boxes.pids == pid) & (boxes.camids == camid)"
_MEAN = "boxes.features[mine].mean(0)"
_ROWS = "F.normalize(torch.stack(rows))"

_INTERVAL = """
def interval(values, pids, drawn):
    means = []
    for people in drawn:
        means.append({mean})
    return np.quantile({of}, {at})
"""
_JOINED = "np.concatenate([values[pids == p] for p in people]).mean()"
_BOTH = "[0.025, 0.975]"

WRONG = {
    "6.1": [
        # the mean of 1 / rank
        "def ap_and_inp(right):\n"
        "    ranks = right.nonzero().flatten() + 1\n"
        "    return (1 / ranks).mean(), len(ranks) / ranks[-1]",
        # the precision at every image
        "def ap_and_inp(right):\n"
        "    ranks = right.nonzero().flatten() + 1\n"
        "    precision = right.cumsum(0) / torch.arange(1, len(right) + 1)\n"
        "    return precision.mean(), len(ranks) / ranks[-1]",
        # ranks from 0
        "def ap_and_inp(right):\n"
        "    ranks = right.nonzero().flatten()\n"
        "    j = torch.arange(1, len(ranks) + 1)\n"
        "    return (j / ranks).mean(), len(ranks) / ranks[-1]",
        # the first match in place of the last
        "def ap_and_inp(right):\n"
        "    ranks = right.nonzero().flatten() + 1\n"
        "    j = torch.arange(1, len(ranks) + 1)\n"
        "    return (j / ranks).mean(), len(ranks) / ranks[0]",
        # upside down
        "def ap_and_inp(right):\n"
        "    ranks = right.nonzero().flatten() + 1\n"
        "    j = torch.arange(1, len(ranks) + 1)\n"
        "    return (j / ranks).mean(), ranks[-1] / len(ranks)",
        # in the other order
        "def ap_and_inp(right):\n"
        "    ranks = right.nonzero().flatten() + 1\n"
        "    j = torch.arange(1, len(ranks) + 1)\n"
        "    return len(ranks) / ranks[-1], (j / ranks).mean()",
        # in percent
        "def ap_and_inp(right):\n"
        "    ranks = right.nonzero().flatten() + 1\n"
        "    j = torch.arange(1, len(ranks) + 1)\n"
        "    return 100 * (j / ranks).mean(), 100 * len(ranks) / ranks[-1]",
        # one of the two in percent
        "def ap_and_inp(right):\n"
        "    ranks = right.nonzero().flatten() + 1\n"
        "    j = torch.arange(1, len(ranks) + 1)\n"
        "    return (j / ranks).mean(), 100 * len(ranks) / ranks[-1]",
    ],
    "6.2": [
        # right at rank k alone
        "def cmc_of(right):\n    return right.double().mean(0)",
        # every match counts
        "def cmc_of(right):\n    return right.cumsum(1).double().mean(0)",
        # along the queries
        "def cmc_of(right):\n    return (right.cumsum(0) > 0).double().mean(0)",
        # numbers, not shares
        "def cmc_of(right):\n    return (right.cumsum(1) > 0).sum(0)",
        # recall
        "def cmc_of(right):\n"
        "    found = right.cumsum(1) / right.sum(1, keepdim=True)\n"
        "    return found.mean(0)",
    ],
    "6.3": ['answer = "a"', 'answer = "c"', 'answer = "d"'],
    "6.4": [
        # each person weighs the same
        _INTERVAL.format(
            mean="np.mean([values[pids == p].mean() for p in people])",
            of="means",
            at=_BOTH,
        ),
        # each drawn person counts once
        _INTERVAL.format(
            mean="values[np.isin(pids, people)].mean()", of="means", at=_BOTH
        ),
        # the middle 90 %
        _INTERVAL.format(mean=_JOINED, of="means", at="[0.05, 0.95]"),
        # the percentile of a share
        _INTERVAL.format(mean=_JOINED, of="means", at=_BOTH).replace(
            "np.quantile", "np.percentile"
        ),
        # of the values, not of the means
        _INTERVAL.format(mean=_JOINED, of="values", at=_BOTH),
        # the smallest and the largest
        _INTERVAL.format(mean=_JOINED, of="means", at="[0, 1]"),
    ],
    "6.5": [
        # not scaled to length 1
        _POOL.format(mask=_MASK, one=_MEAN, last="torch.stack(rows)"),
        # the columns scaled
        _POOL.format(mask=_MASK, one=_MEAN, last=_ROWS.replace("))", "), dim=0)")),
        # every camera
        _POOL.format(mask="boxes.pids == pid", one=_MEAN, last=_ROWS),
        # everybody in the camera
        _POOL.format(mask="boxes.camids == camid", one=_MEAN, last=_ROWS),
        # the largest value
        _POOL.format(mask=_MASK, one=_MEAN.replace("mean", "amax"), last=_ROWS),
    ],
    "6.6": [
        # all k nearest
        "def reciprocal(order, i, k):\n    return order[i, 1 : k + 1]",
        # i itself too
        "def reciprocal(order, i, k):\n"
        "    near = order[i, : k + 1].tolist()\n"
        "    return [j for j in near if i in order[j, : k + 1]]",
        # one too short, as if i were not in front
        "def reciprocal(order, i, k):\n"
        "    near = order[i, :k].tolist()\n"
        "    return [j for j in near if j != i and i in order[j, :k]]",
        # from the other side alone
        "def reciprocal(order, i, k):\n"
        "    n = len(order)\n"
        "    return [j for j in range(n) if j != i and i in order[j, 1 : k + 1]]",
        # places in the list, not indices
        "def reciprocal(order, i, k):\n"
        "    places = range(1, k + 1)\n"
        "    return [p for p in places if i in order[order[i, p], 1 : k + 1]]",
        # the same, counted from 0
        "def reciprocal(order, i, k):\n"
        "    near = enumerate(order[i, 1 : k + 1].tolist())\n"
        "    return [p for p, j in near if i in order[j, 1 : k + 1]]",
        # each its own neighbour
        "def reciprocal(order, i, k):\n"
        "    near = order[i, :k].tolist()\n"
        "    return [j for j in near if i in order[j, :k]]",
        # how many
        "def reciprocal(order, i, k):\n"
        "    near = order[i, 1 : k + 1].tolist()\n"
        "    return sum(i in order[j, 1 : k + 1] for j in near)",
    ],
}
