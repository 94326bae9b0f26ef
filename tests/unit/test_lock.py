"""The lock: the second run is told who is running, and a dead holder holds nothing."""

import os
import signal
import subprocess
import sys
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
