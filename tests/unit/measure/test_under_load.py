from __future__ import annotations

import sys
import time

import psutil
import pytest

from lab.base.errors import LabError, UsageError
from lab.measure.counting import Request
from lab.measure.load import Load, plain_get
from lab.measure.recording import Recording
from lab.measure.under_load import UnderLoad, check_program
from tests.unit.measure.local_server import LocalServer, Mode

PYTHON = sys.executable


def steady(server: LocalServer, name: str = "plain") -> Load:
    return Load(name, 50, plain_get(server.base))


def turns(server: LocalServer, *modes: Mode) -> list[str]:
    """Return a command that puts the server into one mode after the other, each for 15 requests."""
    urls = [f"{server.base}/mode/{mode.name}?hold=15" for mode in modes]
    return [PYTHON, "-c", f"import urllib.request\nfor url in {urls}: urllib.request.urlopen(url)"]


def test_the_command_is_a_phase_between_two_marks(server: LocalServer) -> None:
    lines: list[str] = []
    with UnderLoad(loads=[steady(server)], on_line=lines.append) as under_load:
        under_load.rest(0.2)
        done = under_load.run([PYTHON, "-c", "print('one', flush=True); print('two')"])
        under_load.rest(0.2)
    (recording,) = under_load.recordings

    assert (done.exit_code, done.output, lines) == (0, "one\ntwo", ["one", "two"])
    assert under_load.commands == [done]
    assert [mark.text for mark in recording.marks] == ["during the command", "after the command"]
    assert [round(mark.at_s, 1) for mark in recording.marks] == [round(done.from_s, 1), round(done.to_s, 1)]
    assert [phase.name for phase in recording.phases()] == ["before", "during the command", "after the command"]
    before, _, after = recording.phases()
    assert before.sent > 5 < after.sent
    assert recording.lost == ()


def test_requests_that_are_lost_while_the_command_runs_are_counted(server: LocalServer) -> None:
    with UnderLoad(loads=[steady(server)]) as under_load:
        under_load.rest(0.2)
        under_load.run(turns(server, Mode.CLOSE, Mode.ANSWER), during="connections close", after="it answers")
        under_load.rest(0.2)
    (recording,) = under_load.recordings
    before, during, after = recording.phases()

    assert (before.lost, after.lost) == (0, 0)
    assert 10 < during.lost < during.sent
    assert during.rto_s is not None
    assert 0.2 < during.rto_s < under_load.commands[0].to_s - under_load.commands[0].from_s


@pytest.mark.parametrize(
    ("code", "exit_code"),
    [("raise SystemExit(3)", 3), ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", 137)],
)
def test_a_failed_command_is_a_result_and_the_load_continues(server: LocalServer, code: str, exit_code: int) -> None:
    with UnderLoad(loads=[steady(server)]) as under_load:
        assert under_load.run([PYTHON, "-c", code]).exit_code == exit_code
        sent = len(under_load.recordings[0].requests)
        under_load.rest(0.2)
    assert len(under_load.recordings[0].requests) > sent


def test_a_command_ends_with_its_process_not_with_what_it_left_in_the_background(server: LocalServer) -> None:
    with UnderLoad(loads=[steady(server)]) as under_load:
        done = under_load.run(["sh", "-c", "sleep 8 & echo started $!"])
        assert psutil.pid_exists(int(done.output.split()[1])), "the background process has not ended before"
    psutil.Process(int(done.output.split()[1])).kill()


def test_without_a_mark_the_recovery_counts_from_the_first_lost_request() -> None:
    answers = [Request(at_s=n, latency_ms=1, answered_by=None if n in {4, 5, 6} else "west") for n in range(10)]
    (phase,) = Recording(name="x", rate_per_s=1, requests=tuple(answers), marks=()).phases()
    assert (phase.lost, phase.rto_s) == (3, 3)


def test_variables_reach_the_command(server: LocalServer) -> None:
    with UnderLoad(loads=[steady(server)], env={"OF_THE_LAB": "1"}) as under_load:
        done = under_load.run([PYTHON, "-c", "import os; print(os.environ['OF_THE_LAB'])"])
    assert done.output == "1"


def test_all_loads_have_the_marks(server: LocalServer) -> None:
    with UnderLoad(loads=[steady(server, "outer"), steady(server, "inner")]) as under_load:
        with under_load.marked(during="pods die", after="pods are back"):
            under_load.rest(0.1)
        under_load.mark("the end")
    outer, inner = under_load.recordings
    assert (outer.name, inner.name) == ("outer", "inner")
    for recording in (outer, inner):
        assert [mark.text for mark in recording.marks] == ["pods die", "pods are back", "the end"]
        assert recording.requests


def test_after_ctrl_c_the_recording_has_what_was_answered_and_no_request_is_waited_for(server: LocalServer) -> None:
    under_load = UnderLoad(loads=[Load("hangs", 50, plain_get(server.base, timeout_s=20))])

    def interrupted() -> None:
        with under_load:
            under_load.rest(0.3)
            server.mode = Mode.HANG
            under_load.rest(0.5)
            raise KeyboardInterrupt

    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert time.monotonic() - began < 2
    assert len(under_load.recordings[0].requests) > 5
    assert under_load.under_way > 5, "requests without a result are counted, in no recording"
    assert under_load.loads[0].over


def test_an_interrupted_command_has_no_exit_code(server: LocalServer) -> None:
    def interrupted(*_: object, **__: object) -> object:
        raise KeyboardInterrupt

    under_load = UnderLoad(loads=[steady(server)], runner=interrupted)  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt), under_load:
        under_load.run(["sleep", "1"])
    assert [(one.argv, one.exit_code) for one in under_load.commands] == [(("sleep", "1"), None)]
    assert [mark.text for mark in under_load.recordings[0].marks] == ["during the command", "after the command"]


def test_an_error_in_the_block_stops_the_load(server: LocalServer) -> None:
    under_load = UnderLoad(loads=[steady(server)])
    with pytest.raises(LabError, match="broken"), under_load:
        raise LabError("broken")
    assert under_load.loads[0].over


def test_a_load_of_lost_requests_only_ends_too() -> None:
    def lost() -> Request:
        return Request(at_s=0, latency_ms=0, answered_by=None, error="gone")

    with UnderLoad(loads=[Load("dead", 50, lost)]) as under_load:
        under_load.rest(0.2)
    (recording,) = under_load.recordings
    assert len(recording.lost) == len(recording.requests) > 5


def test_a_command_that_does_not_exist_is_refused() -> None:
    check_program([PYTHON], {})
    with pytest.raises(UsageError, match="command not found: no-such-program"):
        check_program(["no-such-program", "--flag"], {})
    with pytest.raises(UsageError, match="command not found: sh"):
        check_program(["sh"], {"PATH": "/nowhere"})
