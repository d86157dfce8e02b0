"""The map of the lessons is what the lessons say of themselves."""

import re
from pathlib import Path

import make_map

FILE = make_map.FILE.read_text("utf-8")


def test_the_map_is_up_to_date() -> None:
    start, end = make_map.MARK
    assert FILE.partition(start)[2].partition(end)[0] == make_map.text()


def test_every_lesson_and_each_of_its_exercises_is_in_it() -> None:
    for source in make_map.lessons():
        assert f"({source.stem}.ipynb)" in FILE
        numbers = re.findall(
            r"^# ### Exercise (\d\.\d)", source.read_text("utf-8"), re.M
        )
        assert numbers and all(f"{n} " in FILE for n in numbers)


def test_links_lead_somewhere() -> None:
    folder = Path(make_map.FILE).parent
    for link in re.findall(r"\]\(([^)#:]+)\)", FILE):
        assert (folder / link).exists(), link
