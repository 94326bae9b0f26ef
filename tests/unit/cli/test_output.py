"""Standard output that a command outlives."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lab.base import events
from lab.cli import output

CODE = """
import sys
from lab.cli.output import unbroken
with unbroken():
    for n in range(20000):
        print("line", n)
open(sys.argv[1], "w").write("to its end")
"""


@pytest.mark.parametrize("how", ["a reader that has gone", "closed"])
def test_a_command_ends_well_without_a_reader(tmp_path: Path, how: str) -> None:
    file = tmp_path / "ended"
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-c", CODE, str(file)]
    shell = ["sh", "-c", 'exec "$@" >&-', "sh", *command] if how == "closed" else command
    done = subprocess.run(shell, stdout=writer, stderr=subprocess.PIPE, text=True, check=False, timeout=60)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")
    assert file.read_text() == "to its end"


def test_without_a_terminal_a_wait_says_now_and_then_what_it_waits_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(output, "_QUIET_S", 0.0)
    with output.waiting("lab reset"):
        events.progress("east: node back")
    monkeypatch.setattr(output, "_QUIET_S", 60.0)
    with output.waiting("lab reset"):
        events.progress("soon over")
    assert capsys.readouterr().err == "… east: node back\n"
