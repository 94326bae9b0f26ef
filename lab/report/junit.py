"""Report → JUnit XML, as the common readers of CI systems take it: a suite per scenario, a case per check."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from lab.scenario.evidence import Evidence
from lab.scenario.observation import Outcome
from lab.scenario.results import CheckResult, Report, ScenarioRun, StepRun, count

# XML 1.0 allows no other control characters, not even escaped; tools print them.
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(report: Report) -> str:
    """Return the report as a JUnit document."""
    root = ET.Element("testsuites", name=f"lab {report.mode}", time=f"{report.duration_s:.3f}")
    totals = dict.fromkeys(("tests", "failures", "errors", "skipped"), 0)
    for run in report.scenarios:
        suite = _suite(run)
        root.append(suite)
        for key in totals:
            totals[key] += int(suite.get(key, "0"))
    root.attrib.update({key: str(value) for key, value in totals.items()})
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _suite(run: ScenarioRun) -> ET.Element:
    name = run.name if run.sabotage is None else f"{run.name}.sabotage.{run.sabotage.step}"
    suite = ET.Element("testsuite", name=name, timestamp=run.started_at, time=f"{run.duration_s:.3f}")
    cases = (
        _sabotage_cases(run) if run.sabotage is not None else [c for step in run.steps for c in _step_cases(run, step)]
    )
    stopped = run.outcome is Outcome.ERRORED and not run.restore_problems and run.sabotage is None
    if not cases or (stopped and not any(case.get("outcome") == Outcome.ERRORED.value for case in cases)):
        cases.append(_case(run.name, "scenario", run.duration_s, run.outcome, run.reason, text=run.claim))
    if run.restore_problems:
        text = "\n".join(run.restore_problems)
        cases.append(_case(run.name, "restore", 0.0, Outcome.ERRORED, text, text=text))
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
