"""Report or summary of a repeat → one HTML file that needs nothing else: no network, no script."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from lab.base.names import Json
from lab.report import charts, repetitions
from lab.report.repetitions import RepeatReport
from lab.scenario.evidence import Evidence, EvidenceKind
from lab.scenario.observation import Outcome
from lab.scenario.results import CheckResult, LabFacts, Report, ScenarioRun, count, summary

_HERE = Path(__file__).parent
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_MARKS = {Outcome.PASSED: "✓", Outcome.FAILED: "✗", Outcome.ERRORED: "!", Outcome.SKIPPED: "-"}


def render(report: Report) -> str:
    """Return the page of scenarios."""
    is_sabotage = report.mode == "sabotage"
    return _page(
        "report.html.j2",
        report=report,
        title=f"{report.lab.name}: {report.mode} {report.id}",
        what="Sabotage" if is_sabotage else "Scenarios",
        summary_line=_sabotage_summary(report) if is_sabotage else summary(report.counts),
        facts=_facts(report.lab, report.started_at, report.duration_s),
    )


def render_load(document: Json, *, summary: str) -> str:
    """Return the page of a load.

    Args:
        document: as `lab.report.load_report` writes it to load.json.
        summary: its result in one sentence.
    """
    return _page(
        "load.html.j2",
        load=document,
        title=f"Load: {document['target']}, {document['id']}",
        summary_line=summary,
        facts={
            "target": document["target"],
            "rate": f"{document['rate_per_s']:g} requests/s",
            "began": document["started_at"],
            "took": f"{document['duration_s']:.1f} s" + (", interrupted" if document["interrupted"] else ""),
            "command": _command(document["command"]) if document["command"] else "",
            "machine": document["machine"],
        },
    )


def _command(command: Json) -> str:
    code = command["exit_code"]
    ended = "was interrupted" if code is None else f"exited with {code}"
    return f"{ended} after {command['to_s'] - command['from_s']:.1f} s"


def _page(template: str, **variables: object) -> str:
    environment = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
    environment.globals |= {
        "anchor": _anchor,
        "checks": _checks,
        "css": Markup((_HERE / "report.css").read_text(encoding="utf-8")),  # noqa: S704 - a file of this package
        "details": _details,
        "is_load": _is_load,
        "loss": repetitions.loss_text,
        "marks": _MARKS,
        "ms": _ms,
        "policy": _POLICY,
        "rate": repetitions.rate_text,
        "shares": _shares,
        "spread": repetitions.spread_text,
        "timeline": charts.timeline,
        "topology": charts.topology,
    }
    return environment.get_template(template).render(**variables)


def render_repeat(report: RepeatReport) -> str:
    """Return the page of a repeat; it links to the pages of its runs beside it."""
    return _page(
        "repeat.html.j2",
        report=report,
        title=f"{report.lab.name}: repeat {report.id}",
        summary_line=repetitions.summary(report),
        facts=_facts(report.lab, report.started_at, report.duration_s),
    )


def _facts(lab: LabFacts, started_at: str, duration_s: float) -> dict[str, str]:
    return {
        "lab": f"{lab.name}, stack {lab.stack}",
        "clusters": "; ".join(lab.clusters),
        "began": started_at,
        "took": f"{duration_s:.1f} s",
        "machine": lab.machine,
        **lab.versions,
    }


def _sabotage_summary(report: Report) -> str:
    tried = [run.sabotage for run in report.scenarios if run.sabotage is not None]
    caught = sum(sabotage.caught is True for sabotage in tried)
    skipped = sum(sabotage.caught is None for sabotage in tried)
    return f"{caught} of {len(tried)} sabotages caught, {skipped} not tried"


def _checks(run: ScenarioRun) -> str:
    if run.sabotage is not None:
        return f"{run.sabotage.title}: {run.sabotage.verdict}"
    return summary(count(run.outcomes))


def _anchor(run: ScenarioRun) -> str:
    return run.name if run.sabotage is None else f"{run.name}-{run.sabotage.step}"


def _details(check: CheckResult) -> dict[str, str]:
    held_late = check.outcome is Outcome.PASSED and check.duration_s >= 0.05
    return {
        "expected": check.expected,
        "observed": check.observed,
        "because": check.reason,
        "after": f"{check.duration_s:.2f} s" if held_late else "",
    }


def _is_load(piece: Evidence) -> bool:
    return piece.kind is EvidenceKind.LOAD and isinstance(piece.data, Mapping)


def _shares(answered_by: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {number}" for name, number in answered_by.items())


def _ms(value: float | None) -> str:
    return "" if value is None else f"{value} ms"
