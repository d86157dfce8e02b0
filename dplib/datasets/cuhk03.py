"""CUHK03 (Li and others, CVPR 2014), with its own protocol and with CUHK03-NP's.

``cuhk-03.mat`` is HDF5 (MATLAB v7.3). ``labeled`` and ``detected`` are 5 cells, one a
pair of cameras, each of [M people × 10] cells with an image [H, W, 3] or nothing; the
first five columns are view 1. ``testsets`` are 20 cells [100 × 2] of (pair, person),
counted from 1. MATLAB stores columns first, so every array arrives transposed here: an
image as [3, W, H]. The images are unpacked once to ``images_labeled/`` or
``images_detected/``, as ``1_001_2_06.png``: pair, person, view, column.

A pid is the person's place in the whole set, 1 to 1,467; a camid is the view, 1 or 2.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy.io import loadmat

from dplib import bars, files
from dplib.datasets import scanning
from dplib.datasets.market import CUHK03NP, SPLIT_FOLDERS, locate, three_folders
from dplib.samples import DatasetError, ReIDData, Sample

KINDS = ("labeled", "detected")
PAIRS, COLUMNS = 5, 10
_INDEX = "index.json"
_AGAIN = "the copy may be damaged: extract CUHK03's archive again"


def load(root: Path, *, kind: str = "labeled", split: int = 0) -> ReIDData:
    """The old protocol (table 1 of the paper): 1,367 training pids, 100 test pids.

    Query and gallery both hold every image of the test pids, for both views query;
    which ones are ranked is drawn by ``evaluation`` (protocol "cuhk03").

    Args:
        root: The folder above ``cuhk03/``, or that folder.
        kind: ``"labeled"`` (boxes drawn by hand) or ``"detected"``.
        split: Which of the 20 test sets.

    Raises:
        DatasetError: An unknown kind or split; neither the images nor ``cuhk-03.mat``
            is there; that file is not as described above.
    """
    home = _home(root)
    folder = images(home, kind)
    index = _read_index(folder)
    testsets = index["testsets"]
    if not 0 <= split < len(testsets):
        raise DatasetError(f"split={split}: CUHK03 has splits 0 to {len(testsets) - 1}")
    test = {_pid(index, pair, person) for pair, person in testsets[split]}
    samples = [_sample(folder, name, index) for name in _names(folder, index)]
    train = [s for s in samples if s.pid not in test]
    ranked = [s for s in samples if s.pid in test]
    name = f"cuhk03-{kind}-split{split}"
    return ReIDData(name, folder, train, ranked, ranked, protocol="cuhk03")


def load_new_protocol(root: Path, *, kind: str = "labeled") -> ReIDData:
    """CUHK03-NP (Zhong and others, CVPR 2017): 767 training pids, 700 test pids.

    From the folder cuhk03-np/KIND that its authors hand out, or from their split file
    ``cuhk03_new_protocol_config_KIND.mat`` and CUHK03's unpacked images.

    Args:
        root: The folder above ``cuhk03-np/`` or ``cuhk03/``, or one of these.
        kind: ``"labeled"`` or ``"detected"``.

    Raises:
        DatasetError: As for ``load``; or the split file names an image that is not
            there, an index outside its list, or a pid in training and test.
    """
    _check_kind(kind)
    name = f"cuhk03np-{kind}"
    for handed_out in (root / "cuhk03-np" / kind, root / kind, root):
        if any((handed_out / f).is_dir() for f in SPLIT_FOLDERS):
            home = locate(handed_out, ".", "CUHK03-NP", "extract it again")
            return three_folders(name, home, CUHK03NP)
    home = _home(root)
    file = home / f"cuhk03_new_protocol_config_{kind}.mat"
    if not file.is_file():
        raise DatasetError(
            f"no CUHK03-NP: neither {root / 'cuhk03-np' / kind} nor {file}; get the "
            "split file from its authors (data/README.md) and put it there"
        )
    folder = images(home, kind)
    train, query, gallery = _split_lists(file, folder)
    if both := {s.pid for s in train} & {s.pid for s in (*query, *gallery)}:
        raise DatasetError(
            f"{file}: pid {min(both)} and {len(both) - 1} more are in training and in "
            "test; get the split file again"
        )
    return ReIDData(name, folder, train, query, gallery)


def _split_lists(file: Path, folder: Path) -> list[list[Sample]]:
    """Training set, query and gallery of a split file, as images of the folder."""
    arrays = _read_split_file(file)
    there = set(_names(folder, _read_index(folder)))
    if gone := [n for n in arrays["filelist"] if n not in there]:
        raise DatasetError(
            f"{file} lists {gone[0]} and {len(gone) - 1:,} more images that "
            f"{folder} lacks; the split file belongs to other images"
        )
    rows = zip(arrays["filelist"], arrays["labels"], arrays["camId"], strict=True)
    samples = [Sample(folder / name, pid, camid) for name, pid, camid in rows]
    lists = []
    for part in ("train_idx", "query_idx", "gallery_idx"):
        places = arrays[part]  # from 1
        if places.size == 0 or places.min() < 1 or places.max() > len(samples):
            raise DatasetError(
                f"{file}: {part} is not within 1 to {len(samples):,}; get the split "
                "file again"
            )
        lists.append([samples[i] for i in (places - 1).tolist()])
    return lists


def images(home: Path, kind: str) -> Path:
    """The folder of a kind's images; unpacked from cuhk-03.mat when it is not there.

    Unpacking goes on where an interrupted one stopped. Needs h5py.

    Raises:
        DatasetError: An unknown kind; neither the images nor ``cuhk-03.mat`` is there;
            see ``unpack_images``.
    """
    _check_kind(kind)
    folder = home / f"images_{kind}"
    if not folder.exists():
        mat = _mat(home)
        if mat is None:
            raise DatasetError(
                f"no CUHK03 at {home}: neither cuhk-03.mat nor {folder.name}/; ask its "
                "authors for it (research use only, see data/README.md) and extract it "
                "there"
            )
        unpack_images(mat, folder, kind)
    return folder


def ready(root: Path, name: str = "cuhk03") -> tuple[list[str], Path | None]:
    """Which kinds load without unpacking, and where cuhk-03.mat is.

    Args:
        root: As for ``load``.
        name: ``"cuhk03"``, or ``"cuhk03np"`` for which its authors' folders count too.
    """
    home = _home(root)
    given = [k for k in KINDS if (root / "cuhk03-np" / k).is_dir()]
    if name == "cuhk03np" and given:
        return given, _mat(home)
    return [k for k in KINDS if (home / f"images_{k}").is_dir()], _mat(home)


# --- the HDF5 file ------------------------------------------------------------------


def unpack_images(mat: Path, folder: Path, kind: str) -> None:
    """Write the images of ``kind`` as PNG into ``folder``, which appears when complete.

    What is unpacked before an error or an interrupt stays in ``folder.tmp`` and is not
    written again.

    Raises:
        DatasetError: ``mat`` is not CUHK03's file, or h5py is not installed.
    """
    try:  # an optional dependency, of the extra "data"
        import h5py  # type: ignore[import-untyped]
    except ImportError as e:
        raise DatasetError(
            f"{mat} is read with h5py, which is not installed: pip install "
            "'dplib[data]'"
        ) from e
    part = folder.with_name(folder.name + ".tmp")
    try:
        with h5py.File(mat, "r") as file:
            pairs = [c.T for c in _cells(file, kind, mat, PAIRS)]
            testsets = _testsets(file, mat, [len(p) for p in pairs])
            part.mkdir(parents=True, exist_ok=True)
            total = sum(p.size for p in pairs)
            bar = bars.bar(total=total, desc=f"CUHK03 {kind}", unit="cell")
            with bar:
                written = 0
                for name, cell in _all_cells(pairs):
                    bar.update()
                    pixels = _image(file[cell], f"{mat}: {kind}, {name}")
                    if pixels is None:
                        continue
                    written += 1
                    if not (part / name).is_file():
                        _write_png(part / name, pixels)
    except (OSError, KeyError, RuntimeError, ValueError) as e:
        raise DatasetError(f"{mat} cannot be read ({e}); {_AGAIN}") from e
    index = {
        "from": mat.name,
        "kind": kind,
        "images": written,
        "people": [len(p) for p in pairs],
        "testsets": testsets,
    }
    files.write(part / _INDEX, json.dumps(index) + "\n")
    files.clear(part)
    part.replace(folder)


def _cells(file: Any, key: str, mat: Path, n: int) -> Iterator[np.ndarray]:
    """The arrays that the n references of a cell array point at."""
    if key not in file:
        raise DatasetError(f"{mat} has no {key!r}: it is not CUHK03's cuhk-03.mat")
    references = np.ravel(file[key][()])
    if references.dtype != object or len(references) != n:
        raise DatasetError(
            f"{mat}: {key} is {references.dtype} of {len(references)}, expected {n} "
            "cells; it is not CUHK03's cuhk-03.mat"
        )
    for reference in references:
        array = file[reference][()]
        if key in KINDS and (array.dtype != object or array.shape[:1] != (COLUMNS,)):
            raise DatasetError(
                f"{mat}: a cell of {key} is {array.dtype} {array.shape}, expected "
                f"{COLUMNS} columns of images; it is not CUHK03's cuhk-03.mat"
            )
        yield array


def _testsets(file: Any, mat: Path, people: list[int]) -> list[list[list[int]]]:
    """Each test set as [pair, person] from 1."""
    n = file["testsets"].size if "testsets" in file else 0
    sets = []
    for i, array in enumerate(_cells(file, "testsets", mat, n)):
        rows = array.T.astype(int)
        if rows.ndim != 2 or rows.shape[1] != 2:
            raise DatasetError(
                f"{mat}: test set {i} is {rows.shape}; expected [100, 2]"
            )
        for pair, person in rows.tolist():
            if not (1 <= pair <= PAIRS and 1 <= person <= people[pair - 1]):
                raise DatasetError(
                    f"{mat}: test set {i} has person {person} of pair {pair}, who is "
                    f"not among {people} people; {_AGAIN}"
                )
        sets.append(rows.tolist())
    return sets


def _all_cells(pairs: list[np.ndarray]) -> Iterator[tuple[str, Any]]:
    for pair, people in enumerate(pairs, 1):
        for person, cells in enumerate(people, 1):
            for column, cell in enumerate(cells, 1):
                view = 1 if column <= COLUMNS // 2 else 2
                yield f"{pair}_{person:03d}_{view}_{column:02d}.png", cell


def _image(dataset: Any, where: str) -> np.ndarray | None:
    """[3, W, H] of the file as [H, W, 3]; None for an empty cell."""
    if dataset.attrs.get("MATLAB_empty", 0) or dataset.size == 0 or dataset.ndim < 3:
        return None
    if dataset.shape[0] != 3 or dataset.dtype != np.uint8:
        raise DatasetError(
            f"{where}: the image is {dataset.dtype} {dataset.shape}, expected uint8 "
            f"(3, W, H); {_AGAIN}"
        )
    return np.ascontiguousarray(np.transpose(dataset[()], (2, 1, 0)))


def _write_png(path: Path, pixels: np.ndarray) -> None:
    with files.replacing(path) as part:
        Image.fromarray(pixels).save(part, "PNG", compress_level=3)


# --- folders, names, indices --------------------------------------------------------


def _home(root: Path) -> Path:
    """The folder that holds cuhk-03.mat, the split files and the unpacked images."""
    for home in (root / "cuhk03", root / "CUHK03", root):
        if _mat(home) or any((home / f"images_{k}").is_dir() for k in KINDS):
            return home
    if root.name.startswith("images_") and (root / _INDEX).is_file():
        raise DatasetError(
            f"{root} is a folder inside CUHK03; pass its parent: "
            f"root={str(root.parent)!r}"
        )
    return root / "cuhk03"


def _mat(home: Path) -> Path | None:
    places = (home / "cuhk-03.mat", home / "cuhk03_release" / "cuhk-03.mat")
    return next((p for p in places if p.is_file()), None)


def _check_kind(kind: str) -> None:
    if kind not in KINDS:
        raise DatasetError(f"kind={kind!r}: choose one of {', '.join(KINDS)}")


def _read_index(folder: Path) -> dict[str, Any]:
    try:
        index = json.loads((folder / _INDEX).read_text(encoding="utf-8"))
        return {k: index[k] for k in ("images", "people", "testsets")}
    except (OSError, ValueError, KeyError) as e:
        raise DatasetError(
            f"{folder} was not unpacked by dplib, or is damaged ({_INDEX}: {e}); move "
            "it away, and it is unpacked from cuhk-03.mat again"
        ) from e


def _names(folder: Path, index: dict[str, Any]) -> list[str]:
    names = [p.name for p in scanning.scan(folder).images]
    if len(names) != index["images"]:
        raise DatasetError(
            f"{folder} holds {len(names):,} of {index['images']:,} images; remove the "
            "folder, and it is unpacked from cuhk-03.mat again"
        )
    return names


def _pid(index: dict[str, Any], pair: int, person: int) -> int:
    """Place in the whole set, from 1; CUHK03-NP numbers its labels so too."""
    return int(sum(index["people"][: pair - 1]) + person)


def _sample(folder: Path, name: str, index: dict[str, Any]) -> Sample:
    pair, person, view, _ = name.split("_")
    return Sample(folder / name, _pid(index, int(pair), int(person)), int(view))


# --- CUHK03-NP's split file ---------------------------------------------------------


def _read_split_file(file: Path) -> dict[str, Any]:
    """filelist [n] of names, labels and camId [n], *_idx [m] from 1 (MATLAB v5)."""
    try:
        mat = loadmat(file)
    except (OSError, ValueError, TypeError, NotImplementedError) as e:
        raise DatasetError(
            f"{file} cannot be read as MATLAB v5 ({e}); get the split file again"
        ) from e
    arrays: dict[str, Any] = {}
    for key in ("labels", "camId", "train_idx", "query_idx", "gallery_idx", "filelist"):
        if key not in mat:
            raise DatasetError(f"{file} has no {key!r}; get the split file again")
        arrays[key] = mat[key].ravel()
    arrays["filelist"] = [str(cell[0]) for cell in arrays["filelist"]]
    for key in ("labels", "camId"):
        arrays[key] = arrays[key].astype(int).tolist()
        if len(arrays[key]) != len(arrays["filelist"]):
            raise DatasetError(
                f"{file}: {len(arrays[key]):,} {key} for {len(arrays['filelist']):,} "
                "images; get the split file again"
            )
    for key in ("train_idx", "query_idx", "gallery_idx"):
        arrays[key] = arrays[key].astype(int)  # as stored, minus 1 would wrap round
    return arrays
