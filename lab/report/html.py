"""Report → one HTML file that needs nothing else: no network, no script."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from lab.report import charts
from lab.report.markup import Markup, tag
from lab.scenario.evidence import Evidence, EvidenceKind
from lab.scenario.model import Outcome
from lab.scenario.results import CheckResult, Report, ScenarioRun, StepRun, count, summary

_CSS = Path(__file__).with_name("report.css")
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_MARKS = {Outcome.PASSED: "✓", Outcome.FAILED: "✗", Outcome.ERRORED: "!", Outcome.SKIPPED: "-"}


def render(report: Report) -> str:
    """Return the page."""
    title = f"{report.lab.name}: {report.mode} {report.id}"
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="content-security-policy", content=_POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", title),
        tag("style", Markup(_CSS.read_text(encoding="utf-8"))),
    )
    body = tag("body", _header(report), tag("main", _overview(report), [_scenario(run) for run in report.scenarios]))
    return f"<!doctype html>\n{tag('html', head, body, lang='en')}\n"


def _header(report: Report) -> Markup:
    facts = {
        "lab": f"{report.lab.name}, stack {report.lab.stack}",
        "clusters": "; ".join(report.lab.clusters),
        "began": report.started_at,
        "took": f"{report.duration_s:.1f} s",
        "machine": report.lab.machine,
        **report.lab.versions,
    }
    what = "Sabotage" if report.mode == "sabotage" else "Scenarios"
    return tag(
        "header",
        tag("h1", f"{what} of the lab {report.lab.name}"),
        tag("p", _sabotage_summary(report) if report.mode == "sabotage" else summary(report.counts), class_="summary"),
        tag("dl", [tag("div", tag("dt", key), tag("dd", value)) for key, value in facts.items() if value]),
    )


def _sabotage_summary(report: Report) -> str:
    tried = [run.sabotage for run in report.scenarios if run.sabotage is not None]
    caught = sum(sabotage.caught is True for sabotage in tried)
    skipped = sum(sabotage.caught is None for sabotage in tried)
    return f"{caught} of {len(tried)} sabotages caught, {skipped} not tried"


def _overview(report: Report) -> Markup:
    def row(run: ScenarioRun) -> Markup:
        if run.sabotage is not None:
            verdict: Markup = _sabotage_badge(run.sabotage.caught)
            words = f"{run.sabotage.title}: {run.sabotage.verdict}"
        else:
            verdict, words = _badge(run.outcome), summary(count(run.outcomes))
        link = tag("a", run.title, href=f"#{_anchor(run)}")
        return tag(
            "tr",
            tag("td", verdict),
            tag("td", link),
            tag("td", words),
            tag("td", f"{run.duration_s:.1f} s", class_="number"),
        )

    head = tag("tr", [tag("th", word) for word in ("", "scenario", "checks", "took")])
    return tag("section", tag("table", head, [row(run) for run in report.scenarios], class_="overview"))


def _anchor(run: ScenarioRun) -> str:
    return run.name if run.sabotage is None else f"{run.name}-{run.sabotage.step}"


def _badge(outcome: Outcome) -> Markup:
    return tag("span", f"{_MARKS[outcome]} {outcome.value}", class_=f"badge {outcome.value}")


def _sabotage_badge(caught: bool | None) -> Markup:  # noqa: FBT001 - three states of one thing
    words, class_ = {True: ("✓ caught", "passed"), False: ("✗ not caught", "failed"), None: ("- not tried", "skipped")}[
        caught
    ]
    return tag("span", words, class_=f"badge {class_}")


def _scenario(run: ScenarioRun) -> Markup:
    badge = _badge(run.outcome) if run.sabotage is None else _sabotage_badge(run.sabotage.caught)
    notes: list[Markup] = []
    if run.sabotage is not None:
        notes.append(tag("p", f"Switched off: {run.sabotage.title}. {run.sabotage.verdict}.", class_="note"))
    if run.reason:
        notes.append(tag("p", run.reason, class_="note"))
    notes += [tag("p", problem, class_="note bad") for problem in run.restore_problems]
    if run.files:
        notes.append(tag("p", "Kept beside this page: ", ", ".join(run.files), class_="note"))
    return tag(
        "section",
        tag("h2", badge, f" {run.title}"),
        tag("p", run.claim, class_="claim"),
        notes,
        charts.topology(run.topology),
        [_step(number, step) for number, step in enumerate(run.steps, start=1)],
        id_=_anchor(run),
    )


def _step(number: int, step: StepRun) -> Markup:
    head = tag(
        "h3",
        tag("span", str(number), class_="step-number"),
        step.title,
        " ",
        tag("small", f"{step.duration_s:.1f} s"),
        " ",
        _badge(step.outcome),
    )
    parts: list[Markup] = [head, tag("p", step.narration, class_="narration")]
    if step.command:
        parts.append(tag("pre", step.command, class_="command"))
    if step.output:
        parts.append(_folded("output", step.output))
    if step.reason:
        parts.append(tag("p", step.reason, class_="note bad" if step.outcome is Outcome.ERRORED else "note"))
    parts += [_check(check) for check in step.checks]
    return tag("article", parts)


def _check(check: CheckResult) -> Markup:
    rows: dict[str, str] = {"expected": check.expected, "observed": check.observed}
    if check.reason:
        rows["because"] = check.reason
    if check.outcome is Outcome.PASSED and check.duration_s >= 0.05:
        rows["after"] = f"{check.duration_s:.2f} s"
    table = tag("dl", [tag("div", tag("dt", key), tag("dd", value)) for key, value in rows.items() if value])
    return tag(
        "div",
        tag("h4", _badge(check.outcome), f" {check.claim}"),
        table,
        _all_evidence(check.evidence),
        class_=f"check {check.outcome.value}",
    )


def _all_evidence(pieces: Iterable[Evidence]) -> list[Markup]:
    return [_evidence(piece) for piece in pieces]


def _evidence(piece: Evidence) -> Markup:
    if piece.kind is EvidenceKind.LOAD and isinstance(piece.data, Mapping):
        return tag("figure", charts.timeline(piece.data), _phases(piece.data), tag("figcaption", piece.title))
    more = f" (whole text: {piece.file})" if piece.file else ""
    return _folded(f"{piece.kind.value}: {piece.title}{more}", piece.text or str(piece.data))


def _phases(recording: Mapping[str, object]) -> Markup:
    columns = ("phase", "seconds", "sent", "answered by", "lost", "retried", "recovered after", "p50", "p99")
    phases = recording["phases"]
    rows = [_phase(phase) for phase in phases] if isinstance(phases, list | tuple) else []
    return tag("table", tag("tr", [tag("th", column) for column in columns]), rows, class_="phases")


def _phase(phase: Mapping[str, object]) -> Markup:
    by = phase["answered_by"]
    answered = ", ".join(f"{name} {n}" for name, n in by.items()) if isinstance(by, Mapping) else ""
    rto = phase["rto_s"]
    recovered = "never" if rto is None else "nothing lost" if not phase["lost"] else f"{rto} s"
    cells = (
        phase["name"], f"{phase['from_s']} to {phase['to_s']}", phase["sent"], answered, phase["lost"],
        phase["retried"], recovered, _ms(phase["p50_ms"]), _ms(phase["p99_ms"]),
    )  # fmt: skip
    return tag("tr", [tag("td", str(cell)) for cell in cells], class_="lossy" if phase["lost"] else None)


def _ms(value: object) -> str:
    return "" if value is None else f"{value} ms"


def _folded(title: str, text: str) -> Markup:
    return tag("details", tag("summary", title), tag("pre", text))
