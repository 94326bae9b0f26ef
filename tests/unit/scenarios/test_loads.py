"""The load of a step, sent to a frontend on this machine."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest

from lab import config
from lab.base import wait
from lab.measure.recording import Recording
from lab.scenario.actions import Command, NewPhase
from lab.scenario.context import Context
from lab.scenario.executor import Output
from lab.scenario.loads import StepLoad
from tests.unit.scenarios.kit import FakeRunner, executor_of, lab_of


class Frontend(ThreadingHTTPServer):
    """Answers by the cluster in `cluster`, counts, and keeps the numbers of requests."""

    cluster, answered = "west", 0
    numbers: ClassVar[list[str | None]]


@pytest.fixture
def frontend() -> Iterator[Frontend]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.answered += 1
            server.numbers.append(self.headers["x-lab-number"])
            answer = {"cluster": server.cluster, "pod": "podinfo-1", "error": None}
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"answers": [answer]}).encode())

        def log_message(self, *_: object) -> None: ...

    Frontend.numbers = []
    with Frontend(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def at_frontend(context: Context, frontend: Frontend) -> Context:
    port = frontend.server_address[1]
    with socket.socket() as closed:  # a port where nothing listens
        closed.bind(("127.0.0.1", 0))
        other = closed.getsockname()[1]
    spec = config.parse(f"[clusters.west]\ningress_port = {port}\n[clusters.east]\ningress_port = {other}\n")
    context.lab = lab_of(spec)
    return context


def test_a_step_runs_under_its_load(at_frontend: Context, frontend: Frontend, runner: FakeRunner) -> None:
    def some_more() -> str:
        before = frontend.answered
        enough = before + 5
        wait.until("requests", lambda: frontend.answered >= enough or wait.NotYet("few"), timeout_s=20, interval_s=0.01)
        return ""

    def shift() -> str:
        frontend.cluster = "east"
        return some_more()

    runner.answers = {"wait": some_more, "shift": shift}
    told: list[Output] = []
    executor = executor_of(at_frontend, runner, tell=told.append)
    load = StepLoad(name="shift", service="podinfo", inside=False)
    executor.under_load("demo", [Command("wait"), NewPhase("all to East"), Command("shift")], load)

    (data,) = at_frontend.recall("load/shift")
    recording = Recording.of_json(data)
    assert recording.name == "through West's ingress"
    assert recording.lost == ()
    before, after = recording.phases()
    assert before.answered_by["west"] >= 5
    # One that was due before the change counts there, even if a busy machine sends it after the change.
    (mark,) = recording.marks
    early = [r for r in recording.requests if r.at_s + r.latency_ms / 1000 < mark.at_s]
    assert {r.answered_by for r in early} == {"west"}
    assert after.name == "all to East"
    assert after.answered_by["east"] >= 5


def test_a_load_with_two_entrances_is_named_by_both(at_frontend: Context, frontend: Frontend) -> None:
    load = StepLoad(name="x", service="podinfo", entrances=("west", "east"), inside=False)
    with load.start(at_frontend) as loads:
        wait.until("one", lambda: frontend.answered > 0 or wait.NotYet("none"), timeout_s=20, interval_s=0.01)
    (recording,) = loads.recordings
    assert recording.name == "through West's or East's ingress"


def test_a_numbered_load_numbers_the_requests_of_each_entrance(at_frontend: Context, frontend: Frontend) -> None:
    load = StepLoad(name="x", service="podinfo", entrances=("west", "east"), numbered=True)
    with load.start(at_frontend) as loads:
        wait.until("three", lambda: frontend.answered > 2 or wait.NotYet("few"), timeout_s=20, interval_s=0.01)
    west, east = loads.recordings
    assert (west.name, east.name) == ("through West's ingress", "through East's ingress")
    assert sorted(map(str, frontend.numbers)) == sorted(f"west-{n}" for n in range(1, frontend.answered + 1))
    assert east.lost == east.requests  # its port is closed here


def test_other_loads_have_no_numbers(at_frontend: Context, frontend: Frontend) -> None:
    with StepLoad(name="x", service="podinfo", inside=False).start(at_frontend):
        wait.until("one", lambda: frontend.answered > 0 or wait.NotYet("none"), timeout_s=20, interval_s=0.01)
    assert set(frontend.numbers) == {None}


def test_the_load_ends_with_a_step_that_breaks(at_frontend: Context, frontend: Frontend, runner: FakeRunner) -> None:
    runner.answers = {"interrupted": KeyboardInterrupt()}
    executor = executor_of(at_frontend, runner)
    threads = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        executor.under_load("demo", [Command("interrupted")], StepLoad(name="x", service="podinfo", inside=False))
    wait.until(
        "the end of the load's threads",
        lambda: threading.active_count() <= threads or wait.NotYet("they run"),
        timeout_s=20,
        interval_s=0.01,
    )
    assert "load/x" not in at_frontend.memo
