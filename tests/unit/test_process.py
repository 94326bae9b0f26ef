"""Processes: output, errors, time-outs, and that nothing outlives the lab."""

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from lab.base import orphans, process, wait
from lab.base.errors import CommandError, CommandTimeout, LabError
from lab.base.wait import NotYet
from tests.unit.process_kit import wait_for_end

PYTHON = sys.executable


def test_output_lines_and_duration_are_kept() -> None:
    lines: list[str] = []
    done = process.run([PYTHON, "-c", "print('a'); print('b')"], on_line=lines.append)
    assert (done.stdout, lines, done.returncode) == ("a\nb\n", ["a", "b"], 0)
    assert done.duration_s > 0


def test_the_environment_is_added_to_not_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEPT", "1")
    done = process.run([PYTHON, "-c", "import os; print(os.environ['KEPT'] + os.environ['MORE'])"], env={"MORE": "2"})
    assert done.stdout == "12\n"


def test_input_is_passed_on_standard_input() -> None:
    assert process.run([PYTHON, "-c", "print(input())"], input="secret\n").stdout == "secret\n"


def test_an_error_carries_the_command_the_status_and_what_it_said() -> None:
    with pytest.raises(CommandError, match="no room left") as caught:
        process.run([PYTHON, "-c", "import sys; sys.exit('no room left')"])
    assert caught.value.returncode == 1
    assert caught.value.argv[0] == PYTHON


def test_without_check_the_status_is_returned() -> None:
    assert process.run([PYTHON, "-c", "raise SystemExit(7)"], check=False).returncode == 7


def test_a_command_that_does_not_end_is_stopped() -> None:
    with pytest.raises(CommandTimeout, match=r"did not end within 0.5 s"):
        process.run([PYTHON, "-c", "import signal; signal.pause()"], timeout_s=0.5)


def test_a_program_that_is_not_there_says_so() -> None:
    with pytest.raises(LabError, match="command not found: no-such-program"):
        process.run(["no-such-program"])


def test_a_program_that_may_not_be_run_says_so(tmp_path: Path) -> None:
    file = tmp_path / "program"
    file.write_text("#!/bin/sh\n")
    with pytest.raises(LabError, match=f"permission denied: {file}") as raised:
        process.run([file])
    assert raised.value.next == f"chmod +x {file}, or put another one on PATH"


def test_a_missing_working_directory_is_not_a_missing_program(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="gone"):
        process.run([PYTHON, "-c", ""], cwd=tmp_path / "gone")


def test_a_script_without_an_interpreter_runs_as_in_a_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "a-script"
    script.write_text('echo "$1"\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert process.run([script, "by path"]).stdout == "by path\n"
    assert process.run(["a-script", "by name"]).stdout == "by name\n"


# A lab that is killed with -9


def killed(code: str, pid_file: Path) -> int:
    """Run a program as the lab until it has written a process id, kill it with -9, and return the id."""
    lab = subprocess.Popen([PYTHON, "-c", f"from lab.base import process\n{code}"])

    def started() -> int | NotYet:
        text = pid_file.read_text().strip() if pid_file.exists() else ""
        return int(text) if text else NotYet("not started")

    pid = wait.until("the child", started, timeout_s=30, interval_s=0.05)
    lab.kill()
    lab.wait()
    return pid


@pytest.mark.parametrize("call", ["run({})", "start({}); signal.pause()", "foreground({}, env=os.environ)"])
def test_a_child_does_not_outlive_a_lab_that_is_killed(tmp_path: Path, call: str) -> None:
    pid_file = tmp_path / "pid"
    child = f"import os, signal; open({str(pid_file)!r}, 'w').write(str(os.getpid())); signal.pause()"
    wait_for_end(killed(f"import os, signal\nprocess.{call.format([PYTHON, '-c', child])}", pid_file), within_s=30)


def test_what_a_child_started_does_not_outlive_it_either(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    child = ["/bin/sh", "-c", f"sleep 1000 & echo $! > {pid_file}; wait"]
    wait_for_end(killed(f"process.run({child})", pid_file), within_s=30)


def test_a_child_that_ignores_its_signal_is_killed(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    deaf = ["/bin/sh", "-c", f"trap '' TERM; echo $$ > {pid_file}; while :; do sleep 1000; done"]
    wait_for_end(
        killed(f"from lab.base import orphans\norphans.GRACE_S = 1\nprocess.run({deaf})", pid_file), within_s=30
    )


AS_SH: dict[str, tuple[str, ...]] = {
    "sh": (),
    "bash": ("--posix",),
    "dash": (),
    "ksh": (),
    "busybox": ("sh",),
    "zsh": ("--emulate", "sh"),
}
SHELLS = [(found, *AS_SH[name]) for name in AS_SH if (found := shutil.which(name))]
"""Programs that some system has as /bin/sh, each as it is there."""


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: Path(shell[0]).name)
def test_every_shell_ends_what_still_runs_and_nothing_else(shell: tuple[str, ...]) -> None:
    sleep = ["sleep", "1000"]
    groups = [subprocess.Popen(sleep, start_new_session=True) for _ in range(3)]
    ended, forgotten, running = groups
    warden = subprocess.Popen([*shell, "-c", orphans.WARDEN, "warden", "1"], stdin=subprocess.PIPE, bufsize=0)
    try:
        assert warden.stdin is not None
        told = orphans.Warden(warden.stdin.fileno())
        for group in groups:
            told.watch_group(group.pid)
        ended.kill()
        ended.wait()
        told.forget_group(forgotten.pid)
        warden.stdin.close()
        assert running.wait(30) == -15
        warden.wait(30)
        assert forgotten.poll() is None
    finally:
        for group in groups:
            group.kill()
            group.wait()


def test_there_is_one_warden_however_many_threads_begin() -> None:
    code = (
        "import psutil, threading\n"
        "from lab.base import process\n"
        "begin = threading.Barrier(16)\n"
        "def work():\n    begin.wait()\n    process.run(['true'])\n"
        "threads = [threading.Thread(target=work) for _ in range(16)]\n"
        "[thread.start() for thread in threads]\n"
        "[thread.join() for thread in threads]\n"
        "print(sum('lab-warden' in child.cmdline() for child in psutil.Process().children()))\n"
    )
    assert subprocess.check_output([PYTHON, "-c", code], text=True, timeout=60) == "1\n"


@pytest.mark.parametrize("code", ["process.run(['true'])", "child = process.start(['true']); process.stop(child)"])
def test_the_lab_leaves_no_process_and_no_open_pipe(code: str) -> None:
    lab = subprocess.run(
        [PYTHON, "-W", "error", "-c", f"from lab.base import process\n{code}"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (lab.returncode, lab.stdout, lab.stderr) == (0, "", "")


def test_a_listener_that_breaks_does_not_block_the_command_and_its_error_is_raised() -> None:
    def breaks(_: str) -> None:
        raise ValueError("no room for a line")

    many = "print('x' * 1000 + chr(10)) ; [print('y' * 1000) for _ in range(1000)]"  # more than a pipe holds
    with pytest.raises(ValueError, match="no room for a line"):
        process.run([PYTHON, "-c", many], on_line=breaks, timeout_s=20)


def test_a_command_that_reads_nothing_does_not_block_who_feeds_it() -> None:
    with pytest.raises(CommandTimeout):
        process.run([PYTHON, "-c", "import signal; signal.pause()"], input="x" * 1_000_000, timeout_s=0.5)


def test_what_a_command_leaves_behind_ends_with_it(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    deaf = f"import os, signal; signal.signal(15, signal.SIG_IGN); open({str(pid_file)!r}, 'w').write(str(os.getpid()))"
    parent = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {deaf + '; signal.pause()'!r}]).wait()"
    with pytest.raises(CommandTimeout):
        process.run([PYTHON, "-c", parent], timeout_s=2)
    pid = int(pid_file.read_text())
    wait_for_end(pid, within_s=10)


def test_what_was_started_outlives_the_thread_that_started_it() -> None:
    started: list[subprocess.Popen[bytes]] = []
    pause = [PYTHON, "-c", "import signal; print(1, flush=True); signal.pause()"]
    thread = threading.Thread(target=lambda: started.append(process.start(pause, piped=True)))
    thread.start()
    thread.join()
    child = started[0]
    assert child.stdout is not None
    assert child.stdout.readline() == b"1\n"
    with pytest.raises(subprocess.TimeoutExpired):
        child.wait(0.3)
    process.stop(child)
    for pipe in (child.stdin, child.stdout, child.stderr):
        assert pipe is not None
        pipe.close()
    assert child.returncode is not None
