"""Keys are read one by one, by their names, and the terminal is as before afterwards."""

from __future__ import annotations

import os
import pty
import select
import sys
import termios
import tty
from collections.abc import Iterator

import pytest

from lab.base import keyboard


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Make standard input a terminal; yield its other end."""
    master, slave = pty.openpty()
    with os.fdopen(slave, "r") as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        yield master


def test_keys_are_read_one_by_one_and_the_end_of_input_quits(typed: int) -> None:
    with keyboard.pressed() as keys:
        assert (keys.present, keys.wait(0.01)) == (True, "")
        os.write(typed, b"P")
        assert keys.wait(30) == "p"
        os.write(typed, b"\x1b[A")
        assert keys.wait(30) not in {"a", "escape"}, "an arrow is one key"
        assert keys.wait(0.01) == ""
        os.close(typed)
        assert keys.wait(30) == "q"


@pytest.mark.parametrize(
    ("data", "name"),
    [(b"\n", "enter"), (b" ", "space"), (b"\x1b[C", "right"), (b"\x1b[5~", "left"), (b"\x1b", "escape"), (b"Q", "q")],
)
def test_a_key_has_a_name(typed: int, data: bytes, name: str) -> None:
    with keyboard.pressed() as keys:
        os.write(typed, data)
        assert keys.wait(30) == name
    os.close(typed)


def test_one_key_is_read_after_what_was_typed_before_and_the_terminal_is_as_before(
    typed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = termios.tcgetattr(sys.stdin.fileno())
    set_cbreak = tty.setcbreak

    def then_type(descriptor: int) -> None:
        set_cbreak(descriptor)
        os.write(typed, b"R")

    monkeypatch.setattr(tty, "setcbreak", then_type)
    os.write(typed, b"\n\n\n")  # while a step ran
    assert select.select([sys.stdin], [], [], 30)[0], "the kernel delivers keys later"
    assert keyboard.read_key() == "r"
    assert termios.tcgetattr(sys.stdin.fileno()) == before
    os.close(typed)


def test_without_a_terminal_no_key_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    with keyboard.pressed() as keys:
        assert (keys.present, keys.wait(0.0)) == (False, "")
