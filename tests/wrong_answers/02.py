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
    ],
    "2.2": [
        # the stride counts for its own layer
        "def field_size(layers):\n"
        "    size, jump = 1, 1\n"
        "    for k, s in layers:\n"
        "        jump *= s\n"
        "        size += (k - 1) * jump\n"
        "    return size",
        # the last stride in place of their product
        "def field_size(layers):\n"
        "    size, jump = 1, 1\n"
        "    for k, s in layers:\n"
        "        size += (k - 1) * jump\n"
        "        jump = s\n"
        "    return size",
        # no strides
        "def field_size(layers):\n    return 1 + sum(k - 1 for k, s in layers)",
        # k in place of k - 1
        "def field_size(layers):\n"
        "    size, jump = 1, 1\n"
        "    for k, s in layers:\n"
        "        size += k * jump\n"
        "        jump *= s\n"
        "    return size",
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
    ],
    "2.4": ['answer = "a"', 'answer = "c"', 'answer = "d"'],
}
