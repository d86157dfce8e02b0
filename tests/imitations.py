"""Small imitations of the paper's data sets, in their real layouts, drawn as noise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from conftest import person

PEOPLE = (5, 4, 2, 1, 1)  # of CUHK03's five pairs of cameras
SPLITS, TEST_PEOPLE = 20, 3


def put(file: Path, pid: int = 1) -> Path:
    """A small picture in the format that the name asks for."""
    file.parent.mkdir(parents=True, exist_ok=True)
    person(pid, np.random.default_rng(pid)).resize((4, 8)).save(file)
    return file


def write_duke(home: Path) -> Path:
    """4 training pids, 3 test pids and 2 distractor pids, on cameras 2, 5 and 8."""
    frame = iter(range(46182, 99999))
    for pid in (1, 2, 9, 40):
        for cam in (2, 5, 5):
            put(
                home / "bounding_box_train" / f"{pid:04d}_c{cam}_f{next(frame):07d}.jpg"
            )
    for pid in (5, 23, 7140):
        for cam in (2, 8):
            put(home / "query" / f"{pid:04d}_c{cam}_f{next(frame):07d}.jpg")
            name = f"{pid:04d}_c{cam}_f{next(frame):07d}.jpg"
            put(home / "bounding_box_test" / name)
    for pid in (11, 12):
        put(home / "bounding_box_test" / f"{pid:04d}_c5_f{next(frame):07d}.jpg")
    return home


def write_msmt(home: Path, version: int = 1) -> Path:
    """3 training people (one of them with validation images) and 2 test people."""
    train, test = (
        ("train", "test") if version == 1 else ("mask_train_v2", "mask_test_v2")
    )
    lists: dict[str, list[str]] = {}

    def add(part: str, folder: str, pid: int, i: int, cam: int) -> None:
        name = f"{pid:04d}/{pid:04d}_{i:03d}_{cam:02d}_0303morning_{i:04d}_0.jpg"
        put(home / folder / name)
        lists.setdefault(part, []).append(f"{name} {pid}")

    for pid in range(3):
        for i, cam in enumerate((1, 4, 15)):
            add("val" if (pid, cam) == (2, 15) else "train", train, pid, i, cam)
    for pid in range(2):
        for i, cam in enumerate((1, 14, 14)):
            add("query" if i < 2 else "gallery", test, pid, i, cam)
        add("gallery", test, pid, 9, 3)
    for part, lines in lists.items():
        (home / f"list_{part}.txt").write_text("\n".join(lines) + "\n")
    return home


def cuhk03_image(pair: int, who: int, column: int) -> np.ndarray:
    """[H, W, 3] uint8; of another size for each, and not the same when transposed."""
    rng = np.random.default_rng([pair, who, column])
    return rng.integers(0, 256, (8 + column, 4 + pair, 3), dtype=np.uint8)


def there(kind: str, pair: int, who: int, column: int) -> bool:
    """Some cells are empty: always column 9, and one more for detected."""
    return column != 9 and (kind, pair, who, column) != ("detected", 1, 2, 3)


def write_cuhk03(file: Path) -> Path:
    """cuhk-03.mat as MATLAB v7.3 writes it: HDF5, references, transposed arrays."""
    import h5py

    file.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(file, "w", userblock_size=512) as f:
        refs = f.create_group("#refs#")

        def store(name: str, array: np.ndarray) -> h5py.Reference:
            refs.create_dataset(name, data=array)
            return refs[name].ref

        def cells(references: np.ndarray) -> np.ndarray:
            return references.T.astype(h5py.ref_dtype)  # MATLAB's columns come first

        for kind in ("labeled", "detected"):
            outer = np.empty((5, 1), object)
            for pair, people in enumerate(PEOPLE, 1):
                inner = np.empty((people, 10), object)
                for who in range(1, people + 1):
                    for column in range(1, 11):
                        name = f"{kind}{pair}_{who}_{column}"
                        if there(kind, pair, who, column):
                            pixels = cuhk03_image(pair, who, column)
                            ref = store(name, pixels.transpose(2, 1, 0))
                        else:  # how MATLAB stores []
                            ref = store(name, np.zeros(2, np.uint64))
                            refs[name].attrs["MATLAB_empty"] = np.uint8(1)
                        inner[who - 1, column - 1] = ref
                name = f"{kind}{pair}"
                refs.create_dataset(name, data=cells(inner), dtype=h5py.ref_dtype)
                outer[pair - 1, 0] = refs[name].ref
            f.create_dataset(kind, data=cells(outer), dtype=h5py.ref_dtype)
        sets = np.empty((SPLITS, 1), object)
        for i in range(SPLITS):
            sets[i, 0] = store(f"test{i}", held_out(i).T.astype(float))
        f.create_dataset("testsets", data=cells(sets), dtype=h5py.ref_dtype)
    return file


def held_out(i: int) -> np.ndarray:
    """[3, 2] of (pair, person) from 1."""
    everybody = [(c, w) for c, n in enumerate(PEOPLE, 1) for w in range(1, n + 1)]
    drawn = np.random.default_rng(i).permutation(len(everybody))[:TEST_PEOPLE]
    return np.array(everybody)[drawn]


def new_protocol(kind: str = "labeled") -> dict[str, np.ndarray]:
    """What cuhk03_new_protocol_config_KIND.mat holds: pids 1 to 4 are of the test."""
    rows = []
    pid = 0
    for pair, people in enumerate(PEOPLE, 1):
        for who in range(1, people + 1):
            pid += 1
            for column in range(1, 11):
                if there(kind, pair, who, column):
                    view = 1 if column <= 5 else 2
                    rows.append(
                        (f"{pair}_{who:03d}_{view}_{column:02d}.png", pid, view)
                    )
    query, gallery, train = [], [], []
    for i, (name, pid, _) in enumerate(rows, 1):
        first = name.endswith(("_01.png", "_06.png"))
        (train if pid > 4 else query if first else gallery).append(i)
    names = np.empty((len(rows), 1), object)
    names[:, 0] = [r[0] for r in rows]

    def column(values: list[int], dtype: type) -> np.ndarray:
        return np.array(values, dtype)[:, None]

    return {
        "filelist": names,
        "labels": column([r[1] for r in rows], np.uint16),
        "camId": column([r[2] for r in rows], np.uint8),
        "train_idx": column(train, np.uint16),
        "query_idx": column(query, np.uint16),
        "gallery_idx": column(gallery, np.uint16),
    }


def write_new_protocol(home: Path, kind: str = "labeled") -> Path:
    """The split file, MATLAB v5."""
    from scipy.io import savemat

    file = home / f"cuhk03_new_protocol_config_{kind}.mat"
    home.mkdir(parents=True, exist_ok=True)
    savemat(file, new_protocol(kind))
    return file


def write_people(root: Path) -> Path:
    """A person's own folder: anna, bo, carl, dee on two cameras; eve on one."""
    for pid in ("anna", "bo", "carl", "dee"):
        for i, cam in enumerate(("door", "door", "yard")):
            put(root / pid / f"{cam}_{i}.png")
    put(root / "eve" / "door_1.jpeg")
    put(root / "eve" / "door_2.webp")
    return root
