"""Programs in a terminal of their own: what they print and read, their size, and that none outlives the lab."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from lab.base import wait
from lab.base.errors import LabError
from lab.base.terminals import MOST_INPUT, PtyProgram
from lab.base.wait import NotYet
from tests.unit.process_kit import runs, wait_for_end


class Reading:
    """A terminal whose output a thread reads."""

    def __init__(self, program: PtyProgram) -> None:
        self.program = program
        self.output = ""
        self.thread = threading.Thread(target=self._read)
        self.thread.start()

    def _read(self) -> None:
        while data := self.program.read():
            self.output += data.decode()

    def see(self, text: str) -> None:
        wait.until(text, lambda: text in self.output or NotYet(self.output), timeout_s=20, interval_s=0.01)


@contextmanager
def terminal(*argv: str, cols: int = 100, rows: int = 30, cwd: Path | None = None) -> Iterator[Reading]:
    program = PtyProgram(argv, env=dict(os.environ), cols=cols, rows=rows, cwd=cwd)
    reading = Reading(program)
    try:
        yield reading
    finally:
        program.close()
        reading.thread.join(20)
        program.release()


def test_a_program_has_a_terminal_of_its_own_with_a_size(tmp_path: Path) -> None:
    with terminal("sh", "-c", "tty; stty size </dev/tty; pwd; read line; echo got $line", cwd=tmp_path) as screen:
        screen.see("30 100\r\n")
        screen.see(str(tmp_path))
        screen.program.write(b"hello\r")
        screen.see("got hello")
        screen.thread.join(20)
        assert screen.output.startswith("/dev/")
        assert screen.program.child.wait(20) == 0


def test_a_new_size_is_told_to_the_program() -> None:
    with terminal("sh", "-c", "trap 'stty size' WINCH; echo ready; while :; do sleep 0.05; done") as screen:
        screen.see("ready")
        screen.program.resize(81, 24)
        screen.see("24 81")


def test_ctrl_c_reaches_the_program_in_the_foreground() -> None:
    with terminal("sh", "-c", "trap 'echo caught; exit 3' INT; echo ready; while :; do sleep 0.05; done") as screen:
        screen.see("ready")
        screen.program.write(b"\x03")
        screen.see("caught")
        assert screen.program.child.wait(20) == 3


def test_it_is_known_whether_another_program_has_the_terminal() -> None:
    with terminal("bash", "--norc", "--noprofile", "-i") as screen:
        screen.program.write(b"PS1=; echo go; cat\r")
        screen.see("go\r\n")
        wait.until("cat", lambda: screen.program.is_busy or NotYet("not yet"), timeout_s=20, interval_s=0.01)
        screen.program.write(b"\x04")
        wait.until("bash", lambda: not screen.program.is_busy or NotYet("cat"), timeout_s=20, interval_s=0.01)


def test_keys_that_nobody_reads_are_bounded() -> None:
    with terminal("sh", "-c", "stty raw -echo; echo ready; sleep 60") as screen:
        screen.see("ready")
        taken = [screen.program.write(b"x" * 4096) for _ in range(MOST_INPUT // 4096 + 40)]
        assert taken[0]
        assert not taken[-1]
        assert len(screen.program._waiting) <= MOST_INPUT
        assert screen.program.write(b"\x03", drops=True)
        assert len(screen.program._waiting) <= 1


def test_a_program_that_ignores_the_hang_up_and_its_foreground_are_killed() -> None:
    program = "import os, signal; signal.signal(signal.SIGHUP, signal.SIG_IGN); print('pid', os.getpid(), flush=True)"
    deaf = shlex.join([sys.executable, "-c", f"{program}; signal.pause()"])
    with terminal("bash", "--norc", "--noprofile", "-i") as screen:
        screen.program.write(f"PS1=; {deaf}\r".encode())
        screen.see("\rpid ")
        pid = int(screen.output.rpartition("\rpid ")[2].split()[0])
        assert runs(pid)
    wait_for_end(pid, within_s=20)
    assert screen.program.child.returncode is not None


def test_after_its_end_nothing_happens() -> None:
    with terminal("true") as screen:
        screen.thread.join(20)
        screen.program.write(b"x")
    screen.program.write(b"x")
    screen.program.resize(80, 24)
    screen.program.close()
    assert screen.program.read() == b""
    assert not screen.program.is_busy


def test_a_program_that_does_not_exist_is_named_and_leaves_no_descriptor() -> None:
    before = psutil.Process().num_fds()
    with pytest.raises(LabError, match="command not found: no-such-program"):
        PtyProgram(["no-such-program"], env=dict(os.environ), cols=80, rows=24)
    assert psutil.Process().num_fds() == before


@pytest.mark.parametrize("shell", ["bash", "sh"])
def test_a_shell_and_its_program_do_not_outlive_a_lab_that_is_killed(tmp_path: Path, shell: str) -> None:
    pids = tmp_path / "pids"
    script = f"""
import os, sys, threading
from lab.base.terminals import PtyProgram
program = PtyProgram([{shell!r}, "-i"], env={{**os.environ, "ENV": "", "PS1": ""}}, cols=80, rows=24)
threading.Thread(target=lambda: [None for _ in iter(program.read, b"")], daemon=True).start()
program.write(b"echo $$ > {pids}; sh -c 'echo $$ >> {pids}; exec sleep 600'\\r")
threading.Event().wait()
"""
    lab = subprocess.Popen([sys.executable, "-c", script])

    def started() -> list[int] | NotYet:
        lines = pids.read_text().split() if pids.exists() else []
        return [int(line) for line in lines] if len(lines) == 2 else NotYet("not yet")

    found = wait.until("both", started, timeout_s=30, interval_s=0.05)
    assert all(runs(pid) for pid in found)
    lab.kill()
    lab.wait()
    for pid in found:
        wait_for_end(pid, within_s=20)


def test_ctrl_c_reaches_a_program_also_if_the_lab_was_started_to_ignore_it() -> None:
    """As `nohup lab stage &` does: ignored signals are inherited."""
    script = (
        "import os\n"
        "from lab.base.terminals import PtyProgram\n"
        "program = PtyProgram(['sh', '-c', 'echo ready; exec sleep 60'], env=dict(os.environ), cols=80, rows=24)\n"
        "assert b'ready' in program.read()\n"
        "program.write(b'\\x03')\n"
        "while program.read():\n"
        "    pass\n"
        "print(program.child.wait(20))\n"
    )
    done = subprocess.run(
        ["sh", "-c", 'trap "" INT HUP; exec "$@"', "sh", sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout == "-2\n"
