"""Waits: bounded, explained, without passing real time."""

from collections.abc import Callable
from itertools import cycle

import pytest

from lab.base import events, wait
from lab.base.errors import WaitTimeout
from lab.base.wait import NotYet, TransientError


class Time:
    """A clock that moves only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def clock(self) -> float:
        return self.now


def until(probe: Callable[[], object], *, timeout_s: float = 180, time: Time | None = None) -> object:
    time = time or Time()
    return wait.until(
        "east: nodes Ready", probe, timeout_s=timeout_s, sleep=time.sleep, clock=time.clock, next="lab logs"
    )


def test_returns_what_the_probe_found() -> None:
    answers = iter([NotYet("0/1"), NotYet("0/1"), "ready"])
    assert until(lambda: next(answers)) == "ready"


def test_timeout_names_the_last_observation() -> None:
    time = Time()
    with pytest.raises(
        WaitTimeout,
        match=r"timed out after 180 s waiting for east: nodes Ready \(last seen: 0/1 nodes\). Next: lab logs",
    ):
        until(lambda: NotYet("0/1 nodes"), time=time)
    assert time.now >= 180


def test_a_transient_error_is_an_observation() -> None:
    def probe() -> object:
        raise TransientError("connection refused")

    with pytest.raises(WaitTimeout, match="last seen: connection refused"):
        until(probe)


def test_any_other_error_ends_the_wait_at_once() -> None:
    with pytest.raises(ZeroDivisionError):
        until(lambda: 1 / 0)


def test_progress_says_only_what_is_new() -> None:
    answers = iter([NotYet("0/2"), NotYet("0/2"), NotYet("1/2"), True])
    said: list[str] = []
    with events.reporting(lambda text, _: said.append(text)):
        until(lambda: next(answers))
    assert said == ["east: nodes Ready", "east: nodes Ready: 0/2", "east: nodes Ready: 1/2"]


def test_several_successes_in_a_row_are_asked_for_and_one_failure_begins_again() -> None:
    answers = iter([True, NotYet("503"), True, True, "third"])
    said: list[str] = []
    with events.reporting(lambda text, _: said.append(text)):
        assert wait.until("answers", lambda: next(answers), timeout_s=9, successes=3, interval_s=0) == "third"
    assert said[1:4] == ["answers: 1 of 3 successes in a row", "answers: 503", "answers: 1 of 3 successes in a row"]


def test_what_flaps_times_out() -> None:
    time, answers = Time(), cycle([True, NotYet("503")])
    with pytest.raises(WaitTimeout, match="last seen: "):
        wait.until("x", lambda: next(answers), timeout_s=9, successes=2, sleep=time.sleep, clock=time.clock)
