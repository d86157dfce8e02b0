# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # 0 · Quickstart: from drawn pedestrians to a ranked gallery
#
# After this lesson you can train a Deep-Person model on your own machine, and say what
# its two headline figures, rank-1 and mAP, mean and what to hold them against.
#
# **Objectives**
#
# - **O1** say what person re-identification asks, and what pid, camera, query, gallery,
#   junk and distractor are (exercise 0.3)
# - **O2** work out rank-1 and average precision by hand (exercises 0.1 and 0.2)
# - **O3** judge a result by its baselines (predictions 0.p1 and 0.p2)
#
# **Needs** Python and a little PyTorch; no GPU, no download.
# **Time** 30 minutes to read, under 4 minutes to run on two cores.
# **Paper** §1, §3.1 (figure 2), §4.2.
# **Modules** `dplib.toymarket`, `dplib.training`, `dplib.evaluation`.
#
# Exercises are marked with their difficulty (1 to 5) and the minutes they take. An
# exercise that you leave out breaks nothing further down.

# %% tags=["setup"]

# %%
import json
import time

import torch

from dplib import datasets, descriptors, evaluation, plots, presets, training
from dplib.lessons.checks import check, predict, reveal
from dplib.lessons.evaluation import curves, widgets
from dplib.lessons.evaluation import figures as evaluation_figures
from dplib.lessons.training import figures as training_figures

started = time.perf_counter()

# %% [markdown]
# ## 1 · What re-identification asks
#
# A supermarket has six cameras that do not see each other's ground. Somebody walks
# past camera 1. *Where else was this person seen?* The picture from camera 1 is the
# **query**; all pictures of the day are the **gallery**; the answer is the gallery
# ranked by how likely each picture shows the same person. That is person
# **re-identification** (re-ID).
#
# Nobody in the gallery was seen in training: a system that classifies *known* people
# is of no use. What is learned is a **descriptor**, a vector for each picture, such
# that pictures of one person lie close together and those of others further off.
#
# Real data of this kind show real people who were not asked, and may not be handed
# on. So the course draws its own. *ToyMarket* has the layout of the best known set,
# Market-1501, down to the file names: `0002_c1s1_000451_03.jpg` is person 2 (the
# **pid**) in camera 1 (the **camid**), sequence 1, frame 451, box 3.

# %%
data = datasets.load("toymarket", DATA)

# %% tags=["nbval-check-output"]
for name, count in datasets.counts(data).items():
    print(f"{name:20} {count:6,}")

# %% [markdown]
# Training pids and test pids are different people. **Junk** (pid -1) are boxes on
# which nobody can be judged; they are dropped before anything is ranked.
# **Distractors** (pid 0) are passers-by that are nobody's answer; they stay in the
# gallery, and make it harder.
#
# Each row below is one person, each picture from another moment or camera. Look for
# what stays the same along a row, and what the cameras do to it.

# %%
people = sorted(data.labels)[:4]
rows = [[s.path for s in data.train if s.pid == pid][::2][:5] for pid in people]
pictures = [path for row in rows for path in row]
fig = plots.contact_sheet(pictures, ncols=5, title="One person a row", width=5.0)
plots.show(
    fig,
    alt="""Rows of small drawn pedestrians, one person a row. Clothes, hair and bags
    stay the same along a row; light, colour cast, background, viewpoint, sharpness
    and the cut of the box change from picture to picture.""",
)

# %% [markdown]
# The colours of these clothes come from one small set, dealt out anew over the parts of
# the body: one person wears red above blue, another blue above red. *Which* colours
# a picture holds says little; *where on the body* they are says much. Deep-Person's
# idea is to read a person as a sequence of parts, from head to foot (§3.2).

# %% [markdown]
# ## 2 · Rank-1 and average precision, by hand
#
# One query, five gallery pictures. The query is pid 7 from camera 1:

# %% tags=["nbval-check-output"]
gallery_pid = torch.tensor([7, 3, 7, 5, 7])
gallery_cam = torch.tensor([2, 2, 3, 1, 1])
distance = torch.tensor([0.4, 0.3, 0.9, 0.7, 0.1])
order = distance.argsort()
print("nearest first:", order.tolist())
print("pid:          ", gallery_pid[order].tolist())
print("camera:       ", gallery_cam[order].tolist())

# %% [markdown]
# The nearest picture shows pid 7, in camera 1: the query's own camera. It was taken
# seconds from the query, before the same wall, and to find it proves nothing. The
# protocol leaves out **gallery pictures with the query's pid and the query's
# camera**, as if they were not there. Four pictures remain:

# %% tags=["nbval-check-output"]
same_camera = (gallery_pid == 7) & (gallery_cam == 1)
counted = order[~same_camera[order]]
match = gallery_pid[counted] == 7
ranks = match.nonzero().flatten() + 1
print("right?", match.tolist())
print("ranks of the true matches:", ranks.tolist())

# %% [markdown]
# **Rank-1** asks if the first one is right: here it is not, so this query scores 0.
# Over all queries, rank-1 is the share of queries whose first picture is right.
#
# **Average precision** (AP) asks about *all* matches. Walk down the list; at each
# match, note the precision so far: matches found / pictures seen. The first match
# stands at rank 2 (1 of 2), the second at rank 4 (2 of 4). AP is the mean of these;
# **mAP** the mean of AP over all queries.

# %% tags=["nbval-check-output"]
found = torch.arange(1, len(ranks) + 1)
precision = found / ranks
print("precision at each match:", precision.tolist())
print("AP:", precision.mean().item())

# %% [markdown]
# The same numbers from `dplib`. It is given descriptors, not distances, so we put
# every picture on a line, at its distance from the query:

# %% tags=["nbval-check-output"]
query = descriptors.Descriptors(torch.zeros(1, 1), torch.tensor([7]), torch.tensor([1]))
gallery = descriptors.Descriptors(distance[:, None], gallery_pid, gallery_cam)
result = evaluation.evaluate(query, gallery)
torch.testing.assert_close(result.match_ranks[0], ranks)
torch.testing.assert_close(result.map, precision.mean().item())
print("rank-1", result.rank1, " mAP", result.map)

# %%
plots.show(
    evaluation_figures.average_precision_steps(
        result.match_ranks[0], title="AP of the query above"
    ),
    alt="""Two blocks of equal width, one for each true match, both of height one half:
    1 of 2 pictures at rank 2 and 2 of 4 at rank 4. Their area, 0.5, is the average
    precision.""",
)

# %% [markdown]
# ### Exercise 0.1 · rank-1 (difficulty 1, 5 minutes)
#
# Given the ranks of the true matches of each query, as a list of lists such as
# `[[2, 4], [1], [1, 2, 9]]`, return rank-1 as a share in [0, 1].


# %% tags=["exercise:0.1", "nbval-check-output"]
def rank_one(ranks_per_query):
    return ...


check("0.1", rank_one)

# %% [markdown]
# <details><summary>Hint</summary>Only one rank of each query matters: the best one.
# </details>
# <details><summary>Solution</summary>
#
# ```python
# def rank_one(ranks_per_query):
#     first = [min(ranks) == 1 for ranks in ranks_per_query]
#     return sum(first) / len(first)
# ```
# </details>

# %% [markdown]
# ### Exercise 0.2 · average precision (difficulty 2, 10 minutes)
#
# Given the ranks of one query's true matches (in any order), return its AP.


# %% tags=["exercise:0.2", "nbval-check-output"]
def average_precision(ranks):
    return ...


check("0.2", average_precision)

# %% [markdown]
# <details><summary>Hint</summary>Sort the ranks. The k-th smallest rank r gives a
# precision of k / r.</details>
# <details><summary>Solution</summary>
#
# ```python
# def average_precision(ranks):
#     precisions = [k / r for k, r in enumerate(sorted(ranks), start=1)]
#     return sum(precisions) / len(precisions)
# ```
# </details>

# %% [markdown]
# ## 3 · Baselines: what is a good number?
#
# A rank-1 of 40 % may be splendid or shameful: it depends on the gallery. Before we
# train anything, three descriptors that have learned nothing:
#
# - **chance**: random numbers;
# - **colour histogram**: the colours of eight horizontal stripes, counted in the middle
#   columns (over the full width one finds the camera's background, not the person);
# - **untrained net**: the backbone we are about to train, at its initial weights
#   (He initialisation, seed 0).
#
# Predict first: in percent, what rank-1 will the **colour histogram** reach?

# %% tags=["nbval-check-output"]
predict("0.p1", ...)


# %%
def chance(samples, seed):
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(len(samples), 128, generator=generator)
    pids = torch.tensor([s.pid for s in samples])
    camids = torch.tensor([s.camid for s in samples])
    return descriptors.Descriptors(features, pids, camids)


baselines = {
    "chance": evaluation.evaluate(chance(data.query, 1), chance(data.gallery, 2))
}

# %%
histogram = descriptors.colour_histograms
baselines["colour histogram"] = evaluation.evaluate(
    histogram(data.query, progress=False), histogram(data.gallery, progress=False)
)

# %%
preset = presets.get("toy")


def describe(model):
    query = descriptors.extract(model, data.query, progress=False)
    return query, descriptors.extract(model, data.gallery, progress=False)


untrained = preset.build_model(len(data.labels), seed=0)
baselines["untrained net"] = evaluation.evaluate(*describe(untrained))

# %%
for name, result in baselines.items():
    print(f"{name:18} rank-1 {result.rank1:6.1%}   mAP {result.map:6.1%}")
reveal("0.p1", round(100 * baselines["colour histogram"].rank1, 1), within=3, unit="%")

# %% [markdown]
# The histogram knows each colour and even its height in the picture, and still fails:
# the cameras differ in cast and exposure, boxes are cut badly, people are seen from
# behind, and the same few colours are worn by many.

# %% [markdown]
# ## 4 · Training Deep-Person
#
# A backbone (here a ResNet-18 of a quarter of the usual width, from random weights)
# turns the picture into a feature map `fb` of 8 rows by 4 columns. Three branches
# judge it, each with a loss of its own:
#
# - **BgI** classifies the training pids from the whole picture (lesson 2);
# - **BpI** reads the eight rows from head to foot with an LSTM that runs in both
#   directions, and classifies too (lesson 3);
# - **BtR** pulls pictures of one person together and pushes others apart, by the
#   hardest cases in each batch (lesson 4).
#
# The sum of the three trains the net (lesson 5). Afterwards the branches are thrown
# away: the descriptor `fm` is the mean of `fb` over its 8 x 4 places. With Nc training
# pids, a classifier that guesses has a loss of ln Nc, the dashed line below. Watch
# which branch leaves it first.
#
# Before you run it: what rank-1, in percent, will the trained net reach on people
# it has never seen?

# %% tags=["nbval-check-output"]
predict("0.p2", ...)

# %% [markdown]
# Stop it whenever you like (the ■ button): it saves, and goes on from there when you
# run the cell again.

# %%
live = plots.Live()
trained = training.train(
    preset,
    data,
    OUT / "toy",
    seed=0,
    callback=lambda h: live(training_figures.training_curves, h, len(data.labels)),
)
live.close()

# %%
plots.show(
    training_figures.training_curves(trained.history, len(data.labels)),
    alt="""Three panels against the iteration. Both identification losses start at
    the dashed line of guessing and fall far below it, BgI and BpI alike; the triplet
    loss falls too. The share of active triplets goes down from 100 %, and the learning
    rate is constant at first, then decays.""",
)

# %% [markdown]
# ## 5 · The result
#
# **mINP** is the strictest of the three: matches / rank of the *last* match, the
# work it takes to find every picture of the person.

# %%
model = trained.model
query, gallery = describe(model)
result = evaluation.evaluate(query, gallery)
table = {**baselines, "Deep-Person, toy": result}
for name, r in table.items():
    print(f"{name:18} rank-1 {r.rank1:6.1%}  mAP {r.map:6.1%}  mINP {r.minp:6.1%}")
reveal("0.p2", round(100 * result.rank1, 1), within=5, unit="%")

# %%
plots.show(
    curves.cmc_curve({name: r.cmc for name, r in table.items()}),
    alt="""Share of queries with a right match among the first k, for k from 1 to 20.
    The trained Deep-Person model's curve lies far above those of the colour
    histogram, the untrained net and chance, which stay near the bottom.""",
)

# %% [markdown]
# The three baselines had the same pictures and the same protocol; what lies between
# them and the trained net was learned from other people. The schedule was
# chosen on held-out *training* pids (`tools/choose_toy_preset.py`).

# %% [markdown]
# ### Exercise 0.3 · break the protocol (difficulty 2, 10 minutes)
#
# Pretend that every query comes from camera 0, which does not exist: no gallery
# picture shares it. What happens to rank-1, and why?
#
# - **a** it falls, since there are more pictures to rank
# - **b** it rises, since pictures of the same camera are found easily
# - **c** it stays, since the descriptors are the same
# - **d** it rises: every query finds itself

# %%
cheat = query._replace(camids=torch.zeros_like(query.camids))
print(f"with the camera rule    {evaluation.evaluate(query, gallery).rank1:6.1%}")
print(f"without the camera rule {evaluation.evaluate(cheat, gallery).rank1:6.1%}")

# %% tags=["exercise:0.3", "nbval-check-output"]
answer = ...
check("0.3", answer)

# %% [markdown]
# <details><summary>Hint</summary>Which gallery pictures were left out before, and
# are ranked now? How do they resemble the query?</details>
# <details><summary>Solution</summary>
#
# ```python
# answer = "b"
# ```
# Pictures of the same person from the same camera share light, background and often
# pose with the query. They fill the first ranks. A system may score so without
# having learned anything that carries over to another camera. The query itself is not
# among them (d): it is no gallery picture.
# </details>

# %% [markdown]
# ## 6 · Look at what it ranks
#
# Choose a query. ✓ is a true match, ✗ is somebody else; junk is greyed and takes no
# rank. Look at the wrong ones: what misled the net?

# %%
widgets.ranked_gallery(result, data.query, data.gallery)

# %% [markdown]
# The same view without a kernel, for four queries from best to worst AP:

# %%
by_ap = result.ap.argsort(descending=True)
chosen = by_ap[[0, len(by_ap) // 3, 2 * len(by_ap) // 3, len(by_ap) - 1]].tolist()
lists = [plots.ranked_row(result, i, data.query, data.gallery) for i in chosen]
plots.show(
    plots.ranked_galleries(lists, title="Four queries, from the best AP to the worst"),
    alt="""Four queries, each with the first pictures of its ranking. In the upper rows
    most or all of the first pictures are right; in the lower rows they are people in
    similar clothes, and the query is often occluded, blurred or badly cut.""",
)

# %% [markdown]
# ## 7 · What the paper says, and what comes next
#
# With a ResNet-50 that starts from ImageNet, 256 x 128 pixels and 751 training pids,
# the paper reports 92.31 / 79.58 (rank-1 / mAP, in percent) on Market-1501. Our toy
# backbone has 0.7 million weights to that one's 23.5, sees drawn people, and starts
# from nothing: the two results say nothing of each other. `preset="paper"` runs the
# paper's recipe by the same code.
#
# | lesson | what it opens |
# |---|---|
# | 1 · data preparation | file names, splits, augmentation, PK sampling |
# | 2 · part sequences | from `fb` to a sequence of body parts |
# | 3 · BLSTM branch | the LSTM along the body, and when it sleeps |
# | 4 · batch-hard triplet | distances, mining, the margin |
# | 5 · training | the three losses together |
# | 6 · evaluation | every measure from scratch; re-ranking |
#
# The code of this lesson: `dplib/training.py` and `dplib/evaluation.py`, each short
# enough to read in one sitting.


# %% tags=["nbval-check-output"]
def scores(r):
    return {"rank1": r.rank1, "map": r.map, "minp": r.minp}


record = {**scores(result), "seed": 0, "seconds": time.perf_counter() - started}
record["baselines"] = {name: scores(r) for name, r in baselines.items()}
OUT.mkdir(parents=True, exist_ok=True)
(OUT / "metrics.json").write_text(json.dumps(record, indent=1) + "\n")
print("written: metrics.json")
