# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # 1 · Data preparation: from file names to batches
#
# After this lesson you can turn a folder of images into what a re-ID model is trained
# and tested on, and say of every gallery image whether it counts for a query and why.
#
# **Objectives**
#
# - **O1** read pid and camera from a file name, and describe a naming scheme to a
#   program (exercise 1.1)
# - **O2** build the mask of the gallery images that count for each query, and explain
#   why Market-1501 ranks 15,913 of its 19,732 files (exercise 1.2, prediction 1.p1)
# - **O3** build the paper's random crop, and find out what a wrong setting does
#   (exercises 1.3 and 1.4, prediction 1.p2)
# - **O4** build a PK sampler, and say what the paper calls an epoch (exercise 1.5,
#   prediction 1.p3)
# - **O5** measure how much of an image statistic is explained by the camera (exercise
#   1.6, prediction 1.p4; in *Further*)
#
# **Needs** lesson 0; no GPU, no download.
# **Time** 40 minutes to read the core, 70 for its exercises, under a minute to run on
# two cores.
# **Paper** §3.4, §3.5, §4.1, §4.2.
# **Modules** `dplib.datasets`, `dplib.transforms`, `dplib.sampling`.

# %% tags=["setup"]

# %%
import contextlib
import json
import re
import shutil
import tempfile
from importlib.resources import files
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from IPython.display import Markdown
from torchvision.transforms import RandomResizedCrop

# %%
from dplib import datasets, evaluation, plots, presets, sampling, transforms
from dplib.descriptors import Descriptors
from dplib.lessons import architecture
from dplib.lessons.checks import check, predict, reveal
from dplib.lessons.data_preparation import figures, widgets

# %% [markdown]
# ## 1 · A data set is a list of names
#
# This lesson prepares what enters the network at its left end, the batches of images:

# %%
plots.show(
    architecture.figure("data_preparation"), alt=architecture.alt("data_preparation")
)

# %% [markdown]
# A re-ID data set consists of images, each cut out around one person, and of two
# numbers for each image: **who** it shows (the pid) and **which camera** took it (the
# camid). Market-1501 writes both into the file name, and ToyMarket copies its scheme.
# The name `0002_c1s1_000451_03.jpg` means:
#
# | `0002` | `c1` | `s1` | `000451` | `03` |
# |---|---|---|---|---|
# | pid 2 | camera 1 | sequence 1 | frame 451 | box 3 |
#
# A *sequence* is a stretch of that camera's recording, the *frame* number counts within
# it, and the *box* number distinguishes several people in one frame. A **regular
# expression** describes such a scheme to a program: `\d{4}` matches four digits, `|`
# separates alternatives, `\.` is a dot, and `(?P<pid>…)` gives a name to what was
# matched. A junk box has the pid `-1`.

# %%
data = datasets.load("toymarket", DATA)

# %% tags=["nbval-check-output"]
NAME = re.compile(
    r"(?P<pid>-1|\d{4})_c(?P<camid>\d)s(?P<sequence>\d)"
    r"_(?P<frame>\d{6})_(?P<box>\d{2})\.jpg"
)


def fields(name):
    return {k: int(v) for k, v in NAME.fullmatch(name).groupdict().items()}


print(fields("0002_c1s1_000451_03.jpg"))
print(fields("-1_c3s2_014800_01.jpg"))

# %% [markdown]
# This is all it takes to read a data set. Image by image, the result equals `dplib`'s:


# %% tags=["nbval-check-output"]
def read(folder):
    names = sorted(p.name for p in folder.glob("*.jpg"))
    found = [(name, fields(name)) for name in names]
    return [(folder / name, f["pid"], f["camid"]) for name, f in found]


assert read(data.root / "bounding_box_train") == data.train
assert read(data.root / "query") == data.query
assert read(data.root / "bounding_box_test") == data.gallery
print("equal:", len(data.train), len(data.query), len(data.gallery), "images")

# %% [markdown]
# `sorted` matters: the order in which a folder lists its files differs between file
# systems, and every seeded draw below would differ with it.

# %% [markdown]
# ### Exercise 1.1 · a scheme of your own (difficulty 2, 10 minutes)
#
# A colleague's images have names such as `cam12-person7-0003.jpg`: camera, pid and a
# running number. A junk box is called `cam3-person-1-0003.jpg`. Write the regular
# expression as a string, with groups named `pid` and `camid`. It must match such names
# from end to end, with numbers of **any** length. It must match nothing else: for
# instance, `cam3-person7-0003.jpg.part` is an incomplete download.

# %% tags=["exercise:1.1", "nbval-check-output"]
pattern = ...
check("1.1", pattern)

# %% [markdown]
# <details><summary>Hint</summary>`\d+` matches one digit or more, `-?` a minus sign or
# nothing, and `\.` a dot (a dot without the backslash matches any character).</details>
# <details><summary>Solution</summary>
#
# ```python
# pattern = r"cam(?P<camid>\d+)-person(?P<pid>-?\d+)-\d+\.jpg"
# ```
# </details>

# %% [markdown]
# ## 2 · Three lists: train, query and gallery
#
# Some of the people are for **training**. The others are for the test, and their images
# form two lists: the **query** list holds one image of each person from each camera
# that saw this person, and the **gallery** holds all the others. The model is tested on
# people whom it has never seen, so no pid may be in both parts:

# %% tags=["nbval-check-output"]
train_pids = {s.pid for s in data.train}
query_pids = {s.pid for s in data.query}
gallery_pids = {s.pid for s in data.gallery}
print("pids in both train and test:", train_pids & gallery_pids)
print("query pids without a gallery image:", query_pids - gallery_pids)
print("gallery pids without a query:", sorted(gallery_pids - query_pids))

# %% [markdown]
# Two pids of the gallery have no query. Both come from the *detector* that cut the
# boxes:
#
# - **-1, junk**: the box is so bad that to count it as right or as wrong would be
#   arbitrary. It is removed before anything is ranked.
# - **0, distractor**: the box shows somebody or something that no query asks for. It
#   stays, as a wrong answer like any other.
#
# The paper describes the test images of Market-1501 as "19,732 images of 750
# identities". Among these files are 3,819 junk boxes and 2,798 distractors. How many
# images of the 750 people are there?

# %% tags=["nbval-check-output"]
predict("1.p1", ...)

# %% tags=["nbval-check-output"]
market, toy = datasets.PUBLISHED["market1501"], datasets.counts(data)
people = market["ranked gallery"] - market["distractors (pid 0)"]
reveal("1.p1", people)
names = ("train images", "train pids", "query images", "query pids", "gallery files")
names += ("junk (pid -1)", "ranked gallery", "distractors (pid 0)")
pd.DataFrame(
    {
        s: [f"{c[n]:,}" for n in names]
        for s, c in {"ToyMarket": toy, "Market-1501": market}.items()
    },
    index=names,
)

# %% [markdown]
# So the paper's sentence is a slip. 19,732 is the number of files; 19,732 - 3,819 =
# 15,913 of them are ranked; and 15,913 - 2,798 = 13,115 of these show one of the 750
# people. A program that ranks the junk as well reports other results for the same
# model. Whenever you compare two results, ask how many images were ranked.

# %% [markdown]
# ## 3 · Which images count
#
# A person who walks past a camera appears in several nearly identical images. Finding
# those proves nothing. Therefore, **a gallery image with the query's pid and the
# query's camera does not count for that query**. Images of *other* people in the
# query's camera do count: they are wrong answers.
#
# Here is an example with two queries and six gallery images:
#
# | gallery image | 0 | 1 | 2 | 3 | 4 | 5 |
# |---|---|---|---|---|---|---|
# | pid, camera | 7, c2 | 7, c5 | 4, c2 | 4, c5 | -1, c2 | 0, c2 |
# | query of pid 7 in camera 2 | no | counts | counts | counts | no | counts |
# | query of pid 4 in camera 5 | counts | counts | counts | no | no | counts |
#
# Image 0 shows the first query's person in the first query's camera, so it does not
# count for that query; for the second query it is an ordinary wrong answer. Image 4 is
# a junk box and never counts.

# %% [markdown]
# ### Exercise 1.2 · which images count (difficulty 3, 15 minutes)
#
# Write the rule for all queries at once. You are given four tensors of whole numbers:
# `query_pids` and `query_cams` of shape `[Q]`, `pids` and `cams` of shape `[G]`. Return
# a boolean tensor `[Q, G]` which is True where a gallery image counts for a query. For
# the example above, the answer is
# `[[False, True, True, True, False, True], [True, True, True, False, False, True]]`.


# %% tags=["exercise:1.2", "nbval-check-output"]
def counts(query_pids, query_cams, pids, cams):
    return ...


check("1.2", counts)

# %% [markdown]
# <details><summary>Hint 1</summary><code>query_pids[:, None] == pids</code> compares
# each query with each gallery image: shape [Q, 1] against [G] gives [Q, G].</details>
# <details><summary>Hint 2</summary>Write one mask for the junk boxes and one for the
# camera rule. Join them by <code>|</code> (or); <code>~</code> negates a
# mask.</details>
# <details><summary>Solution</summary>
#
# ```python
# def counts(query_pids, query_cams, pids, cams):
#     same_pid = query_pids[:, None] == pids
#     same_cam = query_cams[:, None] == cams
#     return ~((pids == -1) | (same_pid & same_cam))
# ```
# </details>

# %% [markdown]
# In its ranked lists, `dplib` marks both kinds by one field, `junk`, as Market-1501's
# own program does. We rank the gallery for every query by made-up descriptors, since
# the order plays no role here, and compare all marks with the rule, image by image:


# %% tags=["nbval-check-output"]
def made_up(samples):
    pids, cams = torch.tensor([(s.pid, s.camid) for s in samples]).T
    return Descriptors(torch.arange(len(samples))[:, None].float(), pids, cams)


result = evaluation.evaluate(made_up(data.query), made_up(data.gallery))
for i, q in enumerate(data.query):
    rule = [g.pid == -1 or (g.pid, g.camid) == (q.pid, q.camid) for g in data.gallery]
    top = result.ranked(i, k=len(data.gallery))
    marks = torch.empty(len(rule), dtype=torch.bool)
    marks[top.indices] = top.junk
    torch.testing.assert_close(marks, torch.tensor(rule))
print(len(data.query), "queries:", len(data.gallery), "marks each, all equal")

# %% [markdown]
# One query of ToyMarket, with images of each kind:

# %%
asked = data.query[3]
same = [s for s in data.gallery if s.pid == asked.pid]
others = [s for s in data.gallery if s.pid > 0 and s.pid != asked.pid]
strays = [s for s in data.gallery if s.pid == 0][:1]
strays += [s for s in data.gallery if s.pid == -1][5:6]
shown = [*same[:5], others[60], others[900], *strays]
plots.show(
    figures.gallery_roles(asked, shown),
    alt="""A query of pid 2 from camera 1 and nine gallery images. Three of pid 2 in
    camera 1 look almost like the query and do not count; two of pid 2 in other
    cameras are right; two other people and a distractor are wrong; a junk box does
    not count.""",
)

# %% [markdown]
# ## 4 · The random crop
#
# The network should never see a training image twice in the same form. The paper's
# recipe (§4.1) changes each image at random, every time it is used:
#
# 1. Resize it to 256 × 128 pixels (height × width; our small network takes 128 × 64).
# 2. **Cut out a random box** with an area between 64 % and 100 % of the image and a
#    height/width between 2 and 3, and resize the cut back to the full size.
# 3. **Mirror** it with a probability of one half.
# 4. **Normalise** every colour channel by the mean $m$ and the standard deviation $s$
#    of ImageNet, on which backbones are usually pretrained: a pixel value $x$ from 0 to
#    255 becomes $(x/255 - m)/s$.
#
# A detector cuts some people tightly and others loosely, and a walker may face left or
# right. The model should be invariant to both. The order from head to foot is kept,
# which lesson 2 relies on. At test time, an image is only resized and normalised.
#
# Let the image have height $h$ and width $w$, let $a$ be the area as a share of the
# image, and $r$ the ratio height/width. The box then has
#
# $$\text{height} = \sqrt{a\,r\,h\,w}, \qquad \text{width} = \sqrt{a\,h\,w/r},$$
#
# both rounded to whole pixels. Up to ten pairs $(a, r)$ are drawn, and the first one
# whose rounded box fits into the image is used. If none fits, the box is the whole
# image. Finally the box is placed. Two numbers $u$ and $v$ are drawn uniformly from
# $[0, 1)$, and with a box of $h'$ × $w'$ pixels
#
# $$\text{top} = \lfloor u\,(h - h' + 1) \rfloor, \qquad
# \text{left} = \lfloor v\,(w - w' + 1) \rfloor,$$
#
# so that each of the $h - h' + 1$ possible positions is equally likely.
#
# *Example.* An image of 100 × 50 pixels, the pairs (0.9, 2.5) and (0.64, 2), and
# $u = v = 0.5$. The first pair asks for a height of
# $\sqrt{0.9 \cdot 2.5 \cdot 5000} \approx 106$ pixels, which does not fit. The second
# gives a height of $\sqrt{0.64 \cdot 2 \cdot 5000} = 80$ and a width of
# $\sqrt{0.64 \cdot 5000 / 2} = 40$ pixels. The box has top
# $\lfloor 0.5 \cdot 21 \rfloor = 10$ and left $\lfloor 0.5 \cdot 11 \rfloor = 5$.

# %% [markdown]
# ### Exercise 1.3 · the box (difficulty 3, 15 minutes)
#
# Write the box as a function of what was drawn: `h` and `w` are the image's height and
# width in pixels, `tries` is a list of pairs (a, r), and `u` and `v` place the box.
# Return (top, left, height, width), four whole numbers. For the example above that is
# `(10, 5, 80, 40)`.


# %% tags=["exercise:1.3", "nbval-check-output"]
def crop_box(h, w, tries, u, v):
    return ...


check("1.3", crop_box)

# %% [markdown]
# <details><summary>Hint 1</summary>Start from the whole image as the box. Then go
# through the tries, and stop at the first one that fits.</details>
# <details><summary>Hint 2</summary>A box fits if its rounded height is at most h and
# its rounded width at most w. <code>int(x)</code> rounds a positive number
# down.</details>
# <details><summary>Solution</summary>
#
# ```python
# def crop_box(h, w, tries, u, v):
#     height, width = h, w
#     for a, r in tries:
#         tall, wide = round((a * r * h * w) ** 0.5), round((a * h * w / r) ** 0.5)
#         if tall <= h and wide <= w:
#             height, width = tall, wide
#             break
#     top, left = int(u * (h - height + 1)), int(v * (w - width + 1))
#     return top, left, height, width
# ```
# </details>

# %% [markdown]
# With random numbers in place of the arguments, the same rule gives the boxes of
# `dplib`, which draws the *logarithm* of the ratio uniformly, as torchvision does:


# %% tags=["nbval-check-output"]
def draw_box(h, w, rng):
    area = h * w * rng.uniform(0.64, 1.0, 10)
    ratio = np.exp(rng.uniform(np.log(2.0), np.log(3.0), 10))
    sizes = np.rint(np.sqrt([area * ratio, area / ratio])).astype(int).T
    fitting = [(ch, cw) for ch, cw in sizes if ch <= h and cw <= w]
    size = np.array([*fitting, (h, w)][0])
    corner = np.floor(rng.random(2) * (np.array([h, w]) - size + 1))
    return [*corner.astype(int).tolist(), *size.tolist()]


for seed in range(200):
    mine = draw_box(256, 128, np.random.default_rng(seed))
    theirs = transforms.draw_crops(1, (256, 128), np.random.default_rng(seed))
    torch.testing.assert_close(torch.tensor([mine]), torch.from_numpy(theirs))
print("200 boxes are equal; the last (top, left, height, width):", mine)

# %% [markdown]
# The area is drawn uniformly between 64 % and 100 %, but not every draw fits. What is
# the mean area of the boxes that are used, in percent of the image?

# %% tags=["nbval-check-output"]
predict("1.p2", ...)

# %% tags=["nbval-check-output"]
boxes = transforms.draw_crops(10_000, (256, 128), np.random.default_rng(0))
share = (boxes[:, 2] * boxes[:, 3]).mean() / (256 * 128)
reveal("1.p2", round(100 * share, 1), within=1, unit="%")
rng = np.random.default_rng(0)
area = rng.uniform(0.64, 1.0, 100_000)
ratio = np.exp(rng.uniform(np.log(2.0), np.log(3.0), 100_000))
fit = (area * ratio <= 2).mean()
print(f"share of the draws that fit: {fit:.0%}")

# %%
plots.show(
    figures.crop_areas(boxes, (256, 128)),
    alt=f"""Left: drawn boxes by height/width from 2 to 3 and by area from 64 to 100 %.
    They fill only the lower left; above a falling dashed curve a box would be higher
    than the image. Right: a histogram of the areas. Small ones are most frequent, and
    their mean is {share:.1%}, below the middle of the range, 82 %.""",
)

# %%
Markdown(
    "The paper's two ranges contradict each other. The image itself has a height/width "
    "of 2, so a slimmer box of full area would be higher than the image. A box fits "
    f"only if $a \\cdot r \\le 2$, which holds for {fit:.0%} of the draws, mostly for "
    'those with a small area. The recipe\'s "area in [0.64, 1]" therefore means, on '
    f"average, {share:.0%} of the image."
)

# %% [markdown]
# One training image on its way through all four steps, where step 2 takes two panels:

# %% tags=["nbval-check-output"]
images = transforms.decode(data.train[:64], (128, 64), progress=False)
box = transforms.draw_crops(1, (128, 64), np.random.default_rng(3))
print("box (top, left, height, width):", *box[0].tolist())

# %%
_, _, height, width = box[0].tolist()
plots.show(
    figures.augmentation_steps(images[16], box[0], True),
    alt=f"""Five panels: the resized training image with its box; the box cut out,
    {height} by {width} pixels, without the feet; the cut resized to 128 by 64, the
    person now larger and broader; the same mirrored; and histograms of the normalised
    red, green and blue values, which lie around 0.""",
)

# %% [markdown]
# *Further A* writes out how a cut is resized. Normalising is one line, and equals that
# of `dplib`:

# %% tags=["nbval-check-output"]
m = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
s = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
mine = (images / 255 - m) / s
torch.testing.assert_close(mine, transforms.normalise(images), atol=1e-5, rtol=1e-5)
print("equal:", tuple(mine.shape), mine.dtype)

# %% [markdown]
# Now choose area, shape and place yourself. When is the head cut off? Which boxes do
# not fit? At which area would *you* no longer recognise the person?

# %%
widgets.crop_explorer(images[::8])

# %% [markdown]
# For readers without a running kernel, boxes in the middle of the image:

# %%
plots.show(
    figures.crop_grid(images[16], (0.64, 0.73, 0.82, 0.91, 1.0), (2, 2.33, 2.67, 3)),
    alt="""A grid of crops, with areas from 64 to 100 % across and height/width from 2
    to 3 down. Only the upper left half has images; the other boxes do not fit. The
    smallest area shows the person largest and cuts off the feet; slim boxes make the
    person broader.""",
)

# %% [markdown]
# ### Exercise 1.4 · break the crop (difficulty 3, 10 minutes)
#
# Somebody configures torchvision's random crop for this recipe and copies "aspect ratio
# in [2, 3]" from the paper. Training runs without an error.
# Break the crop in the same way, and look at what it cuts:

# %% tags=["nbval-check-output"]
torch.manual_seed(0)
draw = RandomResizedCrop.get_params
wrong = [draw(images[16], scale=[0.64, 1.0], ratio=[2.0, 3.0]) for _ in range(5)]
print(*wrong, sep="\n")

# %%
_, _, height, width = wrong[0]
view = figures.Crop(wrong[0], True, height * width / (128 * 64))
plots.show(
    figures.crop_view(images[16], view),
    alt=f"""Left: the training image, all but a flat strip of {height} by {width} pixels
    across the belt dimmed. Right: the strip stretched to the full height; neither head
    nor feet are visible, and the body is distorted beyond recognition.""",
)

# %% [markdown]
# Each line above is (top, left, height, width). Why are all five boxes the same?
#
# - **a** The generator was seeded, so it drew the same numbers five times.
# - **b** In torchvision the ratio is width/height. No such box fits into an upright
#   image, and after ten tries torchvision takes a fixed one from the middle.
# - **c** The area of a box with a ratio from 2 to 3 is below 64 % of the image, so
#   torchvision enlarges each box to the smallest one that is allowed.
# - **d** The tensor was read as width × height, so the image was cropped as if it lay
#   on its side.

# %% tags=["exercise:1.4", "nbval-check-output"]
answer = ...
check("1.4", answer)

# %% [markdown]
# <details><summary>Hint</summary>How wide is a box with 64 % of the area of 128 × 64
# pixels and a width/height of 2?</details>
# <details><summary>Solution</summary>
#
# ```python
# answer = "b"
# ```
# It would be $\sqrt{0.64 · 128 · 64 · 2} ≈ 102$ pixels wide in an image of 64. Every
# draw fails, and torchvision then takes the largest box in the middle with the nearest
# allowed ratio: 64 wide and 32 high. The right setting is `ratio=(1/3, 1/2)`. A seeded
# generator still gives new numbers in every draw, so (a) is wrong. The box has a
# quarter of the area, so nothing was enlarged to 64 % (c). And it is as wide as the
# upright image, 64 pixels, so the sides were not exchanged (d).
# </details>

# %% [markdown]
# ## 5 · PK batches
#
# The triplet loss (lesson 4) compares the images *of one batch* with each other. Each
# image needs a **positive** in its batch, another image of the same person. In a random
# batch, hardly any image has one. Batches are therefore composed of **$P$ people with
# $K$ images each** (`p` and `k`; §3.4). With $K \ge 2$, every image has $K - 1$
# positives.

# %% tags=["nbval-check-output"]
labels = np.array([data.labels[s.pid] for s in data.train])


def with_positive(batch):
    same = labels[batch][:, None] == labels[batch]
    return (same.sum(1) > 1).mean()


rng = np.random.default_rng(0)
batches = [rng.choice(len(labels), 32, replace=False) for _ in range(500)]
sampler = sampling.PKSampler(labels, p=8, k=4, seed=5)
print(f"random batches: {np.mean([with_positive(b) for b in batches]):.0%}", end=" ")
print("of the images have a positive")
print(f"PK batches: {np.mean([with_positive(b) for b in sampler]):.0%}")

# %% [markdown]
# A PK sampler works as follows. At the beginning of an epoch, the people are shuffled.
# Then they are taken $P$ at a time, each once; people who are left over at the end,
# fewer than $P$, have to wait for another epoch. Of each person, the images are
# shuffled and the first $K$ are taken. A person with **fewer than $K$ images**
# contributes all of them, then all of them again, and so on until there are $K$.
#
# *Example.* Eight images have the labels `[7, 7, 7, 9, 9, 12, 12, 12]`, $P = 2$ and
# $K = 3$. Suppose that "shuffling" turns a list around. The people [7, 9, 12] become
# [12, 9, 7], so the only batch holds persons 12 and 9. Person 12 has the images
# [5, 6, 7], which become [7, 6, 5]. Person 9 has only [3, 4], which become [4, 3], and
# again [4, 3]: the first three are [4, 3, 4]. The batch is `[7, 6, 5, 4, 3, 4]`.

# %% [markdown]
# ### Exercise 1.5 · the PK sampler (difficulty 4, 20 minutes)
#
# Return the batches of one epoch, a list of lists of image indices:
#
# - `labels` is the list of the labels of all images, in any order.
# - `p` and `k` are $P$ and $K$.
# - `shuffle` is a function that takes a list and returns a shuffled copy. Call it once
#   on the **ascending** list of the distinct labels, and for each person on the
#   ascending list of that person's images, once or for every round anew.
#
# The check passes functions for `shuffle` whose results it knows. For the example
# above, the answer is `[[7, 6, 5, 4, 3, 4]]`.


# %% tags=["exercise:1.5", "nbval-check-output"]
def pk_batches(labels, p, k, shuffle):
    return ...


check("1.5", pk_batches)

# %% [markdown]
# <details><summary>Hint 1</summary>Begin with
# <code>people = shuffle(sorted(set(labels)))</code>. There are
# <code>len(people) // p</code> batches.</details>
# <details><summary>Hint 2</summary>For each person, collect images in a list: while it
# is shorter than k, add another shuffled copy of the person's images. Then cut it to
# k.</details>
# <details><summary>Solution</summary>
#
# ```python
# def pk_batches(labels, p, k, shuffle):
#     people, batches = shuffle(sorted(set(labels))), []
#     for start in range(0, len(people) - p + 1, p):
#         batch = []
#         for person in people[start : start + p]:
#             images, drawn = [i for i, x in enumerate(labels) if x == person], []
#             while len(drawn) < k:
#                 drawn += shuffle(images)
#             batch += drawn[:k]
#         batches.append(batch)
#     return batches
# ```
# </details>

# %% [markdown]
# `dplib` has the same sampler as a class, in NumPy. It makes a generator for each seed
# and epoch, so that a change of the model does not change the batches. Here are its
# statements as a function, and the proof that the batches are equal:


# %%
def numpy_batches(labels, p, k, rng):
    images = [np.flatnonzero(labels == pid) for pid in np.unique(labels)]
    people = rng.permutation(len(images))
    for group in people[: len(people) // p * p].reshape(-1, p):
        drawn = []
        for person in group:
            rounds = -(-k // len(images[person]))  # k / n, rounded up
            cycles = [rng.permutation(images[person]) for _ in range(rounds)]
            drawn += np.concatenate(cycles)[:k].tolist()
        yield drawn


# %% tags=["nbval-check-output"]
for epoch in range(3):
    sampler.set_epoch(epoch)
    mine = numpy_batches(labels, 8, 4, np.random.default_rng([5, epoch, 0x504B]))
    torch.testing.assert_close(torch.tensor(list(mine)), torch.tensor(list(sampler)))
print(len(sampler), "batches an epoch, each of", 8 * 4, "images; all equal")

# %%
batch = [data.train[i] for i in next(iter(sampler))]
plots.show(
    figures.pk_grid(batch, 8, 4),
    alt="""Eight columns of four drawn pedestrians. Each column is one person: the
    clothes stay the same, while camera, light, viewpoint and cut change. The eight
    people differ from column to column, though some wear similar colours.""",
)

# %% [markdown]
# ### What the paper calls an epoch
#
# Usually an epoch shows each *image* once. In the paper an epoch consists of
# $\lfloor N_c / P \rfloor$ batches, so that each *person* appears about once (§3.5).
# On Market-1501, $P \cdot K = 128$ with $K = 8$, and $N_c = 751$. What share of the
# 12,936 training images can one such epoch show at most, in percent?

# %% tags=["nbval-check-output"]
predict("1.p3", ...)

# %% tags=["nbval-check-output"]
rows = {}
for name, num_ids in (("paper", 751), ("authors", 751), ("toy", len(data.labels))):
    r = presets.get(name)
    per_epoch = num_ids // r.p
    rows[name] = (num_ids, r.p, r.k, per_epoch, r.epochs, f"{per_epoch * r.epochs:,}")
images_shown = rows["paper"][3] * 128
reveal("1.p3", round(100 * images_shown / market["train images"]), within=2, unit="%")
heads = ["Nc", "P", "K", "batches an epoch", "epochs", "iterations"]
pd.DataFrame.from_dict(rows, orient="index", columns=heads)

# %% [markdown]
# The paper's 46 batches of 128 show 5,888 images, less than half of the training set,
# so its 150 "epochs" amount to about 68 epochs in the usual sense. The authors'
# published program has $P = 8$ and therefore twice as many batches in an epoch: the
# same number of epochs is twice the training. **Compare iterations, not epochs.**

# %% tags=["nbval-check-output"]
assert images_shown == 5_888 and images_shown < market["train images"] / 2
assert round(150 * images_shown / market["train images"]) == 68
print(f"{rows['authors'][3] / rows['paper'][3]:.2f} times as many batches an epoch")

# %% [markdown]
# ## 6 · The people in the images
#
# The same program finds a lost child and follows somebody who has done nothing wrong.
# To learn, it needs images of people. Before you collect or use any, know this:
#
# **Re-ID works without faces.** Clothes, bags and build are enough. Blurring the faces
# is no full protection: a study of several data sets found that it costs re-ID models
# very little (*How important are faces for person re-identification?*, arXiv
# 2010.06307).
#
# **Consent.** People who walk past a camera are usually not asked one by one. A sign
# informs them, but nobody can decline and still cross the square.
#
# **A withdrawn data set.** DukeMTMC, from which the paper's DukeMTMC-reID was cut, was
# filmed in March 2014 by eight cameras on the campus of Duke University. Its website
# was taken down in April 2019. As the university explained, the study had been approved
# for a defined indoor space and for giving the data to researchers on request; it was
# filmed outdoors, with posted notices, and published on an open website. The professor
# who led it apologised publicly. By then at least 175 further papers had used it
# (Duke's student newspaper, *The Chronicle*, June 2019), and many people held copies.
#
# The paper's results on DukeMTMC-reID can therefore be quoted, but nobody who respects
# the withdrawal can check them, and the copies that still circulate are no permission.
#
# **Licences.** The note that comes with Market-1501 allows research only, forbids
# redistribution and commercial use, and leaves open what holds for a model trained on
# it. This lesson contains none of its photographs.
#
# **Bias.** A data set from one place and one season contains the clothes, ages and
# looks found there. Rank-1 is a mean, so it can be high while one group of people is
# found far less reliably. In a search for a suspect, a wrong first match is a person
# who is stopped.
#
# **Drawn people.** Nobody's privacy is at stake with ToyMarket. *Further B* measures
# what that costs in realism.
#
# *Questions for discussion*
#
# 1. A shop wants to count how many of its visitors return within a week. Which data
#    would it have to keep, for how long, and could it learn the same with less?
# 2. Would you cite results on DukeMTMC-reID in a paper? Would you report new ones? If
#    your answers differ, why?
# 3. Somebody recognises themselves in a public re-ID data set and asks to be removed.
#    What should happen to the copies, and to the models trained on it?
# 4. The rank-1 of your model is 95 %. What else must you know before it is used to
#    search for a person?

# %% [markdown]
# ## 7 · What the paper says, what we found, and what comes next

# %% tags=["nbval-check-output"]
found = {
    "test images": (
        '19,732 "of 750 identities"',
        f"{market['ranked gallery']:,} ranked, {people:,} of the 750 people",
    ),
    "area of the crop": ("in [0.64, 1]", f"{share:.0%} on average; {fit:.0%} fit"),
    "batches an epoch": ("⌊751 / 16⌋", f"{rows['paper'][3]}"),
    "length of training": ("150 epochs", f"{rows['paper'][5]} iterations"),
}
pd.DataFrame.from_dict(found, orient="index", columns=["the paper", "this lesson"])

# %% [markdown]
# Lesson 2 passes the batch that you have built through the backbone and cuts its
# feature map into body parts. Lesson 6 returns to query and gallery, and computes every
# measure from them.
#
# The code of this lesson is in `dplib/datasets/`, `dplib/transforms.py` and
# `dplib/sampling.py`.
#
# ## Further A · Cutting and resizing, as a matrix
#
# A pixel of the result reads the image at a *place* that is seldom a whole number.
# Bilinear interpolation mixes the two nearest pixels, each with a weight that falls
# linearly with its distance from that place. Here are the weights as a matrix, for a
# row of four pixels whose middle two are cut out and stretched to four again:


# %% tags=["nbval-check-output"]
def weights(start, length, size):
    place = start + (torch.arange(size) + 0.5) * length / size - 0.5
    place = place.clamp(0, size - 1)[:, None]
    return (1 - (place - torch.arange(size)).abs()).clamp(min=0)


row = torch.tensor([0.0, 10.0, 20.0, 30.0])
print(weights(1, 2, 4))
print(weights(1, 2, 4) @ row)

# %% [markdown]
# Each row of weights adds up to 1. The first pixel of the result reads at 0.75, so a
# quarter of its value comes from the pixel just outside the box.
#
# An image has two directions and needs two such matrices: one from the left mixes rows,
# one from the right mixes columns. Mirroring reverses the columns. All three together
# equal `dplib`'s transform:

# %% tags=["nbval-check-output"]
top, left, height, width = box[0].tolist()
image = images[16].float()
mine = weights(top, height, 128) @ image @ weights(left, width, 64).T
mine = mine.flip(-1)
theirs = transforms.crop_resize_flip(image[None], box, np.array([True]))
torch.testing.assert_close(mine, theirs[0], atol=0.01, rtol=0)  # of 255 grey levels
print("equal to a hundredth of a grey level:", tuple(mine.shape))

# %% [markdown]
# ## Further B · Drawn and real images, by statistics
#
# How well does ToyMarket stand in for real images? For 3,000 training images of each
# set we measured brightness and contrast (mean and standard deviation of the grey
# values), saturation, colour cast (red minus blue) and sharpness (the mean difference
# between a pixel and its neighbours).
#
# For each statistic we also ask how much of its variance **the camera explains**.
# Replace the value of every image by the mean value of its camera, and divide the
# variance of these means by the variance of the values. At 0 % the statistic says
# nothing about the camera; at 100 % it depends on nothing else.
#
# *Example.* Six images have the values 1, 3, 2 (camera 1) and 4, 2, 3 (camera 2). The
# camera means are 2 and 3, so the values are replaced by 2, 2, 2, 3, 3, 3, with a
# variance of 0.25. The values themselves have a variance of 5.5/6 ≈ 0.917. The camera
# explains 0.25/0.917 ≈ 27 %.

# %% [markdown]
# ### Exercise 1.6 · explained by the camera (difficulty 2, 10 minutes)
#
# `values` and `cameras` are NumPy arrays of shape `[N]`: one value and one camera
# number for each image. Return the share of the variance that the camera explains,
# between 0 and 1. Cameras may have different numbers of images.


# %% tags=["exercise:1.6", "nbval-check-output"]
def explained(values, cameras):
    return ...


check("1.6", explained)

# %% [markdown]
# <details><summary>Hint</summary><code>values[cameras == c].mean()</code> is the mean
# of camera c. Put it in the place of <em>every</em> image of that camera.</details>
# <details><summary>Solution</summary>
#
# ```python
# def explained(values, cameras):
#     means = np.array([values[cameras == c].mean() for c in cameras])
#     return means.var() / values.var()
# ```
# </details>

# %% [markdown]
# In which of the two sets does the camera explain more of the colour cast, "toymarket"
# or "market1501"?

# %% tags=["nbval-check-output"]
predict("1.p4", ...)

# %% tags=["nbval-check-output"]
path = files("dplib") / "assets/records/crops.json"
record = json.loads(path.read_text("utf-8"))
sets = {"toymarket": "ToyMarket", "market1501": "Market-1501"}
camera = {
    label: {m: record[name][m]["explained by camera"] for m in figures.MEASURES}
    for name, label in sets.items()
}
cast = {name: camera[label]["red - blue"] for name, label in sets.items()}
reveal("1.p4", max(cast, key=cast.get))
pd.DataFrame({s: {m: f"{x:.0%}" for m, x in c.items()} for s, c in camera.items()})

# %%
plots.show(figures.crop_statistics(record), alt=figures.statistics_in_words(record))

# %% tags=["nbval-check-output"]
per_pid = {label: record[name]["images per pid"] for name, label in sets.items()}
pd.DataFrame(per_pid)

# %% tags=["nbval-check-output"]
drawn, real = record["toymarket"], record["market1501"]
for m in figures.MEASURES:
    assert max(x[m]["5 %"] for x in (drawn, real)) < min(
        x[m]["95 %"] for x in (drawn, real)
    )
assert drawn["brightness"]["median"] > real["brightness"]["median"]
assert drawn["contrast"]["median"] < real["contrast"]["median"]
assert drawn["sharpness"]["median"] < real["sharpness"]["median"]
print("the statements below hold for the record")

# %% tags=["nbval-check-output"]
least, most = ([p[key] for p in per_pid.values()] for key in ("least", "most"))
Markdown(
    f"""- The **ranges overlap** in all five statistics, so that one recipe can serve
  both sets. ToyMarket is brighter, and it has less contrast and less fine detail.
- **ToyMarket's cameras differ too much.** The camera explains
  {cast["toymarket"]:.0%} of the colour cast there and {cast["market1501"]:.0%} in
  Market-1501. What this course finds about cameras need not hold for real ones.
- **Its people have too similar numbers of images**: {least[0]} to {most[0]} each,
  against {least[1]} to {most[1]}."""
)

# %% [markdown]
# Pose, occlusion, crowds and real clothes do not show in these five numbers. For that
# reason the course compares *methods* on ToyMarket with each other, and never its
# figures with those of Market-1501. The record was made by `tools/compare_crops.py`.

# %% [markdown]
# ## Further C · The paper's other data sets, and your own
#
# The same three lists describe every data set. These are the published counts, with
# CUHK03 in its old protocol (`cuhk03`) and its new one (`cuhk03np`):

# %% tags=["nbval-check-output"]
keys = {"train images": "train images", "train pids": "train pids"}
keys |= {"query images": "query images", "query pids": "query pids"}
keys |= {"gallery files": "gallery images", "gallery pids": "gallery pids"}
published = (
    pd.DataFrame(datasets.PUBLISHED).T.reindex(columns=keys).rename(columns=keys)
)
published.map(lambda n: "–" if pd.isna(n) else f"{n:,.0f}")

# %% [markdown]
# MSMT17 is not in the paper; `noval` leaves out its validation images. CUHK03 has boxes
# drawn by hand ("labeled") and boxes from a detector ("detected"). The
# old protocol ranks one image of each of 100 people, the new one over 5,000 images, so
# their results cannot be compared (lesson 6).
#
# **Your own folder** is loaded by the pattern of its names. As an example we give nine
# people of ToyMarket the colleague's names of exercise 1.1. If you name no split, the
# people are divided at random, with a seed:

# %% tags=["nbval-check-output"]
names = r"cam(?P<camid>\d+)-person(?P<pid>-?\d+)-\d+\.jpg"
nine = sorted(train_pids)[:9]
with tempfile.TemporaryDirectory() as work, contextlib.chdir(work):
    Path("mine").mkdir()
    for i, s in enumerate(s for s in data.train if s.pid in nine):
        shutil.copy(s.path, f"mine/cam{s.camid}-person{s.pid}-{i:04}.jpg")
    own = datasets.load("folder", "mine", pattern=names, test_share=0.5)
print("in both parts:", {s.pid for s in own.train} & {s.pid for s in own.gallery})

# %% [markdown]
# ## Further D · Three details
#
# <details><summary>The published archive, validation people, ground truth</summary>
#
# - **The published archive.** One file of Market-1501 ends in `.jpg.jpg`, and
#   `Thumbs.db` files lie between the images. A loader that stops at an unknown name
#   finds such things; a loader that skips it loses images without a word.
# - **Validation people.** Settings must not be chosen on the test people.
#   `datasets.load(…, val_pids=100)` makes queries and a gallery from training people.
# - **The ground truth of a drawing.** ToyMarket's `nuisance.csv` lists how much of each
#   image is occluded, how blurred it is, and how its box was shifted.
# </details>
