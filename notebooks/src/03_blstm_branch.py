# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # 3 · The BLSTM branch: reading a person from head to foot
#
# After this lesson you can build Deep-Person's part branch from its equations, see
# which row of the picture reaches which of its outputs, and tell whether such a branch
# learns at all.
#
# **Objectives**
#
# - **O1** run an LSTM along the rows in both directions, from its equations
#   (exercise 3.1)
# - **O2** count the branch's parameters by hand, and judge a table that says "about
#   the same number" (prediction 3.p1, exercise 3.2)
# - **O3** find out which rows an output depends on, and how strongly (prediction
#   3.p2, exercise 3.3)
# - **O4** recognise a branch that sleeps, and say what wakes it (prediction 3.p3,
#   exercise 3.4)
#
# **Needs** lesson 2 (`fb` and its rows); PyTorch basics; no knowledge of LSTMs.
# **Time** 45 minutes to read, about a minute to run on two cores.
# **Paper** §3.2, figure 4; table 4. **Modules** `dplib.contexts`, `dplib.seeing.gates`,
# `dplib.lessons.blstm_branch`.

# %% tags=["setup"]

# %%
import json
import math
from dataclasses import replace

import torch
from torch import nn

# %%
from dplib import checkpoints, datasets, plots, presets, transforms
from dplib.contexts import BLSTM, AuthorsBLSTM, RowFC, Stripes
from dplib.lessons.blstm_branch import figures, shortruns, widgets
from dplib.lessons.checks import check, predict, reveal
from dplib.seeing import gates

# %% [markdown]
# ## 1 · Why a sequence
#
# Lesson 2 left us with eight vectors S_1 … S_8, the rows of `fb`, each the mean over
# the row's columns. One could judge each row by itself, as PCB does. But a row knows
# little: "dark blue, narrow" may be trousers or a coat, and a badly cut box moves every
# part up or down by a row. The paper's remedy (§3.2): *read* the rows in order, as one
# reads words, with a memory that carries over from row to row. Two readers start at
# opposite ends, so that each row is seen in the light of all others. An **LSTM** is
# such a reader; two of them, one in each direction, are a **bidirectional LSTM**
# (BLSTM).

# %%
plots.show(
    figures.wiring(),
    alt="""One layer of the branch over four rows. Each row S feeds a reader that goes
    from head to foot and one that goes from foot to head; both hidden states of a row
    enter a fully connected layer that gives the output O of that row. All outputs are
    concatenated and classified into Nc people.""",
)

# %% [markdown]
# FC is a fully connected layer, `nn.Linear`. The paper stacks a second such pair of
# readers on the first, fed with both hidden states, and takes its hidden states, not
# the first pair's, to the FC.
#
# ## 2 · One cell, from its equations
#
# What is the memory? Two vectors of U numbers: the **cell** c, which is kept inside,
# and the **hidden state** h, which is shown. At each row, four things are computed
# from the row S and the last h (figure 4 of the paper):
#
# | | | |
# |---|---|---|
# | input gate | i = σ(W_i S + R_i h + b_i) | how much of the new is let in |
# | forget gate | f = σ(W_f S + R_f h + b_f) | how much of the old is kept |
# | candidate | g = tanh(W_g S + R_g h + b_g) | the new |
# | output gate | o = σ(W_o S + R_o h + b_o) | how much of the cell is shown |
#
# σ is the sigmoid. Each W is U × C, each R is U × U. A **unit** is one place in these
# vectors; a **gate** is a number between 0 (shut) and 1 (open), one for each unit.
# Then, unit by unit, c = f · c + i · g, and h = o · tanh(c). That is all. The four W
# are stored as one, stacked in PyTorch's order i, f, g, o; so are the R and the b.


# %% tags=["for:3.1"]
def cell(s, h, c, w, r, b):
    """One step: row s [N, C], state h and c [N, U] → the new h and c."""
    i, f, g, o = (s @ w.T + h @ r.T + b).chunk(4, dim=1)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    h = o.sigmoid() * c.tanh()
    return h, c


# %% [markdown]
# One picture, one channel, one unit, three rows: 1, 0, 0. All weights W are 1, all R
# and b are 0, except that we set the forget gate's bias to 2, so that it is wide open:

# %% tags=["nbval-check-output"]
w, r = torch.ones(4, 1), torch.zeros(4, 1)
b = torch.tensor([0.0, 2.0, 0.0, 0.0])
h = c = torch.zeros(1, 1)
for t, value in enumerate([1.0, 0.0, 0.0], start=1):
    h, c = cell(torch.tensor([[value]]), h, c, w, r, b)
    print(f"row {t}: S = {value:.0f}   c = {c.item():.3f}   h = {h.item():.3f}")
print(f"forget gate at S = 0: {b[1].sigmoid():.3f}")

# %% [markdown]
# The 1 of the first row is still there two rows later, 0.88 times weaker at each step:
# the forget gate is the length of the memory. With a gate at one half, which is what
# small weights and a bias of 0 give, it would lose half at every row. Keep that in mind
# for section 6.
#
# Now at random, against PyTorch's own cell:

# %% tags=["nbval-check-output"]
generator = torch.Generator().manual_seed(0)
theirs = nn.LSTMCell(6, 4)
with torch.no_grad():
    for p in theirs.parameters():
        p.copy_(torch.randn(p.shape, generator=generator))
s = torch.randn(5, 6, generator=generator)
h0, c0 = torch.randn(2, 5, 4, generator=generator)
bias = theirs.bias_ih + theirs.bias_hh
mine = cell(s, h0, c0, theirs.weight_ih, theirs.weight_hh, bias)
torch.testing.assert_close(mine, theirs(s, (h0, c0)))
print("our cell = nn.LSTMCell")

# %% [markdown]
# PyTorch keeps two biases, `bias_ih` and `bias_hh`, which are only ever added
# together; one would do. It matters when we count.
#
# ## 3 · Along the rows, both ways, twice
#
# **Unrolled**: the same cell, with the same weights, at every row.


# %% tags=["for:3.1"]
def read(s, w, r, b):
    """Hidden states [N, H, U] of a sequence [N, H, C], read from row 1 on."""
    h = c = s.new_zeros(len(s), r.shape[1])
    states = []
    for row in s.unbind(1):
        h, c = cell(row, h, c, w, r, b)
        states.append(h)
    return torch.stack(states, dim=1)


# %% [markdown]
# ### Exercise 3.1 · from foot to head (difficulty 2, 10 minutes)
#
# `reader(s)` reads a sequence [N, H, C] from row 1 on and gives the hidden states
# [N, H, U], in the order of the rows. Use it to read **from the last row up to the
# first**. In what you return, place t must belong to row t: place 1 to the head, which
# this reader has seen last.


# %% tags=["exercise:3.1", "nbval-check-output"]
def foot_to_head(reader, s):
    return ...


check("3.1", foot_to_head)

# %% [markdown]
# <details><summary>Hint</summary><code>s.flip(1)</code> turns the rows round. In which
# order do the states come out then?</details>
# <details><summary>Solution</summary>
#
# ```python
# def foot_to_head(reader, s):
#     return reader(s.flip(1)).flip(1)
# ```
# </details>

# %% [markdown]
# A layer is both directions side by side. The second layer reads what the first has
# said, and that is why its input has 2 U channels and not U:


# %%
def layer(lstm, k, s):
    """Layer k of a bidirectional nn.LSTM by our own cell: [N, H, C] → [N, H, 2U]."""

    def weights(end):
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        w, r, b1, b2 = (getattr(lstm, f"{name}_l{k}{end}") for name in names)
        return w, r, b1 + b2

    down = read(s, *weights(""))
    up = read(s.flip(1), *weights("_reverse")).flip(1)
    return torch.cat([down, up], dim=2)


# %% [markdown]
# We hold it against the branch of the shipped net: a small ResNet-18 trained with all
# three branches on ToyMarket's training people, C = 128 channels, U = 64 units. The
# people below are from the test half; the net has never seen them.

# %%
data = datasets.load("toymarket", DATA)
net = checkpoints.load("toy")
first = {s.pid: s for s in reversed(data.query)}
people = [first[pid] for pid in sorted(first)[:12]]
images = transforms.decode(people, net.image_size, progress=False)
with torch.no_grad():
    fb = net.feature_map(transforms.normalise(images))
    S = net.part_sequence(fb)

# %% tags=["nbval-check-output"]
branch = net.part_context
with torch.no_grad():
    h = layer(branch.lstm, 1, layer(branch.lstm, 0, S))
    torch.testing.assert_close(h, branch.lstm(S)[0])
    outputs = h @ branch.fc.weight.T + branch.fc.bias
    torch.testing.assert_close(outputs, branch(S))
print("S", tuple(S.shape), "→ h", tuple(h.shape), "→ O", tuple(outputs.shape))

# %% [markdown]
# The last two lines are the "fully-connected layer after h_t" of figure 4: 2 U → U, the
# same at every row. The paper does not say whether it sees one direction or both; ours
# sees both. What remains is to lay the eight outputs end to end and classify:

# %% tags=["nbval-check-output"]
norm, classifier = net.part_classifier
with torch.no_grad():
    joined = outputs.flatten(1)
    spread = (norm.running_var + norm.eps).sqrt()
    scaled = (joined - norm.running_mean) / spread * norm.weight + norm.bias
    logits = scaled @ classifier.weight.T + classifier.bias
    out = net(transforms.normalise(images))
torch.testing.assert_close(logits, out.part_logits, rtol=1e-4, atol=1e-4)
print("concatenation", tuple(joined.shape), "→ logits", tuple(logits.shape))

# %% [markdown]
# The whole branch, equal to `dplib`'s, is less than forty lines. One of them, the
# **BatchNorm** before the classifier, is not in the paper. Section 7 is about it.
#
# ## 4 · Look inside: the gates of real people
#
# `nn.LSTM` gives back h and hides everything else. `gates.trace` computes i, f, o, g, c
# and h at every row, in both layers and directions:

# %% tags=["nbval-check-output"]
trace = gates.trace(branch.lstm, S)
torch.testing.assert_close(torch.cat(list(trace.h[-1]), 2), h)
torch.testing.assert_close(trace.h, trace.o * trace.c.tanh())
print("forget gate [layer, direction, person, row, unit]:", tuple(trace.f.shape))

# %%
varies = trace.c.std(2).mean(2)  # over people, then rows: [layer, direction, unit]
used = (varies > 0.01).sum(2)
print("units whose cell differs from person to person, of 64:")
for k in range(2):
    print(f"  layer {k + 1}: head → foot {used[k, 0]}, foot → head {used[k, 1]}")
print(f"mean forget gate {trace.f.mean():.2f}")
unit = int(varies[0].min(0).values.argmax())

# %% [markdown]
# A surprise: about half of the units do next to nothing: their gates stand at ½, their
# cell near 0, for everybody. A likely cause, not tested here, is weight decay, which
# wears down what the loss has no use for. The mean forget gate is about one half, too,
# and not only for the idle units' sake: `trace.f.mean((2, 3))[varies > 0.01].mean()`,
# of those in use, is 0.53. This memory is short.
#
# Choose a person and a unit. Where does the cell jump? Does the other direction jump at
# the same row? Look for a unit that tells people with a bag, or with a hat, from those
# without; and for one that is out of use.

# %%
widgets.gate_inspector(images, trace, unit=unit)

# %%
plots.show(
    figures.gate_view(images[0], trace, person=0, layer=0, direction=0, unit=unit),
    alt="""A pedestrian cut into eight rows, and beside it input gate, forget gate,
    output gate and cell of one unit, row by row, for both reading directions. The gates
    lie between 0 and 1 and change from row to row; the two directions differ.""",
)

# %% [markdown]
# ## 5 · How many parameters?
#
# Table 4 of the paper compares the BLSTM with a plain FC layer "with 256 neurons" on
# each row, "so that both have about the same number of parameters". Is it so? C = 2048,
# U = 256, eight rows. With *one* FC layer, shared by all rows, there are
# 2048 × 256 + 256 = 524,544. Predict: how many **million** has the two-layer BLSTM,
# its FC included?

# %% tags=["nbval-check-output"]
predict("3.p1", ...)

# %% [markdown]
# ### Exercise 3.2 · count an LSTM (difficulty 2, 10 minutes)
#
# Return the number of parameters of a bidirectional `nn.LSTM` with `inputs` channels,
# `units` units and `layers` layers. For each layer and direction: W, R, and PyTorch's
# two biases, each for four gates.


# %% tags=["exercise:3.2", "nbval-check-output"]
def lstm_parameters(inputs, units, layers):
    return ...


check("3.2", lstm_parameters)

# %% [markdown]
# <details><summary>Hint</summary>One direction of one layer with n inputs:
# 4 · units · (n + units + 2). What is n in the second layer?</details>
# <details><summary>Solution</summary>
#
# ```python
# def lstm_parameters(inputs, units, layers):
#     total = 0
#     for layer in range(layers):
#         n = inputs if layer == 0 else 2 * units
#         total += 2 * 4 * units * (n + units + 2)
#     return total
# ```
# </details>


# %% tags=["nbval-check-output"]
def count(module):
    return sum(p.numel() for p in module.parameters())


contexts = {
    "BLSTM": BLSTM(2048, 256),
    "the authors' BLSTM": AuthorsBLSTM(2048, 256),
    "an FC per row": RowFC(8, 2048, 256),
    "one FC for all rows": nn.Linear(2048, 256),
}
for name, module in contexts.items():
    print(f"{name:20} {count(module):9,}")
reveal("3.p1", round(count(contexts["BLSTM"]) / 1e6, 1), within=0.5, unit="million")

# %% [markdown]
# By hand: the first layer has 2 · 4 · 256 · (2048 + 256 + 2), the second
# 2 · 4 · 256 · (512 + 256 + 2), the FC 512 · 256 + 256.

# %% tags=["nbval-check-output"]
by_hand = 8 * 256 * (2048 + 256 + 2) + 8 * 256 * (512 + 256 + 2) + 512 * 256 + 256
print(by_hand == count(contexts["BLSTM"]))
ratios = {name: by_hand / count(m) for name, m in contexts.items()}
print({name: f"{x:.2f}" for name, x in ratios.items()})

# %% [markdown]
# So "about the same number" cannot mean one shared FC: the BLSTM has twelve times as
# many. Eight independent ones come nearest, and that is what we take for table 4's
# "without LSTM". But even then the BLSTM has half as many again. Table 4 does not
# compare at equal size, and a fair reader says so. A cleaner test is the BLSTM itself
# with every row read *alone* (`part_context="blstm_isolated"`): the very same
# parameters, and no context. Lesson 7 runs it.
#
# The authors' published program differs again: each direction has an FC of its own,
# U → U, the two are **added**, and the sum is what the second layer reads. Its second
# layer hence has U inputs and not 2 U:

# %% tags=["nbval-check-output"]
authors = contexts["the authors' BLSTM"]
x = torch.randn(2, 8, 2048, generator=torch.Generator().manual_seed(1))
with torch.no_grad():
    y = x
    for k in range(2):
        down, up = authors.lstms[k](y)[0].chunk(2, dim=2)
        y = authors.forward_fcs[k](down) + authors.backward_fcs[k](up)
    torch.testing.assert_close(y, authors(x))
print("the authors' branch:", tuple(x.shape), "→", tuple(y.shape))

# %% [markdown]
# ## 6 · Context made visible
#
# "The learned features at any point are refined by the spatial contexts", says §3.2.
# Let us look. We cover row 3 of `fb` (in S: its values are replaced by their mean
# over the people) and run the branch again. Predict: **how many of the eight outputs**
# O_1 … O_8 of the BLSTM change? Two branches that take each row alone stand beside it,
# with random weights: "FC rows", an FC per row as in section 5, and "stripes", PCB's
# way, one layer shared by all rows.

# %% tags=["nbval-check-output"]
predict("3.p2", ...)

# %% tags=["nbval-check-output"]
with torch.random.fork_rng():
    torch.manual_seed(0)
    rows_alone = {"FC rows": RowFC(8, 128, 64), "stripes": Stripes(128, 64)}
branches = {"BLSTM": branch, **rows_alone}
for name, context in branches.items():
    changed = gates.moved(context, S, row=2).mean(0) > 0
    print(f"{name:8} outputs that change: {(changed.nonzero().flatten() + 1).tolist()}")
reveal("3.p2", int((gates.moved(branch, S, row=2).mean(0) > 0).sum()))

# %% [markdown]
# That they change says nothing of *how much*. Cover the rows one after the other (a
# length of 1 means: as far as from one person to another, on average).

# %%
two = {name: branches[name] for name in ("BLSTM", "FC rows")}
widgets.row_cover(images, S, two)

# %%
moves = {name: gates.moved(context, S, row=2)[0] for name, context in two.items()}
plots.show(
    figures.cover_view(images[0], 2, moves),
    alt="""A pedestrian with the third of eight rows covered. With the BLSTM every
    output moves: the third most, its neighbours a little, those further off hardly at
    all. With FC rows the third output alone moves.""",
)

# %% [markdown]
# The same for all rows at once, without covering anything: |∂O_t/∂S_k|, how strongly
# output t reacts to a small change of row k, the norm of a U × C matrix of
# derivatives (its Jacobian), as the mean over people. For branches without context this
# map must be **diagonal**.

# %%
maps = {name: gates.context_map(context, S) for name, context in branches.items()}
plots.show(
    figures.context_maps(maps),
    alt="""Three maps of outputs against rows. The BLSTM's has its largest values on the
    diagonal, about a fifth of them beside it, and below a tenth two rows off. Those of
    FC rows and of stripes are zero everywhere off the diagonal.""",
)

# %% tags=["nbval-check-output"]
off = ~torch.eye(8, dtype=torch.bool)
for name, found in maps.items():
    print(f"{name:8} entries off the diagonal above 0: {int((found[off] > 0).sum())}")

# %% [markdown]
# Both things are true. The BLSTM does what the paper says: every output depends on
# every row. But the dependence fades: to a fifth at the next row, and by about half
# with each row after that, as section 2 foretold for gates near ½. In this trained
# net an output is its own row, refined by its neighbours; of the far end it knows next
# to nothing. (So it is in *our* small net. Whether it is so in the paper's, the paper
# does not say; the map is quick to compute on any.)
#
# ### Exercise 3.3 · who depends on whom (difficulty 3, 15 minutes)
#
# Write a test for context that needs no gradients. `context(s)` turns a sequence
# [N, H, C] into outputs [N, H, U]. Return a boolean matrix [H, H] with True at
# [t, k] when setting row k to zero changes output t of *any* of the N images. Any
# change counts, however small: compare with `!=`, without a tolerance.


# %% tags=["exercise:3.3", "nbval-check-output"]
def depends(context, s):
    return ...


check("3.3", depends)

# %% [markdown]
# <details><summary>Hint</summary>Loop over k. Copy the sequence before you change it.
# Compare the outputs with those of the whole sequence, over images and units.</details>
# <details><summary>Solution</summary>
#
# ```python
# def depends(context, s):
#     whole, columns = context(s), []
#     for k in range(s.shape[1]):
#         covered = s.clone()
#         covered[:, k] = 0
#         columns.append((context(covered) != whole).any(2).any(0))
#     return torch.stack(columns, dim=1)
# ```
# </details>

# %% [markdown]
# ## 7 · A branch that sleeps
#
# Figure 2 of the paper draws the softmax straight on the concatenation. Our default
# puts a BatchNorm between them, and the authors' program an FC of 2048 with BatchNorm
# and ReLU. Does it matter? We train the whole net three times from scratch, all three
# losses together, 45 iterations each on the first 40 training people: the same initial
# backbone, the same batches; only the heads of BgI and BpI differ. (A **head** is here
# no part of a body: it is what follows a branch's features, up to the loss.)
#
# | head | before the classifier |
# |---|---|
# | `"linear"` | nothing: as printed |
# | `"bn"` | BatchNorm (our default) |
# | `"authors"` | FC 2048 + BatchNorm + ReLU |
#
# Beside the loss we log the **spread** of the outputs O (their standard deviation over
# the images of a batch; the mean over all outputs) and the length of the gradient that
# BpI's loss sends to `fb`. A classifier that guesses among 40 has a loss of
# ln 40 = 3.69. Predict: which head's BpI is still there after 45 iterations
# (`"linear"`, `"bn"`, `"authors"`, `"none"`)?

# %% tags=["nbval-check-output"]
predict("3.p3", ...)

# %%
toy = presets.get("toy")
number = {pid: i for i, pid in enumerate(sorted(data.labels)[:40])}
few = [s for s in data.train if s.pid in number]
pictures = transforms.decode(few, toy.image_size, progress=False)
labels = [number[s.pid] for s in few]


def short(head, change=None):
    preset = replace(toy, head=head)
    _, rows = shortruns.run(preset, pictures, labels, 45, change=change)
    return shortruns.means(rows, 5)


runs = {head: short(head) for head in ("linear", "bn", "authors")}

# %%
plots.show(
    figures.head_curves(runs, num_ids=40, block=5),
    alt="""Three panels over 45 iterations. The part branch's loss with the linear head
    stays on the dashed line ln 40, while with BatchNorm and with the authors' head it
    falls far below. With the linear head the spread of its outputs shrinks, and its
    gradient at fb is some hundred times smaller than with the other two.""",
)

# %% tags=["nbval-check-output"]
asleep = [head for head, r in runs.items() if abs(r["part"][-1] - math.log(40)) < 0.1]
print("still at ln 40:", asleep)
reveal("3.p3", asleep[0] if asleep else "none")

# %% [markdown]
# `fb` hears nothing of the sleeping branch, and nobody would notice from the total
# loss, which falls thanks to the triplets. **Why does it sleep?** Look at the first
# five iterations, before much was learned:

# %%
fc_rows = replace(toy, head="linear", part_context="fc")
_, rows = shortruns.run(fc_rows, pictures, labels, 5)
runs_at_start = {**runs, "FC rows, linear": shortruns.means(rows, 5)}
for name, r in runs_at_start.items():
    print(f"{name:16} spread {r['spread'][0]:.3f}   at fb {r['reach'][0]:.4f}")
gain = runs["bn"]["reach"][0] / runs["linear"]["reach"][0]
print(f"bn / linear at fb: {gain:.0f}   1 / spread: {1 / runs['bn']['spread'][0]:.0f}")

# %% [markdown]
# An LSTM's hidden state is a gate (about ½) times the tanh of a cell that starts at 0,
# twice over; then comes an FC with small weights. From one person to the next its
# outputs differ by hundredths only, against tenths with plain FC rows. To the linear
# classifier all people look the same. The best it can do is to guess; and since its
# gradient is as small as the differences, the LSTM has no reason to make them larger.
# Each waits for the other. BatchNorm *subtracts what all people share and divides by
# the spread*: the classifier sees differences of size 1, and on the way back the
# gradient is divided by that spread, too. Compare the two figures of the last line.
#
# Is that the cause, or only a story that fits? Break it and see.
#
# ### Exercise 3.4 · break BatchNorm (difficulty 4, 15 minutes)
#
# Two more nets, each with one change in BpI's head alone (BgI keeps its BatchNorm):
#
# - **frozen**: BatchNorm stays, with its learned scale γ and shift β, but it uses its
#   initial statistics (mean 0, variance 1) for ever;
# - **× 100**: no BatchNorm; the concatenation is multiplied by 100, a fixed number.


# %%
class Times100(nn.Module):
    def forward(self, x):
        return 100 * x


def times_100(net):
    net.part_classifier[0] = Times100()


broken = {"bn": runs["bn"]}
broken["frozen"] = short("bn", lambda net: net.part_classifier[0].eval())
broken["× 100"] = short("bn", times_100)

# %%
plots.show(
    figures.head_curves(broken, num_ids=40, block=5, title="BatchNorm, broken"),
    alt="""Three panels over 45 iterations. With the frozen BatchNorm the part branch
    stays at ln 40, its gradient at fb small. Multiplied by a fixed 100 its loss starts
    far above, then falls below ln 40 and its gradient is as large as with
    BatchNorm.""",
)

# %% [markdown]
# What is it in BatchNorm that wakes the branch?
#
# - **a** its learned scale γ, which grows where it is needed
# - **b** that the small differences between people are made large
# - **c** the noise from batch to batch, which shakes the weights loose
# - **d** that what all people share is subtracted

# %% tags=["exercise:3.4", "nbval-check-output"]
answer = ...
check("3.4", answer)

# %% [markdown]
# <details><summary>Hint</summary>Which of the two nets has a learned scale? Which has
# noise from batch to batch? Which of them learns?</details>
# <details><summary>Solution</summary>
#
# ```python
# answer = "b"
# ```
# The frozen net has γ and sleeps on, so it is not a. The × 100 net has no learned
# scale and no batch statistics, subtracts nothing, and learns: neither a nor c nor d
# is needed. Its start is rough, since 100 multiplies what all people share as well:
# BatchNorm subtracts that. Try subtracting alone: `x - x.mean(0)` in place of
# `100 * x`.
# </details>

# %% [markdown]
# ### Forty people are easy: the record of a longer run
#
# A sleeping branch may wake later. `tools/record_heads.py` ran the same on 40 people
# for 200 iterations (three seeds), and on all 600 for 1,200 iterations (one seed):

# %% tags=["nbval-check-output"]
heads = checkpoints.ASSETS.parent / "records" / "heads.json"
record = json.loads(heads.read_text("utf-8"))
for experiment in ("40 pids", "600 pids"):
    e = record[experiment]
    print(f"{experiment}, guessing {math.log(e['pids']):.2f}; loss of BpI at the end:")
    for name in ("linear", "bn", "authors", "FC rows, linear"):
        ends = [f"{r['part'][-1]:.2f}" for r in e["runs"] if r["variant"] == name]
        print(f"  {name:16}", *ends)

# %%
e = record["600 pids"]
longer = {r["variant"]: r for r in e["runs"]}
plots.show(
    figures.head_curves(longer, 600, e["block"], title="All 600 training people"),
    alt="""Three panels over 1,200 iterations on 600 people. Only with BatchNorm
    straight before the classifier does the part branch's loss leave ln 600; the linear
    head, the authors' head and FC rows with a linear head stay there, and their
    outputs' spread falls a hundredfold or more.""",
)

# %% [markdown]
# On 40 people the printed form wakes after a hundred iterations or so. On 600 it sleeps
# to the end of the record, and so do plain FC rows under a linear head, though their
# outputs differ enough at first: the longer nothing is learned, the more their spread
# shrinks. The authors' head sleeps as well here, in spite of the BatchNorm behind its
# FC; why, the record does not show. (Their recipe trains the triplet loss alone for
# the first 30 epochs, so that `fb` tells people apart before BpI begins; ours, and the
# paper's text, do not.) One seed, a small net from random weights, and a toy data set:
# with an ImageNet backbone the printed form may well wake. What carries over is the
# habit: **log each branch's loss beside ln Nc**. `dplib.training` warns when a branch
# is at chance after an epoch or two. An ablation (train without a part, to see what it
# was worth) of a branch that slept measures nothing.
#
# ## 8 · Why it is thrown away
#
# After training, BpI goes: the descriptor is `fm`, the mean of `fb`. Neither gates
# nor outputs are seen by anybody. So what was it for? All it ever did was to send a
# gradient to `fb`: **at test time the branch is a loss that has done its work**. It
# asked `fb` for rows that, read in order, say who it is; and `fm` is the mean of those
# rows. That is why the gradient at `fb` was the thing to watch.

# %% tags=["nbval-check-output"]
x = transforms.normalise(images[:2])
with torch.no_grad():
    before = net.descriptor(x)
    spare = checkpoints.load("toy")
    del spare.part_context, spare.part_classifier
    torch.testing.assert_close(spare.descriptor(x), before)
share = count(branch) + count(net.part_classifier)
print(f"{share:,} of {count(net):,} parameters dropped, the descriptor is the same")

# %% [markdown]
# ## 9 · What the paper says, and what we measured
#
# | | the paper | here |
# |---|---|---|
# | wiring | two layers, both directions, FC after h_t | the same; FC sees both |
# | head | softmax on the concatenation | sleeps in our short runs; BatchNorm wakes it |
# | "about the same number" | BLSTM, FC of 256 (table 4) | 6.43 and 4.20 million |
# | context | "refined by the spatial contexts" | yes, mostly from the next row or two |
# | worth, rank-1 / mAP | 87.74 / 69.82 (table 4) | lesson 7 |
#
# Beside it in table 4, all on Market-1501 without triplets: BgI alone 85.33 / 64.71;
# BgI and BpI without the LSTM 86.49 / 66.74.
#
# ## Further
#
# - Draw the context map of an *untrained* branch, that of `toy.build_model(600)`. Does
#   the context fade as quickly there?
# - Set the forget gates' biases of a net to 2 and train it: `short(…, change)`.
# - Hochreiter and Schmidhuber (1997) had no forget gate. Which number takes its place?
#
# Next: lesson 4, the loss that works on `fm` itself. The code of this lesson:
# `dplib/contexts.py` (class `BLSTM`, twenty lines), `dplib/seeing/gates.py`,
# `dplib/lessons/blstm_branch/shortruns.py`.
