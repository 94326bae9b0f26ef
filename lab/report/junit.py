"""Report → JUnit XML, as the common readers of CI systems take it: a suite per scenario, a case per check.

Of a repeat, each run is one suite with the cases of all its scenarios: a reader that compares cases of one name sees
which of them change from run to run. Properties of a suite name the run's report; the whole summary is in repeat.json.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from xml.etree import ElementTree as ET

from lab.report.repetitions import RepeatReport
from lab.scenario.evidence import Evidence
from lab.scenario.observation import Outcome
from lab.scenario.results import CheckResult, Report, ScenarioRun, StepRun, count

# XML 1.0 allows no other control characters, not even escaped; tools print them.
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(report: Report) -> str:
    """Return the report as a JUnit document."""
    return _document(f"lab {report.mode}", report.duration_s, [_suite(run) for run in report.scenarios])


def render_repeat(summary: RepeatReport, reports: Sequence[Report]) -> str:
    """Return the runs of a repeat as a JUnit document, without evidence: each run's own document has it."""
    suites = [_repeated(report, number, summary.repeat) for number, report in enumerate(reports, start=1)]
    return _document(f"lab run --repeat {summary.repeat}", summary.duration_s, suites)


def _document(name: str, time_s: float, suites: Sequence[ET.Element]) -> str:
    root = ET.Element("testsuites", name=name, time=f"{time_s:.3f}")
    totals = dict.fromkeys(("tests", "failures", "errors", "skipped"), 0)
    for suite in suites:
        root.append(suite)
        for key in totals:
            totals[key] += int(suite.get(key, "0"))
    root.attrib.update({key: str(value) for key, value in totals.items()})
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _suite(run: ScenarioRun) -> ET.Element:
    name = run.name if run.sabotage is None else f"{run.name}.sabotage.{run.sabotage.step}"
    suite = ET.Element("testsuite", name=name, timestamp=run.started_at, time=f"{run.duration_s:.3f}")
    return _filled(suite, _cases(run))


def _repeated(report: Report, number: int, repeat: int) -> ET.Element:
    suite = ET.Element(
        "testsuite",
        name=f"run {number} of {repeat}",
        timestamp=report.started_at,
        time=f"{report.duration_s:.3f}",
    )
    properties = ET.SubElement(suite, "properties")
    ET.SubElement(properties, "property", name="run", value=report.id)
    ET.SubElement(properties, "property", name="exit_code", value=str(report.exit_code))
    return _filled(suite, [case for run in report.scenarios for case in _cases(_without_evidence(run))])


def _without_evidence(run: ScenarioRun) -> ScenarioRun:
    steps = (replace(step, checks=tuple(replace(check, evidence=()) for check in step.checks)) for step in run.steps)
    return replace(run, steps=tuple(steps))


def _cases(run: ScenarioRun) -> list[ET.Element]:
    cases = (
        _sabotage_cases(run) if run.sabotage is not None else [c for step in run.steps for c in _step_cases(run, step)]
    )
    stopped = run.outcome is Outcome.ERRORED and not run.restore_problems and run.sabotage is None
    if not cases or (stopped and not any(case.get("outcome") == Outcome.ERRORED.value for case in cases)):
        cases.append(_case(run.name, "scenario", run.duration_s, run.outcome, run.reason, text=run.claim))
    if run.restore_problems:
        text = "\n".join(run.restore_problems)
        cases.append(_case(run.name, "restore", 0.0, Outcome.ERRORED, text, text=text))
    return cases


def _filled(suite: ET.Element, cases: Sequence[ET.Element]) -> ET.Element:
    """Add the cases and their counts to a suite, and return it."""
    outcomes = count(Outcome(case.get("outcome")) for case in cases)
    for case in cases:
        del case.attrib["outcome"]
        suite.append(case)
    suite.set("tests", str(len(cases)))
    suite.set("failures", str(outcomes[Outcome.FAILED]))
    suite.set("errors", str(outcomes[Outcome.ERRORED]))
    suite.set("skipped", str(outcomes[Outcome.SKIPPED]))
    return suite


def _sabotage_cases(run: ScenarioRun) -> list[ET.Element]:
    sabotage = run.sabotage
    if sabotage is None:
        return []
    outcome = {True: Outcome.PASSED, False: Outcome.FAILED, None: Outcome.SKIPPED}[sabotage.caught]
    return [
        _case(run.name, f"{sabotage.step}: {sabotage.title}", run.duration_s, outcome, sabotage.verdict, text=run.claim)
    ]


def _step_cases(run: ScenarioRun, step: StepRun) -> list[ET.Element]:
    if step.outcome is Outcome.ERRORED and not any(c.outcome is Outcome.ERRORED for c in step.checks):
        return [_case(run.name, step.name, step.duration_s, Outcome.ERRORED, step.reason, text=step.reason)]
    return [
        _case(
            run.name, check.name, check.duration_s, check.outcome, check.reason or check.observed, text=_details(check)
        )
        for check in step.checks
    ]


def _details(check: CheckResult) -> str:
    lines = [f"claim:    {check.claim}", f"expected: {check.expected}", f"observed: {check.observed}"]
    return "\n".join([*lines, *(_evidence(piece) for piece in check.evidence)])


def _evidence(piece: Evidence) -> str:
    return f"evidence: {piece.title}\n{piece.text}".rstrip()


def _case(suite: str, name: str, time_s: float, outcome: Outcome, message: str, *, text: str) -> ET.Element:
    case = ET.Element(
        "testcase", classname=f"scenarios.{suite}", name=name, time=f"{time_s:.3f}", outcome=outcome.value
    )
    kind = {Outcome.FAILED: "failure", Outcome.ERRORED: "error", Outcome.SKIPPED: "skipped"}.get(outcome)
    body = ET.SubElement(case, kind, message=_xml(message)) if kind else ET.SubElement(case, "system-out")
    body.text = _xml(text)
    return case


def _xml(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)
