"""Standard output that a command outlives."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.panel import Panel
from rich.table import Table

from lab.base import events
from lab.cli import output

CODE = """
import sys
from lab.cli.output import err, out, unbroken
with unbroken():
    for n in range(2000):
        print("line", n)
        out().print("line", n)
        err().print("line", n)
open(sys.argv[1], "w").write("to its end")
"""


@pytest.mark.parametrize("how", ["a reader that has gone", "closed"])
def test_a_command_ends_well_without_a_reader(tmp_path: Path, how: str) -> None:
    file = tmp_path / "ended"
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-c", CODE, str(file)]
    shell = ["sh", "-c", 'exec "$@" >&- 2>&-', "sh", *command] if how == "closed" else command
    done = subprocess.run(shell, stdout=writer, stderr=writer, check=False, timeout=60)
    os.close(writer)
    assert done.returncode == 0
    assert file.read_text() == "to its end"


def test_a_full_disk_is_one_line_after_the_work_is_done(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "lab", "--help"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=60)
        command = [sys.executable, "-c", CODE, str(tmp_path / "ended")]
        subprocess.run(command, stdout=full, check=True, timeout=60)
    assert (done.returncode, done.stderr) == (3, "error: standard output: cannot print: no space left on device\n")
    assert (tmp_path / "ended").read_text() == "to its end"


def test_a_symbol_that_the_encoding_lacks_has_a_plain_form() -> None:
    code = "import sys; from lab.cli.output import done, unbroken\nwith unbroken():\n    done('west → east é')"
    env = {**os.environ, "PYTHONIOENCODING": "ascii"}
    command = [sys.executable, "-c", code]
    printed = subprocess.run(command, env=env, capture_output=True, text=True, check=True, timeout=60).stdout
    assert printed == "+ west -> east ?\n"


def test_without_a_terminal_a_table_is_as_wide_as_its_content(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table("name", "what")
    table.box = None
    table.add_row("a", "short")
    table.add_row("b", "word " * 100)
    with output.unbroken():
        output.out().print(table)
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line != line.rstrip()] == []
    assert len(lines) == 3
    assert max(map(len, lines)) < 510


@pytest.mark.parametrize(("columns", "wide"), [("", 100), ("60", 60), ("300", 100)])
def test_without_a_terminal_a_panel_is_as_wide_as_columns_and_100_at_most(
    columns: str, wide: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    with output.unbroken():
        output.out(page=True).print(Panel("one line"))
    assert {len(line) for line in capsys.readouterr().out.splitlines()} == {wide}


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
