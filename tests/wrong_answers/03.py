"""Typical mistakes in lesson 3's exercises, of the right shape and type."""

WRONG = {
    "3.1": [
        # left in the order of reading
        "def foot_to_head(reader, s):\n    return reader(s.flip(1))",
        # only the states turned round
        "def foot_to_head(reader, s):\n    return reader(s).flip(1)",
        # the channels turned, not the rows
        "def foot_to_head(reader, s):\n    return reader(s.flip(-1)).flip(-1)",
    ],
    "3.2": [
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
    ],
    "3.3": [
        # transposed
        "def depends(context, s):\n"
        "    whole, found = context(s), []\n"
        "    for k in range(s.shape[1]):\n"
        "        covered = s.clone()\n"
        "        covered[:, k] = 0\n"
        "        found.append((context(covered) != whole).any(2).any(0))\n"
        "    return torch.stack(found)",
        # covers in place, so that all rows end up covered
        "def depends(context, s):\n"
        "    whole, found = context(s), []\n"
        "    for k in range(s.shape[1]):\n"
        "        s[:, k] = 0\n"
        "        found.append((context(s) != whole).any(2).any(0))\n"
        "    return torch.stack(found, 1)",
        # asks for a change in every image
        "def depends(context, s):\n"
        "    whole, found = context(s), []\n"
        "    for k in range(s.shape[1]):\n"
        "        covered = s.clone()\n"
        "        covered[:, k] = 0\n"
        "        found.append((context(covered) != whole).any(2).all(0))\n"
        "    return torch.stack(found, 1)",
        # an absolute tolerance
        "def depends(context, s):\n"
        "    whole, found = context(s), []\n"
        "    for k in range(s.shape[1]):\n"
        "        covered = s.clone()\n"
        "        covered[:, k] = 0\n"
        "        change = (context(covered) - whole).abs()\n"
        "        found.append((change > 1e-6).any(2).any(0))\n"
        "    return torch.stack(found, 1)",
        # all units in place of any
        "def depends(context, s):\n"
        "    whole, found = context(s), []\n"
        "    for k in range(s.shape[1]):\n"
        "        covered = s.clone()\n"
        "        covered[:, k] = 0\n"
        "        found.append((context(covered) != whole).all(2).any(0))\n"
        "    return torch.stack(found, 1)",
    ],
    "3.4": ['answer = "a"', 'answer = "c"', 'answer = "d"'],
}
