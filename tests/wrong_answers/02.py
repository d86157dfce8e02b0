"""Typical mistakes in lesson 2's exercises, of the right shape and type."""

WRONG = {
    "2.1": [
        # columns from left to right in place of rows from head to foot
        "def part_sequence(fb):\n    return fb.mean(dim=2).transpose(1, 2)",
        # reshape moves nothing
        "def part_sequence(fb):\n"
        "    n, c, h, w = fb.shape\n"
        "    return fb.mean(dim=3).reshape(n, h, c)",
        # the largest in place of the mean
        "def part_sequence(fb):\n    return fb.amax(dim=3).transpose(1, 2)",
        # rows and channels have not changed places
        "def part_sequence(fb):\n    return fb.mean(dim=3)",
        # two axes in the wrong order
        "def part_sequence(fb):\n    return fb.mean(dim=3).transpose(0, 2)",
    ],
    "2.2": [
        # the stride counts for its own layer
        "def receptive_field(layers):\n"
        "    top, size, jump = 0, 1, 1\n"
        "    for k, s, p in layers:\n"
        "        jump *= s\n"
        "        top -= p * jump\n"
        "        size += (k - 1) * jump\n"
        "    return top, size, jump",
        # the last stride in place of their product
        "def receptive_field(layers):\n"
        "    top, size, jump = 0, 1, 1\n"
        "    for k, s, p in layers:\n"
        "        top -= p * jump\n"
        "        size += (k - 1) * jump\n"
        "        jump = s\n"
        "    return top, size, jump",
        # the layer's own stride in place of the jump
        "def receptive_field(layers):\n"
        "    top, size, jump = 0, 1, 1\n"
        "    for k, s, p in layers:\n"
        "        top -= p * s\n"
        "        size += (k - 1) * s\n"
        "        jump *= s\n"
        "    return top, size, jump",
        # the same in the size alone
        "def receptive_field(layers):\n"
        "    top, size, jump = 0, 1, 1\n"
        "    for k, s, p in layers:\n"
        "        top -= p * jump\n"
        "        size += (k - 1) * s\n"
        "        jump *= s\n"
        "    return top, size, jump",
        # no strides
        "def receptive_field(layers):\n"
        "    return (-sum(p for k, s, p in layers),\n"
        "            1 + sum(k - 1 for k, s, p in layers), 1)",
        # k in place of k - 1
        "def receptive_field(layers):\n"
        "    top, size, jump = 0, 1, 1\n"
        "    for k, s, p in layers:\n"
        "        top -= p * jump\n"
        "        size += k * jump\n"
        "        jump *= s\n"
        "    return top, size, jump",
        # padding in pixels of the image
        "def receptive_field(layers):\n"
        "    top, size, jump = 0, 1, 1\n"
        "    for k, s, p in layers:\n"
        "        top -= p\n"
        "        size += (k - 1) * jump\n"
        "        jump *= s\n"
        "    return top, size, jump",
        # padding downwards
        "def receptive_field(layers):\n"
        "    top, size, jump = 0, 1, 1\n"
        "    for k, s, p in layers:\n"
        "        top += p * jump\n"
        "        size += (k - 1) * jump\n"
        "        jump *= s\n"
        "    return top, size, jump",
        # size and jump alone
        "def receptive_field(layers):\n"
        "    size, jump = 1, 1\n"
        "    for k, s, p in layers:\n"
        "        size += (k - 1) * jump\n"
        "        jump *= s\n"
        "    return size, jump",
    ],
    "2.3": [
        # all rows
        "def row_gradient(net, image, row):\n"
        "    x = image[None].clone().requires_grad_()\n"
        "    net(x).mean(dim=3).sum().backward()\n"
        "    return x.grad[0]",
        # asks for no gradient at the image
        "def row_gradient(net, image, row):\n"
        "    x = image[None]\n"
        "    net(x).mean(dim=3)[0, :, row].sum().backward()\n"
        "    return x.grad[0]",
        # asks at the image, and looks at a copy
        "def row_gradient(net, image, row):\n"
        "    x = image.requires_grad_()[None]\n"
        "    net(x).mean(dim=3)[0, :, row].sum().backward()\n"
        "    return x.grad[0]",
        # a column
        "def row_gradient(net, image, row):\n"
        "    x = image[None].clone().requires_grad_()\n"
        "    net(x).mean(dim=2)[0, :, row].sum().backward()\n"
        "    return x.grad[0]",
        # the sum over the columns
        "def row_gradient(net, image, row):\n"
        "    x = image[None].clone().requires_grad_()\n"
        "    net(x)[0, :, row].sum().backward()\n"
        "    return x.grad[0]",
        # the mean over the channels
        "def row_gradient(net, image, row):\n"
        "    x = image[None].clone().requires_grad_()\n"
        "    net(x).mean(dim=3)[0, :, row].mean().backward()\n"
        "    return x.grad[0]",
    ],
    "2.4": [
        # the wrong direction
        "def corresponding(a, b, k):\n"
        "    rows = a.shape[1]\n"
        "    down, up = max(0, k), max(0, -k)\n"
        "    return a[:, down : rows - up], b[:, up : rows - down]",
        # rows that leave come back at the other end
        "def corresponding(a, b, k):\n    return a, b.roll(-k, 1)",
        # an empty slice at k = 0
        "def corresponding(a, b, k):\n"
        "    if k >= 0:\n"
        "        return a[:, :-k], b[:, k:]\n"
        "    return a[:, -k:], b[:, :k]",
        # up is taken for down
        "def corresponding(a, b, k):\n"
        "    k, rows = abs(k), a.shape[1]\n"
        "    return a[:, : rows - k], b[:, k:]",
        # both ends of both
        "def corresponding(a, b, k):\n"
        "    k, rows = abs(k), a.shape[1]\n"
        "    return a[:, k : rows - k], b[:, k : rows - k]",
        # moves down alone
        "def corresponding(a, b, k):\n    return a[:, : a.shape[1] - k], b[:, k:]",
        # the same rows of both
        "def corresponding(a, b, k):\n"
        "    rows = a.shape[1]\n"
        "    down, up = max(0, k), max(0, -k)\n"
        "    return a[:, up : rows - down], b[:, up : rows - down]",
    ],
    "2.5": ['answer = "a"', 'answer = "c"', 'answer = "d"'],
}
