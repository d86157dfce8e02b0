# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # 5 · Training: three losses, one net
#
# After this lesson you can write Deep-Person's training loop, prove that it is the one
# in `dplib`, read its curves while it runs, and say what each number of the recipe is
# for.
#
# **Objectives**
#
# - **O1** see what each of the three losses asks of the backbone, and whether they
#   agree (exercise 5.1, predictions 5.p1 and 5.p3)
# - **O2** write the learning rate's schedule, and count its epochs (exercise 5.2)
# - **O3** clip a gradient, and say what that is good for (exercise 5.3, prediction
#   5.p2)
# - **O4** stop a run and resume the very same run (exercise 5.4)
# - **O5** test a change of the recipe by a short run (prediction 5.p4)
#
# **Needs** lessons 2 to 4 (the branches); PyTorch's autograd and optimisers.
# **Time** 45 minutes to read, about a minute to run on two cores. **Paper** §3.5, §4.1,
# equation 3. **Modules** `dplib.training`, `dplib.presets`, `dplib.lessons.training`.

# %% tags=["setup"]

# %%
import signal
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch.nn.utils import clip_grad_norm_

# %%
from dplib import (
    checkpoints,
    datasets,
    descriptors,
    evaluation,
    losses,
    plots,
    presets,
    training,
    transforms,
)
from dplib.lessons.checks import check, predict, reveal

# %%
from dplib.lessons.training import branchgrads, figures
from dplib.sampling import PKSampler

# %% [markdown]
# ## 1 · Three losses, one sum
#
# Lessons 2 to 4 gave each branch a loss of its own: BtR the triplet loss, BpI and BgI
# the cross-entropy. The paper adds them (equation 3):
#
# L = λ1 L_trp + λ2 L_cls_p + λ3 L_cls_g, with all λ = 1
#
# (BtR's, BpI's and BgI's, in this order). The first is a distance; the others are in
# **nats**, the unit of a natural logarithm: to guess among 80 costs ln 80 of them. What
# does such a sum mean? Nothing by its value. All that trains the backbone is its
# **gradient** at `fb`, and the gradient of a sum is the sum of the gradients. So we
# look at those: how *long* is each, and do they *agree*?
# Agreement is the **cosine** between two gradients: 1 if they ask for the same, -1 if
# they ask for the opposite, 0 if neither cares about what the other wants.
#
# First with an `fb` of two numbers, and three losses made up for the purpose:

# %% tags=["nbval-check-output"]
fb = torch.tensor([2.0, 1.0], requires_grad=True)
small = [3 * fb[0], fb[1] ** 2, (fb[1] - fb[0]) / 8]
slopes = [torch.autograd.grad(loss, fb, retain_graph=True)[0] for loss in small]
for loss, slope in zip(small, slopes, strict=True):
    print(f"loss {loss:5.2f}   gradient {slope.tolist()}   length {slope.norm():.2f}")
(together,) = torch.autograd.grad(sum(small), fb)
print("gradient of the sum:", together.tolist())
torch.testing.assert_close(together, sum(slopes))
print("cosines:\n", branchgrads.cosines(torch.stack(slopes)).round(decimals=2))

# %% [markdown]
# The first two ignore each other (cosine 0). The third opposes the first, but it is
# short: in the sum it hardly shows. A loss of 6 or of 0.1 may be heard or not; that is
# decided by its slope. (That the largest loss is the steepest here is chance: add 100
# to the third, and its gradient stays as short as it is.)
#
# Now for real. A small part of ToyMarket, so that everything here runs in seconds: 80
# people to train on, and 30 **validation** people, held out of the training half, to
# look at on the way. (The test half is for the end of one's work, and stays shut here.)

# %% tags=["nbval-check-output"]
data = datasets.load("toymarket", DATA, val_pids=30)
chosen = sorted(data.labels)[:80]
data = replace(data, train=[s for s in data.train if s.pid <= chosen[-1]])
NC, SEED = len(data.labels), 0
print(f"train {len(data.train)} pictures of Nc = {NC} people;", end=" ")
print(f"validation {len(data.query)} queries, {len(data.gallery)} in the gallery")

# %%
toy = training.with_epochs(presets.get("toy"), 10)  # its schedule, compressed
images = transforms.decode(data.train, toy.image_size, progress=False)
labels = torch.tensor([data.labels[s.pid] for s in data.train])
sampler = PKSampler(labels.tolist(), toy.p, toy.k, SEED)

# %% [markdown]
# One batch, P = 8 people with K = 4 pictures each, through a net that has learned
# nothing. From `fb` on we go by hand, to see the three ways that leave it:

# %% tags=["nbval-check-output"]
first = torch.tensor(next(iter(sampler)))
x, y = training.augment(images[first], toy, (SEED, 0, 0)), labels[first]
net = toy.build_model(NC, seed=SEED).train()
fb = net.feature_map(x)
fm = fb.mean(dim=(2, 3))
outputs = net.part_context(net.part_sequence(fb))
part_logits = net.part_classifier(outputs.flatten(1))
global_logits = net.global_classifier(net.global_fc(fm))
print("fb", tuple(fb.shape), "  fm", tuple(fm.shape), "  O", tuple(outputs.shape))

# %%
BTR = losses.batch_hard_triplet(fm, y, toy.margin).loss
BPI = F.cross_entropy(part_logits, y)
BGI = F.cross_entropy(global_logits, y)
parts = [BTR, BPI, BGI]
total = torch.stack(parts).sum()
print(f"BtR {BTR:.2f}  BpI {BPI:.2f}  BgI {BGI:.2f}  sum {total:.2f}")
theirs = losses.deep_person_loss(net(x), y, toy.loss_weights, toy.margin)
torch.testing.assert_close(total, theirs.total)

# %% [markdown]
# The sum is `dplib`'s. Both cross-entropies stand near ln 80 = 4.38, as guessing does;
# the distances of an untrained net are large, and so is BtR.
#
# Do the three want the same of `fb`? The two classifiers are asked the very same
# question, who is it; BtR wants people apart. Predict: the **cosine** between the
# gradients of BtR and BpI in this first batch.

# %% tags=["nbval-check-output"]
predict("5.p1", ...)

# %% tags=["nbval-check-output"]
slopes = [torch.autograd.grad(loss, fb, retain_graph=True)[0] for loss in parts]
(together,) = torch.autograd.grad(total, fb, retain_graph=True)
torch.testing.assert_close(together, sum(slopes))
flat = torch.stack([s.flatten() for s in slopes])
lengths = flat.norm(dim=1, keepdim=True)
cosine = flat @ flat.T / (lengths * lengths.T)
torch.testing.assert_close(cosine, branchgrads.at_fb(net, x, y).cosines)
reveal("5.p1", round(cosine[0, 1].item(), 1), within=0.15)

# %% [markdown]
# It is 0.01, and 0.02 and -0.01 for the other two pairs. That is no great wonder: `fb`
# of the batch has 131,072 numbers, and in so many dimensions two arrows that know
# nothing of each other stand nearly at right angles. (By chance a cosine is of size
# 1/√n in n dimensions; that is 0.016 even for the 32 · 128 numbers of `fm`, the only
# ones that BtR and BgI see.) The three branches still have random weights. We shall
# come back to this when they have learned something.
#
# ### Exercise 5.1 · do they agree? (difficulty 2, 10 minutes)
#
# From a list of B losses and the `fb` that they were computed from, give back the
# matrix [B, B] of cosines between their gradients at `fb`. Take the gradient over the
# whole batch as one long vector.


# %% tags=["exercise:5.1", "nbval-check-output"]
def agreement(parts, fb):
    return ...


check("5.1", agreement)

# %% [markdown]
# <details><summary>Hint</summary><code>torch.autograd.grad(loss, fb,
# retain_graph=True)</code> gives a tuple of one gradient, adds nothing to
# <code>fb.grad</code>, and leaves the graph standing for the next loss.</details>
# <details><summary>Solution</summary>
#
# ```python
# def agreement(parts, fb):
#     g = [torch.autograd.grad(x, fb, retain_graph=True)[0] for x in parts]
#     g = F.normalize(torch.stack(g).flatten(1), dim=1)
#     return g @ g.T
# ```
# </details>

# %% [markdown]
# ## 2 · Epochs, rates, lengths
#
# Three pieces of the recipe (§4.1), before we put it together.
#
# **An "epoch"** usually is one look at every picture. Here it is ⌊Nc / P⌋ batches: one
# look at every *person*. On Market-1501:

# %% tags=["nbval-check-output"]
paper, nc, pictures = presets.get("paper"), 751, 12_936
per_epoch = nc // paper.p
seen = per_epoch * paper.p * paper.k
print(f"{per_epoch} batches an epoch, {paper.epochs * per_epoch:,} in all")
print(f"{seen:,} of {pictures:,} pictures an epoch, {seen / pictures:.0%}")

# %% [markdown]
# So 150 of the paper's epochs are 68 of the usual kind. Whoever compares "150 epochs"
# with another paper's 60 should know. Our own run has 80 people and P = 8: 10 batches
# an epoch, and 100 iterations in its 10 epochs.
#
# **The learning rate** stays at lr up to epoch s, then falls on a curve that ends at a
# thousandth of it in epoch E: lr · 0.001^((e − s) / (E − s)). The paper has s = 100,
# E = 150, and took the form from TriNet, an earlier net with the triplet loss alone.
# Our run has E = 10 and s = 8. The long even part finds a good region; the decay lets
# the weights settle in it, as each batch, with its own noise, pulls them about less and
# less.
#
# ### Exercise 5.2 · the schedule (difficulty 1, 5 minutes)
#
# Give back the learning rate when `epoch` epochs are done (it may be a fraction).


# %% tags=["exercise:5.2", "nbval-check-output"]
def rate(epoch, lr, start, epochs):
    return ...


check("5.2", rate)

# %% [markdown]
# <details><summary>Hint</summary>0.001 to the power of 0 is 1. Keep the exponent from
# going below 0.</details>
# <details><summary>Solution</summary>
#
# ```python
# def rate(epoch, lr, start, epochs):
#     done = max(epoch - start, 0) / (epochs - start)
#     return lr * 0.001**done
# ```
# </details>

# %%
plots.show(
    figures.schedules({"paper": paper, "toy": presets.get("toy")}),
    alt="""Learning rate against the share of the run, on a logarithmic axis. Both
    presets are constant at first and then fall in a straight line to a thousandth; toy
    starts five times higher, and its decay begins at 75 instead of 67 percent.""",
)

# %% [markdown]
# A straight line on a logarithmic axis: each epoch of the decay takes the same factor.
#
# **Clipping** is about the gradient at the *weights*, no longer at `fb`. All weights'
# gradients together are one vector, with one length. If it is above a limit, *all* of
# it is multiplied by limit / length: shorter, in the same direction.

# %% tags=["nbval-check-output"]
weights = [torch.zeros(2, requires_grad=True), torch.zeros(1, requires_grad=True)]
weights[0].grad, weights[1].grad = torch.tensor([3.0, 4.0]), torch.tensor([12.0])
length = torch.cat([w.grad for w in weights]).norm()
by_hand = [w.grad * 6.5 / length for w in weights]
before = clip_grad_norm_(weights, 6.5)
print(f"before {before:.1f}, after {torch.cat([w.grad for w in weights]).norm():.1f}")
torch.testing.assert_close([w.grad for w in weights], by_hand)
print("clipped:", [w.grad.round(decimals=3).tolist() for w in weights])

# %% [markdown]
# ### Exercise 5.3 · clip (difficulty 2, 10 minutes)
#
# `gradients` is a list of tensors of any shapes. Give back the list, clipped to
# `limit`.


# %% tags=["exercise:5.3", "nbval-check-output"]
def clip(gradients, limit):
    return ...


check("5.3", clip)

# %% [markdown]
# <details><summary>Hint</summary>Which factor belongs to a gradient that is shorter
# than the limit?</details>
# <details><summary>Solution</summary>
#
# ```python
# def clip(gradients, limit):
#     norm = torch.cat([g.flatten() for g in gradients]).norm()
#     factor = min(1.0, limit / norm.item())
#     return [g * factor for g in gradients]
# ```
# </details>

# %% [markdown]
# The paper clips, and does not say at which length. Our limit is 50. In how many
# percent of the iterations of our run below will it act? (You have seen no such length
# yet: guess from what a limit might be for.)

# %% tags=["nbval-check-output"]
predict("5.p2", ...)

# %% [markdown]
# ## 3 · The loop, written out
#
# Four cells, and nothing is left out. First the batches: which pictures, in which
# order, follows from (seed, epoch) alone.


# %%
def batches(start, stop):
    """Epoch, number within it, and pictures of the batches start … stop - 1."""
    for i in range(start, stop):
        epoch, b = divmod(i, len(sampler))
        sampler.set_epoch(epoch)
        yield epoch, b, torch.tensor(list(sampler)[b])


# %% [markdown]
# The three losses of a batch, as in section 1:


# %%
def three_losses(net, x, y, preset):
    out = net(x)
    ranking = losses.batch_hard_triplet(out.fm, y, preset.margin).loss
    part = F.cross_entropy(out.part_logits, y)
    whole = F.cross_entropy(out.global_logits, y)
    return {"ranking": ranking, "part": part, "global": whole}


# %% [markdown]
# One **iteration**: crop and mirror the pictures, forward, backward, clip, set the
# rate, let Adam take its step. (`jolt` is 1; section 5 will misuse it.) The crops
# follow from (seed, epoch, batch): this, too, is the same whenever it is run.


# %%
def iterate(net, optimiser, preset, epoch, b, index, jolt=1):
    x = training.augment(images[index], preset, (SEED, epoch, b))
    parts = three_losses(net, x, labels[index], preset)
    total = torch.stack(list(parts.values())).sum()
    optimiser.zero_grad()
    (jolt * total).backward()
    norm = clip_grad_norm_(net.parameters(), preset.clip_norm or torch.inf)
    done = epoch + b / len(sampler)
    for group in optimiser.param_groups:
        group["lr"] = training.learning_rate(preset, done)
    optimiser.step()
    return {k: v.item() for k, v in {**parts, "total": total, "norm": norm}.items()}


# %% [markdown]
# Adam with the paper's settings (β 0.9 and 0.999, ε 1e-8 are PyTorch's defaults).
# `fused` is a faster way through the same formula; it rounds a little differently, and
# we want the same last digit.


# %%
def adam(net, preset):
    how = {"lr": preset.lr, "weight_decay": preset.weight_decay, "fused": True}
    return torch.optim.Adam(net.parameters(), **how)


def my_training(preset, steps, jolted=-1):
    net = preset.build_model(NC, seed=SEED).train()
    optimiser, rows = adam(net, preset), []
    for i, where in enumerate(batches(0, steps)):
        jolt = 1000 if i == jolted else 1
        rows.append(iterate(net, optimiser, preset, *where, jolt))
    return rows


# %% tags=["nbval-check-output"]
mine = my_training(toy, 15)
print("after 15 iterations the sum is lower:", mine[-1]["total"] < mine[0]["total"])

# %%
for i in (0, 5, 10, 14):
    print(i, {k: round(v, 3) for k, v in mine[i].items()})

# %% [markdown]
# Now the same by `dplib.training.train`, to its end, and we watch. The callback comes
# after each epoch, when the weights have just been saved. It loads them, measures
# rank-1 on the validation people and the three gradients on the batch of section 1, and
# draws. While the cell runs, the picture grows.


# %%
def score(net):
    """Rank-1 on the validation people."""
    halves = (data.query, data.gallery)
    seen = [descriptors.extract(net, h, flip=False, progress=False) for h in halves]
    return evaluation.evaluate(*seen).rank1


folder = OUT / f"lesson 5, seed {SEED}"
live = plots.Live(every=1.0)
rank1 = {0: score(net)}
pulls = {0: branchgrads.at_fb(net.train(), x, y)}

# %% [markdown]
# One more prediction. BtR's loss is the smallest of the three later on, about a tenth
# of the sum. How many percent of the three gradients' lengths together will be BtR's,
# in the end?

# %% tags=["nbval-check-output"]
predict("5.p3", ...)


# %%
def watch(history):
    done = len(history) // len(sampler)
    if done % 2 == 0:
        saved = checkpoints.load(folder / "whole")
        rank1[done] = score(saved)
        pulls[done] = branchgrads.at_fb(saved.train(), x, y)
    live(figures.live_curves, history, NC, toy, rank1)


how = {"seed": SEED, "resume": False, "progress": False}
whole = training.train(toy, data, folder / "whole", callback=watch, **how)
live.close()

# %% tags=["nbval-check-output"]
names = {"ranking": "ranking", "part": "part", "global": "global", "total": "total"}
names["norm"] = "grad_norm"
theirs = [{k: row[v] for k, v in names.items()} for row in whole.history]
torch.testing.assert_close(mine, theirs[: len(mine)], rtol=0, atol=0)
print(f"{len(mine)} iterations, {len(names)} numbers each: equal to the last digit")

# %% [markdown]
# Not "about the same": the same bits. Forty lines are all there is to it; what
# `dplib/training.py` and `dplib/running/log.py` have beyond them is saving, resuming,
# refusing bad input and keeping a log.
#
# ## 4 · Read the curves

# %%
plots.show(
    figures.live_curves(whole.history, NC, toy, rank1),
    alt="""Six panels over 100 iterations. All three losses fall, BtR at once and the
    two others after some twenty iterations at ln 80. Nearly all triplets stay active.
    The gradient's norm starts above the dashed limit of 50, and is far below it from
    then on. The learning rate is constant, then decays; rank-1 on validation people
    rises.""",
)

# %% [markdown]
# What to look at: do BpI and BgI leave the dashed line, the loss of guessing? (BtR is a
# distance, and that line is not its own; it should just go on falling.) Does the share
# of active triplets begin to fall? (Here hardly: 100 iterations are only the start of a
# training; lesson 0 shows a whole one.) Is the gradient free of leaps? The speed tells
# a machine that is busy with something else. And the last panel is what it is all for:
# rank-1 on people who were not trained on. It has 109 queries, so read its trend and
# not its steps.

# %% tags=["nbval-check-output"]
clipped = sum(row["clipped"] for row in whole.history)
reveal("5.p2", round(100 * clipped / len(whole.history)), within=1, unit="%")

# %% [markdown]
# Once: in the very first iteration, as the panel of the norm shows. More of that in
# section 5. First the gradients at `fb`, every other epoch:

# %%
plots.show(
    figures.branch_gradients(pulls),
    alt="""Three panels over ten epochs. BtR's loss falls to about a tenth of the sum,
    yet its gradient at fb stays about two thirds as long as those of BpI and BgI. The
    cosines between the gradients are 0 at first and rise to between 0.1 and 0.2, all
    of them positive.""",
)

# %%
last = pulls[max(pulls)]
for name, values in (("losses", last.losses), ("gradients", last.norms)):
    shares = (values / values.sum()).tolist()
    row = zip(branchgrads.NAMES, shares, strict=True)
    print(f"{name:10}", "  ".join(f"{n} {s:.0%}" for n, s in row))
reveal(
    "5.p3", round(100 * (last.norms[0] / last.norms.sum()).item()), within=8, unit="%"
)

# %% [markdown]
# Two findings. **The scales fit**, though the losses' values do not: none of the three
# drowns another out. A triplet that is active pulls with the same force whatever its
# loss is (lesson 4). All λ = 1 is no strange choice after all.
#
# And **they do not fight**. At the start the gradients stood at right angles; having
# learned, they share a little of their direction, all cosines are above 0, and still
# each asks mostly for something that the others do not. That is what one hopes of an
# additional loss: table 6 of the paper (no BpI; rank-1 on Market-1501) has 85.33 for
# BgI alone, 81.29 for BtR alone, and 88.45 for both together.

# %% [markdown]
# ## 5 · What is clipping for?
#
# In the run above it acted once, in the first iteration, of all places. Adam moves each
# weight by lr · m / √v: m is a running mean of the weight's gradients, v one of their
# squares. At the first step m is the gradient itself and √v its size, so that each
# weight moves by lr, however long the gradient: the limit did next to nothing there.
# Perhaps it helps against a rate that is far too high? We try ten times lr:

# %% tags=["nbval-check-output"]
hot = my_training(replace(toy, lr=10 * toy.lr), 15)
print("clipped again:", any(r["norm"] > toy.clip_norm for r in hot[1:]))
later = [sum(r["part"] for r in rows[5:15]) / 10 for rows in (hot, mine)]
print("BpI's loss is higher than at lr:", later[0] > later[1])

# %% [markdown]
# A worse run, and yet no long gradient. Is the limit of no use?
#
# It is a fuse. We plant one single accident: in iteration 15 the loss is multiplied by
# 1000, as a damaged picture or an overflow might do. Once with the limit of 50, once
# without. What do you expect of the 25 iterations that follow?

# %%
free = replace(toy, clip_norm=None)
jolted = {
    "with clipping": my_training(toy, 40, jolted=15),
    "without": my_training(free, 40, jolted=15),
}

# %%
plots.show(
    figures.jolt(jolted, 15, toy.clip_norm, title="One gradient, 1000 x too long"),
    alt="""Left, the sum of the losses over 40 iterations: nearly equal up to iteration
    15; after it the run with clipping falls as ever, and the one without rises and
    stays above where it was. Right, the gradient before clipping: one peak of some
    20,000 in both, far above the dashed limit of 50.""",
)

# %% tags=["nbval-check-output"]
ends = {n: sum(r["total"] for r in rows[-10:]) / 10 for n, rows in jolted.items()}
worse = ends["without"] - ends["with clipping"]
print("without clipping the loss ends higher:", worse > 0.3)

# %% [markdown]
# Why does *one* bad gradient harm for so long? The mean v forgets slowly: each step
# keeps β = 0.999 of it. We follow √v for a weight whose gradient is always of size 1,
# except once:

# %% tags=["nbval-check-output"]
v = 0.0
for t in range(1, 1001):
    gradient = 1000 if t == 16 else 1
    v = 0.999 * v + 0.001 * gradient**2
    if t in (15, 16, 40, 1000):
        print(f"after {t:4} gradients it divides by {(v / (1 - 0.999**t)) ** 0.5:5.0f}")

# %% [markdown]
# (The factor 1 - 0.999^t makes up for v's start at 0.) The accident's own step is no
# longer than others, as m and √v leap together. But m (β = 0.9) is now the accident's
# alone: for some ten iterations all weights walk on in the direction of one single
# batch, and the loss *rises*. (With m set to 0 after the accident it did not rise when
# we tried, but hardly fell.) When m has forgotten it, √v has not: a gradient of the
# usual size is divided by 158 at iteration 40, and still by 24 at 1000. The weights
# barely move. With the limit the accident enters as a gradient of length 50, two or
# three times the usual.
#
# So the limit belongs somewhat *above* the usual norms: it should act on accidents
# alone. Read it from the curve, as here: norms of 10 to 30, limit 50.

# %% [markdown]
# ## 6 · Stop, and go on
#
# Whoever interrupts a training (■ in the notebook, Ctrl-C in a terminal) does not want
# to lose it. `train` lets the batch under way finish, saves, and returns with
# `interrupted=True`. We press the button from inside, after epoch 4:


# %%
def stop_after_4(history):
    if len(history) == 4 * len(sampler):
        signal.raise_signal(signal.SIGINT)


# %% tags=["nbval-check-output"]
run = training.train(toy, data, folder / "stopped", callback=stop_after_4, **how)
saved = torch.load(run.checkpoint, weights_only=True)
print("interrupted:", run.interrupted, "  iterations:", len(run.history))
print("saved:", ", ".join(saved))

# %% [markdown]
# What must be in there so that the run can go on *as if nothing had been*? The weights,
# Adam's running means (`optimiser`), and where we are (`iteration`). No state of a
# random generator: batches and crops are drawn anew from (seed, epoch, batch). The rest
# says whose run it is, so that nobody resumes another one. The same call goes on:

# %% tags=["nbval-check-output"]
resumed = training.train(toy, data, folder / "stopped", **{**how, "resume": True})
print("iterations:", len(resumed.history))
one, other = whole.model.state_dict(), resumed.model.state_dict()
torch.testing.assert_close(one, other, rtol=0, atol=0)
print(f"{len(one)} tensors: the weights are those of the run that was never stopped")

# %% [markdown]
# To the last bit again. It is the same run.
#
# ### Exercise 5.4 · break it, and explain (difficulty 3, 10 minutes)
#
# Many programs save the weights alone. We do as they do: the weights from the
# checkpoint, a new Adam, and on through epochs 5 and 6.

# %%
weights_only = toy.build_model(NC, seed=SEED).train()
weights_only.load_state_dict(saved["model"])
new_adam, fresh = adam(weights_only, toy), []
for where in batches(40, 60):
    fresh.append(iterate(weights_only, new_adam, toy, *where))
runs = {"whole checkpoint": theirs[:60], "weights alone": theirs[:40] + fresh}

# %%
plots.show(
    figures.jolt(runs, 40, toy.clip_norm, title="Resumed at iteration 40"),
    alt="""Left, the sum of the losses over 60 iterations, resumed at 40. With the whole
    checkpoint it goes on falling; with the weights alone it leaps up after the first
    step and needs the rest of the picture to come back. Right, the gradient's norm,
    below the dashed limit throughout.""",
)

# %% tags=["nbval-check-output"]
print("loss of iteration 40 is the same:", fresh[0]["total"] == theirs[40]["total"])
behind = sum(f["total"] - t["total"] for f, t in zip(fresh, theirs[40:60], strict=True))
print("later losses are higher:", behind / 19 > 0.3)

# %% [markdown]
# Why is the loss higher after the resume?
#
# - **a** the batches come in another order
# - **b** BatchNorm's running statistics were lost
# - **c** a new Adam knows no usual size of any gradient: its first steps have the full
#   length lr in *every* weight, however small that weight's gradient is
# - **d** the learning rate starts again from its full value
#
# You can look: how far does the first step move a weight, in units of lr?

# %% tags=["nbval-check-output"]
for name in ("new Adam", "Adam as it was"):
    moved = toy.build_model(NC, seed=SEED).train()
    moved.load_state_dict(saved["model"])
    optimiser = adam(moved, toy)
    if name == "Adam as it was":
        optimiser.load_state_dict(saved["optimiser"])
    iterate(moved, optimiser, toy, *next(batches(40, 41)))
    change = moved.global_fc.weight - saved["model"]["global_fc.weight"]
    print(f"{name:15} mean step of BgI's FC: {change.abs().mean() / toy.lr:.1f} lr")

# %% tags=["exercise:5.4", "nbval-check-output"]
answer = ...
check("5.4", answer)

# %% [markdown]
# <details><summary>Hint</summary>The loss of the first iteration after the stop is the
# same, and the second is not. What happened between the two?</details>
# <details><summary>Solution</summary>
#
# ```python
# answer = "c"
# ```
# Adam's step is lr · m / √v, with running means of the gradient (m) and of its square
# (v). In its very first step both come from one gradient, and m / √v is 1 or -1 for
# every weight. Later a weight whose gradient changes sign from batch to batch has a
# small m beside its √v, and moves little. A new Adam moves them all at full length, in
# directions that are mostly noise.
# </details>

# %% [markdown]
# ## 7 · Turn the λ
#
# The paper has all λ = 1 and tries no others. Here is a net that trains in two
# seconds: 20 people, 25 iterations at a constant rate. Let go of a slider, and it is
# trained from scratch with the new weights, beside the run with all λ = 1. The losses
# are shown *unweighted*, so that runs can be compared.
#
# Before you do: with λ2 = 0, where will BpI's loss end? (ln 20 = 3.00.)

# %% tags=["nbval-check-output"]
predict("5.p4", ...)

# %%
from dplib.lessons.training import widgets

few = labels < 20
experiment = (toy, images[few], labels[few].tolist())
settings = {"all λ = 1": (1.0, 1.0, 1.0), "λ1 = 0": (0.0, 1.0, 1.0)}
settings |= {"λ2 = 0": (1.0, 0.0, 1.0), "λ3 = 0": (1.0, 1.0, 0.0)}
settings["λ1 = 5"] = (5.0, 1.0, 1.0)
tried = {s: widgets.short_run(*experiment, s, iterations=25) for s in settings.values()}

# %%
widgets.lambda_sliders(*experiment, iterations=25, known=tried)

# %%
plots.show(
    figures.loss_curves(
        {name: tried[s] for name, s in settings.items()}, num_ids=20, block=5
    ),
    alt="""A panel for each branch's loss over 25 iterations, five settings. A branch of
    weight 0 stays high: BtR far above the others, BpI and BgI above ln 20. The two
    classifiers learn fastest with all weights 1; without BtR, and with λ1 = 5, both
    are behind. BtR falls alike in all settings but its own 0.""",
)

# %% tags=["nbval-check-output"]
reveal("5.p4", round(tried[settings["λ2 = 0"]]["part"][-1], 1), within=0.4)

# %% [markdown]
# A branch of weight 0 learns nothing, and the others do not do its work: BpI's layers
# are never trained, so it goes on guessing with random weights, a little worse than the
# even guess of ln 20. And more weight is not more learning: five times λ1 leaves BtR
# about where it was, and slows the two others. So does λ1 = 0: here the triplets help
# the classifiers, as the cosines above 0 let us hope.
#
# Only the *ratio* of the λ matters, by the way. Three times 10 would be three times 1:
# Adam divides it out again (see *Further*). And what a short run of one seed says of λ,
# it says of the first iterations. To choose one, train to the end, on several seeds,
# and look at validation people.

# %% [markdown]
# ## 8 · The recipe, number by number
#
# All of a recipe's numbers are in one frozen dataclass, a `Preset`. This table is made
# from them; **bold** is what differs from the paper.

# %% tags=["nbval-check-output"]
from IPython.display import Markdown

from dplib.lessons.training import recipes

Markdown(recipes.table(("paper", "authors", "toy")))

# %% [markdown]
# Some of the first column is ours, as the paper does not say it: the head's BatchNorm
# (lesson 3), weight decay, the limit of 50.
#
# The authors' program departs from their paper in what its column shows: smaller P and
# larger K, 30 epochs with the triplet loss alone, other layers, no clipping. Which of
# the two gave the published 92.31 / 79.58 is not known. The triplet loss first, alone,
# is a warm start for the two classifiers: by then `fb` already tells people apart.
#
# **The paper and we**
#
# | | paper | here |
# |---|---|---|
# | iterations | 6,900 | 100 |
# | pictures in a batch | 128 | 32 |
# | start | ImageNet | random weights |
# | clipping | used, no limit given | 50; it acts once |
#
# **Read next:** lesson 6, what the measures hide; lesson 3, section 7, for a branch
# whose loss never leaves ln Nc.
# **The code:** `dplib/training.py`; `dplib/lessons/training/branchgrads.py` is sixty
# lines.
#
# ## Further
#
# **All λ times 10.** The gradient is ten times as long; Adam's m and √v both are, and
# their quotient is what it was. Only clipping and weight decay notice, and the ε beside
# √v, where a gradient is next to 0. One step of each, without the former two:

# %% tags=["nbval-check-output"]
bare = replace(toy, clip_norm=None, weight_decay=0.0)
steps = []
for factor in (1, 10):
    moved = bare.build_model(NC, seed=SEED).train()
    start = moved.global_fc.weight.detach().clone()
    iterate(moved, adam(moved, bare), bare, *next(batches(0, 1)), jolt=factor)
    steps.append(moved.global_fc.weight.detach() - start)
alike = torch.isclose(steps[0], steps[1], rtol=0.01).float().mean()
print("steps that agree to 1 %: more than 99 of 100", bool(alike > 0.99))

# %% [markdown]
# ### The break-it gallery
#
# Ten trainings on ToyMarket, each with one bug planted. Can you tell which from the
# curves? The grey band is what healthy runs do. A wrong diagnosis is answered with what
# it would have shown.

# %%
from dplib.lessons.training import (
    breaks,
    breaks_figures,
    breaks_widgets,
    selftest_widgets,
)

breaks_widgets.gallery()

# %%
quiz = breaks.Quiz()
plots.show(
    breaks_figures.overview(quiz.runs, quiz.band),
    alt="""Ten rows A to J, one broken training each, by five columns: the losses of
    BtR, BpI and BgI, the share of active triplets and the gradient's norm, over the
    grey band of healthy runs. Most rows leave the band in some column.""",
)

# %% [markdown]
# <details><summary>All ten: the bug, its clue in the curves, its cure</summary>
#
# - **A · flipped sign.** The triplet loss pulls negatives near and pushes positives
#   away. The clue: BtR's loss is near 0 from the first step and rises: wrong people are
#   farther than right ones, and that is all it asks; the others fall slowly. The cure:
#   margin + positive - negative.
# - **B · frozen BatchNorm.** BatchNorm stays in eval mode while the net trains from
#   random weights. The clue: all stands still: BtR at the margin, both identification
#   losses at guessing, tiny gradients. The cure: model.train() after every evaluation.
# - **C · shuffled labels.** Images and pids were put together in the wrong order. The
#   clue: there is nothing to learn but the single pictures by heart: both
#   identification losses hardly leave guessing, every triplet stays active. The cure:
#   read image and pid from one record; look at a batch before training.
# - **D · learning rate x 30.** A learning rate of 0.045 where 0.0015 was meant. The
#   clue: the identification losses leap above guessing at first, BtR falls to the
#   margin and stays. The cure: the recipe's rate; a warm-up helps large ones.
# - **E · statistics at training only.** Test images are not normalised with ImageNet's
#   mean and standard deviation. The clue: the curves are those of the healthy run with
#   the same seed, number for number; the result is not. The cure: one function for
#   both, as transforms.normalise.
# - **F · last stride 2.** The backbone's last stage halves the map: 4 rows by 2
#   columns, not 8 by 4. The clue: BpI is behind every healthy run; the other losses end
#   as low, the result is as good. The shape of fb tells. The cure: last_stride=1 at 128
#   x 64 pixels; print fb.shape.
# - **G · linear head.** The identification heads have no BatchNorm before the
#   classifier. The clue: both identification losses stay at guessing, BtR sinks to the
#   margin: no branch wakes the others. The cure: head="bn".
# - **H · squared distances.** The triplet loss compares squared distances, with the
#   same margin. The clue: BtR's loss and the gradient's norm start four times too high;
#   later hardly a sign is left. The cure: take the root (clamped) before the margin is
#   added.
# - **I · gradients never zeroed.** Nobody calls optimiser.zero_grad(): each step adds
#   to all before it. The clue: the gradient's norm sits at the clipping limit, 50, from
#   first to last; BpI gets worse than guessing. The cure: zero_grad before each
#   backward.
# - **J · one image a person.** Each pid's K images in a batch are one image, K times.
#   The clue: positives are crops of one picture: soon hardly a triplet is active; the
#   other two losses fall more slowly, and people are not found elsewhere. The cure: K
#   different images of each pid, from several cameras.
# </details>

# %% [markdown]
# ### Self-test: lessons 0 to 5
#
# Fifteen questions. Choose, and read why.

# %%
selftest_widgets.self_test()

# %% [markdown]
# The same without a kernel:

# %% tags=["nbval-check-output"]
from dplib.lessons.training import selftest

lines = []
for i, q in enumerate(selftest.QUESTIONS, start=1):
    lines += [f"**{i}.** {q.text}", *(f"- {choice}" for choice in q.choices)]
    answer = f"{q.choices[q.right]}. {q.why}"
    lines += [f"<details><summary>Answer</summary>{answer}</details>"]
Markdown("\n\n".join(lines))
