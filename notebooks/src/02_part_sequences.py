# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # 2 · Part sequences: from a feature map to head, chest, legs and feet
#
# After this lesson you can turn a backbone's feature map into the sequence of body
# parts that Deep-Person reads, and measure what each part really sees of the image.
#
# **Objectives**
#
# - **O1** tell the size of `fb` from the image and the strides (prediction 2.p1)
# - **O2** pool `fb` into the sequence S_1 … S_H (exercise 2.1)
# - **O3** work out a theoretical receptive field, and say what figure 3 leaves out
#   (prediction 2.p2, exercise 2.2)
# - **O4** measure an effective receptive field by gradients (exercise 2.3, prediction
#   2.p3)
# - **O5** explain what a badly cut box does to parts (exercise 2.4)
#
# **Needs** lesson 0; convolution, stride and padding; `autograd`. **Time** 45 minutes
# to read, under a minute to run on two cores. **Paper** §3.1 to §3.3, figures 2 and 3.
# **Modules** `dplib.backbones`, `dplib.model`, `dplib.seeing.fields`.

# %% tags=["setup"]

# %%
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from dplib import checkpoints, datasets, evaluation, model, plots
from dplib.backbones import build
from dplib.descriptors import Descriptors
from dplib.lessons.checks import check, predict, reveal
from dplib.lessons.part_sequences import figures, widgets

# %%
from dplib.presets import get
from dplib.seeing import fields
from dplib.toymarket import draw
from dplib.transforms import decode, normalise, stream

# %% [markdown]
# ## 1 · From the image to fb
#
# A **backbone** is a classification network without its end: no global pooling, no
# classifier. What remains maps an image to the feature map `fb`, with C numbers at each
# of its H × W places. The paper takes ResNet-50 and images of 256 × 128 pixels. Follow
# the size of one image through the network:


# %% tags=["nbval-check-output"]
def trace(net, size):
    x = torch.zeros(1, 3, *size)
    for name, map_ in fields.feature_maps(net, x).items():
        print(f"{name}: C = {map_.shape[1]:4}, H x W = {tuple(map_.shape[2:])}")


with torch.no_grad():
    resnet50 = build("resnet50").net.eval()
trace(resnet50, (256, 128))

# %% [markdown]
# Two strides of 2 stand before layer1, and one in each of layer2, layer3 and layer4:
# five halvings, 256 / 32 = 8 and 128 / 32 = 4. Hence the paper's `fb` of 8 × 4 × 2048.
#
# The last of these strides is easily taken out. Set the stride of layer4 from 2 to 1:
# no weight changes its shape. How many **rows** H will `fb` have then, at 256 × 128?

# %% tags=["nbval-check-output"]
predict("2.p1", ...)

# %% tags=["nbval-check-output"]
finer = build("resnet50", last_stride=1).net.eval()
trace(finer, (256, 128))
reveal("2.p1", fields.map_rows(finer, 256), unit="rows")

# %% [markdown]
# Twice the rows and columns: finer parts for four times the work in layer4. Most later
# methods chose it. The course uses it the other way round: with a last stride of 1, an
# image of 128 × 64, a quarter of the pixels, gives the paper's 8 × 4.

# %%
net = checkpoints.load("toy")
data = datasets.load("toymarket", DATA)

# %% tags=["nbval-check-output"]
samples = data.train[::185]
images = decode(samples, (128, 64), progress=False)  # uint8
with torch.no_grad():
    fb = net.feature_map(normalise(images))
print(f"{len(samples)} images → fb", tuple(fb.shape))

# %% [markdown]
# That is the shipped toy net, a ResNet-18 of quarter width, trained on the 600 training
# people of ToyMarket. What stands in `fb`? At each place, 128 numbers that answer to
# something at about that place of the image. Here is how *strongly* they answer:

# %%
few = [0, 5, 9, 14]
plots.show(
    figures.feature_rows(images[few], fb[few]),
    alt="""Four drawn people, cut by dashed lines into eight stripes, each beside its
    map of eight rows and four columns. The stripes fall on head, chest, hips, legs and
    feet; the map is bright over the body and darker over the background beside it.""",
)

# %% [markdown]
# **fm.** The mean of `fb` over all its places, *global average pooling* (GAP), is the
# vector `fm`: C numbers for the whole picture, and all that is used at test time.

# %% tags=["nbval-check-output"]
fm = fb.mean(dim=(2, 3))
gap = nn.AdaptiveAvgPool2d(1)(fb).flatten(1)
with torch.no_grad():
    torch.testing.assert_close(fm, net.descriptor(normalise(images)))
torch.testing.assert_close(fm, gap)
print("fm", tuple(fm.shape), "equals AdaptiveAvgPool2d(1) and model.descriptor")

# %% [markdown]
# ## 2 · Identification as classification (BgI), and why it ends at the test
#
# Where does a good `fm` come from? One answer (§3.3): put a fully connected layer
# (`global_fc` below) behind it, then a classifier with a softmax over the Nc *training*
# people, and train it as any classifier. This is **BgI**, the branch for *global
# identification*. It has to keep apart 600 people; what keeps them apart in `fm` may
# keep others apart as well.

# %% tags=["nbval-check-output"]
with torch.no_grad():
    out = net(normalise(images))
    logits = net.global_classifier(net.global_fc(fm))
torch.testing.assert_close(logits, out.global_logits)
labels = torch.tensor([data.labels[s.pid] for s in samples])
right = logits.argmax(1) == labels
print("classes:", logits.shape[1], "  training pictures right:", bool(right.all()))

# %% [markdown]
# At the test everybody is a stranger. The classifier has no class for them and no way
# to say so: it names one of the 600, always wrong, at times with much confidence.

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
    alt="""Six people from the test set above, below each the training person that the
    classifier names, with its confidence. All six are wrong, though the two often
    share colours of clothes or bags; the confidences go up to more than a half.""",
)

# %% [markdown]
# So the classes are thrown away after training, and `fm` stays: people are compared by
# distances of their `fm`. The mistakes above are of use, though. They tell what the net
# looks at: it takes people for others in like clothes.
#
# ## 3 · Rows of fb as a sequence
#
# `fm` has forgotten where things were: red above blue and blue above red may give the
# same mean. The paper keeps the height. "Each row of fb undergoes an average pooling
# with 1 × W kernel" (§3.2): the W numbers that stand side by side in a row become their
# mean; rows are not mixed. On a map of C = 2 channels, 3 rows and 4 columns it fits on
# the page:

# %% tags=["nbval-check-output"]
tiny = torch.arange(24.0).reshape(2, 3, 4)  # [C, H, W]
tiny[1] = 100 - tiny[1]
print(tiny)

# %% [markdown]
# By hand, row 1 of channel 1 is (0 + 1 + 2 + 3) / 4 = 1.5, and of channel 2
# (88 + 87 + 86 + 85) / 4 = 86.5. So S_1 = (1.5, 86.5): one number for each channel. The
# same in three ways:

# %% tags=["nbval-check-output"]
by_hand = torch.zeros(3, 2)  # [H, C]
for t in range(3):
    for c in range(2):
        by_hand[t, c] = sum(tiny[c, t]) / 4
by_mean = tiny.mean(dim=2).T
by_module = nn.AdaptiveAvgPool2d((3, 1))(tiny)[:, :, 0].T
torch.testing.assert_close(by_mean, by_hand)
torch.testing.assert_close(by_module, by_hand)
print(by_hand)

# %% [markdown]
# Three rows, from head to foot, each a vector of C numbers: a **sequence**, like words
# in a sentence. Nothing was cut out of the image, no pose was estimated; the order of
# the body gives the order of the sequence. (Text and figures count rows from 1, as the
# paper does, code counts from 0: S_4 is row 4 and `S[:, 3]`.)
#
# ### Exercise 2.1 · the sequence (difficulty 2, 10 minutes)
#
# Given `fb` of shape [N, C, H, W], return the sequence as [N, H, C], as
# `model.part_sequence` does and as LSTMs with `batch_first=True` want it.


# %% tags=["exercise:2.1", "nbval-check-output"]
def part_sequence(fb):
    return ...


check("2.1", part_sequence)

# %% [markdown]
# <details><summary>Hint</summary>Which of the four dimensions disappears? And which
# two then change places? (<code>reshape</code> changes the shape, but moves nothing.)
# </details>
# <details><summary>Solution</summary>
#
# ```python
# def part_sequence(fb):
#     rows = fb.mean(dim=3)  # [N, C, H]
#     return rows.transpose(1, 2)  # [N, H, C]
# ```
# </details>

# %% [markdown]
# On the real batch, with `dplib`. Since all rows are equally wide, their mean is `fm`:
# the parts are a finer look at the same thing.

# %% tags=["nbval-check-output"]
S = net.part_sequence(fb)
torch.testing.assert_close(S, nn.AdaptiveAvgPool2d((8, 1))(fb)[..., 0].transpose(1, 2))
torch.testing.assert_close(S.mean(dim=1), fm)
print("fb", tuple(fb.shape), "→ S", tuple(S.shape), "; mean of the rows = fm")

# %% [markdown]
# ## 4 · What does a row see?
#
# Figure 3 of the paper draws eight stripes over a pedestrian: "each vector in the
# feature sequence describes the region of the corresponding receptive field". This is
# the **ideal stripe**: row t of H belongs to the t-th part of the image's height.
#
# The **theoretical receptive field** is something else: all pixels that *can* reach
# the row. It follows from the kernels and strides alone. Let one output so far see
# `size` pixels, and neighbouring outputs lie `jump` pixels apart. A layer with kernel k
# and stride s joins k neighbours. From the first to the last of them it is k - 1 jumps,
# and each sees `size` pixels; of the joined outputs, every s-th is kept. So
#
# size ← size + (k - 1) · jump,  then  jump ← jump · s.

# %% tags=["nbval-check-output"]
size, jump = 1, 1
for name, k, s in [("conv1", 7, 2), ("maxpool", 3, 2), ("3x3", 3, 1), ("3x3", 3, 1)]:
    size = size + (k - 1) * jump
    jump = jump * s
    print(f"{name:8} kernel {k}, stride {s}: sees {size:2} pixels, jump {jump}")

# %% [markdown]
# That was the beginning of a ResNet-18, to its first block. Late layers add much: a
# 3 × 3 kernel at jump 16 adds 32 pixels; a 1 × 1 kernel adds none. Predict: in the
# paper's ResNet-50, how many pixel rows of the image does one row of `fb` see? After
# the max pooling come layer1 to layer4, of 3, 4, 6 and 3 blocks, with one 3 × 3
# convolution each; the first one in layer2, 3 and 4 has the stride of 2. The ideal
# stripe has 256 / 8 = 32 rows.

# %% tags=["nbval-check-output"]
predict("2.p2", ...)

# %% tags=["nbval-check-output"]
field = fields.receptive_field(resnet50)  # walks over the real modules
reveal("2.p2", field.size, within=40, unit="pixel rows")
for t in (1, 2, 4, 5, 8):
    seen = field.of_row(t - 1).within(256)
    ideal = fields.ideal_stripe(t - 1, 8, 256)
    print(f"S_{t}: ideal {ideal.top:3}-{ideal.bottom:3}, ", end="")
    print(f"can see {seen.top:3}-{seen.bottom:3} of 0-255")

# %% [markdown]
# 427 pixels, in an image of 256. The rows in the middle can see *all* of it; S_1, the
# "head", reaches below the knees. **Figure 3 is an idealisation.** No row of `fb` is
# cut off from the rest of the body, in this backbone or the toy one.
#
# ### Exercise 2.2 · the theoretical field (difficulty 2, 10 minutes)
#
# `layers` is a list of (kernel, stride), from the image on. Return how many pixels one
# output sees. The check tries a ResNet-50, among others.


# %% tags=["exercise:2.2", "nbval-check-output"]
def field_size(layers):
    return ...


check("2.2", field_size)

# %% [markdown]
# <details><summary>Hint</summary>Two numbers go along, size and jump. A layer's own
# stride counts only for the layers after it.</details>
# <details><summary>Solution</summary>
#
# ```python
# def field_size(layers):
#     size, jump = 1, 1
#     for kernel, stride in layers:
#         size += (kernel - 1) * jump
#         jump *= stride
#     return size
# ```
# </details>

# %% [markdown]
# Read the layers off the modules of the toy net (in a basic block, both 3 × 3
# convolutions lie in a row; the shortcut sees less), and compare with `dplib`:

# %% tags=["nbval-check-output"]
kinds = (nn.Conv2d, nn.MaxPool2d)
layers, size, jump = [], 1, 1
for name, m in net.backbone.named_modules():
    if isinstance(m, kinds) and "downsample" not in name:
        kernel, stride = np.ravel(m.kernel_size)[0], np.ravel(m.stride)[0]
        size, jump = size + (kernel - 1) * jump, jump * stride
        layers.append(name)
toy_field = fields.receptive_field(net.backbone)
torch.testing.assert_close([int(size), int(jump)], [toy_field.size, toy_field.stride])
print(f"{len(layers)} layers: {size} of 128 pixel rows, jump {jump}")

# %% [markdown]
# ## 5 · The effective field
#
# *Can reach* is not *matters*. A pixel at the field's edge has one path to the output,
# one in the middle has thousands. How much does a pixel matter? Move it a little and
# see how far S_t moves: a gradient. S_t is a vector, and a gradient wants one number.
# So we take a random direction v, a new one for each picture, and the gradient of
# v · S_t; its square, added over the three colours and averaged over pictures, is the
# **effective receptive field**. (In a plain sum one channel could cancel another; in
# the mean over random directions none does.) First, as an exercise, the simple case:
# one picture, and the plain sum, v = (1, …, 1).
#
# ### Exercise 2.3 · the gradient of one row (difficulty 3, 15 minutes)
#
# `net` is a module that maps [1, 3, h, w] to `fb`; `image` is [3, h, w], `row` counts
# from 0. Pool to S, and return the gradient of the sum of S[row]'s C numbers with
# respect to the image, [3, h, w].


# %% tags=["exercise:2.3", "nbval-check-output"]
def row_gradient(net, image, row):
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
# Now the whole of it, from scratch, for row 4 of the toy net: a random direction for
# each picture, one gradient, squared, added, averaged, scaled to a sum of 1.

# %% tags=["nbval-check-output"]
x = normalise(images).requires_grad_()
s = net.backbone(x).mean(dim=3)  # [N, C, H]
generator = torch.Generator().manual_seed(3)  # the seed that dplib gives row 3
v = torch.randn(len(x), 128, generator=generator)
(gradient,) = torch.autograd.grad((v * s[:, :, 3]).sum(), x)
mine = gradient.square().sum(1).mean(0)
mine = mine / mine.sum()
theirs = fields.effective_field(net.backbone, x, [3])[0]
torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-6)
print("effective field", tuple(mine.shape), "equals dplib's")

# %% [markdown]
# The **energy** of an area is the sum of this field over it; the whole image has 1. If
# figure 3 were right, all of it would lie in the ideal stripe, pixel rows 48 to 63. How
# much of it does, in percent, in this *trained* net?
#
# (In the line below the answer, the theoretical field begins at a negative pixel row:
# it reaches over the edge, into padding. "90 % in" is the shortest run of pixel rows
# that holds 90 % of the energy.)

# %% tags=["nbval-check-output"]
predict("2.p3", ...)

# %%
stripe = fields.ideal_stripe(3, 8, 128)
share = 100 * fields.share_within(theirs, stripe)
reveal("2.p3", round(share), within=8, unit="%")
found = fields.fields_of_row(net.backbone, x, 3)
print(found.words())

# %%
plots.show(
    figures.three_fields(images[5], found, title="trained toy net"),
    alt="""The same person three times. The ideal stripe is a band of 16 pixel rows at
    the waist; the theoretical field is the whole image; the effective field glows
    around the stripe and fades above and below. At the right its energy by height:
    a hump about the stripe that spreads well beyond it.""",
)

# %% [markdown]
# So the truth lies between the two. A row looks *mainly* around its stripe, and at its
# neighbours too: parts that overlap. How much of that is the architecture, and how
# much was learned? The same for all rows, of the net before and after training:

# %%
raw = get("toy").build_model(600, seed=0).eval()
nets = {"untrained": raw.backbone, "trained": net.backbone}
effective = {k: fields.effective_field(n, x.detach()) for k, n in nets.items()}
for name, f in effective.items():
    inside = [
        fields.share_within(f[t], fields.ideal_stripe(t, 8, 128)) for t in range(8)
    ]
    heights = [fields.band(f[t]).height for t in range(8)]
    print(f"{name:9} in the ideal stripe: {np.mean(inside):.0%} on average; ", end="")
    print(f"90 % in {np.mean(heights):.0f} pixel rows")

# %%
plots.show(
    figures.field_profiles(effective, title="Effective fields of all rows"),
    alt="""Two heat maps, row of fb against pixel row of the image. Both have a bright
    diagonal from S_1 at the head to S_8 at the feet, so rows do follow the body. The
    energy spills over the white boxes of the ideal stripes into neighbouring ones, more
    in the untrained net than in the trained one.""",
)

# %% [markdown]
# Even random weights put row t at about its place: that is the architecture's doing.
# Training has sharpened it. (It may go the other way: Luo et al., who introduced the
# effective field, saw it *grow* in training on other tasks. Why not here? Our guess,
# which nothing above tests: the order of colours over the body tells people apart, and
# a row that looks closely at its part serves best.) A row says little of parts far away
# from it; to combine parts from all over the body is left to the LSTM of lesson 3.
#
# **Turn it yourself.** Choose the backbone, the layer, the row and the picture; 0
# stands for the mean over all pictures. Look how the field grows with depth; and at an
# untrained ResNet-50 at the paper's size, whose theoretical field is 427 pixels.

# %%
big = model.DeepPerson(2, backbone="resnet50", branches=("ranking",))
choices = {"toy, trained": net, "toy, untrained": raw, "ResNet-50, untrained": big}
widgets.field_explorer(choices, images[few])

# %% [markdown]
# Without a kernel: row 4 of that ResNet-50, on the first of these pictures.

# %%
large = widgets.resized(images[few], (256, 128))
deep = widgets.explored(big.eval(), large[:1], 4, "layer4")
print(deep.words())
plots.show(
    figures.three_fields(large[0], deep, title="ResNet-50, untrained"),
    alt="""Row 4 of an untrained ResNet-50 at 256 x 128 pixels. The ideal stripe has 32
    pixel rows. The theoretical field, 427, covers the whole image. The effective field
    is a broad hump around the stripe, several times as high as the stripe.""",
)

# %% [markdown]
# ## Further · when the box is cut badly
#
# Parts by height rest on an assumption: that in every picture row t shows the *same*
# part. Detectors cut boxes with too much ground below or too little head above. We can
# do that on purpose: ToyMarket draws the same person again, moved in the box. One row
# of `fb` is 1/8 of the height, one column 1/4 of the width. The change of S_t is the
# length of the difference, in percent of the length S_t had: at 100 % the difference is
# as long as S_t itself.

# %%
moves = [(0.0, 0.0), (0.125, 0.0), (0.0, 0.125), (0.0, 0.25)]
views = [widgets.shifted(net, 1, 1, right, down) for right, down in moves]
names = ["where it was", "right by 1/8", "down by 1/8", "down by 1/4"]
shown = [v._replace(title=n) for v, n in zip(views, names, strict=True)]
for v in shown:
    print(f"{v.title:13} {v.words()}")

# %%
widgets.shift_explorer(net, [1, 2, 3, 4, 9, 10, 11, 12])

# %%
plots.show(
    figures.shifts(shown, title="The same person, moved in the box"),
    alt="""One person four times: where it was, moved right, and moved down by one and
    by two rows, each with bars for the change of S_1 to S_8. Moved right, rows change
    little, for columns are averaged. Moved down, all rows change much, while the dashed
    line of fm stays far to the left.""",
)

# %% [markdown]
# *Which* rows change? Downwards, all of them: each now shows another part. To the side,
# all change a little: the mean over the columns hides most of it. (1/8 of the width is
# half a column only; a whole one, in the widget, gives 25 to 36 %, against 51 to 91 %
# for one row down.) And `fm`, the mean of rows *and* columns, hides most of both. To
# see where the parts went, compare each row of one picture with each row of another, of
# the same person in another camera, and average over 100 test people. The mean of all
# people is taken off, else everything resembles everything:

# %%
pids = sorted({s.pid for s in data.query})[:100]


def sequences(camera, down):
    """S [100, 8, 128] of the first test people, moved down by so many rows."""
    options = {"viewpoint": "front", "shift": (0.0, down / 8)}
    shots = [draw(p, camera, seed=p + camera, **options)[0] for p in pids]
    pixels = torch.from_numpy(np.stack(shots)).permute(0, 3, 1, 2)
    with torch.no_grad():
        return net.part_sequence(net.feature_map(normalise(pixels)))


# %%
steps = [-2, -1, 0, 1, 2]
first = sequences(1, 0)
second = {k: sequences(2, k) for k in steps}


def similarity(a, b):
    a, b = F.normalize(a - a.mean(0), dim=2), F.normalize(b - b.mean(0), dim=2)
    return torch.einsum("ntc,nuc->tu", a, b) / len(a)


tables = {f"down by {k} rows": similarity(first, second[k]) for k in (0, 1, 2)}

# %%
plots.show(
    figures.row_similarity(tables, title="Rows of one person in two cameras"),
    alt="""Three tables of the similarity of eight rows with eight rows. Without a
    shift the diagonal is the highest in each row. Shifted by one or two rows, the
    ridge moves off the diagonal by as many places: the parts are still there, one or
    two rows further down.""",
)

# %% [markdown]
# ### Exercise 2.4 · break the alignment (difficulty 3, 10 minutes)
#
# A system that compares *stripes* takes S_1 with S_1, S_2 with S_2, and so on. Move the
# gallery's people and let it search. Beside it: `fm`, and a comparison of each row t
# with row t + shift, which only we can do, who know the shift.


# %%
def rank1(a, b):
    a, b = F.normalize(a.flatten(1)), F.normalize(b.flatten(1))
    return float((torch.cdist(a, b).argmin(1) == torch.arange(len(a))).double().mean())


def followed(a, b, k):
    """Row t of a beside row t + k of b, as far as there are such rows."""
    return a[:, max(0, -k) : 8 - max(0, k)], b[:, max(0, k) : 8 - max(0, -k)]


# %%
curves = {
    "fm": [rank1(first.mean(1), second[k].mean(1)) for k in steps],
    "row t with row t": [rank1(first, second[k]) for k in steps],
    "row t with row t + shift": [rank1(*followed(first, second[k], k)) for k in steps],
}
plots.show(
    figures.rank1_by_shift(steps, curves),
    alt="""Rank-1 against the shift. Without a shift the three are about equal. With
    rows compared in place, rank-1 falls to half or so at one row and to nearly nothing
    at two. fm still finds about four in five at two rows; rows compared with those that
    show the same part do as well or better.""",
)

# %% [markdown]
# Why does the comparison in place break down?
#
# - **a** moved people are partly outside the box, so that too little is left of them
# - **b** the rows still describe their parts, but row t of one picture and row t of the
#   other describe *different* parts
# - **c** the net has never seen moved people, so that all its features are wrong
# - **d** 1 × W pooling has averaged the height away

# %% tags=["exercise:2.4", "nbval-check-output"]
answer = ...
check("2.4", answer)

# %% [markdown]
# <details><summary>Hint</summary>Each explanation predicts what the third curve should
# do. Which one fits it?</details>
# <details><summary>Solution</summary>
#
# ```python
# answer = "b"
# ```
# If the people were cut off too far, or the features were wrong, no way of comparing
# could repair it; but the third curve stays high. What is missing is only *which row
# holds what*. An LSTM along the rows can carry that from row to row: it is the paper's
# argument for it (§3.2), and lesson 3 looks how far it goes.
# </details>

# %% [markdown]
# ## Further · stripes alone
#
# PCB (the paper's reference 34) gives each row a classifier of its own and ranks by all
# rows side by side. It came to 92.3 / 77.4 (rank-1 / mAP, in percent) on Market-1501, a
# strong result. First: what does each row of our net know *alone*, on the whole test
# set, and what do the eight know side by side? (Our net was trained for `fm`, which
# favours `fm`.)


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
plots.show(
    figures.row_scores(alone, whole),
    alt="""Bars of rank-1 for each row alone: S_1, the head, is lowest by far, the rows
    of hips and upper legs are highest, the feet lower again. All stay well below the
    two lines of whole descriptors, of which fm is the higher.""",
)
print({name: f"{value:.1%}" for name, value in whole.items()})

# %% [markdown]
# No part suffices: the head says least, hips and legs most, and together they know more
# than any.
#
# Now a net trained as PCB is: `toy-stripes`, with a classifier for each row and BgI
# beside. We draw 200 queries again, with the box moved up or down and no other trouble,
# and describe them by its rows side by side, and by its `fm`:

# %%
from dplib import descriptors
from dplib.evidence import robustness

pcb, rows = checkpoints.load("toy-stripes"), robustness.rows_of_queries(data)[:200]
levels = {"shift": (0, 0.05, 0.1, 0.2)}  # of the height; a row is an eighth
moved = robustness.draw_queries(rows, levels=levels, progress=False)
ids = torch.tensor([(s.pid, s.camid) for s in data.query[:200]]).T


# %%
def rank1_of(kind):
    known = descriptors.extract(
        pcb, data.gallery, kind=kind, flip=False, progress=False
    )
    found = []
    for images in moved.values():
        with torch.no_grad():
            out = pcb(normalise(images))
        x = out.fm if kind == "fm" else out.part_outputs.flatten(1)
        found.append(evaluation.evaluate(Descriptors(F.normalize(x), *ids), known))
    return [r.rank1 for r in found]


# %%
curves = {"fm": rank1_of("fm"), "rows side by side": rank1_of("parts")}
plots.show(
    figures.rank1_by_shift(
        [8 * x for x in levels["shift"]], curves, moved="shift of the box, up or down"
    ),
    alt="""Rank-1 of a trained PCB against the shift of the box in rows. In place, its
    rows side by side are above fm by some five points. At 0.8 rows they have lost half
    of it and stand far below fm, which lost a sixth; at 1.6 rows both fail.""",
)
for name, values in curves.items():
    print(f"{name:18}", "  ".join(f"{v:.1%}" for v in values))

# %% [markdown]
# In a good box stripes are the better descriptor, and that made PCB strong. But each
# row stands alone, and counts on finding the same part in the same place: a box that is
# off by a tenth of its height costs them half, and `fm` a sixth.
#
# ## What the paper says, what we measured
#
# | | the paper | here |
# |---|---|---|
# | `fb`, ResNet-50 | 8 × 4 × 2048 | 8 × 4 × 2048 |
# | S_t sees | one of eight stripes, 32 px | can see 427 px |
# | its energy | not said | around the stripe, most of it outside |
# | bad boxes | a reason to read parts together | rows in place fail, `fm` holds |
#
# **Next:** lesson 3 reads the sequence with an LSTM. **Read:** W. Luo et al.,
# *Understanding the effective receptive field in deep convolutional neural networks*
# (NIPS 2016); Y. Sun et al., *Beyond part models* (ECCV 2018), which is PCB and its
# cure for misaligned parts. **The code** of this lesson: `dplib/seeing/fields.py` and
# `part_sequence` in `dplib/model.py`.
