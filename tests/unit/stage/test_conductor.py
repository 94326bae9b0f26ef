"""The conductor: one request at a time, interruptions, and what happens after an error."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from lab.base import cancel, wait
from lab.base.errors import LabError
from lab.stage.conductor import Conductor, Work
from lab.stage.parts import Declined


class Noted:
    def __init__(self) -> None:
        self.notes: list[str] = []
        self.changes = 0
        self.conductor = Conductor(changed=self._changed, note=self.notes.append)

    def _changed(self) -> None:
        self.changes += 1

    def idle(self) -> None:
        wait.until("idle", lambda: self.conductor.work is None or wait.NotYet("busy"), timeout_s=20, interval_s=0.005)


@pytest.fixture
def noted() -> Iterator[Noted]:
    made = Noted()
    made.conductor.start()
    yield made
    made.conductor.close()


def waits(began: threading.Event) -> None:
    began.set()
    wait.until("the end", lambda: wait.NotYet("no"), timeout_s=60, interval_s=0.005)


def test_only_one_of_many_requests_at_once_begins(noted: Noted) -> None:
    release = threading.Event()
    begun: list[int] = []
    declined: list[str] = []
    together = threading.Barrier(8)

    def presenter(number: int) -> None:
        together.wait()
        try:
            noted.conductor.begin(Work(wish="go"), lambda: (begun.append(number), release.wait(20)))
        except Declined as error:
            declined.append(error.what)

    threads = [threading.Thread(target=presenter, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    release.set()
    noted.idle()
    assert (len(begun), declined) == (1, ["a step runs"] * 7)
    assert noted.changes == 2


def test_what_is_declined_by_its_check_does_not_begin(noted: Noted) -> None:
    def check() -> None:
        raise Declined("not here")

    with pytest.raises(Declined, match="not here"):
        noted.conductor.begin(Work(wish="go"), lambda: None, check=check)
    assert noted.conductor.work is None


def test_an_interruption_stops_what_runs_and_the_next_request_works(noted: Noted) -> None:
    began = threading.Event()
    noted.conductor.begin(Work(wish="go", step="demo/one"), lambda: waits(began))
    assert began.wait(20)
    noted.conductor.interrupt()
    noted.idle()
    assert noted.notes == ["Interrupted: undo it, or run it again"]
    with pytest.raises(Declined, match="nothing runs"):
        noted.conductor.interrupt()
    done = threading.Event()
    noted.conductor.begin(Work(wish="undo"), done.set)
    assert done.wait(20)


@pytest.mark.parametrize(
    ("error", "note"),
    [
        (LabError("the API server is gone", where="east"), "east: the API server is gone"),
        (AttributeError("x"), "the stage has a defect: AttributeError: x"),
        (LabError("Bearer abcdefghijkl"), "Bearer [redacted]"),
    ],
)
def test_an_error_is_noted_and_the_next_request_works(noted: Noted, error: Exception, note: str) -> None:
    def fails() -> None:
        raise error

    noted.conductor.begin(Work(wish="go"), fails)
    noted.idle()
    assert noted.notes == [note]
    done = threading.Event()
    noted.conductor.begin(Work(wish="go"), done.set)
    assert done.wait(20)


def test_the_end_stops_what_runs_and_declines_the_rest(token: cancel.Token) -> None:
    noted = Noted()
    noted.conductor.start()
    began = threading.Event()
    noted.conductor.begin(Work(wish="go"), lambda: waits(began))
    assert began.wait(20)
    noted.conductor.close()
    assert noted.conductor.work is None
    assert noted.notes == []
    with pytest.raises(Declined, match="the stage ends"):
        noted.conductor.begin(Work(wish="go"), lambda: None)


def test_ctrl_c_in_the_lab_stops_what_runs(noted: Noted, token: cancel.Token) -> None:
    began = threading.Event()
    noted.conductor.begin(Work(wish="go"), lambda: waits(began))
    assert began.wait(20)
    token.cancel()
    with cancel.using(cancel.Token()):
        noted.idle()
