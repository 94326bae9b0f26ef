"""Consoles with real shells: what a step types, what a person types, what browsers see, and how a shell ends."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from lab.base import wait
from lab.base.terminals import MOST_INPUT
from lab.base.wait import NotYet
from lab.stage.console import Console
from lab.stage.parts import Declined
from lab.stage.typed_command import TypedCommand
from lab.stage.viewers import MOST_VIEWERS, SHOWN_BEFORE
from tests.unit.stage.shells import SHELLS, Browser, console_of, lines_of, missing, ready

every_shell = pytest.mark.parametrize(
    "shell", [pytest.param(name, marks=pytest.mark.skipif(missing(name), reason=f"no {name}")) for name in SHELLS]
)


def run(console: Console, text: str, told: list[str] | None = None) -> TypedCommand:
    """Type a line and wait for its end."""
    command = console.type(text, (told if told is not None else []).append, pause=lambda: None)
    assert command is not None
    assert command.ended.wait(60), text
    return command


def until(what: str, holds: Callable[[], bool]) -> None:
    wait.until(what, lambda: holds() or NotYet("not yet"), timeout_s=60, interval_s=0.02)


@every_shell
def test_a_line_is_typed_and_its_output_and_status_are_known(tmp_path: Path, shell: str) -> None:
    with console_of(tmp_path, shell) as console:
        told: list[str] = []
        command = run(console, "printf 'one\\ntwo\\n'; echo three >&2", told)
        assert (command.status, command.lines, told) == (0, ["one", "two", "three"], ["one", "two", "three"])
        assert run(console, "sh -c 'printf broken; exit 7'").status == 7
        command = run(console, "printf 'no line break'")
        assert (command.status, command.output) == (0, "no line break")
        assert run(console, "true").output == ""
        assert run(console, "no-such-program-of-the-lab").status == 127
        assert run(console, f"echo {'long ' * 60}").output == ("long " * 60).strip()
        assert run(console, "echo one | tr o 0").output == "0ne"
        assert run(console, """echo 'a "b" {c} [d] $HOME ! * ?' "x"  y""").output == 'a "b" {c} [d] $HOME ! * ? x y'


@every_shell
def test_output_is_told_while_the_command_runs(tmp_path: Path, shell: str) -> None:
    with console_of(tmp_path, shell) as console:
        told: list[str] = []
        go_on = tmp_path / "go"
        command = console.type(
            f"sh -c 'echo first; while [ ! -e {go_on} ]; do sleep 0.05; done; echo last'",
            told.append,
            pause=lambda: None,
        )
        assert command is not None
        until("the first line", lambda: told == ["first"])
        assert not command.ended.is_set()
        assert not console.is_ready
        go_on.touch()
        assert command.ended.wait(60)
        assert told == ["first", "last"]


@every_shell
def test_ctrl_c_ends_a_command_and_the_console_is_ready_again(tmp_path: Path, shell: str) -> None:
    with console_of(tmp_path, shell) as console:
        told: list[str] = []
        command = console.type("sh -c 'echo go; exec sleep 60'", told.append, pause=lambda: None)
        assert command is not None
        until("the program", lambda: told == ["go"])
        console.press_ctrl_c()
        assert command.ended.wait(60)
        assert command.status == 130
        assert run(console, "echo again").output == "again"


@every_shell
def test_a_person_who_types_makes_the_console_busy_until_the_line_is_empty(tmp_path: Path, shell: str) -> None:
    with console_of(tmp_path, shell) as console:
        browser = Browser()
        console.attach(browser)
        console.input(browser, "ech")
        assert not console.is_ready
        assert console.type("echo step", lambda _: None, pause=lambda: None) is None
        console.input(browser, "\x7f\x7f\x7f")
        assert console.is_ready
        console.input(browser, "echo half")
        console.input(browser, "\x03")
        ready(console)
        console.input(browser, "\x1b[A")  # an earlier command, perhaps
        assert not console.is_ready
        console.input(browser, "\x15")
        assert console.is_ready
        console.input(browser, "echo mi")
        console.input(browser, "ne\r")
        browser.see("mine")
        ready(console)
        assert run(console, "echo step").output == "step"


@every_shell
def test_what_a_person_types_ahead_is_not_mixed_into_the_next_line(tmp_path: Path, shell: str) -> None:
    with console_of(tmp_path, shell) as console:
        browser = Browser()
        console.attach(browser)
        go_on = tmp_path / "go"
        told: list[str] = []
        command = console.type(
            f"sh -c 'echo first; while [ ! -e {go_on} ]; do sleep 0.05; done'", told.append, pause=lambda: None
        )
        assert command is not None
        until("the first line", lambda: told == ["first"])
        console.input(browser, "oops")
        go_on.touch()
        assert command.ended.wait(60)
        assert not console.is_ready
        browser.see_bytes(b"oops")
        console.input(browser, "\x15")
        assert run(console, "echo clean").output == "clean"


def test_keys_that_are_lost_are_noted_once(tmp_path: Path) -> None:
    notes: list[str] = []
    with console_of(tmp_path, "bash", notes=notes) as console:
        run(console, "stty raw -echo")
        console.type("sleep 60", lambda _: None, pause=lambda: None)
        until("sleep", lambda: console._program is not None and console._program.is_busy)
        browser = Browser()
        console.attach(browser)
        for _ in range(MOST_INPUT // 8192 + 20):
            console.input(browser, "x" * 8192)
        assert notes == ["west's console got more keys than its program reads: the rest of them is lost"]


def test_keys_for_a_full_screen_program_are_not_typed_ahead(tmp_path: Path) -> None:
    with console_of(tmp_path, "bash") as console:
        browser = Browser()
        console.attach(browser)
        program = "stty raw -echo; echo raw; head -c 1 >/dev/null; stty sane"
        (tmp_path / "full.sh").write_text(program)
        console.input(browser, "sh full.sh\r")
        browser.see("raw")
        console.input(browser, "q")
        ready(console)


def test_a_person_does_not_type_between_the_keys_of_a_step(tmp_path: Path) -> None:
    with console_of(tmp_path, "bash") as console:
        browser = Browser()
        console.attach(browser)
        command = console.type("echo clean", lambda _: None, pause=lambda: console.input(browser, "X"))
        assert command is not None
        assert command.ended.wait(60)
        assert command.output == "clean"


def test_a_cancelled_line_is_not_run(tmp_path: Path) -> None:
    with console_of(tmp_path, "bash") as console:
        keys = iter(range(4))

        def cancelled() -> None:
            if next(keys, None) is None:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            console.type(f"touch {tmp_path}/made", lambda _: None, pause=cancelled)
        ready(console)
        assert run(console, "echo after").output == "after"
        assert not (tmp_path / "made").exists()


@every_shell
def test_a_shell_that_a_person_ends_is_started_again_with_a_note(tmp_path: Path, shell: str) -> None:
    notes: list[str] = []
    with console_of(tmp_path, shell, notes=notes) as console:
        first = console._program
        browser = Browser()
        console.attach(browser)
        console.input(browser, "exit\r")
        until("the note", lambda: notes == ["west's console has ended; the stage starts it again"])
        ready(console)
        assert console._program is not first
        assert run(console, "echo again").output == "again"
        browser.see("again")


def test_a_command_whose_shell_ends_has_no_status(tmp_path: Path) -> None:
    with console_of(tmp_path, "bash") as console:
        command = run(console, "exit 0")
        assert command.status is None


def test_a_shell_that_always_ends_is_not_started_for_ever(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / ".bashrc").write_text("exit 3\n")
    notes: list[str] = []
    from tests.unit.stage.shells import prepared

    console = Console(
        name="west",
        cluster="west",
        shell=prepared(tmp_path, "bash", home=home),
        cwd=tmp_path,
        note=notes.append,
    )
    console.open()
    until("the last note", lambda: any("as soon as it starts" in note for note in notes))
    assert len(notes) == 3
    assert not console.is_alive
    assert console.as_json()["alive"] is False
    console.close()


@every_shell
def test_no_shell_and_no_program_of_it_is_left(tmp_path: Path, shell: str) -> None:
    with console_of(tmp_path, shell) as console:
        told: list[str] = []
        command = console.type("sh -c 'echo $$; exec sleep 600'", told.append, pause=lambda: None)
        assert command is not None
        until("the program", lambda: bool(told))
        assert console._program is not None
        pids = [int(told[0]), console._program.child.pid]
    for pid in pids:
        until("its end", lambda pid=pid: not psutil.pid_exists(pid))  # type: ignore[misc]
    assert command.ended.is_set()
    assert command.status is None
    assert [folder for folder in tmp_path.iterdir() if folder.name.startswith("files-")] == []


def test_closing_leaves_no_descriptor_and_no_thread(tmp_path: Path) -> None:
    process = psutil.Process()
    before = process.num_fds(), process.num_threads()
    with console_of(tmp_path, "bash"):
        pass
    until("the end", lambda: (process.num_fds(), process.num_threads()) == before)


# Browsers


def test_a_browser_gets_what_was_shown_and_then_what_happens(tmp_path: Path) -> None:
    with console_of(tmp_path, "bash") as console:
        run(console, "echo before")
        browser = Browser()
        shown = console.attach(browser)
        assert shown.startswith(b"\x1bc")
        assert "before" in lines_of(shown)
        assert b"133;" not in shown
        run(console, "echo after")
        browser.see("after")
        console.detach(browser)
        seen = browser.shown
        run(console, "echo later")
        assert browser.shown == seen


def test_the_replay_is_bounded_and_begins_with_a_whole_line(tmp_path: Path) -> None:
    with console_of(tmp_path, "bash") as console:
        run(console, "seq 100000 150000")
        shown = console.attach(Browser()).removeprefix(b"\x1bc")
        assert len(shown) <= SHOWN_BEFORE
        assert shown[:6].isdigit()
        assert len(run(console, "seq 1 5000").lines) == 2000


def test_a_browser_that_is_closed_in_the_middle_of_a_command_changes_nothing(tmp_path: Path) -> None:
    with console_of(tmp_path, "bash") as console:
        browser = Browser()
        console.attach(browser)
        command = console.type("sleep 0.2; echo done", lambda _: None, pause=lambda: console.detach(browser))
        assert command is not None
        assert command.ended.wait(60)
        assert (command.status, command.output) == (0, "done")


def test_the_size_fits_every_browser(tmp_path: Path) -> None:
    with console_of(tmp_path, "bash") as console:
        large, small, gone = Browser(), Browser(), Browser()
        for browser in (large, small):
            console.attach(browser)
        console.resize(large, 120, 20)
        assert run(console, "stty size").output == "20 120"
        console.resize(small, 80, 40)
        assert run(console, "stty size").output == "20 80"
        console.resize(small, 2, 2)
        assert run(console, "stty size").output == "5 20"
        console.resize(gone, 2, 2)
        console.detach(small)
        assert run(console, "stty size").output == "20 120"
        console.detach(large)
        assert run(console, "stty size").output == "20 120"
        assert large.sizes == [(100, 30), (120, 20), (80, 20), (20, 5), (120, 20)]
        assert small.sizes == large.sizes[:-1]


def test_too_many_browsers_are_declined(tmp_path: Path) -> None:
    with console_of(tmp_path, "bash") as console:
        browsers = [Browser() for _ in range(MOST_VIEWERS)]
        for browser in browsers:
            console.attach(browser)
        with pytest.raises(Declined, match="too many browsers"):
            console.attach(Browser())
        console.detach(browsers[0])
        console.attach(Browser())
    assert all(browser.over for browser in browsers[1:])


ASKS = """
import os, select, sys, termios, tty
before = termios.tcgetattr(0)
tty.setraw(0)
os.write(1, b"\\x1b[6n\\x1b[c\\x1b[>q")
answer = b""
while not (b"c" in answer and b"R" in answer):
    answer += os.read(0, 100)
termios.tcsetattr(0, termios.TCSANOW, before)
print("answer", answer.hex())
"""


def test_questions_are_answered_once_with_no_browser_or_several(tmp_path: Path) -> None:
    (tmp_path / "asks.py").write_text(ASKS)
    with console_of(tmp_path, "bash") as console:
        answer = run(console, "python3 asks.py").output.split()[1]
        assert bytes.fromhex(answer) == b"\x1b[1;1R\x1b[?62;22c"

        first, second = Browser(), Browser()
        console.attach(first)
        console.attach(second)
        told: list[str] = []
        command = console.type("python3 asks.py", told.append, pause=lambda: None)
        assert command is not None
        first.see_bytes(b"\x1b[6n")
        console.input(second, "\x1b[9;9R")
        console.input(first, "\x1b[7;3R")
        assert command.ended.wait(60)
        assert sorted(bytes.fromhex(told[0].split()[1]).split(b"\x1b")) == [b"", b"[7;3R", b"[?62;22c"]
        assert b"\x1b[6n" not in second.shown
        assert b"\x1b[c" not in first.shown + second.shown + console.attach(Browser())
        assert console.is_ready


def test_marks_of_a_program_that_does_not_know_the_id_count_for_nothing(tmp_path: Path) -> None:
    with console_of(tmp_path, "bash") as console:
        command = run(console, r"printf '\033]133;D;0;aid=x\007\033]133;A\007after\n'; sh -c 'exit 3'")
        assert (command.status, command.output) == (3, "after")


def test_a_shell_inside_of_the_shell_is_a_program_that_runs(tmp_path: Path) -> None:
    with console_of(tmp_path, "bash") as console:
        browser = Browser()
        console.attach(browser)
        console.input(browser, "bash --norc\r")
        browser.see_bytes(b"bash-")
        assert not console.is_ready
        console.input(browser, "exit\r")
        ready(console)


def test_changes_are_told(tmp_path: Path) -> None:
    told: list[tuple[bool, bool]] = []

    def changed(console: Console) -> None:
        now = console.as_json()
        told.append((now["alive"], now["busy"]))

    with console_of(tmp_path, "bash", changed=changed) as console:
        assert console.as_json() == {
            "name": "west",
            "cluster": "west",
            "title": "west",
            "alive": True,
            "busy": False,
        }
        run(console, "true")
        until("ready", lambda: told[-1] == (True, False))
        assert (True, True) in told
    assert told[-1] == (False, False)


def test_a_shell_that_cannot_start_is_noted(tmp_path: Path) -> None:
    from contextlib import contextmanager

    from lab.base.errors import ClusterError

    @contextmanager
    def not_up(_: str):  # type: ignore[no-untyped-def]
        raise ClusterError("the lab dev is not up", where="west", next="lab up")
        yield

    notes: list[str] = []
    console = Console(name="west", cluster="west", shell=not_up, cwd=tmp_path, note=notes.append)
    console.open()
    until("the note", lambda: bool(notes))
    assert notes == ["west's console cannot start: west: the lab dev is not up. Next: lab up"]
    console.close()
    assert os.getpid()
