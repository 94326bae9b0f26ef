"""What the commands that run and present scenarios share: the chosen scenarios, warnings before, exit codes after."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from lab.base.errors import UsageError
from lab.cli.options import scenario_names
from lab.cli.output import warn

if TYPE_CHECKING:
    from lab.lab import Lab
    from lab.mesh import Mesh
    from lab.scenario.model import Registry, Scenario
    from lab.scenario.observation import Outcome
    from lab.scenario.steps import StepRunner

PresentedNames = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="SCENARIO|ACT",
        autocompletion=scenario_names,
        help="Names of scenarios, or acts by name or number. Default: all.",
    ),
]


def known(lab: Lab) -> Registry:
    """Return every scenario, with this lab's names and its stack's commands."""
    from lab import stacks
    from lab.report.environment import target_of
    from lab.scenario.registry import registry

    return registry(target_of(lab, stacks.current(lab).name))


def steps_of(lab: Lab, *, full: bool, rate: float | None = None) -> StepRunner:
    """Return what runs the steps of this lab."""
    from lab import stacks
    from lab.report import environment

    return environment.steps_of(lab, stacks.mesh(lab), full=full, rate_per_s=rate)


def warn_of_changes(lab: Lab, mesh: Mesh) -> None:
    """Name what a walk, a command or a person has left: scenarios expect the lab as `lab up` left it."""
    from lab.lifecycle import changes
    from lab.scenario.position import Position

    walked = Position.read(lab.paths.walk).begun
    if walked:
        warn(f"{_left(walked)}. `lab reset` undoes them.")
    effects = [f"{change.cluster}: {change.effect}" for change in changes.now(lab, mesh) if change.decides_answers]
    if effects:
        warn(f"changed since `lab up`: {'; '.join(effects)}. Scenarios can fail because of it; `lab reset` undoes it.")


def check_left(lab: Lab, chosen: Sequence[Scenario], *, command: str, fresh: bool) -> None:
    """Name steps of scenarios that are not chosen, which an earlier presentation left.

    Raises:
        UsageError: `fresh`: a presentation undoes its own scenarios' steps only.
    """
    from lab.scenario.position import Position

    mine = {scenario.name for scenario in chosen}
    others = [step for step in Position.read(lab.paths.walk).begun if step.partition("/")[0] not in mine]
    if others and fresh:
        what = f"{_left(others)}, which this one does not have: --fresh cannot undo them"
        raise UsageError(what, next=f"lab reset, then {command}")
    if others:
        warn(f"{_left(others)}. `lab reset` undoes them.")


def _left(steps: Sequence[str]) -> str:
    return f"an earlier presentation left changes of {', '.join(steps)}"


def refuse_fresh_rehearsal(command: str, *, auto: bool, fresh: bool) -> None:
    """Raise UsageError for both options: a rehearsal always begins at the first step, and keeps no position."""
    if auto and fresh:
        raise UsageError("--auto begins at the first step without --fresh", next=f"lab reset, then {command} --auto")


def end_with(*outcomes: Outcome) -> None:
    """Exit with 1 if a check failed, with 3 if one could not be done."""
    from lab.scenario.observation import Outcome

    if Outcome.FAILED in outcomes:
        raise typer.Exit(1)
    if Outcome.ERRORED in outcomes:
        raise typer.Exit(3)


def picked(lab: Lab, names: list[str] | None) -> tuple[Scenario, ...]:
    """Return the scenarios of names of scenarios and acts; all without a name.

    Raises:
        UsageError: there is no such scenario or act.
    """
    registry = known(lab)
    return registry.pick(_by_act(names or [], list(registry.scenarios.values())))


def _by_act(names: list[str], known: list[Scenario]) -> list[str]:
    """Replace names and numbers of acts ("request-routing", "2") by names of their scenarios."""
    acts = list(dict.fromkeys(_slug(scenario.act) for scenario in known))

    def of(name: str) -> list[str]:
        if any(scenario.name == name for scenario in known):
            return [name]
        act = acts[int(name) - 1] if name.isdigit() and 0 < int(name) <= len(acts) else name.lower()
        if act not in acts:
            scenarios = ", ".join(scenario.name for scenario in known)
            numbered = ", ".join(f"{number} or {act}" for number, act in enumerate(acts, start=1))
            raise UsageError(
                f"unknown scenario or act {name!r}; scenarios: {scenarios}; acts: {numbered}", next="lab run --list"
            )
        return [scenario.name for scenario in known if _slug(scenario.act) == act]

    return [scenario for name in names for scenario in of(name)]


def _slug(act: str) -> str:
    return act.lower().replace(" ", "-")
