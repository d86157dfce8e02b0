"""Typical mistakes in lesson 5's exercises, of the right shape and type."""

_GRADS = "    g = [torch.autograd.grad(x, fb, retain_graph=True)[0] for x in parts]\n"
_NORM = "    norm = torch.cat([g.flatten() for g in gradients]).norm()\n"

WRONG = {
    "5.1": [
        # not divided by the norms
        f"def agreement(parts, fb):\n{_GRADS}"
        "    g = torch.stack(g).flatten(1)\n    return g @ g.T",
        # backward adds up
        "def agreement(parts, fb):\n"
        "    g = []\n"
        "    for x in parts:\n"
        "        x.backward(retain_graph=True)\n"
        "        g.append(fb.grad.clone().flatten())\n"
        "    g = F.normalize(torch.stack(g), dim=1)\n    return g @ g.T",
        # the graph is gone after the first loss
        "def agreement(parts, fb):\n"
        "    g = [torch.autograd.grad(x, fb)[0] for x in parts]\n"
        "    g = F.normalize(torch.stack(g).flatten(1), dim=1)\n    return g @ g.T",
        # a cosine per picture
        f"def agreement(parts, fb):\n{_GRADS}"
        "    g = F.normalize(torch.stack(g).flatten(2), dim=2)\n"
        "    return torch.einsum('anc,bnc->abn', g, g).mean(2)",
    ],
    "5.2": [
        # falls from the start
        "def rate(epoch, lr, start, epochs):\n"
        "    return lr * 0.001 ** (epoch / epochs)",
        # an exponent below 0 before s
        "def rate(epoch, lr, start, epochs):\n"
        "    return lr * 0.001 ** ((epoch - start) / (epochs - start))",
        # over E instead of E - s
        "def rate(epoch, lr, start, epochs):\n"
        "    return lr * 0.001 ** (max(epoch - start, 0) / epochs)",
        # a straight line
        "def rate(epoch, lr, start, epochs):\n"
        "    done = max(epoch - start, 0) / (epochs - start)\n"
        "    return lr * (1 - 0.999 * done)",
    ],
    "5.3": [
        # each tensor by itself
        "def clip(gradients, limit):\n"
        "    return [g * min(1, limit / g.norm()) for g in gradients]",
        # the sum of the norms
        "def clip(gradients, limit):\n"
        "    norm = sum(g.norm() for g in gradients)\n"
        "    return [g * min(1, limit / norm) for g in gradients]",
        # each number by itself
        "def clip(gradients, limit):\n"
        "    return [g.clamp(-limit, limit) for g in gradients]",
        # short ones are stretched
        f"def clip(gradients, limit):\n{_NORM}"
        "    return [g * limit / norm for g in gradients]",
    ],
    "5.4": ['answer = "a"', 'answer = "b"', 'answer = "d"'],
}
