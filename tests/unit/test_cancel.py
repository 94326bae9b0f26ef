"""Cancellation: a real process with real signals, and every kind of wait."""

import re
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from lab.base import cancel, locks, orphans, process, wait
from lab.base.cancel import Cancelled, Token
from lab.base.concurrency import Threads
from lab.base.paths import PROJECT
from lab.base.wait import NotYet
from lab.measure.counting import Request
from lab.measure.load import Load, running
from tests.unit.fake_api import FakeApi, kube
from tests.unit.process_kit import runs, wait_for_end

PYTHON = sys.executable
LIMIT_S = 2.0
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); signal.pause()"
"""A child that ignores SIGTERM."""

LAB = """
import sys, os
from pathlib import Path
from lab.base import cancel, events, locks, process, wait
from lab.base.step import CHANGED, Step
from lab.cli import app, tables  # as every command that runs a plan has it by then
from lab.lifecycle import runner

def say(text):
    os.write(1, (text + "\\n").encode())

def step(name, body, *after):
    return Step(name=name, title=name, run=lambda: (body(), CHANGED)[1], after=after)

def command(body):
    def up(**_):
        runner.run([step("first", lambda: None), step("slow", body, "first"), step("last", lambda: None, "slow")],
                   sink=lambda _: None)
    return up
"""
WAITS = """
def body():
    say("ready")
    wait.until("pods Ready", lambda: wait.NotYet("0/1"), timeout_s=40)
app.app = command(body)
app.main()
"""
RESTS = """
def body():
    say("ready")
    wait.rest("a time-out", 40)
app.app = command(body)
app.main()
"""
RUNS = f"""
def body():
    process.run([sys.executable, "-c", {DEAF!r}], on_line=lambda _: say("ready"), timeout_s=40)
app.app = command(body)
app.main()
"""
LOCKS = """
def body():
    with locks.held(Path(sys.argv[1]), what="the lock", wait_s=3600):
        pass
app.app = command(lambda: (say("ready"), body()))
app.main()
"""
HANGS = """
import threading
def body():
    say("ready")
    held = threading.Lock(); held.acquire(); held.acquire()
app.app = command(body)
app.main()
"""
UNDOES = f"""
def up(**_):
    try:
        say("ready")
        wait.rest("a time-out", 40)
    finally:
        with cancel.undoing(40):
            say("undoing")
            process.run([sys.executable, "-c", {DEAF!r}], on_line=lambda _: say("deaf"))
app.app = up
app.main()
"""

DOWN = """
from lab.lifecycle import down
down.down = lambda *_, **__: (say("ready"), wait.rest("containers", 40))
down.owned = lambda *_, **__: [down.OwnedResource(kind="container", name="dev-west")]
sys.argv = ["lab", "down"]
app.main()
"""

UNTIL_CTRL_C = """

from contextlib import nullcontext
from types import SimpleNamespace
from unittest.mock import MagicMock
from lab import config, stacks
from lab.cli import dev, lifecycle
from lab.dev.laptop import pod, process as laptop
from lab.lab import Lab

def until_ctrl_c(*_, on_url=None, **__):
    say("ready")
    wait.rest("a change", 40)

lab = Lab.of(config.parse(""))
dev.running_lab = lifecycle.running_lab = lambda _: lab
dev.locked = lambda *_, **__: nullcontext()
stacks.mesh = MagicMock()
stacks.current = lambda _: SimpleNamespace(dashboard=until_ctrl_c)
start = until_ctrl_c if sys.argv[1] == "early" else lambda: pod.Put(pod="p", seconds=0, size_bytes=0, problem="")
pod.DevPod = lambda **_: SimpleNamespace(start=start, follow=until_ctrl_c, stop=lambda: None)
laptop.DevProcess = lambda **_: MagicMock(port=1, environment={}, wait=until_ctrl_c)
sys.argv = ["lab", *sys.argv[2:]]
app.main()
"""


@contextmanager
def lab(code: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run the command line in a process of its own until the block ends; yields when it has said "ready"."""
    child = subprocess.Popen(
        [PYTHON, "-c", textwrap.dedent(LAB) + code, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=PROJECT,
    )
    try:
        assert child.stdout is not None
        assert "ready\n" in iter(child.stdout.readline, "")
        yield child
    finally:
        child.kill()
        child.communicate()


def ended(child: subprocess.Popen[str]) -> tuple[float, str]:
    """Return the seconds until a process has ended, and what it said on standard error."""
    began = time.monotonic()
    _, said = child.communicate(timeout=30)
    return time.monotonic() - began, said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("code", [WAITS, RESTS, RUNS, HANGS], ids=["wait", "rest", "command", "hanging thread"])
def test_a_signal_ends_a_run_within_2_s_and_lists_what_is_left(code: str, number: signal.Signals) -> None:
    with lab(code) as child:
        child.send_signal(number)
        seconds, said = ended(child)
    assert seconds < LIMIT_S
    assert child.returncode == 130
    assert "1 of 3 steps are done" in said
    assert "done: first\n  stopped in the middle: slow\n  left: last\nnext:" in said


def test_a_signal_ends_the_wait_for_a_lock_of_another_process(tmp_path: Path) -> None:
    file = tmp_path / "lock"
    with locks.held(file, what="the lock", wait_s=0), lab(LOCKS, str(file)) as child:
        child.send_signal(signal.SIGINT)
        seconds, _ = ended(child)
    assert seconds < LIMIT_S
    assert child.returncode == 130


def test_an_interrupted_down_lists_what_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_STATE_DIR", str(tmp_path))
    with lab(DOWN) as child:
        child.send_signal(signal.SIGINT)
        seconds, said = ended(child)
    assert seconds < LIMIT_S
    assert said == (
        "! interrupted; left: container dev-west\n"
        "interrupted: `lab down` did not finish\nnext:  run the same command again\n"
    )


@pytest.mark.parametrize(
    ("command", "printed"),
    [
        (("dev", "pod", "."), "✓ deleted my-service from west\n"),
        (("dev", "process", "--port", "1"), "✓ removed the intercept of my-service\n"),
        (("dashboard",), ""),
    ],
)
def test_ctrl_c_is_the_good_end_of_a_command_that_runs_until_then(command: tuple[str, ...], printed: str) -> None:
    with lab(UNTIL_CTRL_C, "", *command) as child:
        child.send_signal(signal.SIGINT)
        out, said = child.communicate(timeout=30)
    assert (child.returncode, said) == (0, "")
    assert out.endswith(printed)


def test_an_interrupted_command_is_named_as_a_whole() -> None:
    with lab(UNTIL_CTRL_C, "early", "dev", "pod", ".") as child:
        child.send_signal(signal.SIGINT)
        _, said = ended(child)
    assert child.returncode == 130
    assert said == "interrupted: `lab dev pod` did not finish\nnext:  run the same command again\n"


def test_signals_are_as_before_when_the_command_line_has_ended() -> None:
    before = [signal.getsignal(number) for number in cancel.SIGNALS]
    with cancel.on_signals(lambda: None):
        assert signal.getsignal(signal.SIGTERM) not in before
    assert [signal.getsignal(number) for number in cancel.SIGNALS] == before
    assert "signals" not in {thread.name for thread in threading.enumerate()}


def test_no_command_outlives_a_cancelled_run() -> None:
    with lab(RUNS) as child:
        children = psutil.Process(child.pid).children(recursive=True)
        wardens = [one for one in children if "lab-warden" in one.cmdline()]
        commands = [one for one in children if one not in wardens]
        child.send_signal(signal.SIGINT)
        ended(child)
    assert commands
    assert [one for one in commands if runs(one)] == []
    # The warden ends after the lab: it waits for the end of the lab's pipe.
    wait_for_end(*wardens, within_s=orphans.GRACE_S + LIMIT_S)


def test_signals_of_one_stop_count_as_one(token: Token) -> None:
    now_s = 0.0
    stopped = threading.Event()
    with cancel.on_signals(stopped.set, clock=lambda: now_s):
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
        now_s = 0.25
        signal.raise_signal(signal.SIGTERM)  # as GNU timeout does, first to the process, then to its group
        assert not stopped.wait(0.2)
        now_s = 0.4
        signal.raise_signal(signal.SIGTERM)
        assert stopped.wait(5)
    assert token.cancelled


def test_an_undo_goes_on_after_the_first_signal_and_a_later_one_ends_at_once() -> None:
    with lab(UNDOES) as child:
        assert child.stdout is not None
        child.send_signal(signal.SIGINT)
        assert child.stdout.readline() == "undoing\n"
        assert child.stdout.readline() == "deaf\n"
        children = psutil.Process(child.pid).children(recursive=True)
        began = time.monotonic()
        while child.poll() is None and time.monotonic() - began < LIMIT_S:  # the first may belong to the one before
            child.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                child.wait(0.1)
        seconds, said = time.monotonic() - began, ended(child)[1]
    assert seconds < 1
    assert child.returncode == 130
    assert re.search(r"stopped at once.*\nnext:", said)
    wait_for_end(*children, within_s=5)


def test_a_cancelled_wait_names_its_last_observation(token: Token) -> None:
    def probe() -> NotYet:
        token.cancel()
        return NotYet("0/1 Available")

    with pytest.raises(Cancelled, match=r"pods Ready \(last seen: 0/1 Available\)"):
        wait.until("pods Ready", probe, timeout_s=40)


def test_nothing_new_begins_once_a_run_is_cancelled(token: Token) -> None:
    token.cancel()
    api = FakeApi()
    for work in (
        lambda: wait.until("x", lambda: True, timeout_s=1),
        lambda: wait.rest("x", 40),
        lambda: process.run([PYTHON, "-c", ""]),
        lambda: kube(api).find("v1", "Pod"),
    ):
        with pytest.raises(Cancelled):
            work()
    assert api.asked == []


def test_an_undo_works_in_a_cancelled_run_until_its_time_is_over(token: Token) -> None:
    token.cancel()
    with cancel.undoing(0.3):
        assert process.run([PYTHON, "-c", "print(1)"]).stdout == "1\n"
        with pytest.raises(Cancelled):
            wait.rest("x", 40)
    with pytest.raises(Cancelled):
        wait.rest("x", 40)


def test_an_undo_of_a_run_that_was_not_cancelled_has_no_limit_of_its_own() -> None:
    with cancel.undoing(0.0):
        wait.rest("x", 0.05)


def test_a_pool_hands_on_the_token_and_is_not_waited_for_after_ctrl_c(token: Token) -> None:
    over = threading.Event()
    with Threads(1) as threads:
        assert threads.submit(cancel.token).result() is token

    def interrupted() -> None:
        with Threads(1) as threads:
            threads.submit(over.wait, 40)
            raise KeyboardInterrupt

    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        interrupted()
    over.set()
    assert time.monotonic() - began < LIMIT_S


def test_a_load_does_not_wait_for_answers_after_ctrl_c() -> None:
    over, asked = threading.Event(), threading.Event()

    def ask() -> Request:
        asked.set()
        over.wait(40)
        return Request(at_s=0, latency_ms=0, answered_by="east")

    def interrupted() -> None:
        with running(Load("x", 10, ask)):
            asked.wait(10)
            raise KeyboardInterrupt

    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        interrupted()
    over.set()
    assert time.monotonic() - began < LIMIT_S


def test_pools_and_file_locks_are_made_in_one_place() -> None:
    makers = {"ThreadPoolExecutor": "concurrency.py", "FileLock(": "locks.py", "time.sleep(": "cancel.py"}
    for maker, home in makers.items():
        files = [f for folder in ("lab", "scenarios") for f in (PROJECT / folder).rglob("*.py")]
        files = [f for f in files if "inpod" not in f.parts]  # they run in a pod, without the rest of the lab
        assert {f.name for f in files if maker in f.read_text(encoding="utf-8")} == {home}
