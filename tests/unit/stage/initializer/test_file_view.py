"""What the viewer shows of a file: all its lines in order, with those that changed."""

from __future__ import annotations

import pytest

from lab.stage.initializer.file_view import MOST_LINES, compared, view


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("a b c", "a b c"),
        ("a b c", "a x c"),
        ("a b c", ""),
        ("", "a b c"),
        ("a a a a", "a a"),
        ("a b c d e", "a c d x e f"),
        (" ".join(map(str, range(6000))), " ".join(map(str, range(6000, 0, -1)))),
    ],
)
def test_the_chunks_have_all_lines_of_both(old: str, new: str) -> None:
    chunks = list(compared(old.split(), new.split()))
    assert [line for mark, lines in chunks for line in lines if mark != "gone"] == new.split()
    assert [line for mark, lines in chunks for line in lines if mark != "new"] == old.split()
    assert all(lines for _, lines in chunks)


def test_only_what_differs_is_marked() -> None:
    found = view("a\nb\nc\nd\n", "a\nx\nc\nd\n")
    assert [(one["mark"], one["text"]) for one in found["chunks"]] == [
        ("same", "a"),
        ("gone", "x"),
        ("new", "b"),
        ("same", "c\nd"),
    ]
    assert (found["lines"], found["hidden"]) == (5, 0)


def test_a_long_file_is_shown_whole_only_if_asked_for() -> None:
    text = "\n".join(map(str, range(MOST_LINES + 7)))
    assert view(text, None)["hidden"] == 7
    assert view(text, None)["chunks"][0]["text"].endswith(f"\n{MOST_LINES - 1}")
    whole = view(text, None, whole=True)
    assert (whole["hidden"], whole["chunks"][0]["text"]) == (0, text)
