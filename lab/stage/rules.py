"""What a presenter can do now, and why not; and what helps when a check is red.

The state tells the reasons to all browsers, and the stage refuses a request for the same reasons.
"""

from __future__ import annotations

from collections.abc import Mapping

from lab.base.names import Json
from lab.scenario.model import missing
from lab.scenario.observation import Outcome
from lab.scenario.presenter import Checks, PresentedStep, Presenter, StepState, Wish
from lab.scenario.results import StepRun
from lab.stage.conductor import Work

_WRONG = frozenset({Outcome.FAILED, Outcome.ERRORED})


def disabled(presenter: Presenter, *, running: Work | None) -> Json:
    """Return for each button the reason why it does nothing now; None if it works."""
    if running is not None:
        busy = "a step runs; interrupt it first" if running.step else "the stage is busy; interrupt it first"
        return {**{wish.value: busy for wish in Wish}, "check-until-green": busy, "jump": busy, "interrupt": None}
    reasons: dict[str, str | None] = {**{wish.value: None for wish in Wish}, "check-until-green": None, "jump": None}
    reasons["interrupt"] = "nothing runs"
    view = presenter.current
    if view is None:
        over = "the presentation is over; jump to an act to begin again"
        return {**dict.fromkeys(reasons, over), "jump": None, "interrupt": reasons["interrupt"]}
    begun = view.id in presenter.position.begun
    if not begun:
        reasons["undo"] = "there is nothing to undo; run the step first"
        reasons["repeat"] = "the step has not run yet; run it"
        if view is presenter.all[0]:
            reasons["back"] = "this is the first step"
    if not view.step.checks:
        reasons["check"] = reasons["check-until-green"] = "this step has no checks"
    if presenter.closed:
        reasons["skip"] = "these steps are over; continue, or go back"
    if why := missing(view.scenario.requires, presenter.steps.context.capabilities):
        names = (Wish.REPEAT.value, Wish.CHECK.value, Wish.UNDO.value, "check-until-green")
        reasons.update(dict.fromkeys(names, f"this scenario is left out: {why}"))
    return reasons


def hint(status: PresentedStep, run: StepRun | None, commands: Mapping[str, str]) -> str:
    """Return what a presenter can do about a step whose checks are red; empty if there is nothing to do."""
    if run is not None and run.reason and run.outcome is Outcome.ERRORED:
        return "A command of this step failed. Read the console, then undo the step and run it again."
    if status.checks is not Checks.RED or run is None:
        return "Undo the step and run it again." if status.state is StepState.FAILED else ""
    check = next((check for check in run.checks if check.outcome in _WRONG), None)
    if check is None:
        return ""
    if check.outcome is Outcome.ERRORED:
        return f"The lab did not answer ({check.reason}). Check again; `lab status` says what is wrong."
    look = f" To look yourself: `{commands[check.name]}`" if commands.get(check.name) else ""
    if status.state is StepState.IDLE:
        return f"This step has not run: run it, and the check turns green.{look}"
    return f"Check again, or repeat the step.{look}"
