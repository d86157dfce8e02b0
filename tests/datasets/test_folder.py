"""A person's own images: folders, pattern, CSV; the split that is drawn."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from imitations import put, write_people

from dplib import datasets
from dplib.datasets import folder, splits
from dplib.samples import DatasetError, ReIDData, Sample


@pytest.fixture
def people(tmp_path: Path) -> Path:
    return write_people(tmp_path / "mine")


def every(data: ReIDData) -> list[Sample]:
    return [*data.train, *data.query, *data.gallery]


def test_folders_of_names(people: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (people / "anna" / "notes.txt").write_text("no image")
    put(people / ".thumbnails" / "door_1.jpg")
    data = datasets.load("folder", people)
    assert data.name == "folder" and data.protocol == "market1501"
    assert data.pid_names == {1: "anna", 2: "bo", 3: "carl", 4: "dee", 5: "eve"}
    assert len(every(data)) == 14 and {s.camid for s in every(data)} == {1, 2}
    for s in every(data):
        assert data.pid_names[s.pid] == s.path.parent.name
        assert s.camid == (1 if s.path.name.startswith("door") else 2)
    said = capsys.readouterr().out
    assert f"{people}: query and gallery drawn with seed 0" in said
    assert (
        f"train   {len(data.train):>7} images of {len(data.labels):>6} people" in said
    )
    assert "2 cameras" in said and "1 is 'anna'" in said


def test_split_is_seeded(people: Path) -> None:
    assert datasets.load("folder", people, seed=1) == datasets.load(
        "folder", people, seed=1
    )
    drawn = {tuple(datasets.load("folder", people, seed=s).query) for s in range(9)}
    assert len(drawn) > 4


def test_test_share(people: Path) -> None:
    everyone = datasets.load("folder", people, test_share=1)
    assert everyone.train == [] and len(everyone.query) == 4
    few = datasets.load("folder", people, test_share=0.01)
    assert len({s.pid for s in few.query}) == 1 and len(few.labels) == 4


def test_pattern(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for pid in (7, 12, 30, 31):
        for cam in (0, 3):
            put(tmp_path / f"cam{cam}" / f"person{pid:03d}.bmp")
    data = datasets.load(
        "folder", tmp_path, pattern=r"cam(?P<camid>\d)/person(?P<pid>\d+)"
    )
    assert {s.pid for s in every(data)} == {7, 12, 30, 31}  # whole numbers stay
    assert {s.camid for s in every(data)} == {0, 3}
    assert data.pid_names[7] == "007"
    assert "numbered" not in capsys.readouterr().out


def write_csv(root: Path, splits: dict[str, str] | None = None) -> Path:
    """anna … eve as rows; split by pid, where given."""
    lines = ["path,pid,camid" + (",split" if splits else "")]
    for path in sorted(p for p in root.rglob("*.*") if p.suffix != ".csv"):
        pid, cam = path.parent.name, path.name.split("_")[0]
        line = f"{path.relative_to(root).as_posix()},{pid},{cam}"
        if splits:
            line += f",{splits[pid] if pid in splits else splits[cam]}"
        lines.append(line)
    file = root / "list.csv"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def test_csv_without_a_split(people: Path) -> None:
    file = write_csv(people)
    for given_as in (file, str(file), "list.csv"):
        data = datasets.load("folder", people, csv=given_as)
        assert every(data) == every(datasets.load("folder", people))


def test_csv_with_the_whole_split(
    people: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    splits = {"anna": "train", "bo": "train", "eve": "train"}
    write_csv(people, splits | {"door": "gallery", "yard": "query"})
    data = datasets.load("folder", people, csv="list.csv")
    assert {data.pid_names[p] for p in data.labels} == {"anna", "bo", "eve"}
    assert [s.path.name for s in data.query] == ["yard_2.png"] * 2
    assert len(data.gallery) == 4
    assert "drawn with seed" not in capsys.readouterr().out


def test_csv_with_train_and_test(
    people: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    splits = {"anna": "train", "bo": "train", "carl": "test", "dee": "test"}
    write_csv(people, splits | {"eve": "test"})
    data = datasets.load("folder", people, csv="list.csv")
    assert {data.pid_names[p] for p in data.labels} == {"anna", "bo"}
    assert len(data.query) == 2 and len(data.gallery) == 6
    assert "1 test people seen by one only" in capsys.readouterr().out


def test_validation_split_of_ones_own_folder(tmp_path: Path) -> None:
    for pid in range(12):
        for i in range(4):
            put(tmp_path / f"p{pid}" / f"{i % 2}_{i}.png")
    data = datasets.load("folder", tmp_path, val_pids=3)
    assert data.name == "folder-val3" and data.pid_names[1] == "p0"
    assert len(data.labels) == 3


@pytest.mark.parametrize(
    ("texts", "first", "wanted"),
    [
        ({"3", "11", "2"}, 1, {"2": 2, "3": 3, "11": 11}),
        ({"0", "1", "10", "9"}, 1, {"0": 1, "1": 2, "9": 3, "10": 4}),  # from zero
        ({"0", "5"}, 0, {"0": 0, "5": 5}),  # cameras may be 0
        ({"1", "01", "2"}, 1, {"01": 1, "1": 2, "2": 3}),
        ({"b", "a", "7"}, 1, {"7": 1, "a": 2, "b": 3}),
        ({"²"}, 1, {"²": 1}),
        (set(), 1, {}),
    ],
)
def test_numbers(texts: set[str], first: int, wanted: dict[str, int]) -> None:
    assert folder.numbers(texts, first) == wanted


@given(st.sets(st.text(min_size=1, max_size=4), min_size=1, max_size=20))
def test_numbers_are_apart_and_never_junk_or_distractor(texts: set[str]) -> None:
    found = folder.numbers(texts, 1)
    assert set(found) == texts and len(set(found.values())) == len(texts)
    assert min(found.values()) >= 1
    assert folder.numbers(sorted(texts, reverse=True), 1) == found


trees = st.dictionaries(
    st.integers(0, 12),
    st.dictionaries(st.integers(0, 4), st.integers(1, 4), min_size=1),
)


@given(trees, st.floats(0.05, 1), st.integers(0, 99))
def test_drawn_split_covers_every_image_once(
    tree: dict[int, dict[int, int]], share: float, seed: int
) -> None:
    samples = [
        Sample(Path(f"{pid}-{cam}-{i}"), pid + 1, cam)
        for pid, cams in tree.items()
        for cam, n in cams.items()
        for i in range(n)
    ]
    able = [p for p, cams in tree.items() if len(cams) > 1]
    names = {pid + 1: f"who {pid}" for pid in tree}
    try:
        train, query, gallery = splits.split_rows(samples, share, seed, names)
    except DatasetError as e:
        few = share < 1 and "fewer than two to train on" in str(e)
        assert few or (not able and "seen by two cameras" in str(e))
        return
    assert sorted([*train, *query, *gallery]) == sorted(samples)
    assert not {s.pid for s in train} & {s.pid for s in (*query, *gallery)}
    places = {(s.pid, s.camid) for s in gallery}
    assert query and max(Counter((s.pid, s.camid) for s in query).values()) == 1
    for q in query:
        assert any(p == q.pid and c != q.camid for p, c in places)
    ranked = {s.pid for s in gallery}
    for pid in ranked:
        assert (len(tree[pid - 1]) > 1) == (pid in {s.pid for s in query})


@settings(max_examples=15)
@given(trees.filter(lambda t: sum(len(c) > 1 for c in t.values()) > 3))
def test_folder_trees_on_disk(tree: dict[int, dict[int, int]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        for pid, cams in tree.items():
            for cam, n in cams.items():
                for i in range(n):
                    file = root / f"who {pid}" / f"{cam}_{i}.jpg"
                    file.parent.mkdir(exist_ok=True)
                    file.touch()
        data = datasets.load("folder", root)
        found = sorted(s.path for s in every(data))
        assert found == sorted(root.rglob("*.jpg"))
        assert len(data.pid_names) == len(tree)
        assert not set(data.labels) & {s.pid for s in data.gallery}


def test_query_of_takes_one_of_a_camera_and_leaves_only_images() -> None:
    rows = {(1, 1): 3, (1, 2): 1, (2, 1): 1, (2, 2): 1, (3, 1): 5}
    samples = [
        Sample(Path(f"{p}-{c}-{i}"), p, c)
        for (p, c), n in rows.items()
        for i in range(n)
    ]
    query, gallery = splits.query_of(samples, 0, {1: "a", 2: "b", 3: "c"})
    assert sorted((q.pid, q.camid) for q in query)[0] == (1, 1)
    assert [q.pid for q in query] == [1, 2] and len(gallery) == len(samples) - 2


# --- one camera -----------------------------------------------------------------------


def film(root: Path, *people: str, frames: tuple[int, ...], cam: int = 1) -> Path:
    """Images of one camera, no two of the same content."""
    for name in people:
        for i in frames:
            file = root / name / f"{cam}_{i:04}.jpg"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"{name} {cam} {i}")
    return root


PEOPLE = tuple(f"p{i:02}" for i in range(12))


def check_queries(data: ReIDData) -> None:
    """Each has a match beside its near copies, and every image is in one list."""
    pairs = datasets.left_out(data)
    assert data.protocol == "same_camera" and data.query and pairs is not None
    for i, q in enumerate(data.query):
        mine = {j for j, s in enumerate(data.gallery) if s.pid == q.pid}
        assert mine - {j for a, j in pairs.tolist() if a == i}
    assert len(set(every(data))) == len(every(data))


def test_a_folder_of_one_camera_is_ranked_by_a_protocol_of_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    film(tmp_path, *PEOPLE, frames=(1, 2, 3))
    data = datasets.load("folder", tmp_path)
    check_queries(data)
    assert {s.path.stem for s in data.query} <= {"1_0001", "1_0003"}
    assert {s.pid for s in data.query} == {s.pid for s in data.gallery}
    said = capsys.readouterr().out
    assert "nobody is seen by two cameras" in said and "NOT COMPARABLE" in said
    assert datasets.load("folder", tmp_path, same_camera=True) == data


def test_people_who_have_near_copies_only_are_not_queried(tmp_path: Path) -> None:
    film(tmp_path, *PEOPLE, frames=(1, 5))
    film(tmp_path, "frames", frames=(7, 8))
    film(tmp_path, "copies", frames=(1, 5))
    for file in (tmp_path / "copies").iterdir():
        file.write_text("one picture")
    film(tmp_path, "lone", frames=(1,))
    data = datasets.load("folder", tmp_path, test_share=1)
    check_queries(data)
    odd = {p for p, name in data.pid_names.items() if name not in PEOPLE}
    assert not odd & {s.pid for s in data.query}
    assert odd <= {s.pid for s in data.gallery}


def test_a_mixed_folder_keeps_the_published_rule_until_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    film(tmp_path, *PEOPLE, frames=(1, 5))
    film(tmp_path, *PEOPLE[:4], frames=(1, 5), cam=2)
    published = datasets.load("folder", tmp_path, test_share=1)
    assert published.protocol == "market1501"
    assert len({s.pid for s in published.query}) == 4
    said = capsys.readouterr().out
    assert "8 of 12 people are seen by one camera only" in said
    assert "--same-camera" in said and "NOT COMPARABLE" not in said
    own = datasets.load("folder", tmp_path, test_share=1, same_camera=True)
    check_queries(own)
    places = Counter((s.pid, s.camid) for s in own.query)
    assert len(places) == 16 and set(places.values()) == {1}
    said = capsys.readouterr().out
    assert "8 of 12 people are seen by one camera only" in said
    assert "NOT COMPARABLE with published" in said


def test_nothing_is_said_where_everybody_is_seen_by_two(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for cam in (1, 2):
        film(tmp_path, *PEOPLE, frames=(1, 5), cam=cam)
    assert datasets.load("folder", tmp_path).protocol == "market1501"
    assert "one camera only" not in capsys.readouterr().out


def test_held_out_people_of_one_camera_can_be_found(tmp_path: Path) -> None:
    film(tmp_path, *PEOPLE, frames=(1, 5))
    film(tmp_path, "x", "y", "z", frames=(7, 8))
    data = datasets.load("folder", tmp_path, test_share=0.2, val_pids=4)
    check_queries(data)
    assert len({s.pid for s in data.query}) == 4 and data.name == "folder-val4"
    with pytest.raises(DatasetError, match=r"with two images that are not near copies"):
        datasets.load("folder", tmp_path, test_share=0.2, val_pids=40)


def test_one_camera_in_a_table(tmp_path: Path) -> None:
    film(tmp_path, *PEOPLE, frames=(1, 2, 9))
    rows = [p.relative_to(tmp_path) for p in sorted(tmp_path.rglob("*.jpg"))]
    head = "path,pid,camid,split\n"

    def load(split_of: dict[str, str]) -> ReIDData:
        lines = [
            f"{r.as_posix()},{r.parent},1,"
            f"{'train' if r.parent.name < 'p04' else split_of[r.stem]}"
            for r in rows
        ]
        (tmp_path / "list.csv").write_text(head + "\n".join(lines))
        return datasets.load("folder", tmp_path, csv="list.csv")

    whole = load({"1_0001": "query", "1_0002": "gallery", "1_0009": "gallery"})
    check_queries(whole)
    pairs = datasets.left_out(whole)
    assert len(whole.query) == 8 and pairs is not None and len(pairs) == 8
    assert {whole.gallery[j].path.stem for _, j in pairs.tolist()} == {"1_0002"}
    check_queries(load(dict.fromkeys(("1_0001", "1_0002", "1_0009"), "test")))


@given(
    st.dictionaries(
        st.integers(0, 5),
        st.lists(st.tuples(st.integers(1, 2), st.integers(0, 6)), min_size=1),
        min_size=1,
    ),
    st.integers(0, 9),
)
def test_every_person_who_can_be_queried_is(
    tree: dict[int, list[tuple[int, int]]], seed: int
) -> None:
    samples = [
        Sample(Path(f"/none/{pid}/{cam}_{i}"), pid + 1, cam)
        for pid, images in tree.items()
        for cam, i in dict.fromkeys(images)
    ]
    names = {pid + 1: f"who {pid}" for pid in tree}

    def near(a: Sample, b: Sample) -> bool:
        frames = [int(s.path.name.split("_")[1]) for s in (a, b)]
        return a.camid == b.camid and abs(frames[0] - frames[1]) < 2

    able = {
        a.pid for a in samples for b in samples if a.pid == b.pid and not near(a, b)
    }
    try:
        query, gallery = splits.query_of(samples, seed, names, same_camera=True)
    except DatasetError as e:
        assert not able and "near copies" in str(e)
        return
    assert {q.pid for q in query} == able
    assert sorted([*query, *gallery]) == sorted(samples)
    for q in query:
        assert any(g.pid == q.pid and not near(q, g) for g in gallery)


@pytest.mark.parametrize("share", ["0.5", None, float("nan"), 0, 1.5])
def test_other_shares_are_refused(people: Path, share: object) -> None:
    with pytest.raises(DatasetError, match="expected above 0 and at most 1"):
        datasets.load("folder", people, test_share=share)


@pytest.mark.parametrize("pids", ["2", 1.5, True, -1])
def test_other_numbers_to_hold_out_are_refused(people: Path, pids: object) -> None:
    with pytest.raises(DatasetError, match=f"val_pids={pids}: "):
        datasets.load("folder", people, val_pids=pids)
