# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # 2 · Part sequences: from a feature map to head, chest, legs and feet
#
# After this lesson you can turn a backbone's feature map into the sequence of body
# parts that Deep-Person reads, and measure which pixels each part depends on.
#
# **Objectives**
#
# - **O1** build the row pooling that turns $f_b$ into the sequence $S_1, \ldots, S_H$
#   (prediction 2.p1, exercise 2.1)
# - **O2** build the recursion for the theoretical receptive field, and say where the
#   field lies (exercise 2.2, predictions 2.p2 and 2.p3)
# - **O3** measure how strongly a row depends on each pixel (exercise 2.3, prediction
#   2.p4)
# - **O4** break the alignment of the parts, and explain what happens (exercises 2.4
#   and 2.5)
#
# **Needs** lesson 0; convolution, stride and padding; `autograd`. **Time** 45 minutes
# to read, 50 minutes for the exercises, about a minute to run on two cores. **Paper**
# §3.1 and §3.2, figures 2 and 3. **Modules** `dplib.backbones`, `dplib.model`,
# `dplib.seeing.fields`.

# %% tags=["setup"]

# %%
import json

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from IPython.display import Markdown, display
from torch import nn

from dplib import checkpoints, datasets, evaluation, model, plots
from dplib.backbones import build

# %%
from dplib.descriptors import Descriptors, extract
from dplib.evidence import resampling, robustness
from dplib.lessons import architecture
from dplib.lessons.checks import check, predict, reveal
from dplib.lessons.part_sequences import figures, widgets
from dplib.presets import get
from dplib.seeing import fields
from dplib.toymarket import draw
from dplib.transforms import decode, normalise, stream

# %%
plots.show(
    architecture.figure("part_sequences"), alt=architecture.alt("part_sequences")
)

# %% [markdown]
# ## 1 · From the image to the feature map
#
# A **backbone** is a classification network without its last layers: it has no global
# pooling and no classifier. It maps an image to the **feature map** $f_b$ (`fb`), which
# holds $C$ numbers at each of its $H \times W$ places. The paper uses ResNet-50 and
# images of 256 × 128 pixels. The next cell prints the size of one image after each
# stage of that network:


# %% tags=["nbval-check-output"]
def trace(net, size):
    x = torch.zeros(1, 3, *size)
    maps = fields.feature_maps(net, x)
    sizes = {name: m.shape[1:] for name, m in maps.items()}
    return pd.DataFrame(sizes, index=["C", "H", "W"]).T


with torch.no_grad():
    resnet50 = build("resnet50").net.eval()
trace(resnet50, (256, 128))

# %% [markdown]
# Two strides of 2 precede `layer1`, and `layer2`, `layer3` and `layer4` have one each.
# The image is halved five times: 256 / 32 = 8 and 128 / 32 = 4. Hence the paper's $f_b$
# of 8 × 4 × 2048.
#
# The last of these strides is easily removed, because no weight changes its shape.
# Suppose that the stride of `layer4` is 1 instead of 2. Predict: how many **rows** $H$
# does $f_b$ have then, for an image of 256 × 128 pixels?

# %% tags=["nbval-check-output"]
predict("2.p1", ...)

# %% tags=["nbval-check-output"]
finer = build("resnet50", last_stride=1).net.eval()
reveal("2.p1", fields.map_rows(finer, 256), unit="rows")
trace(finer, (256, 128))

# %% [markdown]
# There are twice as many rows and columns, which costs four times the work in `layer4`.
# Most later methods chose this finer map. This course uses the same idea for another
# purpose: with a last stride of 1, an image of 128 × 64 pixels, a quarter of the
# paper's pixels, still gives a map of 8 × 4 places.
#
# The net below is the shipped checkpoint `toy`, a ResNet-18 of quarter width that was
# trained on ToyMarket. Its record says for how long:

# %%
net = checkpoints.load("toy")
record = json.loads((checkpoints.ASSETS / "toy.json").read_text("utf-8"))
data = datasets.load("toymarket", DATA)
toy = get("toy")
iterations = toy.epochs * (len(data.labels) // toy.p)
display(
    Markdown(
        f"`toy` was trained for {record['iterations']:,} iterations with seed "
        f"{record['seed']}. The preset `toy`, which lesson 0 uses, stops after "
        f"{iterations:,}."
    )
)

# %% tags=["nbval-check-output"]
samples = data.train[::185]
images = decode(samples, (128, 64), progress=False)  # uint8
with torch.no_grad():
    fb = net.feature_map(normalise(images))
print(f"{len(samples)} images → fb", tuple(fb.shape))

# %% [markdown]
# Each place of $f_b$ holds 128 numbers that respond to what stands at about that place
# of the image. The figure shows how *strongly* they respond (the root mean square of
# the 128 numbers):

# %%
few = [0, 5, 9, 14]
plots.show(
    figures.feature_rows(images[few], fb[few]),
    alt="""Four drawn people, cut by dashed lines into eight stripes, each beside its
    map of eight rows and four columns. The stripes fall on head, chest, hips, legs and
    feet; the map is bright over the body and darker over the background beside it.""",
)

# %% [markdown]
# The mean of $f_b$ over all of its places, called *global average pooling* (GAP), is
# the vector $f_m$ (`fm`). It describes the whole image with $C$ numbers, and it is all
# that is used at test time.

# %% tags=["nbval-check-output"]
fm = fb.mean(dim=(2, 3))
with torch.no_grad():
    torch.testing.assert_close(fm, net.descriptor(normalise(images)))
torch.testing.assert_close(fm, nn.AdaptiveAvgPool2d(1)(fb).flatten(1))
print("fm", tuple(fm.shape), "equals AdaptiveAvgPool2d(1) and model.descriptor")

# %% [markdown]
# ## 2 · The rows of the feature map as a sequence
#
# $f_m$ no longer tells where things were: red above blue and blue above red may have
# the same mean. The paper therefore keeps the height. "Each row of $f_b$ undergoes an
# average pooling with 1 × W kernel" (§3.2):
#
# $$S_t = \frac{1}{W} \sum_{w=1}^{W} f_b[:, t, w], \qquad t = 1, \ldots, H.$$
#
# The $W$ vectors that stand side by side in a row are replaced by their mean, while
# different rows are not mixed. The result is a **sequence** of $H$ vectors from head to
# foot, like the words of a sentence. Nothing was cut out of the image, and no pose was
# estimated: the order of the body gives the order of the sequence. (Text and figures
# count rows from 1, as the paper does; code counts from 0, so that $S_4$ is `S[:, 3]`.)
#
# ### Exercise 2.1 · the sequence (difficulty 2, 8 minutes)
#
# Write the row pooling. `fb` has the shape [N, C, H, W]; return the sequence as
# [N, H, C], the order that PyTorch's LSTM expects with `batch_first=True`.
#
# A case to do by hand first, with one image, two channels, two rows and three columns:
#
# | | channel 1 | channel 2 |
# |---|---|---|
# | row 1 | 1, 2, 3 | 4, 4, 4 |
# | row 2 | 0, 0, 6 | 9, 0, 0 |
#
# The first row has the means 2 and 4, so that $S_1 = (2, 4)$, and likewise
# $S_2 = (2, 3)$. The answer is [[[2, 4], [2, 3]]].


# %% tags=["exercise:2.1", "nbval-check-output"]
def part_sequence(fb):
    """fb [N, C, H, W] → the sequence [N, H, C]."""
    return ...


check("2.1", part_sequence)

# %% [markdown]
# <details><summary>Hint</summary>Which of the four dimensions disappears? Which two of
# the remaining ones then change places? (<code>reshape</code> changes the shape, but it
# moves no number.)</details>
# <details><summary>Solution</summary>
#
# ```python
# def part_sequence(fb):
#     rows = fb.mean(dim=3)  # [N, C, H]
#     return rows.transpose(1, 2)  # [N, H, C]
# ```
# </details>

# %% [markdown]
# The same by loops, by a pooling module and by `dplib`, on the batch of images. All
# rows are equally wide, so that the mean of the rows is $f_m$: the sequence describes
# the same features at a finer scale.

# %% tags=["nbval-check-output"]
n, c, h, w = fb.shape
by_loops = torch.zeros(n, h, c)
for t in range(h):
    for place in range(w):
        by_loops[:, t] += fb[:, :, t, place] / w
by_module = nn.AdaptiveAvgPool2d((h, 1))(fb)[..., 0].transpose(1, 2)
S = net.part_sequence(fb)
torch.testing.assert_close(by_loops, S)
torch.testing.assert_close(by_module, S)
torch.testing.assert_close(S.mean(dim=1), fm)
print("fb", tuple(fb.shape), "→ S", tuple(S.shape), "; the mean of the rows is fm")

# %% [markdown]
# ## 3 · Which pixels can reach a row?
#
# Figure 3 of the paper draws eight stripes over a pedestrian: "each vector in the
# feature sequence describes the region of the corresponding receptive field". We call
# this the **ideal stripe**: row $t$ of $H$ belongs to the $t$-th part of the image's
# height.
#
# The **theoretical receptive field** is something else. It consists of *all* pixels
# that can reach the row, and it follows from the layers alone. Three numbers describe
# it: one output sees `size` pixel rows; the outputs lie `jump` pixel rows apart; and
# the field of the first output begins at pixel row `top`, which is negative where
# padding is included.
#
# ### Exercise 2.2 · the theoretical field (difficulty 3, 15 minutes)
#
# Find the recursion yourself. `layers` is a list of (kernel, stride, padding), from the
# image on, in one dimension. Return (top, size, jump) of the last layer. Without any
# layer, a pixel sees itself: (0, 1, 1).
#
# A case to do by hand: two layers, (3, 2, 1) and then (3, 1, 1).
#
# - First layer. Its first output joins the pixels −1, 0 and 1, where −1 is padding; the
#   next one, after a stride of 2, joins 1, 2 and 3. So top = −1, size = 3, jump = 2.
# - Second layer. Its first output joins the outputs −1, 0 and 1 of the first layer,
#   where −1 is padding again. Output 0 sees the pixels −1 to 1, output 1 sees 1 to 3,
#   and the padded one stands for −3 to −1. Together they see the pixels −3 to 3. So
#   top = −3, size = 7, and the jump stays 2.
#
# How did the padding, the kernel and the stride of the second layer change the three
# numbers?


# %% tags=["exercise:2.2", "nbval-check-output"]
def receptive_field(layers):
    """[(kernel, stride, padding), …] → (top, size, jump)"""
    return ...


check("2.2", receptive_field)

# %% [markdown]
# <details><summary>Hint 1</summary>A layer with kernel k joins k neighbouring outputs
# of the layer before. How far apart are the first and the last of them, in pixels?
# </details>
# <details><summary>Hint 2</summary>A layer's own stride spreads its own outputs. It
# matters only for the layers after it.</details>
# <details><summary>Solution</summary>
#
# ```python
# def receptive_field(layers):
#     top, size, jump = 0, 1, 1
#     for kernel, stride, padding in layers:
#         top -= padding * jump
#         size += (kernel - 1) * jump
#         jump *= stride
#     return top, size, jump
# ```
# </details>

# %% [markdown]
# From the first to the last of $k$ neighbours it is $k - 1$ jumps, padding $p$ begins
# $p$ jumps earlier, and of the outputs every $s$-th is kept:
#
# $$\text{top} \leftarrow \text{top} - p \cdot \text{jump}, \qquad
# \text{size} \leftarrow \text{size} + (k - 1) \cdot \text{jump}, \qquad
# \text{jump} \leftarrow \text{jump} \cdot s.$$
#
# Late layers add the most: at a jump of 16, a 3 × 3 kernel adds 32 pixel rows, whereas
# a 1 × 1 kernel adds none. Predict: how many pixel rows of the image does one row of
# $f_b$ see in the paper's ResNet-50? After `conv1` (7, 2, 3) and the max pooling
# (3, 2, 1) follow 3, 4, 6 and 3 blocks with one 3 × 3 convolution each; the first one
# in `layer2`, `layer3` and `layer4` has stride 2. The image has 256 pixel rows.
# Estimate it in your head, or give these layers to your function of exercise 2.2.

# %% tags=["nbval-check-output"]
predict("2.p2", ...)

# %% tags=["nbval-check-output"]
big = fields.receptive_field(resnet50)  # walks over the real modules
reveal("2.p2", big.size, within=40, unit="pixel rows")
rows = {}
for t in range(8):
    ideal, seen = fields.ideal_stripe(t, 8, 256), big.of_row(t).within(256)
    spans = [f"{s.top} to {s.bottom}" for s in (ideal, seen)]
    rows[f"S{'₁₂₃₄₅₆₇₈'[t]}"] = spans
pd.DataFrame(rows, index=["ideal stripe", "can see, of 0 to 255"]).T

# %% [markdown]
# The field is larger than the image. The rows in the middle can see *all* of it, and
# $S_1$, the "head", reaches below the knees. **Figure 3 is an idealisation**: every row
# of $f_b$ can see most of the body.
#
# Where is the *centre* of a field? One would expect it in the middle of the ideal
# stripe. Take row 4 of the toy net: the jump is 16, and the ideal stripe has the pixel
# rows 48 to 63, with their middle at 55.5. Predict the centre of its theoretical field,
# as a pixel row. All of its kernels are odd and padded by $p = (k - 1) / 2$; the worked
# example above, with the field −3 to 3, shows what follows for the first row.

# %% tags=["nbval-check-output"]
predict("2.p3", ...)

# %% tags=["nbval-check-output"]
toy_field = fields.receptive_field(net.backbone)
fourth = toy_field.of_row(3)
reveal("2.p3", (fourth.top + fourth.bottom) / 2, within=2, unit="(pixel row)")
print(f"row 4 can see pixel rows {fourth.top} to {fourth.bottom} of 0 to 127")

# %% [markdown]
# With $p = (k - 1) / 2$ each layer grows by as much above as below, so that the field
# of the *first* row stays centred on pixel row 0. The strides then place the centre of
# row $t$ at $(t - 1) \cdot \text{jump}$. That is the **upper edge** of its ideal stripe
# and lies $(\text{jump} - 1) / 2 = 7.5$ pixel rows above the stripe's middle: a stride
# keeps the first of each group of neighbours, never the middle one. The same holds for
# the paper's net, where the jump is 32. We check it on the real modules. (In a basic
# block both 3 × 3 convolutions lie in a row; the shortcut sees less.)


# %% tags=["nbval-check-output"]
kinds = (nn.Conv2d, nn.MaxPool2d)
seen = (0, 1, 1)
for name, m in net.backbone.named_modules():
    if isinstance(m, kinds) and "downsample" not in name:
        k, s, p = (np.ravel(x)[0] for x in (m.kernel_size, m.stride, m.padding))
        top, size, jump = seen
        seen = (top - p * jump, size + (k - 1) * jump, jump * s)
dplibs = [toy_field.first.top, toy_field.size, toy_field.stride]
torch.testing.assert_close([int(x) for x in seen], dplibs)
for field in (toy_field, big):
    assert field.first.top + field.first.bottom == 0  # the first row's centre
print("top, size, jump:", *dplibs, "; the field of row 1 is centred on pixel row 0")

# %% [markdown]
# ## 4 · Which pixels matter?
#
# A pixel that *can* reach a row need not *matter* to it. One at the edge of the field
# has a single path to the output, one in the middle has thousands. To see how much a
# pixel matters, change it a little and measure how far $S_t$ moves: this is a gradient.
# We begin with the simplest case, one image and the sum of the $C$ numbers of $S_t$.
#
# ### Exercise 2.3 · the gradient of one row (difficulty 3, 12 minutes)
#
# `net` maps images [1, 3, h, w] to $f_b$; `image` is [3, h, w]; `row` counts from 0.
# Pool $f_b$ to the sequence, and return the gradient of the sum of the $C$ numbers of
# that row with respect to the image, [3, h, w].
#
# A case to do by hand: `net = nn.AvgPool2d(2)`, an image of 4 × 4 pixels, row 0. The
# map has 2 × 2 places, each the mean of four pixels. Row 0, averaged over its two
# columns, is the mean of the upper eight pixels, in each of the three channels. Hence
# the gradient is 1/8 in the upper two pixel rows and 0 below.


# %% tags=["exercise:2.3", "nbval-check-output"]
def row_gradient(net, image, row):
    """A net, an image [3, h, w], a row from 0 → the gradient [3, h, w]."""
    return ...


check("2.3", row_gradient)

# %% [markdown]
# <details><summary>Hint</summary>Make a fresh <code>x = image[None].clone()</code>
# with <code>requires_grad_()</code>; compute one number from it; then
# <code>torch.autograd.grad(number, x)</code>.</details>
# <details><summary>Solution</summary>
#
# ```python
# def row_gradient(net, image, row):
#     x = image[None].detach().clone().requires_grad_()
#     s = net(x).mean(dim=3)  # [1, C, H]
#     (gradient,) = torch.autograd.grad(s[0, :, row].sum(), x)
#     return gradient[0]
# ```
# </details>

# %% [markdown]
# In a plain sum one channel can cancel another. Therefore the **effective receptive
# field** takes a random direction $v$ for each image, in place of $(1, \ldots, 1)$. The
# energy of a pixel is the square of the gradient of $v \cdot S_t$, added over the three
# colours and averaged over images; we scale the field so that the energies add up to 1.
# Here it is for row 4 of the toy net:

# %% tags=["nbval-check-output"]
x = normalise(images).requires_grad_()
s = net.backbone(x).mean(dim=3)  # [N, C, H]
generator = torch.Generator().manual_seed(3)  # the seed that dplib uses for row 4
v = torch.randn(len(x), 128, generator=generator)
(gradient,) = torch.autograd.grad((v * s[:, :, 3]).sum(), x)
mine = gradient.square().sum(1).mean(0)
mine = mine / mine.sum()
theirs = fields.effective_field(net.backbone, x, [3])[0]
torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-6)
print("effective field", tuple(mine.shape), "equals dplib's")

# %% [markdown]
# If figure 3 were right, all of this energy would lie in the ideal stripe, the pixel
# rows 48 to 63. Predict: what percentage of it does, in this *trained* net?

# %% tags=["nbval-check-output"]
predict("2.p4", ...)

# %%
found = fields.fields_of_row(net.backbone, x, 3)
share = 100 * fields.share_within(theirs, found.ideal)
reveal("2.p4", round(share), within=8, unit="%")
height = fields.band(theirs).height
words = f"""{share:.0f} % of the energy lies in the ideal stripe, which has
{found.ideal.height} pixel rows. To hold 90 % of the energy takes {height} of them."""
display(Markdown(words))

# %%
plots.show(
    figures.three_fields(images[5], found, title="trained toy net"),
    alt=f"""The same person three times. The ideal stripe is a band of 16 pixel rows at
    the waist; the theoretical field is the whole image; the effective field glows
    around the stripe and fades above and below. At the right its energy by height is a
    hump: {share:.0f} % lies in the stripe, and 90 % takes {height} pixel rows.""",
)

# %% [markdown]
# The truth lies between the two: a row depends *mainly* on the pixels around its
# stripe, and also on those of its neighbours, so that the parts overlap. How much of
# this is due to the architecture, and how much was learned? One net could be an
# accident. We compare six untrained nets (seeds 0 to 5) with the six trained nets that
# are shipped, which differ in their branches and in the length of their training. The
# share of energy is a mean over all rows. For the centres we take rows 3 to 6 only,
# because the edges of the image cut off the fields of the outer rows and so move their
# centres inwards:

# %%
names = ["toy", "toy-full", "toy-bgi", "toy-bgi_bpi", "toy-bgi_bpi_fc", "toy-stripes"]
trained = {name: checkpoints.load(name) for name in names}
untrained = {f"seed {i}": toy.build_model(600, seed=i).eval() for i in range(6)}
stripes = [fields.ideal_stripe(t, 8, 128) for t in range(8)]
middles = torch.tensor([(s.top + s.bottom) / 2 for s in stripes])
few_x = normalise(images[::2])


def summary(m):
    """Of all rows: their fields, mean share in the stripe, mean offset of centres."""
    f = fields.effective_field(m.backbone, few_x)
    shares = [fields.share_within(f[t], stripes[t]) for t in range(8)]
    offset = (figures.centres(f) - middles)[2:6]  # rows 3 to 6: the edges cut less
    return f, 100 * float(np.mean(shares)), float(offset.mean())


# %%
groups = {"untrained": untrained, "trained": trained}
measured = {k: [summary(m) for m in nets.values()] for k, nets in groups.items()}
table = {
    k: [f"{min(c):.1f} to {max(c):.1f}" for c in list(zip(*v, strict=True))[1:]]
    for k, v in measured.items()
}
columns = ["energy in the ideal stripe (%)", "centre minus middle (pixel rows)"]
pd.DataFrame(table, index=columns).T

# %%
effective = {"untrained, seed 0": measured["untrained"][0][0]}
effective["trained, toy"] = measured["trained"][0][0]
theory = [16.0 * t for t in range(8)]
shares = {k: [m[1] for m in v] for k, v in measured.items()}
plots.show(
    figures.field_profiles(effective, theory, title="Effective fields of all rows"),
    alt=f"""Two heat maps, row of fb against pixel row of the image. Both have a bright
    diagonal from S_1 at the head to S_8 at the feet, so that rows do follow the body.
    The energy spills over the white boxes of the ideal stripes. A mean of
    {shares["untrained"][0]:.0f} % lies in them before training and of
    {shares["trained"][0]:.0f} % after it. Crosses mark the centres of the theoretical
    fields at the upper edges of the boxes; the discs of the effective ones lie near
    them, above the middle of the boxes.""",
)

# %%
lowest, highest = min(shares["trained"]), max(shares["untrained"])
sharper = "every trained net has" if lowest > highest else "not every trained net has"
offsets = [m[2] for v in measured.values() for m in v]
words = f"""Random weights already place row $t$ at about its part, so this is due to
the architecture. After training, {sharper} more energy in the stripes than each of the
untrained ones ({lowest:.0f} % or more against {highest:.0f} % or less). In
rows 3 to 6 the centres lie {-max(offsets):.1f} to {-min(offsets):.1f} pixel rows
*above* the middle of the stripe. Stride and padding alone would give 7.5."""
display(Markdown(words))

# %% [markdown]
# Luo et al., who introduced the effective field, saw it *grow* during training on other
# tasks. Why it shrinks here we have not tested. Our guess is that the order of colours
# over the body tells people apart, so that a row that concentrates on its own part
# serves best. To combine parts from all over the body is then left to the LSTM of
# lesson 3.
#
# **Try it.** Choose the backbone, the layer, the row and the picture; picture 0 stands
# for the mean over all of them. Observe how the field grows with depth. "ResNet-50" is
# the untrained net at the paper's image size.

# %%
deep_net = model.DeepPerson(2, backbone="resnet50", branches=("ranking",)).eval()
choices = {"toy, trained": net, "toy, untrained": untrained["seed 0"]}
widgets.field_explorer({**choices, "ResNet-50, untrained": deep_net}, images[few])

# %%
large = widgets.resized(images[few], (256, 128))
deep = widgets.explored(deep_net, large[:1], 4, "layer4")
plots.show(
    figures.three_fields(large[0], deep, title="ResNet-50, untrained"),
    alt=f"""Row 4 of an untrained ResNet-50 at 256 x 128 pixels. The ideal stripe has
    {deep.ideal.height} pixel rows. The theoretical field, {deep.theory.height}, covers
    the whole image. The effective field is a broad hump around the stripe: 90 % of its
    energy takes {fields.band(deep.effective).height} pixel rows.""",
)

# %% [markdown]
# ## 5 · When the box is cut badly
#
# Parts by height rest on an assumption: that row $t$ shows the *same* part in every
# picture. Detectors often cut boxes with too much ground below or too little space
# above the head. We can do that on purpose, because ToyMarket can draw the same person
# again, at another place in the box. One row of $f_b$ is 1/8 of the height, and one
# column is 1/4 of the width. The change of $S_t$ is the length of the difference, in
# percent of the length that $S_t$ had before.

# %%
moves = [(0.0, 0.0), (0.25, 0.0), (0.0, 0.125), (0.0, 0.25)]
views = [widgets.shifted(net, 1, 1, right, down) for right, down in moves]
names = ["where it was", "right by a column", "down by a row", "down by two rows"]
shown = [v._replace(title=n) for v, n in zip(views, names, strict=True)]
changes = {v.title: [*v.rows.tolist(), v.fm] for v in shown}
labels = [*(f"S{t}" for t in "₁₂₃₄₅₆₇₈"), "fm"]
(100 * pd.DataFrame(changes, index=labels).T).round(0).astype(int)

# %%
widgets.shift_explorer(net, [1, 2, 3, 4, 9, 10, 11, 12])

# %%
right, one, two = (v.rows.mean() for v in shown[1:])
plots.show(
    figures.shifts(shown, title="The same person, moved in the box"),
    alt=f"""One person four times: in place, moved right by a column of fb, and moved
    down by one and by two rows, each with bars for the change of S_1 to S_8. On average
    the rows change by {right:.0%} to the right, {one:.0%} and {two:.0%} downwards. The
    dashed line of fm stays far to the left of most bars.""",
)

# %% [markdown]
# A move to the side changes the rows less, because the mean over the columns hides most
# of it. A move down changes every row by more than half. And $f_m$, the mean over rows
# *and* columns, hides most of both.
#
# What has become of the parts? Compare each row of one picture with each row of another
# picture of the same person, taken by another camera. The table holds cosine
# similarities, averaged over 100 test people; the crosses mark the largest value of
# each row. (The mean over all people is subtracted first; otherwise everything
# resembles everything.)

# %%
pids = sorted({s.pid for s in data.query})[:100]
steps = [-2, -1, 0, 1, 2]


def shots(camera, down):
    """The 100 people from the front, moved down by so many rows: uint8."""
    options = {"viewpoint": "front", "shift": (0.0, down / 8)}
    drawn = [draw(p, camera, seed=p + camera, **options)[0] for p in pids]
    return torch.from_numpy(np.stack(drawn)).permute(0, 3, 1, 2)


first, second = shots(1, 0), {k: shots(2, k) for k in steps}


# %%
def sequence(m, pixels):
    with torch.no_grad():
        return m.part_sequence(m.feature_map(normalise(pixels)))


def similarity(a, b):
    a, b = F.normalize(a - a.mean(0), dim=2), F.normalize(b - b.mean(0), dim=2)
    return torch.einsum("ntc,nuc->tu", a, b) / len(a)


before = sequence(net, first)
after = {k: sequence(net, second[k]) for k in steps}
tables = {f"down by {k} rows": similarity(before, after[k]) for k in (0, 1, 2)}
best = [[int(u) - t for t, u in enumerate(m.argmax(1))] for m in tables.values()]

# %%
ridge = [max(set(b), key=b.count) for b in best]  # the commonest place of the maximum
plots.show(
    figures.row_similarity(tables, title="Rows of one person in two cameras"),
    alt=f"""Three tables of the similarity of eight rows with eight rows, for a shift of
    0, 1 and 2 rows. The ridge of the largest values lies {ridge[0]}, {ridge[1]} and
    {ridge[2]} places off the diagonal: the parts are still there, further down.""",
)

# %% [markdown]
# ### Exercise 2.4 · rows that correspond (difficulty 3, 10 minutes)
#
# A system that compares *stripes* compares $S_1$ with $S_1$, $S_2$ with $S_2$, and so
# on. Someone who knows the shift can do better. In `b` each person has moved **down by
# k rows** relative to `a` (up, if k is negative). Return the rows of `a` and of `b`
# that show the same parts, in the same order, as far as both pictures have them: two
# tensors [N, H − |k|, C].
#
# A case to do by hand: H = 8 and k = 2. The part in row 1 of `a` is in row 3 of `b`,
# and so on, until row 6 of `a` meets row 8 of `b`. What was in rows 7 and 8 of `a` has
# left the box of `b`. With k = −1, row 2 of `a` meets row 1 of `b`.


# %% tags=["exercise:2.4", "nbval-check-output"]
def corresponding(a, b, k):
    """Sequences [N, H, C] and a shift → the rows of a, and of b, that correspond."""
    return ...


check("2.4", corresponding)

# %% [markdown]
# <details><summary>Hint</summary>For k ≥ 0 the rows of <code>a</code> run from 0 to
# H − k, those of <code>b</code> from k to H. What changes for k &lt; 0?
# <code>max(0, k)</code> and <code>max(0, -k)</code> save an <code>if</code>.</details>
# <details><summary>Solution</summary>
#
# ```python
# def corresponding(a, b, k):
#     rows = a.shape[1]
#     down, up = max(0, k), max(0, -k)
#     return a[:, up : rows - down], b[:, down : rows - up]
# ```
# </details>

# %% [markdown]
# Now break the alignment: move the gallery's people and search for each of the 100 in
# three ways. "row t with row t" is what a system of stripes does, and "row t with row
# t + shift" uses the pairs of exercise 2.4, so that it leaves out as many rows as the
# shift. All six trained nets are measured, so that one net's luck does not decide.


# %%
def found_first(a, b):
    """Whether each person of a finds itself first in b: [N] of 0 and 1."""
    a, b = F.normalize(a.flatten(1)), F.normalize(b.flatten(1))
    return (torch.cdist(a, b).argmin(1) == torch.arange(len(a))).double().numpy()


def three_ways(a, b, k):
    rows = [t for t in range(8) if 0 <= t + k < 8]
    moved = [t + k for t in rows]
    return {
        "fm": found_first(a.mean(1), b.mean(1)),
        "row t with row t": found_first(a, b),
        "row t with row t + shift": found_first(a[:, rows], b[:, moved]),
    }


# %%
hits = {}  # (way, net) → [steps, people]
for name, m in trained.items():
    start = sequence(m, first)
    ways = [three_ways(start, sequence(m, second[k]), k) for k in steps]
    for way in ways[0]:
        hits[way, name] = np.stack([w[way] for w in ways])
ways = list(dict.fromkeys(way for way, _ in hits))
curves = {way: [hits[way, name].mean(1) for name in trained] for way in ways}

# %%
ends = {way: 100 * np.mean(curve, 0) for way, curve in curves.items()}
numbers = {k: ", ".join(f"{x:.0f}" for x in v[2:]) for k, v in ends.items()}
told = "; ".join(f"{way}: {text}" for way, text in numbers.items())
plots.show(
    figures.rank1_by_shift(steps, curves),
    alt=f"""Rank-1 against the shift; lines are means over six nets, bands reach from
    the lowest to the highest. In percent for a shift of 0, 1 and 2 rows: {told}.""",
)


# %%
def gap(first, other, step):
    """The difference in points of rank-1 with its interval, over nets and people."""
    of = [hits[first, n][step] - hits[other, n][step] for n in trained]
    return resampling.difference(100 * np.stack(of), np.ones(len(pids)))


in_place, followed = "row t with row t", "row t with row t + shift"
words = f"""One row down, $f_m$ is {gap("fm", in_place, 3)} points of rank-1 ahead
of the rows in place, and the rows that were followed are {gap(followed, in_place, 3)}
points ahead of them. (In brackets: 95 % intervals, over nets and people.)"""
display(Markdown(words))

# %% [markdown]
# ### Exercise 2.5 · explain the break (difficulty 2, 5 minutes)
#
# Why does the comparison in place break down?
#
# - **a** moved people are partly outside the box, so that too little is left of them
# - **b** the rows still describe their parts, but row $t$ of one picture and row $t$ of
#   the other describe *different* parts
# - **c** the net has never seen moved people, so that all of its features are wrong
# - **d** 1 × W pooling has averaged the height away

# %% tags=["exercise:2.5", "nbval-check-output"]
answer = ...
check("2.5", answer)

# %% [markdown]
# <details><summary>Hint</summary>Each explanation predicts what the third curve should
# do. Which prediction is right?</details>
# <details><summary>Solution</summary>
#
# ```python
# answer = "b"
# ```
# If too much of the people were cut off, or if the features were wrong, no way of
# comparing could repair it; but the third curve stays far above the second. All that is
# missing is the knowledge of *which row holds what*. The paper hopes that an LSTM along
# the rows supplies it (§3.2). Lesson 3 tests that hope.
# </details>

# %% [markdown]
# ## Further · identification as classification (BgI)
#
# How does training arrive at a good $f_m$? One answer (§3.3) is the branch **BgI**, for
# *global identification*: a fully connected layer (`global_fc` below), then a
# classifier with a softmax over the $N_c$ *training* people. What separates 600 people
# in $f_m$ may separate others as well.

# %% tags=["nbval-check-output"]
with torch.no_grad():
    out = net(normalise(images))
    logits = net.global_classifier(net.global_fc(fm))
torch.testing.assert_close(logits, out.global_logits)
labels = torch.tensor([data.labels[s.pid] for s in samples])
right = logits.argmax(1) == labels
print("classes:", logits.shape[1], "  training pictures right:", bool(right.all()))

# %% [markdown]
# At test time every person is new. The classifier has no class for them and cannot say
# so: it names one of the 600 training people, which is always wrong.

# %%
strangers = decode(data.query[3:600:100], (128, 64), progress=False)
with torch.no_grad():
    guess = net(normalise(strangers)).global_logits.softmax(1).max(1)
people = {label: pid for pid, label in data.labels.items()}
named = [people[int(c)] for c in guess.indices]
texts = [f"“pid {p}”: {v:.0%}" for p, v in zip(named, guess.values, strict=True)]
faces = [next(s for s in data.train if s.pid == p) for p in named]
alike = decode(faces, (128, 64), progress=False)

# %%
plots.show(
    figures.identified(
        strangers, alike, texts, title="Strangers, and whom BgI takes them for"
    ),
    alt=f"""Six people from the test set above, below each the training person that the
    classifier names, with its confidence. All six are wrong, although the two often
    share colours of clothes or bags; the highest confidence is
    {guess.values.max():.0%}.""",
)

# %% [markdown]
# So the classes are discarded after training and $f_m$ is kept: people are compared by
# the distances between their $f_m$. Yet the mistakes are instructive. They suggest what
# the net looks at: it takes people for others with similar clothes.
#
# ## Further · stripes alone
#
# PCB (the paper's reference 34) gives each row a classifier of its own and ranks by all
# rows side by side. It reached 92.3 / 77.4 (rank-1 / mAP, in percent) on Market-1501, a
# strong result. What does each row of `toy` know *alone*, on the whole test set, and
# what do the eight know side by side? (This net was trained for $f_m$, which favours
# $f_m$.)


# %%
def describe(samples):
    with torch.no_grad():
        batches = stream(samples, (128, 64), 64)
        maps = [net.feature_map(normalise(b)) for b in batches]
    return net.part_sequence(torch.cat(maps))


def score(q, g):
    pairs = []
    for features, who in ((q, data.query), (g, data.gallery)):
        ids = torch.tensor([(s.pid, s.camid) for s in who])
        pairs.append(Descriptors(F.normalize(features.flatten(1)), *ids.T))
    return evaluation.evaluate(*pairs).rank1


# %%
q, g = describe(data.query), describe(data.gallery)
alone = [score(q[:, t], g[:, t]) for t in range(8)]
whole = {"rows side by side": score(q, g), "fm": score(q.mean(1), g.mean(1))}
least, most = (f(range(8), key=alone.__getitem__) for f in (min, max))
plots.show(
    figures.row_scores(alone, whole),
    alt=f"""Bars of rank-1 for each row alone. S_{least + 1} has the lowest,
    {alone[least]:.0%}, and S_{most + 1} the highest, {alone[most]:.0%}. The lines of
    whole descriptors lie at {whole["rows side by side"]:.0%} for the rows side by side
    and {whole["fm"]:.0%} for fm.""",
)

# %% [markdown]
# Next, a net that was trained as PCB is: `toy-stripes`, with a classifier for each row
# and BgI beside it. We draw 200 queries again, with the box moved up or down and no
# other difficulty, and describe them by its rows side by side and by its $f_m$:

# %%
pcb, rows = trained["toy-stripes"], robustness.rows_of_queries(data)[:200]
levels = {"shift": (0, 0.05, 0.1, 0.2)}  # of the height; a row is an eighth
moved = robustness.draw_queries(rows, levels=levels, progress=False)
ids = torch.tensor([(s.pid, s.camid) for s in data.query[:200]]).T


def ranked_by(kind):
    known = extract(pcb, data.gallery, kind=kind, flip=False, progress=False)
    results = []
    for pixels in moved.values():
        with torch.no_grad():
            out = pcb(normalise(pixels))
        x = out.fm if kind == "fm" else out.part_outputs.flatten(1)
        results.append(evaluation.evaluate(Descriptors(F.normalize(x), *ids), known))
    return results


# %%
ranked = {"fm": ranked_by("fm"), "rows side by side": ranked_by("parts")}
curves = {way: [r.rank1 for r in results] for way, results in ranked.items()}
told = "; ".join(f"{k}: {', '.join(f'{x:.0%}' for x in v)}" for k, v in curves.items())
plots.show(
    figures.rank1_by_shift(
        [8 * x for x in levels["shift"]], curves, moved="shift of the box, up or down"
    ),
    alt=f"""Rank-1 of one net trained as PCB is, against the shift of the box: 0, 0.4,
    0.8 and 1.6 rows of fb. {told}.""",
)

# %%
told = ["| shift, of the height | parts − fm (points of rank-1) |", "|---|---|"]
leads = []
for shift, of_fm, parts in zip(levels["shift"], *ranked.values(), strict=True):
    ahead = parts.per_query("rank1").numpy() - of_fm.per_query("rank1").numpy()
    totals, queries = resampling.sum_by_pid(ids[0], 100 * ahead)
    leads.append(resampling.difference(totals[None], queries))
    told.append(f"| {shift:.0%} | {leads[-1]} |")
display(Markdown("\n".join(told)))

# %%
sides = ["excludes" if d.low > 0 or d.high < 0 else "includes" for d in leads]
words = f"""In a good box (0 %) the interval {sides[0]} 0, so that this net
{"does" if sides[0] == "excludes" else "does not"} show that its rows are the better
descriptor. At a shift of 10 % the interval {sides[2]} 0: the rows are behind by
{-leads[2].value:.1f} points. This is one net; the intervals are over people only."""
display(Markdown(words))

# %% [markdown]
# Each row stands alone here, and expects the same part in the same place.
#
# ## What the paper says, and what we measured
#
# | | the paper | here |
# |---|---|---|
# | $f_b$, ResNet-50 | 8 × 4 × 2048 | 8 × 4 × 2048 |
# | one row can see | one of eight stripes (figure 3) | 427 pixel rows, of 256 |
# | where its energy lies | not said | around the stripe, and above its middle |
# | badly cut boxes | a reason to read the parts together | rows in place fail |
#
# **Next:** lesson 3 reads the sequence with an LSTM, and tests whether that helps when
# boxes are shifted. **Read:** W. Luo et al., *Understanding the effective receptive
# field in deep convolutional neural networks* (NIPS 2016); Y. Sun et al., *Beyond part
# models* (ECCV 2018), which introduces PCB and a remedy for misaligned parts. **The
# code** of this lesson: `dplib/seeing/fields.py` and `part_sequence` in
# `dplib/model.py`.
