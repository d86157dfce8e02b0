# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # 4 · The batch-hard triplet loss
#
# After this lesson you can write the loss of the ranking branch yourself, train with
# it, and tell from two numbers whether it is learning, done, or has collapsed.
#
# **Objectives**
#
# - **O1** form a PK batch and count its triplets (prediction 4.p1)
# - **O2** compute distances whose gradient stays finite (exercise 4.1)
# - **O3** mine the hardest pairs by masks, and write equation 1 (exercises 4.2 and 4.3)
# - **O4** recognise a collapsed embedding by its loss, and say how it came about
#   (prediction 4.p2, exercise 4.4)
# - **O5** read the share of active triplets (prediction 4.p3)
#
# **Needs** lesson 0; PyTorch's autograd. **Time** 40 minutes to read, under a minute
# to run on two cores. **Paper** §3.4, equation 1.
# **Modules** `dplib.losses`, `dplib.sampling`, `dplib.lessons.batch_hard_triplet`.

# %% tags=["setup"]

# %%
import torch
import torch.nn.functional as F

# %%
from dplib import (
    checkpoints,
    datasets,
    descriptors,
    evaluation,
    losses,
    plots,
    transforms,
)
from dplib.lessons.batch_hard_triplet import figures
from dplib.lessons.batch_hard_triplet.mining import FlatEmbedding, Settings
from dplib.lessons.checks import check, predict, reveal
from dplib.sampling import PKSampler

# %% [markdown]
# ## 1 · Triplets on paper
#
# Classification (lesson 2) sorts pictures into the pids of the training set. At test
# time nobody belongs to them: all that counts is *distance* between descriptors. The
# **ranking branch** trains just that. It takes three pictures:
#
# - an **anchor** a,
# - a **positive** p, another picture of the anchor's pid,
# - a **negative** n, a picture of somebody else,
#
# and asks that the negative be further away than the positive, by at least a
# **margin** m: D(a, n) ≥ D(a, p) + m, with D the Euclidean distance. What is missing is
# the loss, [m + D(a, p) - D(a, n)]₊, where [x]₊, the **hinge**, is x or, if that is
# negative, 0. A triplet whose loss is above 0 is **active**; the others are content and
# teach nothing.
#
# Six pictures of three pids, each described by two numbers, so that we can draw them:

# %% tags=["nbval-check-output"]
points = torch.tensor([[0.0, 0], [3, 0], [3, 4], [0, 4], [6, 0], [6, 4]])
pids = torch.tensor([7, 7, 3, 3, 5, 5])
for i, (xy, pid) in enumerate(zip(points.tolist(), pids.tolist(), strict=True)):
    print(f"picture {i}: pid {pid} at {xy}")

# %%
plots.show(
    figures.triplets_on_paper(points, pids, anchor=4, margin=0.5),
    alt="""Six points on a grid. Anchor 4 is 4 away from its only positive, point 5, and
    only 3 away from point 1, of another pid, which lies well inside both circles: the
    triplet is active.""",
)

# %% [markdown]
# For anchor 4 the positive is 4 away, the nearest negative 3. With m = 0.5 the loss is
# [0.5 + 4 - 3]₊ = 1.5. Its gradient pulls 5 towards 4, and pushes 1 away.
#
# ## 2 · PK batches
#
# Triplets are made *within* a batch: pictures once described serve in many triplets.
# But who is in the batch? Draw 32 pictures of ToyMarket's training half at random:

# %%
data = datasets.load("toymarket", DATA)
train_pids = torch.tensor([s.pid for s in data.train])

# %% tags=["nbval-check-output"]
drawn = torch.randperm(len(train_pids), generator=torch.Generator().manual_seed(0))[:32]
pids_drawn, times = train_pids[drawn].unique(return_counts=True)
print("pids in 32 random pictures:", len(pids_drawn))
print("of these with a positive:  ", int((times > 1).sum()))

# %% [markdown]
# Each picture is alone, without a positive: no triplet at all. So the paper draws **P
# pids, and K pictures of each**: every anchor then has K - 1 positives and PK - K
# negatives.

# %% tags=["nbval-check-output"]
sampler = PKSampler(train_pids.tolist(), p=8, k=4, seed=0)
batch = torch.tensor(next(iter(sampler)))
pids_drawn, times = train_pids[batch].unique(return_counts=True)
print("pids:", len(pids_drawn), "  pictures of each:", times.tolist())

# %% [markdown]
# The paper's batches have PK = 128 pictures, P = 16 and K = 8 on Market-1501. How many
# different triplets (anchor, positive, negative) does one such batch hold?

# %% tags=["nbval-check-output"]
predict("4.p1", ...)

# %% tags=["nbval-check-output"]
P, K = 16, 8
anchors, positives, negatives = P * K, K - 1, P * K - K
reveal("4.p1", anchors * positives * negatives)

# %% [markdown]
# PK anchors, times K - 1 positives, times PK - K negatives. Most of so many are content
# soon. **Batch-hard** keeps one for each anchor: the farthest positive with the nearest
# negative, the worst case in the batch.

# %% [markdown]
# ## 3 · Distances one can train through
#
# `fm` [N, C] holds one descriptor a row, as in lesson 0; here, the six points. All
# distances at once: subtract each row from each row, [N, N, C] numbers.


# %% tags=["nbval-check-output"]
def by_differences(fm):
    return (fm[:, None] - fm).square().sum(-1).sqrt()


print(by_differences(points).round(decimals=1))

# %% [markdown]
# With N = 128 and C = 2048 these are 33 million differences, 134 MB. Multiplied out,
# |a - b|² = |a|² + |b|² - 2 a·b, only [N, N] numbers and one matrix product are needed:


# %% tags=["nbval-check-output"]
def squares_expanded(fm):
    square = fm.square().sum(1)
    return square[:, None] + square - 2 * fm @ fm.T


torch.testing.assert_close(squares_expanded(points).sqrt(), by_differences(points))
torch.testing.assert_close(torch.cdist(points, points), by_differences(points))
print("equal, on whole numbers")

# %% [markdown]
# **Rounding.** float32 has about seven digits. When two large numbers nearly cancel,
# what is left is their rounding error. Two pictures that lie close together, far from
# the origin:

# %% tags=["nbval-check-output"]
close = torch.tensor([100.0, 100.011])
a, b = close
print("squares:           ", f"{a * a:.4f}  {b * b:.4f}  2ab = {2 * a * b:.4f}")
print("(a - b)²:          ", f"{(a - b) ** 2:.6f}")
print("a² + b² - 2ab:     ", f"{a * a + b * b - 2 * a * b:.6f}")
print("its root:          ", (a * a + b * b - 2 * a * b).sqrt().item())

# %% [markdown]
# A square below 0, and its root is `nan`. So the square is **clamped** from below. And
# there is a second reason to clamp it, and to do so *before* the root.
#
# The derivative of √x is 1 / (2√x): infinite at 0. And zeros there are: the distance of
# each picture to itself. We ask for the gradient of *one* distance, D(0, 1) = 3, and
# touch no zero at all:

# %% tags=["nbval-check-output"]
fm = points.clone().requires_grad_()
by_differences(fm)[0, 1].backward()
print(fm.grad)

# %% [markdown]
# Every gradient is `nan`, in the first step of training. The chain rule goes through
# *all* entries of the matrix; those not asked for get an upstream gradient of 0, and on
# the diagonal 0 times infinity is `nan`. Masking the diagonal afterwards cannot help:
# that, too, multiplies by 0. The cure is to keep the root away from 0:

# %% tags=["nbval-check-output"]
fm = points.clone().requires_grad_()
squares_expanded(fm).clamp(min=1e-12).sqrt()[0, 1].backward()
print(fm.grad[:2])

# %% [markdown]
# Below its limit a clamp is constant, its slope is 0, and 0 times the *finite* slope of
# √(10⁻¹²) is 0. The gradient is now what geometry says: a unit vector along the line,
# however long that line is. Two equal pictures get no gradient instead of `nan`. (A
# limit of exactly 0 would hang on the slope that PyTorch gives a clamp *at* its limit.)
#
# ### Exercise 4.1 · distances (difficulty 2, 10 minutes)
#
# Give back all Euclidean distances [N, N] between the rows of `fm` [N, C], with finite
# gradients and without `nan` for rows that lie close together, by either formula.


# %% tags=["exercise:4.1", "nbval-check-output"]
def my_distances(fm):
    return ...


check("4.1", my_distances)

# %% [markdown]
# <details><summary>Hint</summary>Three steps in this order: square, clamp, root. Clamp
# at a small number above 0, and the slope of the root is finite everywhere.</details>
# <details><summary>Solution</summary>
#
# ```python
# def my_distances(fm):
#     square = fm.square().sum(1)
#     d2 = square[:, None] + square - 2 * fm @ fm.T
#     return d2.clamp(min=1e-12).sqrt()
# ```
# </details>

# %% [markdown]
# ## 4 · Hardest pairs by masks
#
# Two Boolean matrices say who is what to whom: `same` holds where the pids agree, and a
# picture is no positive of itself.

# %% tags=["nbval-check-output"]
same = pids[:, None] == pids
positive = same & ~torch.eye(len(pids), dtype=torch.bool)
print("positives:\n", positive.int(), "\nnegatives:\n", (~same).int())

# %% [markdown]
# The farthest positive is the largest entry of a row *among the positives*: fill the
# others with -∞, and they never win. Likewise +∞ for the smallest among the negatives.
# (`losses.pairwise_distances` is `dplib`'s answer to exercise 4.1.)

# %% tags=["nbval-check-output"]
distances = losses.pairwise_distances(points)
far = distances.masked_fill(~positive, -torch.inf).amax(1)
near = distances.masked_fill(same, torch.inf).amin(1)
hinge = (0.5 + far - near).clamp(min=0)
print("hardest positive", far.tolist())
print("hardest negative", near.tolist())
print("hinge           ", hinge.tolist())
print(f"loss {hinge.mean():.4f}, active {(hinge > 0).float().mean():.0%}")

# %%
plots.show(
    figures.distance_matrix(distances, pids),
    alt="""A 6 x 6 matrix of distances with three framed 2 x 2 blocks of one pid each.
    In every row a circle inside the block marks the hardest positive, at 3 or 4, and
    a cross outside it the hardest negative, also at 3 or 4.""",
)

# %% [markdown]
# That is **equation 1**: the mean over the PK anchors of
# [m + max D(a, positives) - min D(a, negatives)]₊. Is it the same as `dplib`'s, and as
# a plain loop over all triplets that keeps the worst of each anchor?


# %%
def by_loops(fm, labels, margin=0.5):
    """Equation 1 without a mask: every triplet, one at a time."""
    worst = [0.0] * len(fm)
    for a in range(len(fm)):
        for p in range(len(fm)):
            for n in range(len(fm)):
                if a != p and labels[a] == labels[p] and labels[a] != labels[n]:
                    gap = (fm[a] - fm[p]).norm() - (fm[a] - fm[n]).norm()
                    worst[a] = max(worst[a], margin + gap.item())
    return sum(worst) / len(worst)


# %% tags=["nbval-check-output"]
result = losses.batch_hard_triplet(points, pids, margin=0.5)
torch.testing.assert_close(hinge.mean(), result.loss)
torch.testing.assert_close(far, result.hardest_positive)
torch.testing.assert_close(near, result.hardest_negative)
torch.testing.assert_close(by_loops(points, pids), result.loss.item())
print(f"all three: {result.loss:.4f}, active {result.active:.0%}")

# %% [markdown]
# ### Exercise 4.2 · mining (difficulty 2, 10 minutes)
#
# From `distances` [N, N] and the pids `labels` [N], not sorted, give back two tensors
# [N]: each anchor's *distance* to its hardest positive, and that to its hardest
# negative. Mind what a masked entry is set to.


# %% tags=["exercise:4.2", "nbval-check-output"]
def hardest(distances, labels):
    return ...


check("4.2", hardest)

# %% [markdown]
# <details><summary>Hint</summary>An entry multiplied by a mask of zeros is 0, and 0 is
# a very small distance.</details>
# <details><summary>Solution</summary>
#
# ```python
# def hardest(distances, labels):
#     same = labels[:, None] == labels
#     positive = same & ~torch.eye(len(labels), dtype=torch.bool)
#     far = distances.masked_fill(~positive, -torch.inf).amax(1)
#     near = distances.masked_fill(same, torch.inf).amin(1)
#     return far, near
# ```
# </details>

# %% [markdown]
# ### Exercise 4.3 · equation 1 (difficulty 2, 10 minutes)
#
# The loss of a batch as one number, from `fm` [N, C], `labels` [N] and `margin`. You
# may use `losses.pairwise_distances` and the masks above.


# %% tags=["exercise:4.3", "nbval-check-output"]
def batch_hard(fm, labels, margin):
    return ...


check("4.3", batch_hard)

# %% [markdown]
# <details><summary>Hint</summary>The order matters: the hinge of each anchor first,
# then the mean over all of them, active or not.</details>
# <details><summary>Solution</summary>
#
# ```python
# def batch_hard(fm, labels, margin):
#     distances = losses.pairwise_distances(fm)
#     same = labels[:, None] == labels
#     positive = same & ~torch.eye(len(labels), dtype=torch.bool)
#     far = distances.masked_fill(~positive, -torch.inf).amax(1)
#     near = distances.masked_fill(same, torch.inf).amin(1)
#     return (margin + far - near).clamp(min=0).mean()
# ```
# </details>

# %% [markdown]
# Now a real batch: the 32 pictures that `PKSampler` drew, described by the shipped toy
# net, which was trained with this loss among others. `fm` is taken as it comes: nothing
# sits between it and the loss, no normalisation (§3.4).

# %%
net = checkpoints.load("toy")
samples = [data.train[i] for i in batch.tolist()]
images = transforms.normalise(
    transforms.decode(samples, net.image_size, progress=False)
)
with torch.inference_mode():
    fm = net.descriptor(images)
labels = train_pids[batch]

# %% tags=["nbval-check-output"]
result = losses.batch_hard_triplet(fm, labels)
torch.testing.assert_close(by_loops(fm, labels), result.loss.item())
print("fm", tuple(fm.shape), "  the loops agree with dplib on 32 real pictures")

# %%
plots.show(
    figures.distance_matrix(
        losses.pairwise_distances(fm),
        labels,
        title=f"8 pids x 4 pictures, toy net: {result.active:.0%} active",
    ),
    alt="""A 32 x 32 matrix of distances with eight framed 4 x 4 blocks. The blocks, one
    pid each, are pale, the rest is darker: pictures of one person lie closer together.
    Circles mark each row's hardest positive, crosses its hardest negative.""",
)

# %% [markdown]
# The pale blocks are the pids. The net was trained on these very people, and even the
# hardest triplets of this batch are content: there is nothing left to learn here, until
# augmentation or a new batch brings something harder.

# %% [markdown]
# ## 5 · Watch it train
#
# Leave the net away: give each of 36 pictures (6 pids, 6 pictures each) two coordinates
# of its own, and let the loss move them. Such a set of points, one a picture, is an
# **embedding**. One tick is one step on one PK batch. The lines are the active
# triplets: solid to the positive, dotted to the negative.
#
# Press play. Then Reset, and try:
#
# - **mining**: `hard` takes the hardest triplet of each anchor, `random` any one,
#   `all` every triplet. Which one is done first? Compare the *second* line of text,
#   equation 1 over all points.
# - **P** = 2: what do pids do that seldom meet in a batch?
# - **margin** 2: where do the groups end, and does the loss reach 0?

# %%
from dplib.lessons.batch_hard_triplet import widgets

widgets.flat_embedding()

# %% [markdown]
# The same without a kernel, at four steps:

# %%
ways = {
    how: (FlatEmbedding(), Settings(mining=how)) for how in ("hard", "all", "random")
}
plots.show(
    figures.embedding_steps(ways, steps=(0, 10, 30, 80)),
    alt="""Three rows, mining hard, all and random, at steps 0, 10, 30 and 80. All begin
    with the same tangle. At step 80 the six pids are six groups in every row; they are
    tight with hard mining, and looser with all and with random triplets.""",
)

# %% [markdown]
# Look at the numbers above the last column. In each row the *batch* has no active
# triplet left. Ask for the hardest triplets of all 36 points, and the rows differ: an
# easy triplet is content long before the hard ones are. That is the case for mining;
# section 8 tries it on pictures. (With P = 2 the groups part too, only later. With
# margin 2 the loss also reaches 0, and the groups end further apart.)

# %% [markdown]
# ## 6 · Rivals of batch-hard
#
# Write x for D(a, p) - D(a, n). **Batch-all** takes the mean of [m + x]₊ over *every*
# triplet: below, entry [a, p, n] of `d[:, :, None] - d[:, None]` is its x. **Soft
# margin** replaces [m + x]₊ by ln(1 + eˣ): no margin to choose, never quite 0.
# **Squared** puts D² for D, which needs no root.


# %%
def batch_all(fm, labels, margin=0.5):
    d = losses.pairwise_distances(fm)
    same = labels[:, None] == labels
    positive = same & ~torch.eye(len(labels), dtype=torch.bool)
    hinge = (margin + d[:, :, None] - d[:, None]).clamp(min=0)  # [a, p, n]
    return hinge[positive[:, :, None] & ~same[:, None]].mean()


# %%
def soft_margin(fm, labels):
    r = losses.batch_hard_triplet(fm, labels)
    return F.softplus(r.hardest_positive - r.hardest_negative).mean()


def squared(fm, labels, margin=0.5):
    r = losses.batch_hard_triplet(fm, labels)
    return (margin + r.hardest_positive**2 - r.hardest_negative**2).relu().mean()


# %%
plots.show(
    figures.hinge_and_slope(),
    alt="""Left: the hinge is 0 up to minus the margin, then a straight line; the soft
    margin is a smooth curve, ln 2 at 0, that is never 0. Right: the gradient of D has
    length 1 at every distance, that of D squared grows from 0 in a straight line.""",
)

# %% [markdown]
# The right panel matters near 0. There D pushes two pictures apart as hard as anywhere;
# D² hardly at all. Two pictures of different people, at three distances:

# %% tags=["nbval-check-output"]
for gap in (1.0, 0.1, 0.001):
    pair = torch.tensor([[0.0], [gap]], requires_grad=True)
    d = losses.pairwise_distances(pair)[0, 1]
    (plain,) = torch.autograd.grad(d, pair, retain_graph=True)
    (square,) = torch.autograd.grad(d**2, pair)
    print(f"D = {gap:5}: slope of D {plain[1, 0]:.3f}, of D² {square[1, 0]:.3f}")

# %% [markdown]
# ## 7 · Collapse
#
# A net that describes *every* picture alike has all distances 0. What is the loss of
# equation 1 then, with m = 0.5?

# %% tags=["nbval-check-output"]
predict("4.p2", ...)

# %% tags=["nbval-check-output"]
alike = torch.ones(32, 128, requires_grad=True)
dead = losses.batch_hard_triplet(alike, labels)
dead.loss.backward()
reveal("4.p2", dead.loss.item())
print(f"active {dead.active:.0%}, largest gradient {alike.grad.abs().max():.0f}")

# %% [markdown]
# Exactly the margin; every triplet active; and no gradient that could lead away. Can
# training end there? We train on real pictures, with a net so small that a step takes
# milliseconds: colour histograms of 300 pids go in, `dim` numbers come out.

# %%
chosen = sorted(data.labels)[:300]
samples = [s for s in data.train if s.pid <= chosen[-1]]
histograms = descriptors.colour_histograms(samples, progress=False)
centre, scale = histograms.features.mean(0), histograms.features.std(0) + 1e-3
inputs = (histograms.features - centre) / scale
sampler = PKSampler(histograms.pids.tolist(), p=8, k=4, seed=0)


# %%
def batches(steps):
    """Batch number, pictures and pids of as many PK batches."""
    for step in range(steps):
        if step % len(sampler) == 0:
            sampler.set_epoch(step // len(sampler))
            epoch = iter(sampler)
        index = torch.tensor(next(epoch))
        yield inputs[index], histograms.pids[index]


# %%
def small_net(dim, seed):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        hidden = torch.nn.Linear(inputs.shape[1], 256)
        return torch.nn.Sequential(hidden, torch.nn.ReLU(), torch.nn.Linear(256, dim))


# %%
def train(loss, dim=64, steps=600, seed=0):
    net, history = small_net(dim, seed), {"loss": [], "active": []}
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-3)
    for x, y in batches(steps):
        fm = net(x)
        optimiser.zero_grad()
        loss(fm, y).backward()
        optimiser.step()
        seen = losses.batch_hard_triplet(fm.detach(), y)
        history["loss"].append(seen.loss.item())
        history["active"].append(seen.active.item())
    return net, history


# %% [markdown]
# Only two numbers a picture, `dim=2`: too few to keep 300 people apart at once.
# Whatever a run trains with, we note the loss of *equation 1*, so that runs can be
# compared.


# %%
def equation_1(fm, labels):
    return losses.batch_hard_triplet(fm, labels).loss


tight = {}
for name, loss in {"hard": equation_1, "squared": squared, "all": batch_all}.items():
    tight[name] = train(loss, dim=2, steps=300)

# %%
plots.show(
    figures.runs({n: h for n, (_, h) in tight.items()}, title="dim = 2"),
    alt="""Two panels over 300 steps with two numbers a picture. With hard and squared
    the loss of equation 1 falls to just above the dashed margin and stays, all triplets
    active. With batch-all it first rises, and then goes on falling.""",
)

# %%
for name, (net2, history) in tight.items():
    with torch.inference_mode():
        spread = net2(inputs).std(0).mean()
    loss = torch.tensor(history["loss"][-50:]).mean()
    print(f"{name:8} loss {loss:.3f}   spread of the embedding {spread:.3f}")

# %% [markdown]
# The spread is the standard deviation of a coordinate over all pictures. Batch-hard
# looked fine: the loss fell and levelled off. In fact the embedding shrank to a dot.
# *A loss that settles at the margin with all triplets active is a collapse, not a
# plateau.* (Here it ends a little above: with all triplets active the loss is exactly
# the margin plus the mean of max D(a, p) - min D(a, n), and the dot still has a size,
# in which the farthest positive lies beyond the nearest negative.)
#
# ### Exercise 4.4 · break it, and explain (difficulty 3, 10 minutes)
#
# At the start of a training, an anchor's farthest of 3 positives is nearly always
# beyond its nearest of 28 negatives. Here are the six points of section 1 with the pids
# dealt out just as badly, and the same picture made smaller, by a factor s:

# %% tags=["nbval-check-output"]
mixed = torch.tensor([7, 3, 5, 3, 5, 7])  # every positive is beyond a negative
for s in (1.0, 0.5, 0.1, 0.0):
    r = losses.batch_hard_triplet(s * points, mixed)
    print(f"s = {s:3}: loss {r.loss:.2f}, active {r.active:.0%}")

# %% [markdown]
# Why did batch-hard with `dim=2` shrink its embedding to a dot? Before you answer, take
# the loss at two values of s above 0: how steep is it in s, for large s and for small?
# Then run the cell above with another margin, or `train` with other losses.
#
# - **a** no triplet was active any more, so nothing held the points in place
# - **b** the gradients had become 0, so nothing moved the points apart
# - **c** as long as the hardest positive is farther than the hardest negative,
#   shrinking everything lowers the loss, down to the margin
# - **d** the margin was too small: with a larger one the loss would go to 0

# %% tags=["exercise:4.4", "nbval-check-output"]
answer = ...
check("4.4", answer)

# %% [markdown]
# <details><summary>Hint</summary>Write the loss of an embedding that is scaled by s,
# for D(a, p) &gt; D(a, n). Which way does it slope in s?</details>
# <details><summary>Solution</summary>
#
# ```python
# answer = "c"
# ```
# Scaled by s, an active anchor costs m + s · (D⁺ - D⁻). Where the hardest positive D⁺
# is the larger one, that falls as s falls, and ends at m for s = 0. To come out again,
# the net must first find a direction in which D⁻ wins. Batch-all asks the *mean*
# triplet, where D⁻ wins sooner; more dimensions make it easier; squares make it harder,
# since their gradient fades near 0.
# </details>

# %% [markdown]
# ## 8 · Run the numbers: who is active?
#
# With 64 numbers a picture there is room. After 600 steps of batch-hard, which share of
# its 32 triplets a batch will still be active, in percent (mean of the last 100 steps)?

# %% tags=["nbval-check-output"]
predict("4.p3", ...)

# %%
kinds = {"hard": equation_1, "squared": squared, "soft margin": soft_margin}
kinds["all"] = batch_all
wide = {name: train(loss) for name, loss in kinds.items()}
active = torch.tensor(wide["hard"][1]["active"])
reveal("4.p3", round(100 * active[-100:].mean().item()), within=10, unit="%")

# %%
plots.show(
    figures.runs({n: h for n, (_, h) in wide.items()}, title="dim = 64"),
    alt="""Two panels over 600 steps with 64 numbers a picture. The loss of equation 1
    falls from about 1 to below the margin for all four ways of training, and the share
    of active batch-hard triplets falls with it from 100 percent. Squared distances
    stay highest in both panels; the other three lie close together.""",
)

# %% [markdown]
# Beside the hardest triplet of each anchor, look at *all* 2,688 triplets of a batch of
# 32, over 20 batches:


# %%
def active_of_all(fm, labels):
    """Share of active triplets among all valid ones."""
    d = losses.pairwise_distances(fm)
    other = labels[:, None] != labels
    positive = ~other & ~torch.eye(len(labels), dtype=torch.bool)
    active = 0.5 + d[:, :, None] - d[:, None] > 0  # [a, p, n]
    return active[positive[:, :, None] & other[:, None]].float().mean()


# %%
for name, (net64, _) in wide.items():
    with torch.inference_mode():
        seen = [(net64(x), y) for x, y in batches(20)]
    hard = torch.stack([losses.batch_hard_triplet(*s).active for s in seen]).mean()
    every = torch.stack([active_of_all(*s) for s in seen]).mean()
    print(f"{name:12} active: {hard:4.0%} of the hardest, {every:5.1%} of all")

# %% [markdown]
# (The first share is not that of 4.p3: this is the net as it ended, on 20 batches.)
#
# A mean over thousands of zeros is a small number, whoever trains: batch-all's own loss
# says little of how far the net is. The share of active *hardest* triplets does. It is
# the gauge to watch in training; lesson 0 plots it.
#
# By that gauge batch-all does no worse than batch-hard here, with only 32 pictures a
# batch. Squared distances lag: they ask for 0.5 between D², not between D as the gauge
# does, and close pairs are hardly pushed.
#
# Did the metric learn anything that holds for *other people*? Rank-1 on ToyMarket's
# test half, with raw histograms as the baseline:

# %%
raw = {
    half: descriptors.colour_histograms(part, progress=False)
    for half, part in (("query", data.query), ("gallery", data.gallery))
}


def score(embed):
    with torch.inference_mode():
        moved = [d._replace(features=embed(d.features)) for d in raw.values()]
    return evaluation.evaluate(*moved)


# %%
scores = {"histogram as it is": score(lambda f: f)}
for name, (net64, _) in wide.items():
    scores[name] = score(lambda f, net64=net64: net64((f - centre) / scale))
for name, r in scores.items():
    print(f"{name:20} rank-1 {r.rank1:5.1%}   mAP {r.map:5.1%}")

# %% [markdown]
# No convolution, no classification: distances alone have made a poor descriptor several
# times better, on people never seen. The order of the four is that of *one* seed and a
# short run: do not read much into small differences.

# %% [markdown]
# ## 9 · The paper and we
#
# | | paper, Market-1501 | here, ToyMarket |
# |---|---|---|
# | distance | Euclidean, not squared | the same |
# | margin | 0.5 | 0.5 |
# | batch | P = 16, K = 8 | P = 8, K = 4 |
# | descriptor | `fm`, 2048 numbers, ResNet-50 | 64 numbers from a histogram |
# | optimiser | Adam, 3e-4, 150 epochs | Adam, 1e-3, 600 steps |

# %%
hard = scores["hard"]
print("triplet alone, rank-1 / mAP in percent")
print("paper, table 6:    81.29 / 63.51")
print(f"here, histograms:  {100 * hard.rank1:.2f} / {100 * hard.map:.2f}")

# %% [markdown]
# Other pictures and another descriptor: the two lines cannot be set against each other.
# The paper's own comparison can: identification alone has 85.33 / 64.71, both losses
# together 88.45 / 72.96 (table 6). The two help each other; lesson 5 asks why.
#
# **Read next:** lesson 5 trains the three losses together.
# **The code:** `dplib/losses.py`, a hundred lines;
# `dplib/lessons/batch_hard_triplet/mining.py` for the widget.
#
# ## Further
#
# **K = 1.** Without a positive there is no triplet, and a maximum over nothing is -∞.
# `dplib` refuses such a batch in words rather than train on it:

# %% tags=["nbval-check-output"]
from dplib import DplibError

try:
    losses.batch_hard_triplet(points[::2], pids[::2])
except DplibError as e:
    print(e)

# %% [markdown]
# **The gradient of one triplet, by hand.** The anchor is pulled along the unit vector
# to the positive and pushed along that from the negative; lengths do not matter:

# %% tags=["nbval-check-output"]
a, p, n = torch.tensor([[6.0, 0], [6, 4], [3, 0]]).requires_grad_()
triple = torch.stack([a, p, n])
d = losses.pairwise_distances(triple)
(slope,) = torch.autograd.grad(0.5 + d[0, 1] - d[0, 2], a)
by_hand = (a - p) / (a - p).norm() - (a - n) / (a - n).norm()
torch.testing.assert_close(slope, by_hand.detach())
print("anchor 4 moves along", (-slope).tolist())
