"""Typical mistakes in lesson 5's exercises, of the right shape and type."""

_THREE = (
    "def total_loss(out, labels, lambdas, margin):\n"
    "    ranking = losses.batch_hard_triplet(out.fm, labels, margin).loss\n"
    "    part = F.cross_entropy(out.part_logits, labels)\n"
    "    whole = F.cross_entropy(out.global_logits, labels)\n"
)
_WEIGHTED = "    a, b, c = lambdas\n    return a * ranking + b * part + c * whole"
_GRADS = "    g = [torch.autograd.grad(x, fb, retain_graph=True)[0] for x in parts]\n"
_HEAD = "def clipped_step(net, optimiser, loss, lr, limit):\n"
_BACK = (
    "    optimiser.zero_grad()\n"
    "    loss.backward()\n"
    "    gradients = [w.grad for w in net.parameters() if w.grad is not None]\n"
    "    norm = torch.cat([g.flatten() for g in gradients]).norm()\n"
)
_SCALE = "    for g in gradients:\n        g *= min(1.0, limit / norm)\n"
_RATE = "    for group in optimiser.param_groups:\n        group['lr'] = lr\n"
_MOVE = "    optimiser.step()\n"
_DIFF = (
    "def over_seeds(changed, baseline):\n"
    "    pairs = zip(changed, baseline, strict=True)\n"
    "    differences = [c - b for c, b in pairs]\n"
    "    mean = sum(differences) / len(differences)\n"
)
_ADAM = "def adam_step(m, v, t, g, lr, betas, eps):\n"
_MEANS = (
    "    m = betas[0] * m + (1 - betas[0]) * g\n"
    "    v = betas[1] * v + (1 - betas[1]) * g**2\n"
)
_MADE_UP = (
    "    size = ((v / (1 - betas[1] ** (t + 1))).sqrt() + eps)\n"
    "    return m, v, -lr * m / (1 - betas[0] ** (t + 1)) / size"
)

WRONG = {
    "5.1": [
        # no weights
        f"{_THREE}    return ranking + part + whole",
        # the order of the branches' names
        f"{_THREE}    a, b, c = lambdas\n    return a * part + b * whole + c * ranking",
        # the two classifiers exchanged
        f"{_THREE}    a, b, c = lambdas\n    return a * ranking + b * whole + c * part",
        # the mean
        f"{_THREE}    a, b, c = lambdas\n"
        "    return (a * ranking + b * part + c * whole) / 3",
        # a softmax too many
        "def total_loss(out, labels, lambdas, margin):\n"
        "    ranking = losses.batch_hard_triplet(out.fm, labels, margin).loss\n"
        "    part = F.cross_entropy(out.part_logits.softmax(1), labels)\n"
        "    whole = F.cross_entropy(out.global_logits.softmax(1), labels)\n"
        "    a, b, c = lambdas\n    return a * ranking + b * part + c * whole",
        # the margin of the paper
        "def total_loss(out, labels, lambdas, margin):\n"
        "    ranking = losses.batch_hard_triplet(out.fm, labels).loss\n"
        "    part = F.cross_entropy(out.part_logits, labels)\n"
        "    whole = F.cross_entropy(out.global_logits, labels)\n"
        "    a, b, c = lambdas\n    return a * ranking + b * part + c * whole",
        # no gradient; .item() gets the same answer, since it is the same mistake
        f"{_THREE}    a, b, c = lambdas\n"
        "    return (a * ranking + b * part + c * whole).detach()",
        # the whole result of BtR in place of its loss
        f"{_THREE}{_WEIGHTED}".replace(".loss", ""),
        # sums over the pictures in the classifiers
        f"{_THREE}{_WEIGHTED}".replace("labels)", "labels, reduction='sum')"),
    ],
    "5.2": [
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
        # without the sign
        f"def agreement(parts, fb):\n{_GRADS}"
        "    g = F.normalize(torch.stack(g).flatten(1), dim=1)\n"
        "    return (g @ g.T).abs()",
    ],
    "5.3": [
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
        # another base
        "def rate(epoch, lr, start, epochs):\n"
        "    done = max(epoch - start, 0) / (epochs - start)\n"
        "    return lr * 0.1**done",
        # another exponential
        "def rate(epoch, lr, start, epochs):\n"
        "    done = max(epoch - start, 0) / (epochs - start)\n"
        "    return lr * np.exp(-3 * done)",
        # one step
        "def rate(epoch, lr, start, epochs):\n"
        "    return lr if epoch <= start else lr * 0.001",
        # whole epochs
        "def rate(epoch, lr, start, epochs):\n"
        "    done = max(int(epoch) - start, 0) / (epochs - start)\n"
        "    return lr * 0.001**done",
    ],
    "5.4": [
        # old gradients
        f"{_HEAD}{_BACK}{_SCALE}{_RATE}{_MOVE}    return norm".replace(
            "    optimiser.zero_grad()\n", ""
        ),
        # nothing is clipped
        f"{_HEAD}{_BACK}{_RATE}{_MOVE}    return norm",
        # each tensor by itself
        f"{_HEAD}{_BACK}    for g in gradients:\n"
        "        g *= min(1.0, limit / g.norm())\n"
        f"{_RATE}{_MOVE}    return norm",
        # each number by itself
        f"{_HEAD}{_BACK}    for g in gradients:\n        g.clamp_(-limit, limit)\n"
        f"{_RATE}{_MOVE}    return norm",
        # short ones are stretched
        f"{_HEAD}{_BACK}    for g in gradients:\n        g *= limit / norm\n"
        f"{_RATE}{_MOVE}    return norm",
        # the rate as it was
        f"{_HEAD}{_BACK}{_SCALE}{_MOVE}    return norm",
        # the rate too late
        f"{_HEAD}{_BACK}{_SCALE}{_MOVE}{_RATE}    return norm",
        # the clipped length
        f"{_HEAD}{_BACK}{_SCALE}{_RATE}{_MOVE}"
        "    return torch.cat([g.flatten() for g in gradients]).norm()",
        # the weight without a gradient
        f"{_HEAD}{_BACK}{_SCALE}{_RATE}{_MOVE}    return norm".replace(
            " if w.grad is not None", ""
        ),
        # no step
        f"{_HEAD}{_BACK}{_SCALE}{_RATE}    return norm",
    ],
    "5.5": [
        # no correction
        f"{_ADAM}{_MEANS}    return m, v, -lr * m / (v.sqrt() + eps)",
        # the correction of the step before
        f"{_ADAM}{_MEANS}{_MADE_UP}".replace("t + 1", "t"),
        # v without the square
        f"{_ADAM}{_MEANS}{_MADE_UP}".replace("g**2", "g"),
        # eps inside the root
        f"{_ADAM}{_MEANS}{_MADE_UP}".replace(").sqrt() + eps)", ") + eps).sqrt()"),
        # no eps
        f"{_ADAM}{_MEANS}{_MADE_UP}".replace(" + eps", ""),
        # no root
        f"{_ADAM}{_MEANS}{_MADE_UP}".replace(".sqrt()", ""),
        # the betas exchanged
        f"{_ADAM}    betas = betas[::-1]\n{_MEANS}{_MADE_UP}",
        # with the gradient
        f"{_ADAM}{_MEANS}{_MADE_UP}".replace("-lr * m", "lr * m"),
        # the corrected means are kept
        f"{_ADAM}{_MEANS}    m = m / (1 - betas[0] ** (t + 1))\n"
        "    v = v / (1 - betas[1] ** (t + 1))\n"
        "    return m, v, -lr * m / (v.sqrt() + eps)",
        # the change alone
        f"{_ADAM}{_MEANS}{_MADE_UP}".replace("return m, v, ", "return "),
    ],
    "5.6": [
        # the other way round
        f"{_DIFF}    return -mean, sum(d * mean > 0 for d in differences)",
        # only rises
        f"{_DIFF}    return mean, sum(d > 0 for d in differences)",
        # a share
        f"{_DIFF}    agree = sum(d * mean > 0 for d in differences)\n"
        "    return mean, agree / len(changed)",
        # zero counts
        f"{_DIFF}    return mean, sum(d * mean >= 0 for d in differences)",
        # the sum
        f"{_DIFF}    return sum(differences), sum(d * mean > 0 for d in differences)",
    ],
}
