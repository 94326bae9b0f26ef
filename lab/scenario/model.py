"""The step model: one description that is run, presented, checked by a learner, and written down.

A scenario is a claim and the steps that prove it. Each step has words for people (`narration`), the command that is
shown (and, without an `act`, run exactly as shown), checks that can fail, what takes it back (`undo`), and, where the
step switches on a mechanism, a `sabotage`: the mechanism switched off again, and the name of the check that must then
be FAILED. `lab.scenario.runner` walks it; `lab.present.walk` presents it; `lab.report.walkthrough` writes it down.
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
    """How a check, a step or a scenario ended. The four are never merged."""

    PASSED = "passed"
    FAILED = "failed"
    """The behaviour is not what the claim says."""
    ERRORED = "errored"
    """The lab broke, so nothing is known about the claim."""
    SKIPPED = "skipped"
    """Not checked, for a stated reason."""


class CannotLookError(Exception):
    """What a look raises where this machine gives it no way to look: the check is SKIPPED, with these words."""


@dataclass(frozen=True, kw_only=True)
class Observation:
    """The result of a look: whether the claim holds, what was seen, as text, and the evidence.

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
    """One thing to tell, do and see. `undo` may be called whether `act` ended well, failed in the middle or was cut."""

    name: str
    title: str
    narration: str
    command: str = ""
    """What is shown as typed, one command a line; run as it stands when there is no `act`."""
    act: Act | None = field(default=None, compare=False, repr=False)
    checks: tuple[Check, ...] = ()
    undo: Act | None = field(default=None, compare=False, repr=False)
    undo_command: str = ""
    """What a reader types to take the step back."""
    sabotage: Sabotage | None = None
    full_only: bool = False
    """Takes so long (a cluster stops) that it runs in the full set only."""


@dataclass(frozen=True, kw_only=True)
class TopologyNode:
    """One cluster of a topology: what it is in this story, and what runs there."""

    cluster: str
    role: str
    services: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Arrow:
    """A path that requests take, `cluster/service` to `cluster/service`; `allowed` False for one that is refused."""

    source: str
    target: str
    label: str = ""
    allowed: bool = True


@dataclass(frozen=True, kw_only=True)
class Topology:
    """The picture of a scenario."""

    nodes: tuple[TopologyNode, ...]
    arrows: tuple[Arrow, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """A claim and the steps that prove it."""

    name: str
    title: str
    act: str
    """Which of the talk's acts it belongs to."""
    claim: str
    topology: Topology
    steps: tuple[ScenarioStep, ...]
    saw: str
    """What a reader has seen at the end."""
    try_next: tuple[str, ...]
    """What a reader can try."""
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
    for what, names in (("step", step_names), ("check", check_names)):
        if twice := sorted({name for name in names if names.count(name) > 1}):
            yield f"{what} names stand twice: {', '.join(twice)}"
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
    """Scenarios by name, in the order in which they are told."""

    scenarios: dict[str, Scenario] = field(default_factory=dict)

    def add(self, scenario: Scenario) -> Scenario:
        """Take in a scenario.

        Raises:
            ValueError: there is one of this name.
        """
        if scenario.name in self.scenarios:
            raise ValueError(f"two scenarios are named {scenario.name}")
        self.scenarios[scenario.name] = scenario
        return scenario

    def pick(self, names: Sequence[str]) -> tuple[Scenario, ...]:
        """Return the named scenarios in the order given; all of them for no name.

        Raises:
            UsageError: there is no scenario of a name.
        """
        if unknown := [name for name in names if name not in self.scenarios]:
            raise UsageError(
                f"there is no scenario {', '.join(map(repr, unknown))}; there are: {', '.join(self.scenarios)}",
                next="lab run --list",
            )
        return tuple(self.scenarios[name] for name in dict.fromkeys(names)) or tuple(self.scenarios.values())


def missing(required: frozenset[Capability], present: frozenset[Capability]) -> str | None:
    """Return why something that needs `required` cannot be shown, or None where it can."""
    lacking = sorted(capability.value for capability in required - present)
    return f"this stack cannot {', nor '.join(lacking)}" if lacking else None
