"""An upstream dies and comes back: the page's losses are those of an independent count."""

from __future__ import annotations

import re
import threading

import pytest
import requests

from lab.base import wait
from lab.base.wait import NotYet
from tests.browser.page.kit import Loop, Podinfo, running


def follow(url: str, lost: list[int], stop: threading.Event) -> None:
    """Count the failed answers of a stream of its own, as a program does."""
    with requests.get(url, timeout=30, stream=True) as stream:
        kind = ""
        for line in stream.iter_lines():
            if stop.is_set():
                return
            if line.startswith(b"event: "):
                kind = line[7:].strip().decode()
            elif line.startswith(b"data: ") and kind == "answer" and b'"error":null' not in line:
                lost.append(1)


def test_every_lost_request_is_counted_once(view, loop: Loop):
    upstream = Podinfo(loop, {"west": 1})
    with running({"podinfo": upstream}) as frontend:
        viewer = view(f"{frontend.url}/?view=timeline&rate=20")
        viewer.answers(40)
        frontend.mark("kill podinfo", intended=True)
        upstream.stop()
        viewer.waits("() => document.querySelector('.timeline tbody tr')?.textContent.startsWith('kill podinfo')")
        viewer.waits("() => Number(document.querySelector('.timeline tbody tr td:nth-child(4)').textContent) >= 20")
        upstream.weights = {"east": 1}
        upstream.start()
        viewer.sees(".timeline .verdict", re.compile(r"as intended \(kill podinfo\), recovered after \d+\.\d s"))
        phases = viewer.page.locator(".timeline tbody tr td:first-child").all_text_contents()
        upstream.stop()  # what it has served does not change any more, and all else is lost

        def agree() -> bool | NotYet:
            sent, lost = viewer.counted()
            served = sum(upstream.served.values())
            return sent - lost == served or NotYet(f"{served} served, {sent} - {lost} answered on the page")

        wait.until("the counts of the upstream and of the page to agree", agree, timeout_s=60, interval_s=0.5)
        served = sum(upstream.served.values())

    assert served > 40
    assert phases == ["kill podinfo (intended)", "before"]


def test_the_timeline_is_what_another_client_of_the_same_time_counts(view, loop: Loop):
    """Two streams of the same rate lose the same requests, but for those at the edges of the gap."""
    upstream, lost, stop = Podinfo(loop, {"west": 1}), [], threading.Event()
    with running({"podinfo": upstream}) as frontend:
        other = threading.Thread(target=follow, args=(f"{frontend.url}/api/stream?rate=20", lost, stop), daemon=True)
        other.start()
        viewer = view(f"{frontend.url}/?view=timeline&rate=20")
        viewer.answers(20)
        upstream.stop()
        viewer.waits("() => Number(document.querySelector('.timeline tbody tr td:nth-child(4)')?.textContent) >= 30")
        upstream.start()
        viewer.sees(".timeline .verdict", "recovered after")
        (_, counted), independent = viewer.counted(), len(lost)
        stop.set()
        other.join(30)

    assert abs(counted - independent) <= max(5, counted / 5)


def test_a_gap_has_its_length_and_the_chart_shows_it(view, loop: Loop):
    upstream = Podinfo(loop, {"west": 1})
    with running({"podinfo": upstream}) as frontend:
        viewer = view(f"{frontend.url}/?view=timeline&rate=20&theme=light")
        viewer.answers(20)
        assert viewer.areas(".timeline")["failed"] == 0
        upstream.stop()
        viewer.sees(".timeline .verdict", "it is not over")
        viewer.waits(
            "() => document.querySelector('.timeline .verdict').textContent.match(/(\\d+) lost, it/)?.[1] >= 20"
        )
        red = viewer.areas(".timeline")["failed"]
        upstream.start()
        viewer.sees(".timeline .verdict", re.compile(r"One gap: \d+ lost, recovered after \d+\.\d s"))

    assert red > 200


def test_marks_of_others_appear_and_begin_phases(view, loop: Loop):
    with running({"podinfo": Podinfo(loop, {"west": 1})}) as frontend:
        frontend.mark("before the page was opened", kind="step")
        viewer = view(f"{frontend.url}/?view=timeline&rate=20")
        viewer.answers(20)
        frontend.mark("cut the link", kind="command")
        viewer.sees(".timeline tbody tr td", "cut the link")

    assert viewer.page.locator(".timeline tbody tr").count() == 2


def test_retries_are_not_told_unless_an_answer_tells_them(view, loop: Loop):
    with running({"podinfo": Podinfo(loop, {"west": 1})}) as frontend:
        viewer = view(f"{frontend.url}/?view=timeline&rate=20")
        viewer.sees(".timeline tbody tr td:nth-child(5)", "not told")


@pytest.mark.parametrize(("attempts", "shown"), [(1, r"0"), (2, r"[1-9]\d*")])
def test_retries_are_counted_where_answers_tell_them(view, loop: Loop, attempts: int, shown: str):
    with running({"podinfo": Podinfo(loop, {"west": 1}, attempts=attempts)}) as frontend:
        viewer = view(f"{frontend.url}/?view=timeline&rate=20")
        viewer.sees(".timeline tbody tr td:nth-child(5)", re.compile(f"^{shown}$"))


def test_losses_that_are_meant_are_labelled_in_large(view, loop: Loop):
    upstream = Podinfo(loop, {"west": 1})
    with running({"podinfo": upstream}) as frontend:
        viewer = view(f"{frontend.url}/?view=grid&rate=20")
        viewer.answers(10)
        upstream.stop()
        viewer.sees(".shares .failed .who", "no answer")
        frontend.mark("kill podinfo", intended=True)
        viewer.sees(".shares .failed .who", "lost as intended")
        viewer.sees(".sentence", "intended: kill podinfo")


@pytest.mark.parametrize("hours", [-1, 1])
def test_the_frontends_clock_may_differ_from_the_viewers(view, loop: Loop, hours: int):
    clock = f"const now = Date.now; Date.now = () => now() + {hours * 3_600_000};"
    with running({"podinfo": Podinfo(loop, {"west": 1})}) as frontend:
        viewer = view(f"{frontend.url}/?view=timeline&rate=20&theme=light", before=clock)
        viewer.answers(40)
        areas = viewer.areas(".timeline")

    assert areas["west"] > 2000
