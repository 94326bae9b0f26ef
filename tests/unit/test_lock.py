"""The lock: the second run is told who is running, and a dead holder holds nothing."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from lab.base.errors import LockedError
from lab.base.paths import Paths
from lab.lifecycle import lock


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(cache=tmp_path / "cache", state=tmp_path / "state")


def test_the_second_run_is_told_who_is_running(paths: Paths) -> None:
    with (
        lock.held(paths, "lab up"),
        pytest.raises(LockedError, match=rf"`lab up` \(process {os.getpid()}\) has been working"),
        lock.held(paths, "lab down"),
    ):
        pytest.fail("two runs at once")
    with lock.held(paths, "lab down"):
        pass


def test_a_killed_holder_holds_nothing(paths: Paths) -> None:
    code = (
        "import os, sys; from pathlib import Path; from lab.lifecycle import lock; from lab.base.paths import Paths\n"
        "state = Path(sys.argv[1])\n"
        "with lock.held(Paths(cache=state, state=state), 'lab up'): os.kill(os.getpid(), 9)"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(paths.state)], check=False)
    assert killed.returncode == -signal.SIGKILL
    with lock.held(paths, "lab up"):
        assert paths.state.stat().st_mode & 0o777 == 0o700


def test_a_command_that_writes_no_state_leaves_no_folder(paths: Paths) -> None:
    with lock.held(paths, "lab up"):
        assert not paths.has_state
    assert not paths.state.exists()


def test_state_and_its_lock_stay(paths: Paths) -> None:
    with lock.held(paths, "lab up"):
        paths.write_lab_id("1")
    assert paths.has_state
    assert paths.lock.exists()


def child(paths: Paths, environ: Mapping[str, str], *, alone: bool = False) -> str:
    """Return what a `lab` command prints that is started now: "worked", or why it may not work on the lab."""
    code = (
        "import sys; from pathlib import Path; from lab.base.errors import LockedError\n"
        "from lab.base.paths import Paths; from lab.lifecycle import lock\n"
        "state = Path(sys.argv[1])\n"
        "try:\n"
        f"    with lock.held(Paths(cache=state, state=state), 'lab split', alone={alone}): print('worked')\n"
        "except LockedError as error: print(error)\n"
    )
    command = [sys.executable, "-c", code, str(paths.state)]
    done = subprocess.run(command, check=True, env={**os.environ, **environ}, capture_output=True, text=True)
    return done.stdout.strip()


def test_a_command_that_the_holder_starts_works_for_it_and_leaves_it_the_lock(paths: Paths) -> None:
    paths.write_lab_id("1")
    with lock.held(paths, "lab run"):
        assert child(paths, lock.passed_on(paths)) == "worked"
        assert "`lab run`" in child(paths, {}), "the lock is still held, by the parent"
    assert child(paths, {}) == "worked"


def test_a_second_presenter_is_refused_also_if_the_holder_has_started_it(paths: Paths) -> None:
    """Such as `lab walk` in a console of the stage."""
    paths.write_lab_id("1")
    with lock.held(paths, "lab stage"):
        assert "`lab stage`" in child(paths, lock.passed_on(paths), alone=True)
    assert child(paths, {}, alone=True) == "worked"


@pytest.mark.parametrize(("command", "then"), [("lab stage", "Ctrl-C"), ("lab walk", "Ctrl-C"), ("lab up", "wait")])
def test_the_next_step_ends_a_holder_that_lasts_until_a_person_ends_it(paths: Paths, command: str, then: str) -> None:
    with lock.held(paths, command), pytest.raises(LockedError) as refused, lock.held(paths, "lab reset"):
        pass
    assert then in str(refused.value.next)


@pytest.mark.parametrize("value", ["", "1", "x:y", "{pid}:", "{pid}:/another/lab/lock", "1:{lock}", "-{pid}:{lock}"])
def test_a_value_that_is_not_of_the_holder_opens_nothing(paths: Paths, value: str) -> None:
    environ = {"LAB_LOCK_HELD_BY": value.format(pid=os.getpid(), lock=paths.lock)}
    with lock.held(paths, "lab run"):
        assert "`lab run`" in child(paths, environ)


def test_a_value_of_a_holder_that_has_ended_is_not_enough_to_work_without_the_lock(paths: Paths) -> None:
    """The next holder is another process: a command of the first one must wait for it."""
    stale = lock.passed_on(paths)
    with lock.held(paths, "lab run"):
        pass
    code = (
        "import sys; from pathlib import Path; from lab.base.paths import Paths; from lab.lifecycle import lock\n"
        "state = Path(sys.argv[1])\n"
        "with lock.held(Paths(cache=state, state=state), 'lab down'): print('held', flush=True); sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", code, str(paths.state)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        assert other.stdout.readline() == "held\n"
        assert "`lab down`" in child(paths, stale)
        other.stdin.close()
    assert child(paths, stale) == "worked", "it takes the lock itself"


def test_a_value_of_a_holder_that_was_killed_takes_the_lock_itself(paths: Paths) -> None:
    """A killed holder leaves its file: a command that it started must not work beside a new holder."""
    paths.ensure_state()
    paths.lock_holder.write_text(json.dumps({"command": "lab run", "pid": 999999999, "since": 0}))
    stale = {"LAB_LOCK_HELD_BY": f"999999999:{paths.lock}"}
    assert child(paths, stale) == "worked"
    assert not paths.lock_holder.exists(), "it held the lock, and so nobody else did"
