"""Typical mistakes in lesson 3's exercises, of the right shape and type."""

_CELL = (
    "def lstm_cell(s, h, c, w, r, b):\n"
    "    {blocks} = (s @ w.T + h @ r.T + b).chunk(4, dim=1)\n"
    "    new_c = {f} * c + torch.sigmoid(i) * {g}\n"
    "    return {result}"
)
_RIGHT = {
    "blocks": "i, f, g, o",
    "f": "torch.sigmoid(f)",
    "g": "torch.tanh(g)",
    "result": "torch.sigmoid(o) * torch.tanh(new_c), new_c",
}


def _cell(**changed: str) -> str:
    return _CELL.format(**_RIGHT | changed)


_BOTH = (
    "def bidirectional(down, up, s, units):\n"
    "    both = []\n"
    "    for step, rows in ((down, s), (up, {turned})):\n"
    "        h = c = torch.zeros(len(s), units)\n"
    "        states = []\n"
    "        for row in rows.unbind(1):\n"
    "            h, c = step(row, h, c)\n"
    "            states.append(h)\n"
    "        both.append(torch.stack(states, 1))\n"
    "    return torch.cat([both[0], {back}], {axis})"
)


def _both(
    turned: str = "s.flip(1)", back: str = "both[1].flip(1)", axis: int = 2
) -> str:
    return _BOTH.format(turned=turned, back=back, axis=axis)


def _head(fc: str, classifier: str, norm: str = "") -> str:
    return (
        "def part_head(rows, units, num_ids):\n"
        "    return nn.Sequential(\n"
        f"        nn.Linear({fc}), nn.Flatten(),\n"
        f"        nn.BatchNorm1d(rows * units{norm}),\n"
        f"        nn.Linear({classifier}))"
    )


_DEPENDS = (
    "def depends(context, s):\n"
    "    whole, found = context(s), []\n"
    "    for k in range(s.shape[1]):\n"
    "        covered = {copy}\n"
    "        covered[:, k] = {value}\n"
    "        found.append({changed})\n"
    "    return torch.stack(found{axis})"
)


def _depends(
    copy: str = "s.clone()",
    value: str = "0",
    changed: str = "(context(covered) != whole).any(2).any(0)",
    axis: str = ", 1",
) -> str:
    return _DEPENDS.format(copy=copy, value=value, changed=changed, axis=axis)


WRONG = {
    "3.1": [
        # the order of another library
        _cell(blocks="i, f, o, g"),
        # the states in the wrong order
        _cell(result="new_c, torch.sigmoid(o) * torch.tanh(new_c)"),
        # no tanh of the cell
        _cell(result="torch.sigmoid(o) * new_c, new_c"),
        # the old cell is shown
        _cell(result="torch.sigmoid(o) * torch.tanh(c), new_c"),
        # no forget gate
        _cell(f="1"),
        # a candidate that cannot be negative
        _cell(g="torch.sigmoid(g)"),
    ],
    "3.2": [
        # left in the order of reading
        _both(back="both[1]"),
        # only the states turned round
        _both(turned="s"),
        # rows and channels turned
        _both(turned="s.flip(1, 2)"),
        # from head to foot twice
        _both(turned="s", back="both[1]"),
        # joined along the rows
        _both(axis=1),
        # c in place of h
        _both().replace("append(h)", "append(c)"),
        _both().replace("h, c = step", "c, h = step"),
        # the channels alternate
        _both()
        .replace("torch.cat([", "torch.stack([")
        .replace("], 2)", "], 3).flatten(2)"),
        # the first pass's states go on
        "def bidirectional(down, up, s, units):\n"
        "    h = c = torch.zeros(len(s), units)\n"
        "    first, second = [], []\n"
        "    for row in s.unbind(1):\n"
        "        h, c = down(row, h, c)\n"
        "        first.append(h)\n"
        "    for row in s.unbind(1)[::-1]:\n"
        "        h, c = up(row, h, c)\n"
        "        second.append(h)\n"
        "    pair = torch.stack(first, 1), torch.stack(second[::-1], 1)\n"
        "    return torch.cat(pair, 2)",
    ],
    "3.3": [
        # no BatchNorm
        "def part_head(rows, units, num_ids):\n"
        "    return nn.Sequential(\n"
        "        nn.Linear(2 * units, units), nn.Flatten(),\n"
        "        nn.Linear(rows * units, num_ids))",
        # one FC over all rows
        "def part_head(rows, units, num_ids):\n"
        "    return nn.Sequential(\n"
        "        nn.Flatten(), nn.Linear(2 * rows * units, rows * units),\n"
        "        nn.BatchNorm1d(rows * units), nn.Linear(rows * units, num_ids))",
        # no FC
        "def part_head(rows, units, num_ids):\n"
        "    return nn.Sequential(\n"
        "        nn.Flatten(), nn.BatchNorm1d(2 * rows * units),\n"
        "        nn.Linear(2 * rows * units, num_ids))",
        # a softmax at the end
        "def part_head(rows, units, num_ids):\n"
        "    return nn.Sequential(\n"
        "        nn.Linear(2 * units, units), nn.Flatten(),\n"
        "        nn.BatchNorm1d(rows * units),\n"
        "        nn.Linear(rows * units, num_ids), nn.Softmax(dim=1))",
        # BatchNorm over the wrong number of features
        "def part_head(rows, units, num_ids):\n"
        "    return nn.Sequential(\n"
        "        nn.Linear(2 * units, units), nn.Flatten(), nn.BatchNorm1d(units),\n"
        "        nn.Linear(rows * units, num_ids))",
        # no biases
        _head("2 * units, units, bias=False", "rows * units, num_ids"),
        _head("2 * units, units", "rows * units, num_ids, bias=False"),
        _head("2 * units, units, bias=False", "rows * units, num_ids, bias=False"),
        # no γ and β
        _head("2 * units, units", "rows * units, num_ids", ", affine=False"),
    ],
    "3.4": [
        # one bias
        "def lstm_parameters(n, u, layers):\n"
        "    sizes = [n] + [2 * u] * (layers - 1)\n"
        "    return sum(8 * u * (m + u + 1) for m in sizes)",
        # one direction
        "def lstm_parameters(n, u, layers):\n"
        "    sizes = [n] + [2 * u] * (layers - 1)\n"
        "    return sum(4 * u * (m + u + 2) for m in sizes)",
        # the second layer reads one direction of the first
        "def lstm_parameters(n, u, layers):\n"
        "    sizes = [n] + [u] * (layers - 1)\n"
        "    return sum(8 * u * (m + u + 2) for m in sizes)",
        # two layers, whatever is asked for
        "def lstm_parameters(n, u, layers):\n"
        "    return 8 * u * (n + u + 2) + 8 * u * (2 * u + u + 2)",
        # all layers like the first
        "def lstm_parameters(n, u, layers):\n    return layers * 8 * u * (n + u + 2)",
    ],
    "3.5": [
        # transposed
        _depends(axis=""),
        # covers in place, so that all rows end up covered
        _depends(copy="s"),
        # asks for a change in every image
        _depends(changed="(context(covered) != whole).any(2).all(0)"),
        # an absolute tolerance
        _depends(changed="((context(covered) - whole).abs() > 1e-6).any(2).any(0)"),
        # all units in place of any
        _depends(changed="(context(covered) != whole).all(2).any(0)"),
        # the changes added up before they are compared
        _depends(changed="(context(covered) - whole).sum((0, 2)) != 0"),
        _depends(changed="((context(covered) - whole).sum(2) != 0).any(0)"),
        _depends(changed="((context(covered) - whole).sum(0) != 0).any(1)"),
        # other values than 0
        _depends(value="s[:, k].mean(0)"),
        _depends(value="s.mean(1)"),
        _depends(value="torch.randn(s[:, k].shape)"),
    ],
    "3.6": [
        'supported = "ab"',
        'supported = "ace"',
        'supported = "ade"',
        'supported = "a"',
        'supported = "e"',
    ],
}
