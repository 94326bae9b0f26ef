"""New, changed and gone: for five seconds, then nothing."""

from __future__ import annotations

from lab.base.names import Json
from lab.stage.panel.marks import KEPT_S, Marks


def changes(rows: list[Json]) -> list[tuple[str, str | None]]:
    return [(row["name"], row["change"]) for row in rows]


def rows(**of: str) -> dict[str, Json]:
    return {name: {"name": name, "ready": ready} for name, ready in of.items()}


def test_the_first_list_has_no_marks() -> None:
    marks = Marks()
    assert changes(marks.update(rows(a="1/1", b="1/1"), 0.0, quiet=True)) == [("a", None), ("b", None)]
    assert marks.due_s() is None


def test_rows_that_came_changed_and_went_are_marked_until_their_time_is_over() -> None:
    marks = Marks()
    marks.update(rows(a="1/1", b="1/1"), 0.0, quiet=True)
    shown = marks.update(rows(b="0/1", c="0/1"), 1.0)
    assert changes(shown) == [("a", "gone"), ("b", "changed"), ("c", "new")]
    assert marks.due_s() == 1.0 + KEPT_S
    assert changes(marks.update(rows(b="0/1", c="0/1"), 5.9)) == [("a", "gone"), ("b", "changed"), ("c", "new")]
    assert changes(marks.update(rows(b="0/1", c="0/1"), 6.0)) == [("b", None), ("c", None)]
    assert marks.due_s() is None


def test_a_row_that_is_gone_shows_what_it_was_last() -> None:
    marks = Marks()
    marks.update(rows(a="1/1"), 0.0, quiet=True)
    assert marks.update({}, 1.0) == [{"name": "a", "ready": "1/1", "change": "gone"}]


def test_a_new_row_that_changes_stays_new_and_one_that_comes_back_is_new() -> None:
    marks = Marks()
    marks.update({}, 0.0, quiet=True)
    marks.update(rows(a="0/1"), 1.0)
    assert changes(marks.update(rows(a="1/1"), 2.0)) == [("a", "new")]
    marks.update({}, 3.0)
    assert changes(marks.update(rows(a="1/1"), 4.0)) == [("a", "new")]


def test_a_list_has_a_longest_length() -> None:
    marks = Marks()
    marks.update(rows(**{f"a{n}": "1/1" for n in range(5)}), 0.0, quiet=True)
    assert len(marks.update(rows(**{f"b{n}": "1/1" for n in range(5)}), 1.0, most=7)) == 7
