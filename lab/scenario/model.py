"""The step model: one description of a scenario, to run it, present it, check it and write its walkthrough page.

A scenario is a claim and the steps that prove it. Each step has a text for people (`narration`), the command that is
shown (and, without an `act`, run exactly as shown), checks that can fail, an `undo`, and, if the
step switches on a mechanism, a `sabotage`: it switches the mechanism off, and names the check that must then be FAILED.
`lab.scenario.runner` runs a scenario, `lab.present.walk` presents it, `lab.report.walkthrough` writes its page.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from enum import Enum
from typing import Any

from lab.base.errors import UsageError
from lab.config import LabSpec
from lab.mesh.capabilities import Capability
from lab.scenario import commands
from lab.scenario.context import Context
from lab.scenario.evidence import Evidence


class Outcome(Enum):
    """The result of a check, a step or a scenario."""

    PASSED = "passed"
    FAILED = "failed"
    """The claim is wrong."""
    ERRORED = "errored"
    """The lab failed, so the claim could not be checked."""
    SKIPPED = "skipped"
    """Not checked; the result has the reason."""


class CannotLookError(Exception):
    """This machine cannot make an observation; the check is SKIPPED with the error's text as reason."""


@dataclass(frozen=True, kw_only=True)
class Observation:
    """What a check observed: whether the claim holds, the observation as text, and the evidence.

    `unclear` says why nothing is known about the claim, such as an answer by somebody who was not asked: the check is
    ERRORED with these words.
    """

    holds: bool
    seen: str
    evidence: tuple[Evidence, ...]
    unclear: str = ""


Look = Callable[[Context], Observation]
Act = Callable[[Context], None]


@dataclass(frozen=True, kw_only=True)
class Check:
    """A claim that can turn out wrong.

    `look` is repeated for up to `within_s` seconds until the claim holds; 0 means once. The time until it held is
    part of the result. `requires` names capabilities without which the check is SKIPPED.
    """

    name: str
    claim: str
    expected: str
    look: Look = field(compare=False, repr=False)
    within_s: float = 0.0
    requires: frozenset[Capability] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Sabotage:
    """The mechanism switched off: the check named `fails` must then be FAILED.

    It is done after the step's act, or with `before_act` before it, where the act itself measures.
    """

    title: str
    act: Act = field(compare=False, repr=False)
    undo: Act = field(compare=False, repr=False)
    fails: str
    before_act: bool = False


@dataclass(frozen=True, kw_only=True)
class ScenarioStep:
    """One step of a scenario. `undo` must work after `act` has succeeded, failed or was interrupted."""

    name: str
    title: str
    narration: str
    command: str = ""
    """The commands to show, one on each line; without an `act`, the step runs them."""
    act: Act | None = field(default=None, compare=False, repr=False)
    checks: tuple[Check, ...] = ()
    undo: Act | None = field(default=None, compare=False, repr=False)
    undo_command: str = ""
    """The commands that undo the step, to show to a reader."""
    sabotage: Sabotage | None = None
    full_only: bool = False
    """Stops a whole cluster, so the step runs only with `--full`."""


@dataclass(frozen=True, kw_only=True)
class TopologyNode:
    """One cluster of a topology, with its role in the scenario and its services."""

    cluster: str
    role: str
    services: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Arrow:
    """A path of requests from `cluster/service` to `cluster/service`; `allowed` is False if they are refused."""

    source: str
    target: str
    label: str = ""
    allowed: bool = True


@dataclass(frozen=True, kw_only=True)
class Topology:
    """The diagram of a scenario."""

    nodes: tuple[TopologyNode, ...]
    arrows: tuple[Arrow, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """A claim and the steps that prove it."""

    name: str
    title: str
    act: str
    """The act of the talk that it belongs to."""
    claim: str
    topology: Topology
    steps: tuple[ScenarioStep, ...]
    saw: str
    """Summary at the end of the page."""
    try_next: tuple[str, ...]
    """Suggestions for the reader."""
    requires: frozenset[Capability] = frozenset()

    def __post_init__(self) -> None:
        if problems := list(_problems(self)):
            raise ValueError(f"scenario {self.name}: {'; '.join(problems)}")

    def of_lab(self, spec: LabSpec) -> Scenario:
        """Return this scenario with a lab's names and addresses in all its texts (`commands.render`)."""
        rendered: Scenario = _rendered(self, spec)
        return rendered

    @property
    def sabotaged_steps(self) -> tuple[ScenarioStep, ...]:
        """The steps that have a sabotage."""
        return tuple(step for step in self.steps if step.sabotage is not None)


def _rendered(value: Any, spec: LabSpec) -> Any:
    if isinstance(value, str):
        return commands.render(value, spec)
    if isinstance(value, tuple):
        return tuple(_rendered(item, spec) for item in value)
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{f.name: _rendered(getattr(value, f.name), spec) for f in fields(value)})
    return value


def _problems(scenario: Scenario) -> Iterator[str]:
    step_names = [step.name for step in scenario.steps]
    check_names = [check.name for step in scenario.steps for check in step.checks]
    for kind, names in (("step", step_names), ("check", check_names)):
        if twice := sorted({name for name in names if names.count(name) > 1}):
            yield f"{kind} names are not unique: {', '.join(twice)}"
    if not check_names:
        yield "has no check, so it cannot fail"
    if not scenario.sabotaged_steps:
        yield "has no sabotage, so nothing shows that it can fail"
    for step in scenario.steps:
        if not (step.command or step.act or step.checks):
            yield f"step {step.name} does nothing"
        if step.sabotage and step.sabotage.fails not in [check.name for check in step.checks]:
            yield f"step {step.name}: its sabotage names {step.sabotage.fails!r}, which is none of its checks"


@dataclass
class Registry:
    """Scenarios by name, in the order of the talk."""

    scenarios: dict[str, Scenario] = field(default_factory=dict)

    def add(self, scenario: Scenario) -> Scenario:
        """Add a scenario.

        Raises:
            ValueError: a scenario of this name exists.
        """
        if scenario.name in self.scenarios:
            raise ValueError(f"two scenarios are named {scenario.name}")
        self.scenarios[scenario.name] = scenario
        return scenario

    def pick(self, names: Sequence[str]) -> tuple[Scenario, ...]:
        """Return the named scenarios in the given order, or all if no name is given.

        Raises:
            UsageError: a scenario of that name does not exist.
        """
        if unknown := [name for name in names if name not in self.scenarios]:
            raise UsageError(
                f"there is no scenario {', '.join(map(repr, unknown))}; there are: {', '.join(self.scenarios)}",
                next="lab run --list",
            )
        return tuple(self.scenarios[name] for name in dict.fromkeys(names)) or tuple(self.scenarios.values())


def missing(required: frozenset[Capability], present: frozenset[Capability]) -> str | None:
    """Return the reason why a stack cannot run something that needs `required`, or None if it can."""
    lacking = sorted(capability.value for capability in required - present)
    return f"this stack cannot {', nor '.join(lacking)}" if lacking else None
