from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from lab.measure.counting import LoadMark, Request
from lab.measure.recording import Recording
from lab.measure.under_load import CommandRun
from lab.report import RunFolder
from lab.report.load_report import LoadReport, write
from lab.scenario.evidence import INLINE_CHARS

COMMAND = CommandRun(argv=("kubectl", "delete", "a b"), exit_code=0, from_s=3.0, to_s=5.0, output="deleted <all>")


def report(*lost_at: int, command: CommandRun | None = COMMAND) -> LoadReport:
    """Return a report of 10 s with 10 requests/s; `lost_at` are the numbers of the lost requests."""

    def request(n: int) -> Request:
        if n in lost_at:
            return Request(at_s=n / 10, latency_ms=5, answered_by=None, error="gone")
        return Request(at_s=n / 10, latency_ms=5, answered_by="west")

    marks = (
        (LoadMark(at_s=3.0, text="during the command"), LoadMark(at_s=5.0, text="after the command")) if command else ()
    )
    return LoadReport(
        id="20260101-000000-abcd",
        started_at="2026-01-01T00:00:00+00:00",
        duration_s=10.0,
        target="podinfo, from inside west",
        machine="a machine",
        recording=Recording(name="podinfo", rate_per_s=10, requests=tuple(map(request, range(100))), marks=marks),
        command=command,
    )


@pytest.mark.parametrize(
    ("lost_at", "recovery_s", "words"),
    [
        ((), 0.0, "100 sent, answered by west 100, 0 lost"),
        ((40, 60), 3.1, "98, 2 lost; recovered 3.1 s after the start of the command"),
        ((40, 99), None, "98, 2 lost; still lost requests when the load ended"),
        ((10,), 0.0, "99, 1 lost; none after the start of the command"),
    ],
)
def test_the_recovery_counts_from_the_start_of_the_command(
    lost_at: tuple[int, ...], recovery_s: float | None, words: str
) -> None:
    made = report(*lost_at)
    assert made.document["recovery_s"] == (None if recovery_s is None else pytest.approx(recovery_s))
    assert made.document["recovered"] is (recovery_s is not None)
    assert made.summary.endswith(words)


def test_without_a_command_there_is_nothing_to_recover_from() -> None:
    made = report(40, command=None)
    assert (made.document["recovered"], made.document["recovery_s"]) == (None, None)
    assert made.summary == "100 sent, answered by west 99, 1 lost"
    assert [phase["name"] for phase in made.document["load"]["phases"]] == ["the whole load"]


def test_the_page_needs_nothing_else_and_shows_the_load(tmp_path: Path) -> None:
    write(report(40), RunFolder(path=tmp_path))
    page = (tmp_path / "load.html").read_text()
    assert not re.search(r"<script|<link|src=|url\(|@import", page)
    assert "deleted &lt;all&gt;" in page
    assert "kubectl delete &#39;a b&#39;" in page
    assert "exited with 0 after 2.0 s" in page
    assert page.count("<svg") == 1
    assert page.count('class="lossy"') == 1
    assert "during the command, 3.0 s" in page


def test_an_interrupted_load_says_so(tmp_path: Path) -> None:
    stopped = replace(report(), interrupted=True, command=replace(COMMAND, exit_code=None))
    write(stopped, RunFolder(path=tmp_path))
    page = (tmp_path / "load.html").read_text()
    assert "10.0 s, interrupted" in page
    assert "was interrupted after 2.0 s" in page


def test_an_empty_recording_can_be_reported(tmp_path: Path) -> None:
    empty = replace(report(command=None), recording=Recording(name="x", rate_per_s=1, requests=(), marks=()))
    write(empty, RunFolder(path=tmp_path))
    assert json.loads((tmp_path / "load.json").read_text())["sent"] == 0
    assert empty.summary == "0 sent, answered by nobody, 0 lost"


def test_secrets_are_removed_and_a_long_output_has_a_file(tmp_path: Path) -> None:
    secret = "Authorization: Bearer abcdefgh12345678"
    command = replace(COMMAND, argv=("curl", "-H", secret), output=secret + "\n" + "x" * INLINE_CHARS)
    write(report(command=command), RunFolder(path=tmp_path))
    document = json.loads((tmp_path / "load.json").read_text())
    for file in tmp_path.rglob("*"):
        assert file.is_dir() or "abcdefgh" not in file.read_text(), file
    assert len(document["command"]["output"]) < INLINE_CHARS + 100
    assert (tmp_path / document["command"]["output_file"]).read_text().endswith("x" * INLINE_CHARS)
