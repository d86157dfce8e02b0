# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # 1 · Data preparation: from file names to batches
#
# After this lesson you can turn a folder of pictures into what a re-ID model is trained
# and tested on, and say of every picture why it counts or does not.
#
# **Objectives**
#
# - **O1** read a file name, and describe a scheme of names to a program (exercise 1.1)
# - **O2** say which gallery images count for a query, and why Market-1501 ranks 15,913
#   of its 19,732 files (exercise 1.2, prediction 1.p1)
# - **O3** carry out the paper's augmentation by hand, and spot a wrong setting
#   (exercise 1.3, prediction 1.p2)
# - **O4** build PK batches, and work out what an "epoch" is (exercise 1.4, prediction
#   1.p3)
# - **O5** say from statistics where a drawn set differs from a real one (prediction
#   1.p4)
#
# **Needs** lesson 0; no GPU, no download.
# **Time** 45 minutes to read, under a minute to run on two cores.
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
import torch
from torchvision.transforms import RandomResizedCrop

# %%
from dplib import datasets, plots, presets, sampling, transforms
from dplib.descriptors import Descriptors
from dplib.evaluation import evaluate
from dplib.lessons.checks import check, predict, reveal
from dplib.lessons.data_preparation import figures, widgets

# %% [markdown]
# ## 1 · A data set is a list of names
#
# A re-ID data set is pictures, each cut out around one person, and two numbers for
# each: **who** (the pid) and **which camera** (the camid). Market-1501 writes both into
# the file name, and ToyMarket copies it:
#
# | `0002` | `c1` | `s1` | `000451` | `03` |
# |---|---|---|---|---|
# | pid 2 | camera 1 | sequence 1 | frame 451 | box 3 |
#
# The *sequence* is a stretch of that camera's recording, the *frame* counts in it, the
# *box* tells cuts of one frame apart. A **regular expression** says the same to a
# program: `\d{4}` is four digits, and `(?P<pid>…)` names what matched. Junk has the pid
# `-1`.

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
# That is all it takes to read a data set. Ours against `dplib`'s, image by image:


# %% tags=["nbval-check-output"]
def read(folder):
    names = sorted(p.name for p in folder.glob("*.jpg"))
    found = [(name, fields(name)) for name in names]
    return [(folder / name, f["pid"], f["camid"]) for name, f in found]


assert read(data.root / "bounding_box_train") == data.train
assert read(data.root / "query") == data.query
assert read(data.root / "bounding_box_test") == data.gallery
print("the same:", len(data.train), len(data.query), len(data.gallery))

# %% [markdown]
# `sorted` matters: the order in which a folder lists its files differs from one file
# system to the next, and every seeded draw below would differ with it.

# %% [markdown]
# ### Exercise 1.1 · a scheme of your own (difficulty 2, 10 minutes)
#
# A colleague's pictures are named `cam12-person7-0003.jpg`: camera, pid, number. Junk
# is `cam3-person-1-0003.jpg`. Write the pattern, as a text, with groups named `pid` and
# `camid`. It must match such names from end to end, with numbers of any length, and
# nothing else (`cam3-person7-0003.jpg.part` is a broken download).

# %% tags=["exercise:1.1", "nbval-check-output"]
pattern = ...
check("1.1", pattern)

# %% [markdown]
# <details><summary>Hint</summary>`\d+` is one digit or more, `-?` is a minus or
# nothing, `\.` is a dot (a bare dot is any character).</details>
# <details><summary>Solution</summary>
#
# ```python
# pattern = r"cam(?P<camid>\d+)-person(?P<pid>-?\d+)-\d+\.jpg"
# ```
# </details>

# %% [markdown]
# ## 2 · Three lists: train, query, gallery
#
# The images of one part of the people are for **training**. Those of the others are for
# the test, in two lists: the **query** holds one image of each person from each of
# that person's cameras, the **gallery** all the others. A model is asked about people
# whom it has never seen, so no pid may be in both parts:

# %% tags=["nbval-check-output"]
train_pids = {s.pid for s in data.train}
query_pids = {s.pid for s in data.query}
gallery_pids = {s.pid for s in data.gallery}
print("train and test share:", train_pids & gallery_pids)
print("queries without anybody in the gallery:", query_pids - gallery_pids)
print("gallery pids that are no query:", sorted(gallery_pids - query_pids))

# %% [markdown]
# Two pids are left over. Both kinds come from the *detector* that cut the boxes:
#
# - **-1, junk**: a box so bad that to count it as right or as wrong would be arbitrary.
#   It is dropped before anything is ranked.
# - **0, distractor**: somebody or something that no query asks for. It stays, as a
#   wrong answer like any other.
#
# The paper describes Market-1501's test images as "19,732 images of 750 identities".
# Among them are 3,819 junk boxes and 2,798 distractors. How many images of those 750
# people are there?

# %% tags=["nbval-check-output"]
predict("1.p1", ...)

# %% tags=["nbval-check-output"]
market, toy = datasets.PUBLISHED["market1501"], datasets.counts(data)
print(f"{'':18} ToyMarket  Market-1501")
for name in ("train images", "train pids", "query images", "query pids"):
    print(f"{name:20}{toy[name]:8,}{market[name]:13,}")
for name in ("gallery files", "junk (pid -1)", "ranked gallery", "distractors (pid 0)"):
    print(f"{name:20}{toy[name]:8,}{market[name]:13,}")
people = market["ranked gallery"] - market["distractors (pid 0)"]
reveal("1.p1", people)

# %% [markdown]
# So the paper's sentence is a slip: 19,732 counts files, 19,732 - 3,819 = **15,913 are
# ranked**, and 15,913 - 2,798 = 13,115 of them show one of the 750. A program that
# ranks the junk as well reports other numbers for the same model: whenever you
# compare, ask how many were ranked.

# %% [markdown]
# ## 3 · The camera rule
#
# A person stays before a camera for some seconds, and gives several images there, all
# alike. To find those is no achievement, so **gallery images with the query's pid and
# the query's camera are ignored for that query**. Other people in the query's camera
# count: they are wrong answers. What `dplib` says of eight gallery images, for a query
# of pid 7 in camera 2 (the descriptors are made up):

# %% tags=["nbval-check-output"]
query = Descriptors(torch.zeros(1, 1), torch.tensor([7]), torch.tensor([2]))
pids = torch.tensor([7, 7, 4, 4, -1, 0, -1, 0])
cams = torch.tensor([2, 5, 2, 5, 2, 2, 5, 5])
gallery = Descriptors(torch.arange(8.0)[:, None], pids, cams)
top = evaluate(query, gallery).ranked(0, k=8)
for i, right, junk in zip(top.indices.tolist(), top.right, top.junk, strict=True):
    verdict = "does not count" if junk else "right" if right else "wrong"
    print(f"pid {pids[i]:2} in camera {cams[i]}: {verdict}")

# %% [markdown]
# The same with pictures, for one query of ToyMarket:

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
# ### Exercise 1.2 · who counts (difficulty 2, 10 minutes)
#
# Return a boolean tensor `[G]`: True where a gallery image takes part in the ranking
# of a query with pid `pid` and camera `cam`. `pids` and `cams` are those of the
# gallery, tensors `[G]`.


# %% tags=["exercise:1.2", "nbval-check-output"]
def counts(pid, cam, pids, cams):
    return ...


check("1.2", counts)

# %% [markdown]
# <details><summary>Hint</summary>Two kinds are left out; write a mask for each, and
# join them by `|`. `~` turns a mask round.</details>
# <details><summary>Solution</summary>
#
# ```python
# def counts(pid, cam, pids, cams):
#     junk = pids == -1
#     own_camera = (pids == pid) & (cams == cam)
#     return ~(junk | own_camera)
# ```
# </details>

# %% [markdown]
# ## 4 · The paper's augmentation, step by step
#
# A training image is never shown twice alike. The paper's recipe (§4.1): resize to
# 256 x 128 (height x width; we take 128 x 64); **cut out a random box** with
# between 64 % and 100 % of the area and a height/width between 2 and 3; resize the cut
# back; **mirror** it with probability one half. Then every colour channel is
# **normalised** by the mean and the standard deviation of ImageNet, since the
# backbone was trained so. At test time an image is only resized and normalised.
#
# A detector cuts people now tight, now loose, and a walker faces left or right: the
# model shall not mind either. The order from head to foot survives (lesson 2).
#
# First the box. The area a (a share) and the ratio r = height/width give height
# $\sqrt{a\,r\,h\,w}$ and width $\sqrt{a\,h\,w/r}$. Both are drawn, and drawn again
# when the box is larger than the image; after ten tries the whole image is taken.


# %%
def draw_box(h, w, rng):
    area = h * w * rng.uniform(0.64, 1.0, 10)  # ten tries
    ratio = np.exp(rng.uniform(np.log(2.0), np.log(3.0), 10))
    heights = np.rint(np.sqrt(area * ratio)).astype(int)
    widths = np.rint(np.sqrt(area / ratio)).astype(int)
    fits = np.flatnonzero((heights <= h) & (widths <= w))
    ch, cw = (heights[fits[0]], widths[fits[0]]) if len(fits) else (h, w)
    down, across = rng.random(2)
    return [int(down * (h - ch + 1)), int(across * (w - cw + 1)), int(ch), int(cw)]


# %% tags=["nbval-check-output"]
for seed in range(200):
    mine = draw_box(256, 128, np.random.default_rng(seed))
    theirs = transforms.draw_crops(1, (256, 128), np.random.default_rng(seed))
    torch.testing.assert_close(torch.tensor([mine]), torch.from_numpy(theirs))
print("200 boxes are equal; the last (top, left, height, width):", mine)

# %% [markdown]
# The ratio's *logarithm* is drawn uniformly, as torchvision does it.
#
# The area is drawn uniformly between 64 % and 100 %. What is its mean over 10,000
# boxes, in percent?

# %% tags=["nbval-check-output"]
predict("1.p2", ...)

# %% tags=["nbval-check-output"]
boxes = transforms.draw_crops(10_000, (256, 128), np.random.default_rng(0))
share = (boxes[:, 2] * boxes[:, 3]).mean() / (256 * 128)
reveal("1.p2", round(100 * share), within=1, unit="%")
rng = np.random.default_rng(0)
area = rng.uniform(0.64, 1.0, 10_000)
ratio = np.exp(rng.uniform(np.log(2.0), np.log(3.0), 10_000))
print(f"draws that fit: {(area * ratio <= 2).mean():.0%}")

# %%
plots.show(
    figures.crop_areas(boxes, (256, 128)),
    alt="""Left: drawn boxes by height/width from 2 to 3 and by share of the area from
    64 to 100 %. They fill only the lower left: above a falling dashed curve a box
    would be higher than the image. Right: the areas; small ones are most frequent,
    their mean is 75.7 %, below the middle of the range, 82 %.""",
)

# %% [markdown]
# The two ranges of the paper quarrel. The image itself has height/width 2, so a slimmer
# box of full area would be higher than the image. A box fits only if a · r ≤ 2: about
# half of all draws do not, and what is drawn in their place is mostly small. So "area
# in [0.64, 1]" in fact means cuts of about three quarters.

# %% [markdown]
# ### Cut out and resize
#
# Output pixel i of n reads the image at a *place* that is seldom a whole number, so the
# two nearest pixels are mixed, each with a weight that falls linearly with its
# distance. As a matrix, on a row of four pixels of which the middle two are cut out:


# %% tags=["nbval-check-output"]
def weights(start, length, size):
    place = start + (torch.arange(size) + 0.5) * length / size - 0.5
    place = place.clamp(0, size - 1)[:, None]
    return (1 - (place - torch.arange(size)).abs()).clamp(min=0)


row = torch.tensor([0.0, 10.0, 20.0, 30.0])
print(weights(1, 2, 4))
print(weights(1, 2, 4) @ row)

# %% [markdown]
# Each row of weights adds up to 1. The first output pixel lies at 0.75, so it takes a
# quarter of the pixel just outside the box: resizing blends neighbours.
#
# An image has two directions, so two such matrices: one from the left mixes rows, one
# from the right mixes columns. Mirroring turns the columns round. Together, on a
# training image, beside `dplib`:

# %% tags=["nbval-check-output"]
images = transforms.decode(data.train[:64], (128, 64), progress=False)
box = transforms.draw_crops(1, (128, 64), np.random.default_rng(3))
top, left, height, width = box[0].tolist()
print("box:", top, left, height, width)
image = images[16].float()
mine = weights(top, height, 128) @ image @ weights(left, width, 64).T
mine = mine.flip(-1)
theirs = transforms.crop_resize_flip(image[None], box, np.array([True]))
torch.testing.assert_close(mine, theirs[0], atol=0.01, rtol=0)  # of 255 grey levels

# %% [markdown]
# ### Normalise
#
# With pixel values x in 0…255, mean m and standard deviation s of a channel:
# (x/255 - m)/s. First black, middle and white in the red channel, then a batch:

# %% tags=["nbval-check-output"]
print((torch.tensor([0.0, 124.0, 255.0]) / 255 - 0.485) / 0.229)
mean = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
std = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
mine = (images / 255 - mean) / std
torch.testing.assert_close(mine, transforms.normalise(images), atol=1e-5, rtol=1e-5)
print(tuple(mine.shape), mine.dtype)

# %%
plots.show(
    figures.augmentation_steps(images[16], box[0], True),
    alt="""Five panels: the resized training image with its box; the box cut out, 113 by
    48 pixels, without the feet; the cut resized to 128 by 64, the person now larger
    and broader; the same mirrored; and histograms of the normalised red, green and
    blue values, which lie between -2 and 2.5.""",
)

# %% [markdown]
# Now choose the numbers yourself. When does the head get lost? Which combinations are
# impossible? At which area would *you* no longer recognise the person?

# %%
widgets.crop_explorer(images[::8])

# %% [markdown]
# The same view without a kernel, for boxes in the middle of the image:

# %%
plots.show(
    figures.crop_grid(images[16], (0.64, 0.73, 0.82, 0.91, 1.0), (2, 2.33, 2.67, 3)),
    alt="""A grid of crops, area from 64 to 100 % across, height/width from 2 to 3 down.
    Only the upper left half has pictures; the others do not fit. The smallest area
    brings the person closest and cuts off the feet; slim boxes make the person
    broader.""",
)

# %% [markdown]
# ### Exercise 1.3 · break it (difficulty 3, 10 minutes)
#
# Somebody writes the paper's recipe for torchvision, and takes "aspect ratio in [2, 3]"
# at its word. Training runs without an error, and the model is poor. What they cut:

# %%
torch.manual_seed(0)
draw = RandomResizedCrop.get_params
wrong = [draw(images[16], scale=[0.64, 1.0], ratio=[2.0, 3.0]) for _ in range(5)]
print(wrong)
top, left, height, width = wrong[0]
fig = figures.crop_view(
    images[16], figures.Crop((top, left, height, width), True, 0.25)
)
plots.show(
    fig,
    alt="""Left: the training image, all but a flat strip across the belt dimmed. Right:
    the strip stretched to the full height; neither head nor feet are to be seen, and
    the body is smeared beyond recognition.""",
)

# %% [markdown]
# All five boxes are the same: (top, left, height, width) = (48, 0, 32, 64). Why?
#
# - **a** the generator was seeded, so it drew the same numbers five times
# - **b** torchvision's ratio is width/height: no such box fits into an upright image,
#   and after ten tries it takes a fixed one from the middle
# - **c** torchvision crops only the height, and areas from 64 % on are cut to 25 %
# - **d** torchvision took the image's height for its width, so the box lies on its side

# %% tags=["exercise:1.3", "nbval-check-output"]
answer = ...
check("1.3", answer)

# %% [markdown]
# <details><summary>Hint</summary>How wide is a box with 64 % of the area of 128 x 64
# pixels and width/height 2?</details>
# <details><summary>Solution</summary>
#
# ```python
# answer = "b"
# ```
# It would be $\sqrt{0.64 · 128 · 64 · 2} ≈ 102$ pixels wide in an image of 64. Every
# draw fails, and torchvision then takes the largest box in the middle with the nearest
# allowed ratio: 64 wide, 32 high. The paper's recipe is `ratio=(1/3, 1/2)` there. A
# seeded generator still goes on from draw to draw, so (a) is wrong. And the box is as
# wide as the image, 64, so its sides were not exchanged (d).
# </details>

# %% [markdown]
# ## 5 · PK sampling: who meets whom in a batch
#
# The triplet loss (lesson 4) compares the images *of a batch* with each other: each
# needs another image of its own person there, a **positive**. Take 32 images at
# random, and hardly any has one. So a batch is dealt: **P people, K images of each**
# (§3.4). K = 1 would leave everybody without a positive; K ≥ 2 gives each K - 1.

# %% tags=["nbval-check-output"]
labels = np.array([data.labels[s.pid] for s in data.train])


def with_positive(batch):
    same = labels[batch][:, None] == labels[batch]
    return (same.sum(1) > 1).mean()


rng = np.random.default_rng(0)
batches = [rng.choice(len(labels), 32, replace=False) for _ in range(500)]
dealt = sampling.PKSampler(labels, p=8, k=4)
print(f"random: {np.mean([with_positive(b) for b in batches]):.0%} have a positive")
print(f"P 8, K 4: {np.mean([with_positive(b) for b in dealt]):.0%}")

# %% [markdown]
# The sampler in a few lines. Each epoch shuffles the people and takes P at a time; of
# each person it takes K images. **Whoever has fewer than K** gives all of them, then
# again, as evenly as K allows. The tiny list has five people; person 9 has two images:


# %% tags=["nbval-check-output"]
def pk_batches(labels, p, k, rng):
    images = [np.flatnonzero(labels == pid) for pid in np.unique(labels)]
    people = rng.permutation(len(images))
    for b in range(len(people) // p):
        batch = []
        for person in people[b * p : (b + 1) * p]:
            rounds = -(-k // len(images[person]))  # k / n, rounded up
            drawn = [rng.permutation(images[person]) for _ in range(rounds)]
            batch += np.concatenate(drawn)[:k].tolist()
        yield batch


tiny = np.array([7, 7, 7, 7, 9, 9, 12, 12, 12, 30, 30, 30, 30, 30, 41, 41, 41])
for batch in pk_batches(tiny, 2, 3, np.random.default_rng(1)):
    print("images", batch, "→ pids", tiny[batch].tolist())

# %% [markdown]
# Five people and P = 2 give two batches; the fifth person waits for another epoch,
# whose order is another. `dplib`'s sampler has a generator for each seed and epoch, so
# that adding a branch to the model does not change the batches. With the same
# generator ours gives the same:

# %% tags=["nbval-check-output"]
sampler = sampling.PKSampler(labels, p=8, k=4, seed=5)
for epoch in range(3):
    sampler.set_epoch(epoch)
    mine = pk_batches(labels, 8, 4, np.random.default_rng([5, epoch, 0x504B]))
    torch.testing.assert_close(torch.tensor(list(mine)), torch.tensor(list(sampler)))
print(len(sampler), "batches an epoch, each of", 8 * 4, "images; all equal")

# %%
batch = [data.train[i] for i in next(iter(sampler))]
plots.show(
    figures.pk_grid(batch, 8, 4),
    alt="""Eight columns of four drawn pedestrians. A column is one person: the clothes
    stay, while camera, light, viewpoint and cut change. The eight people differ from
    column to column, though some wear similar colours.""",
)

# %% [markdown]
# ### Exercise 1.4 · is it a PK batch? (difficulty 2, 10 minutes)
#
# Given the labels of a batch as a list, in any order, say (True or False) if it holds
# exactly `p` people with exactly `k` images each.


# %% tags=["exercise:1.4", "nbval-check-output"]
def is_pk(labels, p, k):
    return ...


check("1.4", is_pk)

# %% [markdown]
# <details><summary>Hint</summary>`collections.Counter(labels)` counts each label;
# look at how many there are, and at their counts.</details>
# <details><summary>Solution</summary>
#
# ```python
# from collections import Counter
#
#
# def is_pk(labels, p, k):
#     images = Counter(labels)
#     return len(images) == p and set(images.values()) == {k}
# ```
# </details>

# %% [markdown]
# ### What an "epoch" is
#
# Usually an epoch shows each image once. The paper redefines it: **⌊Nc / P⌋
# batches**, so that each *person* comes about once (§3.5). It has P · K = 128 with
# K = 8 on Market-1501, and Nc = 751. What share of the 12,936 training images can one
# such epoch show at most, in percent?

# %% tags=["nbval-check-output"]
predict("1.p3", ...)

# %% tags=["nbval-check-output"]
for name, num_ids in (("paper", 751), ("authors", 751), ("toy", len(data.labels))):
    r = presets.get(name)
    batches = num_ids // r.p
    print(f"{name:8} Nc {num_ids}  P {r.p:2}  K {r.k:2}  {batches} batches an epoch")
    print(f"{'':8} x {r.epochs} epochs = {batches * r.epochs:,} iterations")
shown = 751 // 16 * 128
print(f"{shown:,} images an epoch; {shown * 150 / 12_936:.0f} ordinary epochs in all")
reveal("1.p3", round(100 * shown / market["train images"]), within=2, unit="%")

# %% [markdown]
# 46 batches of 128 show 5,888 images, less than half. So "150 epochs" are 6,900
# iterations, about 68 ordinary epochs. And the authors' program, with P = 8, makes
# 93 batches of an epoch: the same number of epochs is twice the training. **Compare
# iterations, not epochs.**

# %% [markdown]
# ## 6 · Drawn against real, by statistics
#
# How well does ToyMarket stand in for real crops? Of 3,000 training images of each set
# we measured brightness and contrast (mean and standard deviation of the grey values),
# saturation, colour cast (red minus blue) and sharpness (mean size of the difference
# between a pixel and its neighbours).
#
# For each we also ask how much of its variance **the camera explains**: put every
# image's camera mean in its place, and compare the variances. At 0 % the value does not
# give the camera away, at 100 % it is nothing but the camera.

# %% tags=["nbval-check-output"]
value = np.array([1.0, 3.0, 2.0, 4.0, 2.0, 3.0])
camera = np.array([1, 1, 1, 2, 2, 2])
means = np.array([value[camera == c].mean() for c in camera])
print("camera means:", means.tolist())
print(f"explained by the camera: {means.var() / value.var():.0%}")

# %% [markdown]
# In which set does the camera explain more of the colour cast, "toymarket" or
# "market1501"?

# %% tags=["nbval-check-output"]
predict("1.p4", ...)

# %% tags=["nbval-check-output"]
path = files("dplib") / "assets/records/crops.json"
record = json.loads(path.read_text("utf-8"))
sets = ("toymarket", "market1501")
cast = {name: record[name]["red - blue"]["explained by camera"] for name in sets}
print(cast)
reveal("1.p4", max(cast, key=cast.get))
for name in sets:
    print(name, "images per pid:")
    print(
        "  ", ", ".join(f"{k} {n}" for k, n in record[name]["images per pid"].items())
    )

# %%
plots.show(
    figures.crop_statistics(record),
    alt="""Upper row: brightness, contrast, saturation, colour cast and sharpness of
    both sets. The ranges overlap, but ToyMarket is somewhat brighter, and has less
    contrast and sharpness. Lower row: the camera explains 53 % of the colour cast in
    ToyMarket against 3 % in Market-1501, and more of brightness, saturation and
    sharpness; contrast is equal, 14 %.""",
)

# %% [markdown]
# What to make of it:
#
# - **Ranges overlap** in all five, so one recipe serves both. ToyMarket is a little
#   brighter, and it has clearly less contrast and fine detail.
# - **Its cameras differ too much**: each has a colour cast and a sharpness of its own,
#   while in Market-1501 97 % of the cast's variance lies *within* the cameras. What is
#   found here about camera effects need not hold there.
# - **Its people are counted too evenly**: 6 to 20 images each, against 2 to 72.
#   In both sets more than 100 people have fewer than K = 8 images.
#
# Pose, occlusion, crowds and real clothes are not in these five numbers. So we compare
# *methods* on ToyMarket, and never its figures with Market-1501's.

# %% [markdown]
# ## 7 · The paper's other sets, and your own
#
# The same three lists describe every set. The counts, as published:
#
# | set | train images / pids | query | gallery | scored by |
# |---|---|---|---|---|
# | Market-1501 | 12,936 / 751 | 3,368 | 15,913 ranked | rank-1, mAP |
# | DukeMTMC-reID | 16,522 / 702 | 2,228 | 17,661 | rank-1, mAP |
# | CUHK03, old | – / 1,367 | 100 pids | one image a pid | rank-1, 5, 10; 20 splits |
# | CUHK03, new, labeled | 7,368 / 767 | 1,400 | 5,328 | rank-1, mAP |
# | CUHK03, new, detected | 7,365 / 767 | 1,400 | 5,332 | rank-1, mAP |
#
# CUHK03 has boxes drawn by hand ("labeled") and by a detector ("detected"). Its old
# protocol ranks 100 images, its new one over 5,000: numbers of the two cannot be
# compared (lesson 6).
#
# **Your own folder** is loaded by the pattern of its names: here nine people of
# ToyMarket under the colleague's names of exercise 1.1. When no split is given, one is
# drawn by pid, with a seed:

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
# ## 8 · The people in the pictures
#
# The same program counts how long visitors queue, finds a lost child, and follows
# somebody who has done nothing wrong. To learn, it needs pictures of people. Facts to
# know before you collect or use any:
#
# **It works without faces.** Clothes, bags and build are enough. Blurring faces is no
# full protection: a study of several sets found that it costs re-ID models very little
# (*How important are faces for person re-identification?*, arXiv 2010.06307).
#
# **Consent.** People who walk past a camera are usually not asked one by one. A sign
# informs; it does not let anybody decline and still cross the square.
#
# **A withdrawn set.** DukeMTMC, from which the paper's DukeMTMC-reID was cut, was
# filmed in March 2014 by eight cameras on Duke University's campus. In 2019 it was
# taken down by its authors. As their university explained, the study had been approved
# for a defined indoor space and for giving the data to researchers on request; it was
# filmed outdoors, with posted notices, and put on an open website. The professor who
# led it apologised publicly. By then at least 175 further papers had used it (Duke's
# student newspaper, *The Chronicle*, June 2019), and copies were in many hands.
#
# **What that means for numbers.** The paper's 80.90 / 64.80 on DukeMTMC-reID can be
# quoted, but not checked by anyone who keeps to the withdrawal; copies that still
# circulate are no permission. This course can read the set's layout, and needs it for
# nothing.
#
# **Licences.** Market-1501's own note reads: research only, do not distribute, no
# commercial use. A model trained on it carries that question along. No photo of it is
# in this lesson.
#
# **Bias.** A set from one place and season holds the clothes, ages and looks found
# there. Rank-1 is a mean: it can be high while one group is found far worse, and sets
# seldom say who is in them. In a search for a suspect, a wrong first match is a person
# who is stopped.
#
# **Drawn people** (ToyMarket) wrong nobody; section 6 shows what they cost in realism.
#
# *Questions for discussion*
#
# 1. A shop wants to count how many of its visitors return within a week. Which data
#    would it have to keep, for how long, and could it learn the same with less?
# 2. Would you cite results on DukeMTMC-reID in a paper? Report new ones? Why does the
#    answer differ, if it does?
# 3. Somebody finds themselves in a public re-ID set and asks to be removed. What about
#    the copies, and the models trained on it?
# 4. Rank-1 is 95 % for your model. What else must you know before it is used to search
#    for a person?
# 5. Who should decide that a station may be filmed for research: its owner, an ethics
#    board, the people in it? How would each be asked?

# %% [markdown]
# ## 9 · What the paper says, what we found, what comes next
#
# | | the paper | here |
# |---|---|---|
# | test images | 19,732 "of 750 identities" | 15,913 ranked, 13,115 of them |
# | area of the crop | in [0.64, 1] | mean 76 %: half the draws do not fit |
# | batches an epoch | ⌊751 / 16⌋ = 46 | 46; ToyMarket, P = 8: 75 |
# | iterations | 150 epochs | 6,900; toy preset: 2,400 |
#
# Lesson 2 takes the batch that you have built through the backbone, and cuts its
# feature map into parts. Lesson 6 returns to query and gallery, and computes every
# measure from them.
#
# The code of this lesson: `dplib/datasets/`, `dplib/transforms.py` and
# `dplib/sampling.py`. The statistics were made by `tools/compare_crops.py`.
#
# ## Further
#
# - **The published archive.** One file of Market-1501 ends in `.jpg.jpg`, and
#   `Thumbs.db` files lie between the pictures. A loader that stops at an unknown name
#   finds such things; one that skips it loses images in silence.
# - **Holding out people.** Settings must not be chosen on the test people:
#   `datasets.load(…, val_pids=100)` makes queries and a gallery of training people.
# - **The truth about a drawing.** ToyMarket's `nuisance.csv` lists how much of each
#   image is occluded, how blurred it is, and how its box was shifted.
