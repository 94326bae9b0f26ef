"""The page is watched: a screen knows whether there is a page to show."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from lab.stage.page_watch import PageWatch


def watched(*answers: int | None) -> list[str | None]:
    """Return the problems after each change, until there are no more answers."""
    left: Iterator[int | None] = iter(answers)
    over = threading.Event()
    seen: list[str | None] = []

    def status(url: str, *, timeout_s: float) -> int | None:
        assert (url, timeout_s) == ("http://127.0.0.1:8080/", 2.0)
        try:
            return next(left)
        except StopIteration:
            over.set()
            watch.close()
            return None

    watch = PageWatch("http://127.0.0.1:8080/", status=status, again_s=0)
    watch.start(lambda: seen.append(watch.problem))
    assert over.wait(30)
    return seen


def test_a_page_that_answers_is_no_news() -> None:
    assert watched(200, 200) == []


def test_a_page_that_does_not_answer_is_named_once_and_its_return_too() -> None:
    (problem, nothing) = watched(None, None, 200, 200)
    assert problem == "West's page does not answer at http://127.0.0.1:8080/"
    assert nothing is None


def test_an_error_of_the_ingress_is_a_problem() -> None:
    (problem,) = watched(503)
    assert problem == "West's page answers with an error (503) at http://127.0.0.1:8080/"
