from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from lab import report
from lab.base.errors import UsageError
from lab.measure.counting import LoadMark, Request
from lab.measure.recording import Recording
from lab.report import charts, html, junit
from lab.report.codec import ReportError
from lab.scenario.evidence import INLINE_CHARS, Evidence, EvidenceFolder, EvidenceKind
from lab.scenario.observation import Outcome
from lab.scenario.results import CheckResult, LabFacts, Report, SabotageRun, ScenarioRun, StepRun
from tests.unit.scenarios.kit import PICTURE, SEEN


def check(name: str, outcome: Outcome = Outcome.PASSED, **changes: object) -> CheckResult:
    made = CheckResult(
        name=name, claim=f"{name}?", expected="50", observed="49", outcome=outcome, duration_s=0.5, evidence=(SEEN,)
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def recording(*, lost: int = 2, attempts: int | None = None) -> Recording:
    requests = [
        Request(
            at_s=n / 10,
            latency_ms=5 + n % 7,
            answered_by=None if 30 <= n < 30 + lost else "west" if n < 30 else "east",
            attempts=attempts,
        )
        for n in range(100)
    ]
    return Recording(
        name="inside", rate_per_s=10, requests=tuple(requests), marks=(LoadMark(at_s=3.0, text="pods die"),)
    )


def load_check(*, lost: int = 2, attempts: int | None = None) -> CheckResult:
    data = recording(lost=lost, attempts=attempts).as_json()
    evidence = Evidence(kind=EvidenceKind.LOAD, title="every request", data=data)
    return check("recovers", evidence=(evidence,))


def made(*checks: CheckResult, **changes: object) -> Report:
    step = StepRun(
        name="one", title="One", narration="Now <one> & all.", command="kubectl get", outcome=Outcome.PASSED,
        duration_s=1.0, output="printed", checks=checks,
    )  # fmt: skip
    run = ScenarioRun(
        name="demo", title="A demo", claim="It works", topology=PICTURE, outcome=Outcome.PASSED,
        started_at="2026-01-01T00:00:00+00:00", duration_s=2.0, steps=(step,),
    )  # fmt: skip
    lab = LabFacts(name="eastwest", stack="istio", clusters=("east", "west"), versions={"istio": "1.31"})
    whole = Report(
        id="20260101-000000-abcd", mode="run", started_at=run.started_at, duration_s=2.0, lab=lab, scenarios=(run,)
    )
    return replace(whole, **changes)  # type: ignore[arg-type]


def test_a_report_survives_json() -> None:
    whole = made(check("even"), check("odd", Outcome.SKIPPED, reason="no"), load_check())
    again = report.from_json(json.loads(json.dumps(report.to_json(whole))))

    assert report.to_json(again) == report.to_json(whole)
    assert again.scenarios[0].checks[1].outcome is Outcome.SKIPPED


def test_another_schema_is_refused_and_a_later_field_is_not() -> None:
    document = report.to_json(made(check("even")))
    report.from_json({**document, "new_in_2027": 1})
    with pytest.raises(ReportError, match="report/v9"):
        report.from_json({**document, "schema": "eastwest.lab/report/v9"})
    with pytest.raises(ReportError, match="damaged"):
        report.from_json({**document, "duration_s": "long"})


def test_junit_tells_the_four_outcomes_apart() -> None:
    whole = made(*(check(outcome.value, outcome) for outcome in Outcome))
    root = ET.fromstring(junit.render(whole))
    cases = {case.get("name"): {child.tag for child in case} for case in root.iter("testcase")}

    assert cases["failed"] == {"failure"}
    assert cases["errored"] == {"error"}
    assert cases["skipped"] == {"skipped"}
    assert cases["passed"] == {"system-out"}
    assert {key: root.get(key) for key in ("tests", "failures", "errors", "skipped")} == {
        "tests": "4", "failures": "1", "errors": "1", "skipped": "1",
    }  # fmt: skip


def test_junit_stands_what_a_terminal_prints() -> None:
    ET.fromstring(junit.render(made(check("colour", observed="\x1b[31mred\x1b[0m \x00"))))


def test_the_page_needs_nothing_else_and_escapes_what_was_seen() -> None:
    page = html.render(made(check("even", observed="<script>alert(1)</script>"), load_check()))

    assert "<script" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert 'src="' not in page
    assert page.count("<svg") == 2
    assert "pods die, 3.0 s" in page


def test_the_page_shows_what_was_lost() -> None:
    page = html.render(made(load_check(lost=3)))
    assert 'class="lossy"' in page
    assert "west 30" in page


@pytest.mark.parametrize(
    ("outcomes", "code"),
    [
        ((Outcome.PASSED, Outcome.SKIPPED), 0),
        ((Outcome.PASSED, Outcome.FAILED), 1),
        ((Outcome.PASSED, Outcome.ERRORED), 3),
        ((Outcome.FAILED, Outcome.ERRORED), 1),
    ],
)
def test_the_exit_code(outcomes: tuple[Outcome, ...], code: int) -> None:
    run = made().scenarios[0]
    assert made(scenarios=tuple(replace(run, outcome=outcome) for outcome in outcomes)).exit_code == code


@pytest.mark.parametrize(("caught", "code"), [(True, 0), (None, 0), (False, 1)])
def test_the_exit_code_of_sabotage(caught: bool | None, code: int) -> None:
    sabotage = SabotageRun(step="one", title="no split", fails="even", caught=caught, verdict="")
    run = replace(made().scenarios[0], outcome=Outcome.FAILED, sabotage=sabotage)
    assert made(scenarios=(run,), mode="sabotage").exit_code == code


def test_diff_names_what_changed_and_nothing_else() -> None:
    before = made(check("even"), check("slow", duration_s=1.0), load_check(lost=0))
    after = made(check("even", Outcome.FAILED), check("slow", duration_s=4.0), load_check(lost=4))
    found = {(d.where, d.what): (d.before, d.after, d.worse) for d in report.compare(before, after)}

    assert report.compare(before, before) == ()
    assert found["demo/even", "outcome"] == ("passed", "failed", True)
    assert found["demo/slow", "time until it held"] == ("1.0 s", "4.0 s", True)
    assert found["demo/inside/pods die", "lost"] == ("0", "4", True)


def test_retries_are_compared_only_where_both_runs_know_them() -> None:
    unknown, none, some = (made(load_check(lost=0, attempts=attempts)) for attempts in (None, 1, 2))
    assert report.compare(unknown, some) == report.compare(some, unknown) == ()
    assert {(d.what, d.before, d.after, d.worse) for d in report.compare(none, some)} == {
        ("retried", "0", "30", True),
        ("retried", "0", "70", True),
    }


@pytest.mark.parametrize(("attempts", "cell"), [(None, "not told"), (1, "0"), (2, "30")])
def test_the_page_says_where_retries_are_not_told(attempts: int | None, cell: str) -> None:
    first = html.render(made(load_check(lost=0, attempts=attempts))).partition("<td>before</td>")[2]
    assert re.findall(r"<td>(.*?)</td>", first)[4] == cell


def test_a_report_of_the_schema_before_can_still_be_read() -> None:
    old = {**report.to_json(made(load_check(attempts=1))), "schema": "eastwest.lab/report/v1"}
    assert report.from_json(old).scenarios == made(load_check(attempts=1)).scenarios


def test_runs_are_found_by_id_by_beginning_or_as_the_newest(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    with pytest.raises(UsageError, match="no report"):
        report.find(runs, None)
    for name in ("20260101-000000-aaaa", "20260102-000000-bbbb"):
        (runs / name).mkdir(parents=True)
        report.RunFolder(path=runs / name).write(made(check("even")))
    (runs / "20260103-000000-cccc").mkdir()
    (runs / "20260104-000000-dddd-repeat").mkdir()
    (runs / "20260104-000000-dddd-repeat" / "repeat.json").write_text("{}")

    assert report.find(runs, None).page == runs / "20260104-000000-dddd-repeat" / "repeat.html"
    with pytest.raises(UsageError, match="unknown report of a run '20260104'"):
        report.find(runs, "20260104", of=report.Kind.RUN)
    (runs / "20260104-000000-dddd-repeat" / "repeat.json").unlink()
    assert report.find(runs, None).id == "20260102-000000-bbbb"
    assert report.find(runs, "20260101").id == "20260101-000000-aaaa"
    with pytest.raises(UsageError, match="2 reports"):
        report.find(runs, "202601")
    assert report.load(report.find(runs, None)).counts[Outcome.PASSED] == 1


def test_long_evidence_goes_to_a_file_and_its_ends_stay(tmp_path: Path) -> None:
    text = "begin" + "x" * INLINE_CHARS + "end"
    kept = EvidenceFolder(folder=tmp_path).keep(replace(SEEN, text=text))

    assert kept.file == "evidence/001.txt"
    assert (tmp_path / kept.file).read_text() == text
    assert kept.text.startswith("begin")
    assert kept.text.endswith("end")
    assert "characters" in kept.text


def test_each_of_six_clusters_has_its_own_colour() -> None:
    names = ["east", "north", "nw", "se", "south", "west"]
    requests = tuple(Request(at_s=n / 10, latency_ms=5, answered_by=name) for n, name in enumerate(names))
    drawn = charts.timeline(Recording(name="x", rate_per_s=10, requests=requests, marks=()).as_json())
    classes = {css for css in re.findall(r'class="fill ([\w]+)"', drawn) if css not in {"lost", "p50", "p99"}}
    assert classes == {"east", "west", "c0", "c1", "c2", "c3"}
