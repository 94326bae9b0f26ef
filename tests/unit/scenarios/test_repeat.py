"""`lab run --repeat`: the runs of one set, their statistics and the three forms of the summary."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from lab import report
from lab.measure.stats import Interval
from lab.report import html, junit
from lab.report.repeat import Repeat
from lab.report.repetitions import (
    RepeatReport,
    check_statistics,
    exit_code,
    loss_text,
    rate_text,
    repeated_run,
    spread_text,
    summary,
)
from lab.report.session import Session
from lab.scenario.context import Context
from lab.scenario.model import Scenario
from lab.scenario.observation import Observation, Outcome
from lab.scenario.results import LabFacts, Report
from tests.unit.scenarios.kit import SEEN, FakeRunner, check, runner_of, scenario, step
from tests.unit.scenarios.test_report import check as result
from tests.unit.scenarios.test_report import load_check, made

FACTS = LabFacts(name="eastwest", stack="istio", clusters=("east", "west"))


def repeat(context: Context, folder: Path, times: int, **changes: Any) -> Repeat:
    return Repeat(
        times=times,
        session=lambda: Session(
            runner=runner_of(context, FakeRunner({"echo": "hello\n"})),
            facts=FACTS,
            run_folder=report.RunFolder.new(folder),
        ),
        facts=FACTS,
        folder=report.RepeatFolder.new(folder),
        **changes,
    )


def runs_that(holds: Callable[[int], bool]) -> Scenario:
    """A scenario whose check holds in the runs of these numbers, from 1."""
    runs = 0

    def look(_: Context) -> Observation:
        nonlocal runs
        runs += 1
        return Observation(holds=holds(runs), seen=f"run {runs}", evidence=(SEEN,))

    return scenario(step(checks=(check(look=look),)))


def runs_in(folder: Path) -> list[report.Kept]:
    return [kept for kept in report.listing(folder) if kept.kind is report.Kind.RUN]


def test_every_run_has_a_report_and_the_set_a_summary(context: Context, tmp_path: Path) -> None:
    it = repeat(context, tmp_path, 3)
    written = it.run([runs_that(lambda run: run != 2)])

    assert [run.exit_code for run in written.runs] == [0, 1, 0]
    assert sorted(run.id for run in written.runs) == sorted(run.id for run in runs_in(tmp_path))
    assert {file.name for file in it.folder.path.iterdir()} == {"repeat.json", "repeat.html", "junit.xml"}
    saved = json.loads((it.folder.path / "repeat.json").read_text())
    assert saved["schema"] == "eastwest.lab/repeat/v1"
    assert (saved["id"], saved["repeat"], saved["passed"], saved["exit_code"]) == (it.folder.id, 3, 2, 1)
    works = saved["checks"][0]
    assert (works["check"], works["outcomes"]["passed"], works["outcomes"]["failed"]) == ("works", 2, 1)
    assert written.runs[1].reasons == ("demo failed: works: run 2",)


def test_ctrl_c_reports_the_complete_runs(context: Context, tmp_path: Path) -> None:
    def interrupted(run: int) -> bool:
        if run == 3:
            raise KeyboardInterrupt
        return True

    it = repeat(context, tmp_path, 20)
    written = it.run([runs_that(interrupted)])

    assert written.interrupted
    assert (len(written.runs), written.passed, written.checks[0].outcomes[Outcome.PASSED]) == (2, 2, 2)
    assert len(runs_in(tmp_path)) == 3  # the interrupted run has a report of its own
    assert json.loads((it.folder.path / "repeat.json").read_text())["interrupted"] is True


def test_ctrl_c_between_two_runs_reports_those_before(context: Context, tmp_path: Path) -> None:
    def started(number: int) -> None:
        if number == 2:
            raise KeyboardInterrupt

    written = repeat(context, tmp_path, 5, started=started).run([runs_that(lambda _: True)])
    assert (written.interrupted, len(written.runs)) == (True, 1)


def test_ctrl_c_in_the_first_run_leaves_no_summary(context: Context, tmp_path: Path) -> None:
    def interrupted(_: int) -> bool:
        raise KeyboardInterrupt

    it = repeat(context, tmp_path, 5)
    written = it.run([runs_that(interrupted)])
    assert (written.runs, written.rate_interval, written.exit_code) == ((), None, 0)
    assert not it.folder.path.exists()
    assert summary(written) == "no run was completed"


def test_the_summary_is_written_after_every_run(context: Context, tmp_path: Path) -> None:
    kept: list[int] = []

    def started(_: int) -> None:
        file = it.folder.path / "repeat.json"
        kept.append(len(json.loads(file.read_text())["runs"]) if file.exists() else 0)

    it = repeat(context, tmp_path, 3, started=started)
    it.run([runs_that(lambda _: True)])
    assert kept == [0, 1, 2]


def test_the_numbers_of_a_check() -> None:
    lost = [0, 0, 1, 2, 3, 4, 50]
    reports = [
        made(
            replace(load_check(lost=number), duration_s=float(number), outcome=outcome),
            result("elsewhere", Outcome.SKIPPED),
        )
        for number, outcome in zip(lost, [*[Outcome.PASSED] * 5, Outcome.FAILED, Outcome.ERRORED], strict=True)
    ]
    recovers, elsewhere = check_statistics(reports)

    assert (recovers.scenario, recovers.check) == ("demo", "recovers")
    assert recovers.rate == pytest.approx(5 / 7)
    assert recovers.rate_interval is not None
    assert (round(recovers.rate_interval.low, 4), round(recovers.rate_interval.high, 4)) == (0.3589, 0.9178)
    assert recovers.duration_s is not None
    assert (recovers.duration_s.median, recovers.duration_s.low, recovers.duration_s.high) == (2.0, 0.0, 50.0)
    assert recovers.loss is not None
    assert recovers.loss.by_run.median_interval == Interval(low=0, high=50)
    assert loss_text(recovers.loss) == "median 2 (interval 0 to 50), max 50; 60 of 700 in all"
    assert spread_text(recovers.duration_s) == "2.0 s (0.0 to 50.0)"
    assert rate_text(recovers.rate, recovers.rate_interval) == "71.43 %, interval 35.9 to 91.8 %"

    assert (elsewhere.rate, elsewhere.rate_interval, elsewhere.duration_s, elsewhere.loss) == (None, None, None, None)
    assert elsewhere.outcomes[Outcome.SKIPPED] == 7


def failed() -> Report:
    whole = made(result("even", Outcome.FAILED))
    return replace(whole, scenarios=(replace(whole.scenarios[0], outcome=Outcome.FAILED, reason="even: 49"),))


def errored() -> Report:
    whole = made()
    return replace(whole, scenarios=(replace(whole.scenarios[0], outcome=Outcome.ERRORED, reason="west is down"),))


def of(*reports: Report) -> RepeatReport:
    return RepeatReport(
        id="20260101-000000-abcd-repeat", started_at="2026-01-01T00:00:00+00:00", duration_s=4.0, lab=FACTS,
        repeat=len(reports), interrupted=False, passed=sum(not one.exit_code for one in reports), rate_interval=None,
        exit_code=exit_code(reports), runs=tuple(map(repeated_run, reports)), checks=check_statistics(reports),
    )  # fmt: skip


def test_a_failed_check_has_precedence_over_a_broken_lab() -> None:
    assert exit_code([]) == 0
    assert exit_code([made(), made()]) == 0
    assert exit_code([made(), errored()]) == 3
    assert exit_code([errored(), failed(), made()]) == 1


def test_the_result_in_one_line() -> None:
    good = made(result("even"))
    assert summary(of(good, good)).endswith("every check passed in every run")
    assert "1 of 2 runs passed" in summary(of(good, failed()))
    assert summary(of(good, failed())).endswith("1 of 1 checks failed or errored at least once")
    assert summary(of(good, errored())).endswith("no check failed, but the lab did")


def test_junit_has_one_suite_for_each_run() -> None:
    reports = [made(load_check()), failed(), errored()]
    root = ET.fromstring(junit.render_repeat(of(*reports), reports))
    suites = list(root.iter("testsuite"))

    assert [suite.get("name") for suite in suites] == ["run 1 of 3", "run 2 of 3", "run 3 of 3"]
    assert [(suite.get("tests"), suite.get("failures"), suite.get("errors")) for suite in suites] == [
        ("1", "0", "0"),
        ("1", "1", "0"),
        ("1", "0", "1"),
    ]
    assert root.get("tests") == "3"
    properties = {one.get("name"): one.get("value") for one in suites[1].iter("property")}
    assert properties == {"run": "20260101-000000-abcd", "exit_code": "1"}
    assert [child.tag for child in suites[0]] == ["properties", "testcase"]
    assert "evidence:" not in ET.tostring(root, encoding="unicode")


def test_the_page_links_to_each_run_and_needs_nothing_else() -> None:
    page = html.render_repeat(of(made(load_check(lost=3), result("<odd>")), failed()))

    assert '<a href="../20260101-000000-abcd/report.html">' in page
    assert "median 3, max 3; 3 of 100 in all" in page
    assert "demo failed: even: 49" in page
    assert "&lt;odd&gt;" in page
    assert "<script" not in page
    assert 'src="' not in page
