"""Who was trained on is told by name and by picture, never by a number alone."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dplib import datasets, people
from dplib.samples import ReIDData


def draw(root: Path, *names: str, cams: tuple[int, ...] = (1, 2), n: int = 2) -> Path:
    """A folder of people; each image is one of its kind."""
    for name in names:
        for cam in cams:
            for i in range(n):
                seed = [*name.encode(), *root.name.encode(), cam, i]
                pixels = np.random.default_rng(seed).integers(0, 255, (16, 8, 3))
                file = root / name / f"{cam}_{i:04}.png"
                file.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels.astype(np.uint8)).save(file)
    return root


NAMES = [f"p{i:02}" for i in range(16)]


@pytest.fixture
def own(tmp_path: Path) -> Path:
    return draw(tmp_path / "set", *NAMES)


def load(root: Path, seed: int = 4, **settings: object) -> ReIDData:
    return datasets.load("folder", root, seed=seed, **settings)


def named(data: ReIDData, part: str) -> set[str]:
    return {data.name_of(s.pid) for s in getattr(data, part)}


def queried(data: ReIDData) -> set[int]:
    return {s.pid for s in data.query}


# --- the split -----------------------------------------------------------------------


def moved(before: ReIDData, now: ReIDData) -> set[str]:
    """Who is in both, on another side."""
    sides = (named(before, "train"), named(before, "gallery"))
    return (sides[0] & named(now, "gallery")) | (sides[1] & named(now, "train"))


@pytest.mark.parametrize("seed", range(6))
def test_a_person_who_is_added_or_leaves_moves_one_at_most(
    own: Path, seed: int
) -> None:
    before = load(own, seed)
    assert len(named(before, "train")) == len(named(before, "query")) == 8
    for new in ("a00", "p07b", "zz", "0"):  # before, between and after; a number
        draw(own, new)
        now = load(own, seed)
        assert len(moved(before, now)) <= 1
        kept = {s.path for s in before.query} & {s.path for s in now.query}
        assert len(kept) >= len(before.query) - 2  # both queries of the one who moved
        before = now
    for gone in (min(named(now, "query")), min(named(now, "train"))):
        shutil.rmtree(own / gone)
        now = load(own, seed)
        assert len(moved(before, now)) <= 1
        before = now


def test_numbers_as_names_split_as_names(tmp_path: Path) -> None:
    root = draw(tmp_path / "set", *map(str, range(1, 17)))
    before = load(root)
    draw(root, "0")  # from now on all are numbered anew
    now = load(root)
    assert before.labels.keys() != now.labels.keys()
    assert len(moved(before, now)) <= 1


def test_held_out_people_stay_held_out(own: Path) -> None:
    before = load(own, val_pids=3)
    assert len(queried(before)) == 3
    draw(own, "a00", "zz")
    now = load(own, val_pids=3)
    assert len(named(before, "query") & named(now, "query")) >= 3 - 2
    kept = named(before, "train") | named(before, "query")
    assert kept <= named(now, "train") | named(now, "query")


def test_the_share_is_exact_and_the_seed_draws_others(tmp_path: Path) -> None:
    root = draw(tmp_path / "set", *map(str, range(1, 41)), n=1)
    for share in (0.2, 0.5, 0.8):
        assert len(queried(load(root, test_share=share))) == 40 * share
    drawn = {frozenset(queried(load(root, seed))) for seed in range(5)}
    assert len(drawn) == 5


# --- who was trained on --------------------------------------------------------------


def known(noted: people.Note, data: ReIDData) -> set[str]:
    found = people.known(noted, data, queried(data))
    return {data.name_of(pid) for pid in found.pids}


def test_a_note_is_json_of_names_and_the_whole_split(own: Path) -> None:
    data = load(own)
    noted = people.note(data)
    assert set(noted["trained"]) == named(data, "train")
    assert noted["split"]["query"] == [
        s.path.relative_to(own).as_posix() for s in data.query
    ]
    images = [f"{p}/{c}_{i:04}.png" for p in NAMES for c in (1, 2) for i in (0, 1)]
    assert sorted(i for part in noted["split"].values() for i in part) == images
    assert str(own) not in str(noted)


def test_the_same_folder_and_split_have_nobody_in_common(own: Path) -> None:
    data = load(own)
    assert known(people.note(data), data) == set()


def test_another_split_is_known_by_name(own: Path) -> None:
    data, other = load(own, 4), load(own, 5)
    both = named(data, "train") & named(other, "query")
    assert both and known(people.note(data), other) == both


def test_strangers_with_the_same_numbers_are_strangers(tmp_path: Path) -> None:
    data = load(draw(tmp_path / "set", *NAMES))
    other = load(draw(tmp_path / "other", *(f"x{i:02}" for i in range(16))))
    found = people.known(people.note(data), other, queried(other))
    assert set(data.labels) & queried(other) and found == (set(), set(), {})


def test_namesakes_in_another_folder_are_not_called_trained_on(tmp_path: Path) -> None:
    data = load(draw(tmp_path / "set", *NAMES))
    other = load(draw(tmp_path / "other", *NAMES), 5)
    found = people.known(people.note(data), other, queried(other))
    assert found.pids == set()
    assert {other.name_of(p) for p in found.namesakes} == (
        named(data, "train") & named(other, "query")
    )


def test_a_moved_or_copied_folder_is_the_same_one(own: Path, tmp_path: Path) -> None:
    noted = people.note(load(own))
    copy = shutil.copytree(own, tmp_path / "copy")
    wanted = known(noted, load(own, 5))
    assert wanted and known(noted, load(copy, 5)) == wanted
    shutil.rmtree(own)
    assert known(noted, load(copy, 5)) == wanted


def test_new_pictures_in_the_same_folder_are_of_the_same_people(own: Path) -> None:
    noted = people.note(load(own))
    wanted = known(noted, load(own, 5))
    for file in own.rglob("*.png"):
        with Image.open(file) as image:
            image.resize((4, 8)).save(file)
    assert known(noted, load(own, 5)) == wanted


def test_a_renamed_person_is_known_by_the_pictures(own: Path) -> None:
    data = load(own)
    noted = people.note(data)
    for name in sorted(named(data, "train")):
        (own / name).rename(own / f"new {name}")
    now = load(own)
    renamed = {n for n in named(now, "query") if n.startswith("new")}
    assert renamed and known(noted, now) == renamed
    found = people.known(noted, now, queried(now))
    assert found.copies == dict.fromkeys(found.pids, 4)  # all images of each


def placeholder(root: Path, *names: str) -> None:
    """The same grey picture for each of them."""
    for name in names:
        Image.new("RGB", (8, 16), "grey").save(root / name / "1_9999.png")


def test_one_picture_in_common_does_not_make_strangers_the_same(
    tmp_path: Path,
) -> None:
    """A placeholder that both sets hold: same names stay namesakes."""
    one = draw(tmp_path / "one", *NAMES)
    other = draw(tmp_path / "other", *NAMES)
    trained = min(named(load(one), "train") & named(load(other, 5), "query"))
    placeholder(one, trained)
    placeholder(other, trained)
    noted = people.note(load(one))
    data = load(other, 5)
    found = people.known(noted, data, queried(data))
    assert {data.name_of(p) for p in found.pids} == {trained}  # by the picture
    assert found.copies == {} and found.namesakes
    assert load(other, 5, trained=noted) == data  # nor has it the split of the run
    placeholder(one, *NAMES)
    placeholder(other, *NAMES)
    noted = people.note(load(one))
    data = load(other, 5)
    assert load(other, 5, trained=noted) == data
    found = people.known(noted, data, queried(data))
    same = named(load(one), "train") & named(data, "query")
    assert {data.name_of(p) for p in found.pids - found.copies.keys()} == same


def test_copies_under_other_names_are_counted_and_seen(tmp_path: Path) -> None:
    one = draw(tmp_path / "one", *NAMES)
    noted = people.note(load(one))
    other = draw(tmp_path / "other", *(f"x{i:02}" for i in range(6)))
    data = load(other, test_share=1)
    first, second = sorted(noted["trained"])[:2]
    shutil.copy(one / first / "1_0000.png", other / "x02" / "1_0000.png")
    shutil.copy(one / second / "2_0001.png", other / "x02" / "2_0000.png")
    shutil.copy(one / second / "2_0001.png", other / "x04" / "2_0000.png")
    data = load(other, test_share=1)
    found = people.known(noted, data, queried(data))
    copies = {data.name_of(pid): n for pid, n in found.copies.items()}
    assert copies == {"x02": 2, "x04": 1}
    assert known(noted, data) == {"x02", "x04"} and not found.namesakes


def test_a_copy_with_some_new_pictures_is_the_same_folder(
    own: Path, tmp_path: Path
) -> None:
    noted = people.note(load(own))
    copy = shutil.copytree(own, tmp_path / "copy")
    trained = sorted(noted["trained"])

    def renew(names: list[str]) -> None:
        for name in names:
            for file in (copy / name).iterdir():
                with Image.open(file) as image:
                    image.resize((4, 8)).save(file)

    wanted = known(noted, load(copy, 5))
    renew(trained[:4])  # of eight: half of them are still as they were
    assert wanted and known(noted, load(copy, 5)) == wanted
    renew(trained)
    data = load(copy, 5)
    found = people.known(noted, data, queried(data))
    assert not found.pids
    assert {data.name_of(p) for p in found.namesakes} == wanted  # said, not claimed


def test_csv_and_pattern_name_the_same_people(own: Path) -> None:
    noted = people.note(load(own))
    lines = ["path,pid,camid"]
    lines += [
        f"{p}/{c}_{i:04}.png,{p},{c}" for p in NAMES for c in (1, 2) for i in (0, 1)
    ]
    (own / "list.csv").write_text("\n".join(lines) + "\n")
    by_csv = load(own, csv="list.csv")
    by_pattern = load(own, pattern=r"^(?P<pid>\w+)/(?P<camid>\d)")
    assert by_csv.train == by_pattern.train == load(own).train
    assert known(noted, by_csv) == known(noted, by_pattern) == set()
    assert known(noted, load(own, 5, csv="list.csv"))


def test_toymarket_of_another_seed_or_cue_has_other_people(market: ReIDData) -> None:
    drawn = {"seed": 0, "cues": "layout"}
    data = replace(market, name="toymarket", people=people.toymarket(drawn))
    again = replace(data, query=data.train, root=Path("elsewhere"))
    noted = people.note(data)
    assert len(known(noted, again)) == len(data.labels)
    for other in ({"seed": 1, "cues": "layout"}, {"seed": 0, "cues": "global"}):
        strangers = replace(again, people=people.toymarket(other), query=data.query)
        pids = set(data.labels)
        assert people.known(noted, strangers, pids) == (set(), set(), {})


def test_published_sets_are_known_by_set_and_pid(market: ReIDData) -> None:
    data = replace(market, people="market1501")
    noted = people.note(data)
    test = replace(data, root=Path("a copy"), query=[], gallery=[])
    assert people.known(noted, test, data.labels).pids == set(data.labels)
    duke = replace(test, name="dukemtmc", people="dukemtmc")
    assert people.known(noted, duke, data.labels) == (set(), set(), {})
    # as an own folder of the very same files
    own = replace(data, name="folder", people="", query=data.train)
    assert people.known(noted, own, data.labels).pids == set(data.labels)


def test_an_own_set_in_markets_layout_is_known_by_its_folder(
    market: ReIDData, market_home: Path, tmp_path: Path
) -> None:
    assert datasets.load("market1501", market_home).people == ""
    noted = people.note(market)
    assert people.known(noted, market, market.labels).pids == set(market.labels)
    other = tmp_path / market_home.name
    shutil.copytree(market_home, other)
    for file in other.rglob("*.jpg"):
        file.write_bytes(file.read_bytes() + b"another picture")
    strangers = datasets.load("market1501", other)
    found = people.known(noted, strangers, market.labels)
    assert found == (set(), set(market.labels), {})


def test_older_records_with_pids_alone(own: Path, market: ReIDData) -> None:
    toy = {"seed": 0, "cues": "layout"}
    record = {"data": "toymarket", "pids": [2, 3], "toymarket": {"settings": toy}}
    data = replace(market, name="toymarket", people=people.toymarket(toy))
    noted = people.older(record, data)
    assert noted and people.known(noted, data, [3, 4]).pids == {3}
    other = replace(data, people=people.toymarket({**toy, "seed": 1}))
    noted = people.older(record, other)
    assert noted and people.known(noted, other, [3, 4]).pids == set()
    folder = {"data": "folder", "pids": [1, 2]}
    assert people.older(folder, load(own)) is None


# --- a run's split again -------------------------------------------------------------


def test_a_runs_split_comes_back_whatever_was_added(
    own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = load(own)
    noted = people.note(before)
    draw(own, "a00", "zz")
    draw(own, "p03", cams=(3,))
    capsys.readouterr()
    now = load(own, 99, trained=noted)
    said = capsys.readouterr().out
    assert "are those of the training run" in said and "drawn" not in said
    assert "10 images that came later are left out, 2 people among them" in said
    for part in ("train", "query", "gallery"):
        assert [s.path for s in getattr(now, part)] == [
            s.path for s in getattr(before, part)
        ]
    assert named(now, "query") == named(before, "query")
    assert known(noted, now) == set()


def test_images_that_are_gone_are_said(
    own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = load(own)
    noted = people.note(before)
    before.query[0].path.unlink()
    now = load(own, trained=noted)
    assert "1 images of it are gone" in capsys.readouterr().out
    assert [s.path for s in now.query] == [s.path for s in before.query[1:]]


def test_a_split_of_another_folder_or_a_given_one_is_not_replaced(
    own: Path, tmp_path: Path
) -> None:
    noted = people.note(load(own))
    other = draw(tmp_path / "other", *NAMES)
    assert load(other, 5, trained=noted) == load(other, 5)
    held = load(own, val_pids=3)
    assert load(own, val_pids=3, trained=noted) == held
    lines = ["path,pid,camid,split"]
    lines += [
        f"{p}/{c}_0000.png,{p},{c},{'query' if c == 1 else 'gallery'}"
        for p in NAMES
        for c in (1, 2)
    ]
    (own / "list.csv").write_text("\n".join(lines) + "\n")
    given = load(own, csv="list.csv", trained=noted)
    assert len(given.query) == 16 and not given.train
    assert len(known(noted, given)) == len(noted["trained"])


# --- one camera -----------------------------------------------------------------------


def test_a_run_keeps_the_protocol_of_its_queries(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = draw(tmp_path / "set", *NAMES, cams=(1,), n=3)
    before = load(root)
    noted = people.note(before)
    assert noted["protocol"] == before.protocol == "same_camera"
    draw(root, *NAMES[:3], cams=(2,))  # now a folder with two cameras
    capsys.readouterr()
    assert load(root).protocol == "market1501"
    now = load(root, 99, trained=noted)
    assert now.protocol == "same_camera" and now.query == before.query
    said = capsys.readouterr().out
    assert "so is its protocol, same_camera: NOT COMPARABLE" in said
    assert datasets.left_out(now) is not None


def test_a_published_split_is_noted_as_before(own: Path) -> None:
    noted = people.note(load(own))
    assert "protocol" not in noted and load(own, trained=noted).protocol == "market1501"
    asked = load(own, trained=noted, same_camera=True)  # what is asked for is done
    assert asked.protocol == "same_camera" and asked.query == load(own).query
