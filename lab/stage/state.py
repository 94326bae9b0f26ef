"""The state of a stage as JSON, schema `stage/state/v1`: built from the presenter, never kept twice."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from lab.base.names import ROLES, Json
from lab.lab import Lab
from lab.present.screen import ACTS
from lab.scenario.model import Scenario, missing
from lab.scenario.presenter import Checks, PresentedStep, Presenter, StepState, StepView
from lab.scenario.results import CheckResult, StepRun
from lab.stage import rules
from lab.stage.conductor import Work
from lab.stage.recording.rehearsal import pace

SCHEMA = "stage/state/v1"


@dataclass(frozen=True, kw_only=True)
class StageFacts:
    """What does not change while a stage runs. `mode` is "live", "auto" or "replay"."""

    mode: str
    lab: str
    stack: str
    stack_title: str
    clusters: Sequence[Json]
    page_url: str

    @classmethod
    def of(cls, lab: Lab, *, stack: str, stack_title: str, mode: str) -> StageFacts:
        """Return the facts of a lab."""
        roles = {getattr(lab.spec.roles, role): role for role in ROLES}
        clusters = [
            {
                "name": name,
                "role": roles.get(name),
                "color": spec.podinfo.color,
                "stands_in_for": spec.stands_in_for,
                "console": name,
            }
            for name, spec in lab.spec.clusters.items()
        ]
        upstreams = f"upstream=podinfo&upstream=podinfo-{lab.spec.roles.east}"
        return cls(
            mode=mode,
            lab=lab.spec.name,
            stack=stack,
            stack_title=stack_title,
            clusters=clusters,
            # Another name than the stage's own: the browser does not send the stage's cookie there.
            page_url=f"{lab.page_url(lab.west.name)}/?view=stage&{upstreams}",
        )


@dataclass(kw_only=True)
class Happened:
    """What happened in this presentation, beside the presenter's own state."""

    results: dict[str, StepRun] = field(default_factory=dict)
    """The last result of each step."""
    notes: list[Json] = field(default_factory=list)
    marks: list[Json] = field(default_factory=list)
    closing: str | None = None
    started: float | None = None
    """Unix time of the first request."""
    turn: int = 0
    """Counts the requests that were accepted, so that a late click can be recognised."""
    rehearsed: Mapping[str, float] = field(default_factory=dict)
    """Seconds of each step in the last rehearsal."""


def of(
    facts: StageFacts,
    presenter: Presenter,
    happened: Happened,
    *,
    work: Work | None = None,
    consoles: Sequence[Json] = (),
    faults: Sequence[Json] = (),
    reachable: Mapping[str, bool] | None = None,
    audience: Json = None,
    page_problem: str | None = None,
) -> Json:
    """Return the whole state."""
    current = presenter.current
    statuses = {step.id: step for step in presenter.snapshot.steps}
    return {
        "schema": SCHEMA,
        "mode": facts.mode,
        "turn": happened.turn,
        "lab": {"name": facts.lab, "stack": facts.stack, "title": facts.stack_title},
        "clusters": [{**one, "reachable": (reachable or {}).get(one["name"], True)} for one in facts.clusters],
        "consoles": list(consoles),
        "page": {"url": facts.page_url, "problem": page_problem},
        "acts": acts(presenter.scenarios),
        "scenarios": [_scenario(one, presenter) for one in presenter.scenarios],
        "steps": [
            _step(
                view,
                statuses[view.id],
                _result_of(statuses[view.id], presenter, happened),
                happened.rehearsed.get(view.id),
            )
            for view in presenter.all
        ],
        "current": current.id if current else None,
        "go": "next" if current and (presenter.closed or current.id in presenter.position.done) else "run",
        "closing": happened.closing,
        "running": work.as_json() if work else None,
        "disabled": rules.disabled(presenter, running=work),
        "notes": list(happened.notes),
        "marks": list(happened.marks),
        "faults": list(faults),
        "clock": _clock(presenter, happened),
        "audience": audience,
    }


def acts(scenarios: Sequence[Scenario]) -> list[Json]:
    """Return the talk's acts, each with those of these scenarios that belong to it."""
    return [
        {"number": number, "title": title, "scenarios": [one.name for one in scenarios if one.act == title]}
        for number, title in enumerate(ACTS, start=1)
    ]


def _scenario(scenario: Scenario, presenter: Presenter) -> Json:
    return {
        "name": scenario.name,
        "title": scenario.title,
        "claim": scenario.claim,
        "act": scenario.act,
        "saw": scenario.saw,
        "try_next": list(scenario.try_next),
        "topology": asdict(scenario.topology),
        "skipped": missing(scenario.requires, presenter.steps.context.capabilities),
    }


def _result_of(status: PresentedStep, presenter: Presenter, happened: Happened) -> StepRun | None:
    """Return the result of a step, unless the step was undone or began again since then."""
    is_over = status.id in presenter.position.done and status.state is not StepState.RUNNING
    return happened.results.get(status.id) if is_over or status.checks is not Checks.UNKNOWN else None


def _step(view: StepView, status: PresentedStep, run: StepRun | None, rehearsed_s: float | None) -> Json:
    step = view.step
    commands = {check.name: check.command for check in step.checks}
    return {
        **status.as_json(),
        "scenario": view.scenario.name,
        "number": view.number,
        "count": view.count,
        "title": step.title,
        "narration": step.narration,
        "script": step.script,
        "undo_script": step.undo_script,
        "verb": step.verb,
        "claims": [check.claim for check in step.checks],
        "hint": rules.hint(status, run, commands),
        "reason": run.reason if run else "",
        "rehearsed_s": rehearsed_s,
        "results": [_result(check, commands.get(check.name, "")) for check in run.checks] if run else [],
    }


def _result(check: CheckResult, command: str) -> Json:
    return {
        "claim": check.claim,
        "expected": check.expected,
        "observed": check.observed,
        "outcome": check.outcome.value,
        "reason": check.reason,
        "command": command,
    }


def _clock(presenter: Presenter, happened: Happened) -> Json:
    ids = [view.id for view in presenter.all]
    started = happened.started
    elapsed_s = time.time() - started if started else 0.0
    found = pace(happened.rehearsed, ids, done=min(presenter.index, len(ids)), elapsed_s=elapsed_s)
    return {
        "started": started,
        "elapsed_s": round(elapsed_s, 1),
        "rehearsed_s": round(found.rehearsed_s + found.left_s, 1) if found else None,
        "due_s": round(found.rehearsed_s, 1) if found else None,
        "left_s": round(found.left_s, 1) if found else None,
    }
