# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # 7 · Ablations: does the paper's story hold?
#
# After this lesson you can plan an ablation, judge a difference with its interval over
# seeds *and* people, correct for several claims, and say why an effect is not there.
#
# **Objectives**
#
# - **O1** compare two variants on the same seeds and people (exercise 7.1)
# - **O2** say what a comparison of single runs is worth (prediction 7.p2, exercise 7.3)
# - **O3** test several claims without fooling yourself (exercise 7.2)
# - **O4** hold a theory against a result that was not made for it (predictions 7.p1
#   and 7.p3)
# - **O5** read a published claim critically (exercise 7.4)
#
# **Needs** lessons 2 to 6. **Time** 45 minutes to read, about a minute to run on two
# cores. **Paper** §4.3 and §4.4, tables 4 to 7, figures 5 and 6.
# **Modules** `variants`, `tables`, `claims`, `resampling`, `findings` and `grids` of
# `dplib.evidence`.

# %% tags=["setup"]

# %%
from itertools import combinations

import numpy as np
import pandas as pd
import torch
from IPython.display import Markdown, display

# %%
from dplib import checkpoints, datasets, descriptors, evaluation, plots
from dplib.evidence import charts, claims, findings, grids, resampling, tables
from dplib.evidence.claims import CLAIMS, QUESTIONS, Side
from dplib.evidence.variants import VARIANTS
from dplib.lessons import architecture
from dplib.lessons.checks import check, predict, reveal
from dplib.lessons.evaluation import figures as evaluation_figures

# %%
plots.show(architecture.figure("ablations"), alt=architecture.alt("ablations"))

# %% [markdown]
# ## 1 · What the paper claims
#
# An **ablation** takes a part out of a system and measures what is lost. The paper has
# three: table 4 (parts and their LSTM), table 6 (the two kinds of loss) and table 7
# (which features describe a person). All are on Market-1501, one training each:

# %% tags=["nbval-check-output"]
for number in (4, 6, 7):
    paper = tables.table(number)
    print(f"Table {number}: {paper.title}")
    for row, (rank1, map_) in paper.rows.items():
        print(f"    {row:30} rank-1 {rank1:.2f}   mAP {map_:.2f}")

# %% [markdown]
# From these tables the authors conclude that one variant is better than another:

# %% tags=["nbval-check-output"]
claimed = {c.id: {"claim": c.text, "mAP": f"{c.published[1]:+.2f}"} for c in CLAIMS}
pd.DataFrame.from_dict(claimed, orient="index")

# %% [markdown]
# One row is missing, there and here: the part branch *with* its LSTM, on its own.
# *FC rows* will stand for BpI without LSTM, *lone rows* for a BLSTM that reads each row
# alone.
#
# ## 2 · The plan, and what theories predict
#
# An ablation is only as good as what it holds fixed. Ours, decided before:
#
# - **one recipe**, preset `toy`, for every variant: 2,400 iterations. Its schedule was
#   chosen once, on held-out training people, for the full model; nothing was tuned for
#   a variant;
# - **the last epoch counts**, never the best;
# - **the same seeds** for all: seed 3 of one variant has the same batches, augmentation
#   and first weights of the backbone as seed 3 of another, so they can be *paired*;
# - **five seeds** where the paper makes a claim, three elsewhere (the tables say where
#   fewer have been run);
# - **ToyMarket was frozen** before the first variant ran;
# - **mAP judges**: it looks at every match, rank-1 at the first alone. That was fixed
#   when seed 0 of the claims' variants had been seen, so not quite before.
#
# And what does each theory predict? Written down when one seed of seven variants was
# known, and not the other seeds, variants and sets (*Fit* came last, when fc had been
# seen above fm). You have our word for it only; a plan that is published before the
# first run is worth more:
#
# - *Context between parts helps* (the paper): BLSTM above FC rows; BLSTM above the same
#   LSTM on each row alone; worse with shuffled rows.
# - *More gradient*: any second loss on fb helps. FC rows, BLSTM, lone rows and stripes
#   all gain about the same.
# - *Optimisation*: an LSTM learns more slowly than an FC layer. With a short schedule,
#   FC rows should outperform the BLSTM, and the BpI loss of the BLSTM should remain
#   higher. A longer schedule should reduce both differences.
# - *Fit* (the paper on table 7): features near a classifier fit the training people,
#   so fc loses on new ones. That needs a classifier which fits: fc below fm once its
#   loss is near 0, and perhaps not before.
# - *Parts carry it* (the paper, once more): where identity lies in the whole figure and
#   not in its parts, BpI's gain shrinks, if the net learns there as well.
#
# Now you, on the fourth claim, *the LSTM helps the parts*. Predict what our runs say of
# it: `"confirmed"` (the interval of the difference lies above 0), `"contrary"` (below)
# or `"inconclusive"` (it holds 0)?

# %% tags=["nbval-check-output"]
predict("7.p1", ...)

# %% [markdown]
# ## 3 · The records
#
# Each run left one line of JSON: its recipe, seed, versions, losses, and what it
# measured for *each query*. They ship with `dplib`; `python -m dplib ablate` makes
# them.

# %% tags=["nbval-check-output"]
found = findings.load()  # the records, the queries' pids, and what more was measured
records = found.records
pids = np.array(found.pids["layout"])
one = next(r for r in records if r["variant"] == "bgi" and r["seed"] == 0)
print(sorted(one))
print(one["label"], "seed", one["seed"], "rank-1", one["measures"]["fm"]["rank1"])
print("AP of the first queries, in 1/100 %:", one["ap"]["fm"][:6])

# %% [markdown]
# A figure of merit is the mean of what the queries gave:


# %% tags=["nbval-check-output"]
def per_query(variant, kind="fm", cues="layout"):
    """AP in points: an array [seeds, queries]."""
    runs = [r for r in records if (r["variant"], r["cues"]) == (variant, cues)]
    runs.sort(key=lambda r: r["seed"])
    return np.array([r["ap"][kind] for r in runs]) / 100


ap = per_query("bgi")
print(ap.shape[0], "seeds,", ap.shape[1], "queries,", len(set(pids)), "people")
stated = torch.tensor(found.of(Side("bgi"), "map"))  # Side: variant, descriptor, cues
mean = torch.tensor(ap.mean(1))
torch.testing.assert_close(mean, stated, atol=0.01, rtol=0)
print("the means are what the runs stated")

# %% tags=["nbval-check-output"]
Markdown(grids.table(found, 4))

# %% [markdown]
# Published on Market-1501 from ImageNet weights, measured on ToyMarket from nothing:
# the heights cannot agree, and the axes below do not. Read down the columns: which rows
# are above which? (± and the bars: one standard deviation over seeds.)

# %%
for number in (4, 6):
    rows = findings.beside(found, number)
    fig = charts.rows_beside(tables.table(number), rows)
    ours = "; ".join(f"{row} {v['map'].mean():.1f}" for row, v in rows.items())
    plots.show(fig, alt=f"Table {number}: published left, ours right. Our mAP: {ours}.")

# %% [markdown]
# Table 6 has the paper's order; in table 4 the last two rows have changed places.
#
# ## 4 · One seed
#
# The small marks in the figures are seeds. Nothing differs between them but random
# numbers: first weights, batches, crops. A paper with one training per row drew one
# mark from each.
#
# Take two runs of *the same variant*, and compare them as papers do: one run each, an
# interval over the queries' people (lesson 6). Whoever "wins" has won by luck. Predict:
# in what share of such pairs does the 95 % interval of the difference in rank-1 exclude
# 0, in percent?

# %% tags=["nbval-check-output"]
predict("7.p2", ...)

# %% tags=["nbval-check-output"]
layout = [r for r in records if r["cues"] == "layout"]
rate = claims.false_winners(layout, pids, "rank1")
gaps = np.array(rate.gaps)
print(f"{rate.won} of {rate.pairs} pairs have a “winner”: {rate.share:.0%}")
print(f"gap in rank-1: median {np.median(gaps):.1f}, largest {gaps.max():.1f} points")
reveal("7.p2", round(100 * rate.share), within=5, unit="%")

# %%
plots.show(
    charts.winners(rate),
    alt=f"""A histogram of how far two trainings of the same variant are apart in
    rank-1. Half of the pairs differ by {np.median(gaps):.1f} points or more, and the
    largest gap is {gaps.max():.1f} points, with no difference but the seed.""",
)

# %% [markdown]
# An honest 95 % interval would find a winner in 5 % of the pairs. This one asks *would
# other people have given another figure?* and not *would another training have?* How
# far trainings scatter depends on the variant:

# %% tags=["nbval-check-output"]
for name in ("btr", "bgi_bpi_fc", "bgi_bpi", "bgi", "bpi_fc", "bgi_btr", "full"):
    some = [r for r in layout if r["variant"] == name]
    by = [claims.false_winners(some, pids, m) for m in ("rank1", "map")]
    won = "   ".join(f"{w.won:2} of {w.pairs}" for w in by)
    print(f"{findings.LABELS[name, 'layout']:26} rank-1 {won} by mAP")

# %% [markdown]
# ### Exercise 7.1 · a paired difference (difficulty 2, 10 minutes)
#
# So seeds and people must both be drawn. Prepare that: `more` and `less` are arrays
# [S, Q], the AP of two variants for S seeds and the same Q queries; `pids` [Q] says who
# each query shows. Subtract `less` from `more`, so that a positive value means that the
# first variant is better. Return an array [S, people] with the differences **added up**
# over each person's queries, people in ascending order of pid.


# %% tags=["exercise:7.1", "nbval-check-output"]
def by_person(more, less, pids):
    return ...


check("7.1", by_person)

# %% [markdown]
# <details><summary>Hint</summary><code>np.unique(pids)</code> gives the people in
# order; <code>d[:, pids == p]</code> the columns of one of them.</details>
# <details><summary>Solution</summary>
#
# ```python
# def by_person(more, less, pids):
#     d = more - less
#     return np.stack([d[:, pids == p].sum(1) for p in np.unique(pids)], 1)
# ```
# </details>

# %% [markdown]
# ## 5 · Drawing seeds and people
#
# The **hierarchical bootstrap** draws both again, with replacement: S seeds of S, and
# all people. A person who is hard for one training is hard for the next, so the drawn
# people are the same for all seeds.
#
# One correction is needed. Five values that are drawn again from themselves lie closer
# together than five new values would. Student's t distribution says by how much: in
# each draw the seeds' deviations are multiplied by $\sqrt{S / \chi^2}$, where $\chi^2$
# is drawn with $S - 1$ degrees of freedom. In code:


# %%
def resample(totals, queries, samples, rng):
    """totals [S, P], queries [P]: the mean difference, drawn again [samples]."""
    seeds, people = totals.shape
    who = rng.multinomial(people, np.full(people, 1 / people), samples)
    which = rng.multinomial(seeds, np.full(seeds, 1 / seeds), samples)
    wider = np.sqrt(seeds / rng.chisquare(seeds - 1, samples))
    values = []
    for w, s, f in zip(who, which, wider, strict=True):
        by_seed = totals @ w / (queries @ w)  # the drawn people, for each seed
        deviation = by_seed @ s / seeds - by_seed.mean()
        values.append(by_seed.mean() + f * deviation)
    return np.array(values)


# %% [markdown]
# `w` says how often each person was drawn, `s` how often each seed. With `dplib`'s
# random numbers it gives `dplib`'s result:

# %% tags=["nbval-check-output"]
more, less = Side("bgi_bpi"), Side("bgi")
totals, queries = claims.paired(records, pids.tolist(), more, less, "map")
rng = np.random.default_rng([0, 500, 0x48494552])
mine = resample(totals, queries, 500, rng)
theirs = resampling.resample(totals, queries, samples=500)
torch.testing.assert_close(torch.tensor(mine), torch.tensor(theirs))
print("seeds, people:", totals.shape, "  500 resamples agree")

# %% tags=["nbval-check-output"]
low, high = np.quantile(mine, [0.025, 0.975])
by_seed = totals.sum(1) / queries.sum()
alone = resampling.difference(totals[:1], queries)
print(f"all seeds       {by_seed.mean():+.1f}, interval {low:+.1f} to {high:+.1f}")
print(f"seed 0, people  {alone}")
print("seed by seed   ", np.round(by_seed, 1).tolist())

# %% [markdown]
# Does such an interval keep its promise? A test in `tests/evidence/` makes 300 worlds
# with a known difference, in which seeds and people scatter, and counts: the interval
# from 3 or 5 seeds holds the truth in over 92 % of them, that of a single run in less
# than 80 %.
#
# ## 6 · Seven claims at once
#
# The **p** of a difference is twice the share of resamples on the smaller side of 0: it
# is below 0.05 when the 95 % interval leaves 0 out. Test seven differences that are all
# 0 in truth, and the chance that at least one is "found" is 30 % ($1 - 0.95^7$, if they
# are independent). **Holm's procedure** keeps it at 5 %. Order the p-values. Hold the
# smallest of $m$ against $0.05 / m$, the next against $0.05 / (m - 1)$, and so on; at
# the first that is not below, stop: it and all larger ones have failed.
#
# ### Exercise 7.2 · Holm (difficulty 3, 10 minutes)
#
# Given the p-values of several tests, in any order, return a list of True (found) and
# False **in the same order**, at 5 %.


# %% tags=["exercise:7.2", "nbval-check-output"]
def holm(ps):
    return ...


check("7.2", holm)

# %% [markdown]
# <details><summary>Hint</summary><code>sorted(range(len(ps)), key=lambda i:
# ps[i])</code> gives the positions from the smallest p to the largest.</details>
# <details><summary>Solution</summary>
#
# ```python
# def holm(ps):
#     found = [False] * len(ps)
#     for rank, i in enumerate(sorted(range(len(ps)), key=lambda i: ps[i])):
#         if ps[i] >= 0.05 / (len(ps) - rank):
#             break
#         found[i] = True
#     return found
# ```
# </details>

# %% [markdown]
# `dplib` returns the level of each test; after a failure, all get that of the failure:

# %% tags=["nbval-check-output"]
ps = [0.04, 0.01, 0.03, 0.015]
levels = torch.tensor(resampling.holm(ps))
torch.testing.assert_close(levels, torch.tensor([0.025, 0.0125, 0.025, 0.05 / 3]))
print({p: "found" if p <= a else "failed" for p, a in zip(ps, levels, strict=True)})

# %% [markdown]
# Each claim gets the interval of its level. Where it holds 0 the word is
# *inconclusive*: neither "no effect" nor "almost".

# %% tags=["nbval-check-output"]
verdicts = found.verdicts(CLAIMS, "map")
judged = {c.text: {"published": f"{c.published[1]:+.2f}"} for c in CLAIMS}
for c in CLAIMS:
    d = verdicts[c.id]
    judged[c.text] |= {"measured": str(d), "verdict": d.verdict}
display(pd.DataFrame.from_dict(judged, orient="index"))
reveal("7.p1", verdicts["lstm"].verdict)

# %%
plots.show(
    charts.claims(CLAIMS, verdicts),
    alt="Our seven differences in mAP with Holm's intervals beside the published ones: "
    + "; ".join(f"{c.text}: {verdicts[c.id].verdict}" for c in CLAIMS),
)

# %% [markdown]
# In sentences:

# %% tags=["nbval-check-output"]
Markdown("\n".join(f"- {line}" for line in findings.sentences(found)))

# %% [markdown]
# By rank-1 two of these verdicts fall away, on parts and on the LSTM: they are the weak
# ones. And without seed 0, which had been seen?

# %% tags=["nbval-check-output"]
unseen = [r for r in records if r["seed"] > 0]
again = claims.verdicts(unseen, found.pids["layout"], CLAIMS, "map")
for c in CLAIMS:
    print(f"{c.text:45} {again[c.id]!s:22} {again[c.id].verdict}")

# %% [markdown]
# ## 7 · Why? Questions of ours
#
# A verdict is no explanation. The theories of section 2 told different variants apart,
# so those were run, too. Here nothing is corrected: this is looking, not testing.

# %% tags=["nbval-check-output"]
asked = found.verdicts(QUESTIONS, "map", correct=False)
for c in QUESTIONS:
    d = asked[c.id]
    print(f"{c.text}\n    {d!s:22} {findings.side_of_zero(d)}, seeds: {d.seeds}")

# %% [markdown]
# The first line matters most: beside the triplet loss the part branch, the paper's new
# idea, is worth less than two points either way. The largest differences are those of
# the triplet loss and of the heads: with linear ones, and the authors' wide ones, the
# net learns little in this schedule (lesson 3). By fc, parts help BgI with an LSTM as
# they do without.
#
# Of context and order nothing is settled: three seeds leave ten points and more on
# either side. How it would have looked with fewer:

# %% tags=["nbval-check-output"]
sides = Side("bgi_bpi"), Side("isolated")
totals, queries = claims.paired(records, pids.tolist(), *sides, "map")
for seeds in (1, 2, 3):
    d = resampling.difference(totals[:seeds], queries)
    print(f"context helps, {seeds} seed{'s' * (seeds > 1)}: {d}")

# %% [markdown]
# With the first seed context "helped", clear of 0 for any number of other people.
#
# Did the branches learn at all? A branch at chance, ln 600 = 6.40, gives the backbone
# nothing, and an ablation of it is worth nothing. Losses of the last epoch:


# %% tags=["nbval-check-output"]
def last_loss(variant, branch):
    runs = claims.chosen(records, Side(variant))
    values = [r["losses"][branch] for r in runs.values()]
    return "  – " if None in values else f"{np.mean(values):4.2f}"


for name in ("bgi", "bpi_fc", "bgi_bpi_fc", "bgi_bpi", "full", "head_linear"):
    label = findings.LABELS[name, "layout"]
    print(f"{label:26} BpI {last_loss(name, 'part')}  BgI {last_loss(name, 'global')}")
for seed, run in claims.chosen(records, Side("btr")).items():
    losses, rank1 = run["losses"], run["measures"]["fm"]["rank1"]
    print(f"BtR alone, seed {seed}: loss {losses['ranking']:.2f},", end=" ")
    print(f"active triplets {losses['active']:.0%}, rank-1 {rank1:.1%}")

# %% [markdown]
# BpI and BgI are awake; but the BLSTM's loss ends far above that of the FC rows, after
# the same number of iterations: it learns later. The part branch alone learns its
# classes best of all, while its `fm` is poor: it reads rows, and nothing asks the
# *mean* of the rows to tell people apart. And of the five trainings with the triplet
# loss alone, two end at the margin with every triplet active, lesson 4's collapse.
# Two claims look different after that:

# %% tags=["nbval-check-output"]
d = claims.compare(
    records, pids.tolist(), Side("bgi_bpi_fc", "fc"), Side("bpi_fc", "fc")
)
print(f"BgI helps FC rows, by fm {verdicts['global'].value:+.1f}, by fc {d}")
gains = verdicts["identification"].per_seed
print("identification helps the triplet loss, by seed", np.round(gains, 1).tolist())

# %% [markdown]
# Most of the second claim is the choice of a descriptor that BpI does not train. And of
# the sixth, a part is that identification *prevents a collapse*.
#
# **Table 7, taken apart.** With BgI alone, fc is a linear map of fm and nothing more.
# Does it just even out the scales of fm's values? Or remove what they have in common?
# Do both without labels, on training pictures: divide by the standard deviation; and
# rotate to the principal axes, then divide by the root of theirs (*half-whitening*):

# %%
data = datasets.load("toymarket", DATA)
net = checkpoints.load("toy-bgi")
query = descriptors.extract(net, data.query, flip=False, progress=False)
gallery = descriptors.extract(net, data.gallery, flip=False, progress=False)


# %%
some = descriptors.extract(net, data.train[::4], flip=False, progress=False).features
mean, std = some.mean(0), some.std(0)
variance, axes = torch.linalg.eigh(torch.cov(some.T))


def mapped(d, matrix):
    features = torch.nn.functional.normalize((d.features - mean) @ matrix)
    return d._replace(features=features)


# %%
plain = evaluation.evaluate(query, gallery)
print(f"mAP of fm {plain.map:.1%}")
half = axes * variance.clamp(min=1e-12) ** -0.25
for name, matrix in {"scaled": torch.diag(1 / std), "half-whitened": half}.items():
    r = evaluation.evaluate(mapped(query, matrix), mapped(gallery, matrix))
    print(f"   of fm {name} {r.map:.1%}")
fc = [
    descriptors.extract(net, samples, kind="fc", flip=False, progress=False)
    for samples in (data.query, data.gallery)
]
print(f"   of fc {evaluation.evaluate(*fc).map:.1%}")

# %% [markdown]
# (Without mirrored pictures, to save time.) The scales change little; half-whitening, a
# map without labels, gives some of the gain, and the learnt map more. It has learnt
# something that holds for people it never saw. The paper's reason for the opposite,
# that features near the classifier fit the training people, supposes a classifier that
# fits them.
#
# **Four times the schedule**, the same seeds, for three variants:

# %% tags=["nbval-check-output"]
Markdown(grids.schedules(found))

# %% [markdown]
# The classifiers fit now: their losses are near 0.1. One seed is a look and no verdict:
#
# - by fm the LSTM has caught up with the FC rows, by fc it has passed them, as
#   *Optimisation* foresaw: "contrary" in section 6 is a verdict on a short schedule;
# - by fm BgI alone has overtaken both, by fc the BLSTM is ahead: what the parts are
#   worth depends on the descriptor;
# - fc is still above fm, by more than before, though the classifiers fit. The paper's
#   reason for table 7 does not decide it here.
#
# **From ImageNet weights** (MobileNetV2), where the paper's nets start. In the second
# table seeds are in brackets; fewer than three get no interval:

# %% tags=["nbval-check-output"]
pretrained = [(v.name, v.cues) for v in VARIANTS if v.pretrained]
display(Markdown(grids.variants(found, pretrained)))
display(Markdown(grids.starts_beside(found)))
print(findings.starts_counted(found))
lstm = [Side(f"imagenet_{name}", "fc") for name in ("bgi_bpi", "bgi_bpi_fc")]
d = claims.compare(records, pids.tolist(), *lstm)
print("by fc, the LSTM helps the parts:", d.stated, "seeds:", d.seeds)

# %% [markdown]
# Here tables 4 and 6 have the paper's sign, the LSTM too. But its interval includes 0,
# and by fc the sign is reversed: from ImageNet weights the question of the LSTM is
# open. "Contrary" is a verdict on short trainings *from nothing*.
#
# ## 8 · Where identity lies elsewhere
#
# ToyMarket can be drawn with other cues. By default people differ in the *layout* of
# their clothes from head to foot; with `cues="global"` all of that is the same, and
# they differ in what the whole figure shows. If parts carry BpI's gain, it shrinks
# there. Predict the gain of BgI+BpI over BgI in mAP, in points, with global cues:

# %% tags=["nbval-check-output"]
predict("7.p3", ...)

# %% tags=["nbval-check-output"]
gains = {}
for cues in ("layout", "global"):
    sides = Side("bgi_bpi", cues=cues), Side("bgi", cues=cues)
    gains[cues] = claims.compare(records, found.pids[cues], *sides, "map")
    print(f"{cues:7} {gains[cues]}  seeds: {gains[cues].seeds}")
reveal("7.p3", round(gains["global"].value, 1), within=2, unit="points")
for cues in ("layout", "global"):
    fm = found.of(Side("bgi", cues=cues), "map").mean()
    runs = claims.chosen(records, Side("bgi", cues=cues)).values()
    loss = np.mean([run["losses"]["global"] for run in runs])
    print(f"BgI alone, {cues}: mAP {fm:.1f}, loss {loss:.2f}")

# %% tags=["nbval-check-output"]
Markdown(grids.cues_beside(found))

# %% [markdown]
# FC rows gain where identity lies in the layout, and lose where it does not, as *Parts
# carry it* has it; but three seeds leave it open. And the figures of BgI warn: with
# global cues the net has learnt far less, so a smaller gain may also mean that there
# was little to build on. Only two intervals exclude 0: BgI helps the rows less there,
# and the LSTM costs less.
#
# ## 9 · Look: compare what you like
#
# Choose two variants and a measure, and go from one seed to all: how often would the
# verdict have been another?

# %%
from dplib.lessons.ablations import widgets

widgets.comparison_explorer(found)

# %% [markdown]
# Without a kernel, the claim of the LSTM with two seeds and with all (not corrected, so
# narrower than in section 6):

# %%
sides = Side("bgi_bpi"), Side("bgi_bpi_fc")
for seeds in (2, len(claims.chosen(records, sides[0]))):
    d, drawn = widgets.compare(found, *sides, "map", seeds)
    plots.show(
        charts.draws(d, drawn),
        alt=f"""Resampled differences in mAP, BgI+BpI with LSTM less without, from
        {seeds} seeds: mean {d.value:+.1f} points, interval {d.low:+.1f} to
        {d.high:+.1f}.""",
    )

# %% [markdown]
# ### Exercise 7.3 · break it: the best of k (difficulty 2, 10 minutes)
#
# Now cheat. Train your own variant k times and report the best run; train the rival
# once. What does that win when both are *the same model*? Given the `values` of all its
# runs, return the expected best of `k` of them: the mean, over all choices of k
# different runs, of the largest.


# %% tags=["exercise:7.3", "nbval-check-output"]
def best_of(values, k):
    return ...


check("7.3", best_of)

# %% [markdown]
# <details><summary>Hint</summary><code>itertools.combinations(values, k)</code> lists
# all choices.</details>
# <details><summary>Solution</summary>
#
# ```python
# def best_of(values, k):
#     return np.mean([max(chosen) for chosen in combinations(values, k)])
# ```
# </details>

# %% tags=["nbval-check-output"]
for name in ("bgi", "bgi_bpi", "full"):
    values = found.of(Side(name), "rank1")
    label = findings.LABELS[name, "layout"]
    for k in (2, 3, 5):
        best = np.mean([max(c) for c in combinations(values, k)])
        print(f"{label:26} best of {k}: {best - values.mean():+.1f} points of rank-1")

# %% [markdown]
# The paper's LSTM gained 1.25 points of rank-1. The same happens when the *best epoch*
# on the test set is reported, or when one's own model gets the longer search for its
# settings. Ours, too: the recipe was searched for the full model alone (section 2).
#
# ## 10 · A small ablation of your own
#
# Two variants, 80 people, 100 iterations each, one seed:

# %%
from dataclasses import replace

from dplib import presets, training

some80 = set(sorted(data.labels)[:80])
small_data = replace(data, train=[s for s in data.train if s.pid in some80])
small = {"BgI": ("global",), "BgI+BtR": ("global", "ranking")}
how = {"epochs": 10, "seed": 0, "resume": False, "progress": False}

# %%
for name, branches in small.items():
    recipe = replace(presets.get("toy"), branches=branches)
    made = training.train(recipe, small_data, OUT / f"07-{name}", **how)
    halves = [
        descriptors.extract(made.model, half, flip=False, progress=False)
        for half in (data.query, data.gallery)
    ]
    r = evaluation.evaluate(*halves)
    print(f"{name:8} rank-1 {r.rank1:.1%}   mAP {r.map:.1%}")

# %% [markdown]
# At this length the question is who *wakes* first, not who is better: no claim can be
# settled so. `python -m dplib ablate --table 6 --seeds 3 --results mine` makes twelve
# runs of four minutes.
#
# ## 11 · Match ranks, as in figure 6
#
# The paper shows, for six queries, the ranks of all true matches under three variants.
# Ours, of seed 0. The queries are not picked: they stand at even steps in the order of
# AP that BgI's *other* seeds gave. (By the AP of a net that is shown, its hardest query
# would be one where it had bad luck, and its rivals could only win.)

# %%
trio = {"BgI": "toy-bgi"}
trio["BgI+BpI without LSTM"] = "toy-bgi_bpi_fc"
trio["BgI+BpI"] = "toy-bgi_bpi"
place = per_query("bgi")[1:].mean(0).argsort(kind="stable")
six = [int(place[int(q * (len(place) - 1))]) for q in (0.05, 0.2, 0.4, 0.6, 0.8, 0.95)]
ranks = {"BgI": [plain.match_ranks[i] for i in six]}
for name in list(trio)[1:]:
    other = checkpoints.load(trio[name])
    samples = [data.query[i] for i in six], data.gallery
    q, g = (descriptors.extract(other, s, flip=False, progress=False) for s in samples)
    ranks[name] = evaluation.evaluate(q, g).match_ranks

# %%
for j, i in enumerate(six):
    shown = {name: ranks[name][j] for name in trio}
    title = f"Query {i}, pid {data.query[i].pid}"
    words = "; ".join(f"{name} {m.tolist()}" for name, m in shown.items())
    fig = evaluation_figures.match_ranks(shown, plain.num_ranked, title=title)
    plots.show(fig, dpi=70, alt=f"{title}, ranks of its matches by three nets: {words}")

# %% [markdown]
# Six queries prove nothing: 745 were not shown. How were the paper's picked?
#
# ## 12 · Robustness
#
# The paper argues from four pictures that parts help against occlusion, blur, clutter
# and bad boxes. ToyMarket's queries can be *drawn again*, the same person in the same
# pose and light, with one nuisance turned up and all others off
# (`dplib.evidence.robustness`):

# %%
from dplib.evidence import charts, robustness

labels = {v: findings.LABELS[v, "layout"] for v in robustness.VARIANTS}
plots.show(
    charts.curves(found.curves, labels),
    alt="""Rank-1 of four variants against occlusion, blur, displaced boxes and
    clutter, six levels each, with bands over five seeds. The full model is far above
    until boxes are off by a fifth; FC rows are second, BLSTM and BgI close below.""",
)

# %% [markdown]
# Which curve is higher? And which keeps the larger *share* of its clean rank-1, as a
# mean over five levels? Least and most over seeds:

# %% tags=["nbval-check-output"]
print(f"{'rank-1 kept, in %':26}", *(f"{a:>10}" for a in robustness.LEVELS))
for v, label in labels.items():
    mine = [r["rank1"] for r in found.curves if r["variant"] == v]
    print(f"{label:26}", end="")
    for axis in robustness.LEVELS:
        kept = [100 * np.mean(m[axis][1:]) / m[axis][0] for m in mine]
        print(f"  {min(kept):3.0f} – {max(kept):3.0f}", end="")
    print()

# %% [markdown]
# Over all levels the full model keeps most against occlusion, blur and clutter; against
# bad boxes FC rows keep as much. The LSTM, which is said to help here, nowhere keeps
# more than BgI alone, and less against occlusion. (BgI+BtR was not drawn: the full
# model's lead may be the triplet loss's.)
#
# ## 13 · Reading a claim
#
# Table 5 compares BgI+BpI with part-based rivals. The text below it claims "an
# improvement of 6.41 % mAP and 3.6 % rank-1 … compared to the best part-based method".

# %% tags=["nbval-check-output"]
print(f"{'':14} rank-1    mAP")
for row, values in tables.table(5).rows.items():
    print(f"{row:14}", *(f"{v:6.2f}" if v else "     –" for v in values))

# %% [markdown]
# ### Exercise 7.4 · read a claim (difficulty 2, 5 minutes)
#
# What is wrong with the claim?
#
# - **a** the arithmetic
# - **b** its rival is not the best in its own table
# - **c** its rival uses annotated poses, which is not said
# - **d** only one of the two measures is given

# %% tags=["exercise:7.4", "nbval-check-output"]
answer = ...
check("7.4", answer)

# %% [markdown]
# <details><summary>Hint</summary>Which row gives 87.74 - 3.6 and 69.82 - 6.41?
# </details>
# <details><summary>Solution</summary>
#
# ```python
# answer = "b"
# ```
# 84.14 and 63.41 are PDC's. JLML, four rows above, has 85.10 and 65.50: against it 2.64
# and 4.32 are left. And PCB, discussed in §2, is missing; with ResNet-50 it later
# reported 92.3 / 77.4, above both.
# </details>

# %% [markdown]
# More slips, all of a kind that one finds by recomputing:
#
# - "19,732 images of 750 identities" counts junk, too, and distractors, who are nobody
#   of the 750; 15,913 are ranked (lesson 1);
# - a row of table 3 has no name, its name (Gated S-CNN) stands below the table;
# - whether the tables use mirrored pictures, normalised features, or which AP, is not
#   said; the authors' program does the first two (lesson 6);
# - every row is one training, as far as it says, and no interval is given anywhere.
#
# ## 14 · What the paper reports and what we measured
#
# Section 6 has the verdicts. They do *not* say that the paper is wrong on Market-1501:
# our backbone has a thirtieth of its weights, starts from nothing, and trains on
# drawings for four minutes. Two kinds of loss together help at once. What the LSTM is
# worth depends on the initial weights, the schedule and the descriptor. Whether fm or
# fc is better depends on more than the paper's explanation says.
#
# All of it in one page, with charts, by `python -m dplib report`: `docs/evidence.md`.
#
# **Read next**: Henderson and others, *Deep Reinforcement Learning that Matters*
# (2018); Musgrave and others, *A Metric Learning Reality Check* (2020); Bouthillier and
# others, *Accounting for Variance in Machine Learning Benchmarks* (2021). **Files**:
# `dplib/evidence/variants.py`, `dplib/evidence/runs.py`, `dplib/evidence/claims.py`,
# `dplib/evidence/resampling.py`, `dplib/evidence/findings.py`.
