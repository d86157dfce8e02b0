"""Typical mistakes in lesson 4's exercises, of the right shape and type."""

_D2 = (
    "    square = fm.square().sum(1)\n"
    "    d2 = square[:, None] + square - 2 * fm @ fm.T\n"
)
_MASKS = (
    "def masks(labels):\n"
    "    same = labels[:, None] == labels\n"
    "    itself = torch.eye(len(labels), dtype=torch.bool)\n"
)
_FAR = "    far = distances.masked_fill(~positive, -torch.inf).amax(1)\n"
_NEAR = "    near = distances.masked_fill(~negative, torch.inf).amin(1)\n"
_LOSS = f"def batch_hard(distances, positive, negative, margin):\n{_FAR}{_NEAR}"
_SHARE = (
    "def active_share(distances, positive, negative, margin):\n"
    "    cost = margin + distances[:, :, None] - distances[:, None]\n"
    "    valid = positive[:, :, None] & negative[:, None]\n"
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
        # the product once
        "def my_distances(fm):\n"
        "    square = fm.square().sum(1)\n"
        "    d2 = square[:, None] + square - fm @ fm.T\n"
        "    return d2.clamp(min=1e-12).sqrt()",
        # one side detached
        "def my_distances(fm):\n"
        "    d2 = (fm[:, None] - fm.detach()).square().sum(-1)\n"
        "    return d2.clamp(min=1e-12).sqrt()",
        # no graph at all
        f"def my_distances(fm):\n{_D2}    return d2.clamp(min=1e-12).sqrt().detach()",
    ],
    "4.2": [
        # a picture is its own positive
        f"{_MASKS}    return same, ~same",
        # swapped
        f"{_MASKS}    return ~same, same & ~itself",
        # a picture is its own negative
        f"{_MASKS}    return same & ~itself, ~(same & ~itself)",
        # inverted
        "def masks(labels):\n"
        "    same = labels[:, None] != labels\n"
        "    itself = torch.eye(len(labels), dtype=torch.bool)\n"
        "    return same & ~itself, ~same",
        # integers negated
        "def masks(labels):\n"
        "    same = (labels[:, None] == labels).int()\n"
        "    return same, ~same",
        # one half
        f"{_MASKS}    return same.triu(1), ~same",
    ],
    "4.3": [
        # the hinge of the mean
        f"{_LOSS}    return (margin + far - near).mean().clamp(min=0)",
        # squared distances
        f"{_LOSS}    return (margin + far**2 - near**2).clamp(min=0).mean()",
        # the mean over active anchors
        f"{_LOSS}    hinge = (margin + far - near).clamp(min=0)\n"
        "    return hinge[hinge > 0].mean()",
        # masks by multiplication
        "def batch_hard(distances, positive, negative, margin):\n"
        "    far = (distances * positive).amax(1)\n"
        "    near = (distances * negative).amin(1)\n"
        "    return (margin + far - near).clamp(min=0).mean()",
        # the easiest positive
        "def batch_hard(distances, positive, negative, margin):\n"
        "    far = distances.masked_fill(~positive, torch.inf).amin(1)\n"
        f"{_NEAR}    return (margin + far - near).clamp(min=0).mean()",
        # the farthest negative
        f"def batch_hard(distances, positive, negative, margin):\n{_FAR}"
        "    near = distances.masked_fill(~negative, -torch.inf).amax(1)\n"
        "    return (margin + far - near).clamp(min=0).mean()",
        # no hinge
        f"{_LOSS}    return (margin + far - near).mean()",
        # the margin of the text
        f"{_LOSS}    return (0.5 + far - near).clamp(min=0).mean()",
        # the fills exchanged
        "def batch_hard(distances, positive, negative, margin):\n"
        "    far = distances.masked_fill(~positive, torch.inf).amax(1)\n"
        "    near = distances.masked_fill(~negative, -torch.inf).amin(1)\n"
        "    return (margin + far - near).clamp(min=0).mean()",
        # no gradient
        f"{_LOSS}    return (margin + far - near).clamp(min=0).mean().detach()",
        # a number without its graph
        f"{_LOSS}    return (margin + far - near).clamp(min=0).mean().item()",
        # the soft margin
        f"{_LOSS}    return torch.nn.functional.softplus(far - near).mean()",
        f"{_LOSS}    x = margin + far - near\n    return (1 + x.exp()).log().mean()",
    ],
    "4.4": [
        # triplets at the limit
        f"{_SHARE}    return (cost[valid] >= 0).float().mean()",
        # a count
        f"{_SHARE}    return (cost[valid] > 0).sum()",
        # over all combinations
        f"{_SHARE}    return ((cost > 0) & valid).float().mean()",
        # no mask
        f"{_SHARE}    return (cost > 0).float().mean()",
        # the hardest alone
        f"def active_share(distances, positive, negative, margin):\n{_FAR}{_NEAR}"
        "    return (margin + far - near > 0).float().mean()",
        # positive and negative exchanged
        "def active_share(distances, positive, negative, margin):\n"
        "    cost = margin + distances[:, None] - distances[:, :, None]\n"
        "    valid = positive[:, :, None] & negative[:, None]\n"
        "    return (cost[valid] > 0).float().mean()",
        # the mean of the anchors' shares
        f"{_SHARE}    active = (cost > 0) & valid\n"
        "    return (active.sum((1, 2)) / valid.sum((1, 2))).mean()",
    ],
    "4.5": ['answer = "a"', 'answer = "b"', 'answer = "d"'],
}
