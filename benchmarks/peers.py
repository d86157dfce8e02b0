"""Others' evaluation, each through its own functions; run, says which are installed.

    python benchmarks/peers.py

They are looked for in build/peers (``--target`` of the command in README.md) after the
project's own packages, so that nobody's PyTorch or NumPy is changed; in another folder
with the environment variable DPLIB_PEERS. torchreid's two modules are loaded by
themselves, since importing the whole package asks for much that they do not use.

A contender takes features (``Job`` without distances) or distances. Its gallery holds
no junk: none of them knows what that is.
"""

from __future__ import annotations

import importlib.machinery
import importlib.metadata
import importlib.util
import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
import torch
from torch import Tensor

from dplib.descriptors import Descriptors

ROOT = Path(__file__).resolve().parents[1]
FOLDER = Path(os.environ.get("DPLIB_PEERS", ROOT / "build" / "peers"))
NEED = "python -m pip install --no-deps --target build/peers -r " + (
    "benchmarks/requirements.txt"
)
PACKAGES = {  # contender: what has to be installed
    "NumPy argsort": "numpy",
    "torchreid, compiled": "pyppbox-torchreid",
    "torchreid, Python": "torchreid",
    "OML": "open-metric-learning",
    "PML": "pytorch-metric-learning",
}
NO_CAMERAS = ("PML",)  # it counts the query's own camera's images as matches

Measures = dict[str, float]


class Job(NamedTuple):
    """What is to be evaluated: all know the features, some are given distances."""

    query: Descriptors
    gallery: Descriptors  # without junk
    distances: Tensor | None = None  # [Q, G] float32, squared Euclidean


Evaluation = Callable[[Job], Measures]


def square_distances(query: np.ndarray, gallery: np.ndarray) -> np.ndarray:
    """Squared Euclidean [Q, G], one matrix beside that of the product."""
    out = query @ gallery.T
    out *= -2
    out += (query**2).sum(1)[:, None]
    out += np.einsum("ij,ij->i", gallery, gallery)
    return out


def by_sorting(job: Job) -> Measures:
    """All distances, one argsort, then a pass over the queries, in NumPy."""
    query, gallery = job.query, job.gallery
    if job.distances is None:
        distances = square_distances(query.features.numpy(), gallery.features.numpy())
    else:
        distances = job.distances.numpy()
    pids, cams = gallery.pids.numpy(), gallery.camids.numpy()
    order = np.argsort(distances, axis=1)
    first, aps, inps = [], [], []
    for i, (pid, cam) in enumerate(
        zip(query.pids.tolist(), query.camids.tolist(), strict=True)
    ):
        row = order[i]
        right = pids[row] == pid
        right = right[~(right & (cams[row] == cam))]
        ranks = np.flatnonzero(right) + 1
        first.append(ranks[0] == 1)
        aps.append((np.arange(1, len(ranks) + 1) / ranks).mean())
        inps.append(len(ranks) / ranks[-1])
    return {
        "rank1": float(np.mean(first)),
        "map": float(np.mean(aps)),
        "minp": float(np.mean(inps)),
    }


# --- torchreid ------------------------------------------------------------------------


def load(package: str, *inside: str) -> ModuleType:
    """One module of a package by its file, without importing the package."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ImportError(f"{package} is not installed")
    folder = Path(spec.submodule_search_locations[0]).joinpath(*inside[:-1])
    for suffix in (".py", *importlib.machinery.EXTENSION_SUFFIXES):
        path = folder / (inside[-1] + suffix)
        if path.is_file():
            found = importlib.util.spec_from_file_location(inside[-1], path)
            assert found is not None and found.loader is not None
            module = importlib.util.module_from_spec(found)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # "cython evaluation is unavailable"
                found.loader.exec_module(module)
            return module
    raise ImportError(f"{package} has no {'/'.join(inside)} for this Python")


def _torchreid(rank: Callable[..., Any], distance: ModuleType) -> Evaluation:
    def run(job: Job) -> Measures:
        given, (query, gallery) = job.distances, job[:2]
        if given is None:
            given = distance.compute_distance_matrix(query.features, gallery.features)
        labels = (query.pids, gallery.pids, query.camids, gallery.camids)
        cmc, mean = rank(given.numpy(), *(x.numpy() for x in labels), 50)
        return {"rank1": float(cmc[0]), "map": float(mean)}

    return run


def torchreid_python() -> Evaluation:
    """``eval_market1501`` of metrics/rank.py."""
    rank, distance = (
        load("torchreid", "reid", "metrics", x) for x in ("rank", "distance")
    )
    return _torchreid(rank.eval_market1501, distance)


def torchreid_compiled() -> Evaluation:
    """``evaluate_cy`` of metrics/rank_cylib/rank_cy.pyx, as pyppbox-torchreid has it
    compiled; the torchreid of the index comes without that file."""
    name = "pyppbox_torchreid"
    rank = load(name, "metrics", "rank_cylib", "rank_cy")
    return _torchreid(rank.evaluate_cy, load(name, "metrics", "distance"))


# --- metric learning ------------------------------------------------------------------


def oml() -> Evaluation:
    """Its nearest neighbours, all of them, and its retrieval metrics.

    "Sequences" are what it leaves out of a query's ranking: with one for each pid and
    camera that is Market-1501's rule. Its search takes embeddings; where distances
    are given, they stand in for its ``pairwise_dist``.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from oml.functional import knn, metrics

    def run(job: Job) -> Measures:
        query, gallery, given = job
        sequences = [1000 * d.pids + d.camids for d in (query, gallery)]
        features = [d.features for d in (query, gallery)]
        if given is not None:  # a row of features is the number of its query
            features = [torch.arange(len(d.pids))[:, None] for d in (query, gallery)]

        def distance(x1: Tensor, x2: Tensor, p: int) -> Tensor:
            assert given is not None
            return given[x1[:, 0]]  # a copy: it is written into

        own = knn.pairwise_dist
        with mock.patch.object(
            knn, "pairwise_dist", own if given is None else distance
        ):
            _, retrieved, truth = knn.batched_knn_qg(
                *features,
                top_n=len(gallery.pids),
                labels_query=query.pids,
                labels_gallery=gallery.pids,
                sequence_ids_query=sequences[0],
                sequence_ids_gallery=sequences[1],
            )
        found = metrics.calc_retrieval_metrics(
            retrieved,
            truth,
            cmc_top_k=(1,),
            precision_top_k=(),
            map_top_k=(len(gallery.pids),),
            verbose=False,
        )
        mean = found["map"][len(gallery.pids)]
        return {"rank1": float(found["cmc"][1]), "map": float(mean)}

    return run


class _Given:
    """Distances as PML's ``CustomKNN`` asks for them."""

    is_inverted = False

    def __init__(self, distances: Tensor) -> None:
        self.distances = distances

    def __call__(self, query: Tensor, reference: Tensor) -> Tensor:
        return self.distances


def pml() -> Evaluation:
    """``AccuracyCalculator`` with all neighbours and Euclidean distances.

    It knows no cameras, so it does less, and its figures are compared with ours for
    cameras ignored.
    """
    from pytorch_metric_learning.distances import LpDistance
    from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator
    from pytorch_metric_learning.utils.inference import CustomKNN

    def run(job: Job) -> Measures:
        query, gallery, given = job
        euclidean = LpDistance(normalize_embeddings=False)
        calculator = AccuracyCalculator(
            include=("precision_at_1", "mean_average_precision"),
            k=None,
            device=torch.device("cpu"),
            knn_func=CustomKNN(euclidean if given is None else _Given(given)),
        )
        found = calculator.get_accuracy(
            query.features, query.pids, gallery.features, gallery.pids
        )
        return {
            "rank1": found["precision_at_1"],
            "map": found["mean_average_precision"],
        }

    return run


MAKERS: dict[str, Callable[[], Evaluation]] = {
    "NumPy argsort": lambda: by_sorting,
    "torchreid, compiled": torchreid_compiled,
    "torchreid, Python": torchreid_python,
    "OML": oml,
    "PML": pml,
}


def get(name: str) -> Evaluation:
    """The contender of that name; ImportError when it cannot be had."""
    if FOLDER.is_dir() and str(FOLDER) not in sys.path:
        sys.path.append(str(FOLDER))  # last: the project's own packages come first
    return MAKERS[name]()


def available() -> tuple[dict[str, str], dict[str, str]]:
    """Contenders with their packages' versions, and those absent with the reason."""
    here, absent = {}, {}
    for name, package in PACKAGES.items():
        try:
            get(name)
            here[name] = f"{package} {importlib.metadata.version(package)}"
        except (ImportError, importlib.metadata.PackageNotFoundError) as e:
            absent[name] = f"{package}: {e}"
    return here, absent


def main() -> None:
    here, absent = available()
    for name, version in here.items():
        print(f"{name:22}{version}")
    for name, why in absent.items():
        print(f"{name:22}absent ({why})")
    if absent:
        print(f"To install the peers: {NEED}")


if __name__ == "__main__":
    main()
