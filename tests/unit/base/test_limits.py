from __future__ import annotations

import resource
import threading
from collections.abc import Iterator

import pytest

from lab.base import limits, wait
from lab.base.wait import NotYet
from lab.measure.counting import Request
from lab.measure.load import Load


@pytest.fixture
def as_on_macos() -> Iterator[int]:
    """Allow this process 256 open files, the default of macOS; the result is what it may raise that to."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
    yield before[1] if 0 <= before[1] < limits.OPEN_FILES else limits.OPEN_FILES
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def allowed() -> int:
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def test_a_load_may_have_more_connections_than_macos_allows_by_default(as_on_macos: int) -> None:
    asked = threading.Event()

    def ask() -> Request:
        asked.set()
        return Request(at_s=0, latency_ms=0, answered_by="podinfo", error="")

    load = Load("any", 100, ask)
    load.start()
    wait.until("a request", lambda: asked.is_set() or NotYet("none"), timeout_s=30)
    load.stop()
    assert allowed() == as_on_macos


def test_a_limit_that_is_high_enough_stays(as_on_macos: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "OPEN_FILES", 100)
    limits.allow_open_files()
    assert allowed() == 256


def test_a_limit_that_may_not_be_raised_stays(as_on_macos: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise ValueError("not allowed to raise maximum limit")

    monkeypatch.setattr(resource, "setrlimit", refuse)
    limits.allow_open_files()
    monkeypatch.undo()
    assert allowed() == 256
