"""The step model: one description of a scenario, to run it, present it, check it and write its walkthrough page.

A scenario is a claim and the steps that prove it. The actions of a step are data (`lab.scenario.actions`): `before`
prepares the lab, `do` is the step, `undo` undoes both. With a `load`, `do` runs under a steady load. Checks observe the
lab and can fail. A `sabotage` switches a mechanism off, and names the check that must then be FAILED.
`lab.scenario.rendering` fills in the names of a lab and chooses the stack's commands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from lab.base.errors import UsageError
from lab.mesh.capabilities import Capability
from lab.scenario.actions import Action, Command, NewPhase, Pause, Start, Stop, Until
from lab.scenario.context import Context
from lab.scenario.loads import StepLoad
from lab.scenario.observation import Look


@dataclass(frozen=True, kw_only=True)
class Check:
    """A claim that can turn out wrong.

    `look` is repeated for up to `within_s` seconds until the claim holds; 0 means once. The time until it held is
    part of the result. `requires` names capabilities without which the check is SKIPPED. `command` shows a person the
    same; it must change nothing.
    """

    name: str
    claim: str
    expected: str
    look: Look = field(compare=False, repr=False)
    within_s: float = 0.0
    requires: frozenset[Capability] = frozenset()
    command: str = ""


@dataclass(frozen=True, kw_only=True)
class Sabotage:
    """The mechanism switched off: the check named `fails` must then be FAILED.

    It is done after the step's actions, or with `before_do` between `before` and `do`, where `do` itself measures.
    """

    title: str
    do: tuple[Action, ...]
    undo: tuple[Action, ...]
    fails: str
    before_do: bool = False


@dataclass(frozen=True, kw_only=True)
class ScenarioStep:
    """One step of a scenario. `undo` must work after the actions have succeeded, failed or were interrupted."""

    name: str
    title: str
    narration: str
    before: tuple[Action, ...] = ()
    do: tuple[Action, ...] = ()
    undo: tuple[Action, ...] = ()
    load: StepLoad | None = None
    verb: str = ""
    """The command of the lab with the same effect as `do`, to mention beside it."""
    checks: tuple[Check, ...] = ()
    sabotage: Sabotage | None = None
    requires: frozenset[Capability] = frozenset()
    """Capabilities without which the step is SKIPPED."""
    alone: bool = False
    """Needs no step before it: `before` prepares all, `undo` undoes that as well, and no check compares with another
    step. So its sabotage runs without the others."""
    full_only: bool = False
    """Stops a whole cluster, so the step runs only with `--full`."""

    @property
    def lines(self) -> tuple[str, ...]:
        """The command lines of a rendered step, exactly as they are executed, in order."""
        return tuple(lines_of((*self.before, *self.do)))

    @property
    def script(self) -> str:
        """The commands of a rendered step, with comments for its waits, as a person types them."""
        return script_of((*self.before, *self.do))

    @property
    def undo_script(self) -> str:
        """The commands that undo a rendered step."""
        return script_of(self.undo)


REFUSED = "# this command must be refused:"
SECOND_TERMINAL = "# in a second terminal:"
CTRL_C = "# Ctrl-C ends: "
"""Comments in scripts."""


def lines_of(actions: Sequence[Action]) -> Iterator[str]:
    """Yield the command lines of rendered actions."""
    for action in actions:
        if isinstance(action, Command | Start):
            yield action.text


def script_of(actions: Sequence[Action]) -> str:
    """Return rendered actions as a person types them, with comments for waits and for long-running commands."""
    return "\n".join(line for action in actions for line in _typed(action))


def _typed(action: Action) -> Iterator[str]:
    match action:
        case Command(text=text, refused=refused):
            if refused:
                yield REFUSED
            yield text
        case Start(text=text):
            yield SECOND_TERMINAL
            yield text
        case Stop(text=text):
            yield f"{CTRL_C}{text}"
        case NewPhase(text=text):
            yield f"# phase of the load: {text}"
        case Pause(seconds=seconds, why=why):
            yield f"# wait {seconds:g} s: {why}"
        case Until(what=what, timeout_s=timeout_s):
            yield f"# wait for {what}, up to {timeout_s:g} s"
        case _:
            return


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
    obstacle: Callable[[Context], str | None] = field(default=lambda _: None, compare=False, repr=False)
    """Returns why it cannot run on this lab as it is now; asked before its first step."""

    def __post_init__(self) -> None:
        if problems := list(_problems(self)):
            raise ValueError(f"scenario {self.name}: {'; '.join(problems)}")

    @property
    def sabotaged_steps(self) -> tuple[ScenarioStep, ...]:
        """The steps that have a sabotage."""
        return tuple(step for step in self.steps if step.sabotage is not None)


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
        if not (step.do or step.checks):
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
                f"unknown scenario {', '.join(map(repr, unknown))}; known: {', '.join(self.scenarios)}",
                next="lab run --list",
            )
        return tuple(self.scenarios[name] for name in dict.fromkeys(names)) or tuple(self.scenarios.values())


def missing(required: frozenset[Capability], present: frozenset[Capability]) -> str | None:
    """Return the reason why a lab cannot run something that needs `required`, or None if it can."""
    lacking = sorted(capability.value for capability in required - present)
    return f"this lab cannot {', nor '.join(lacking)}" if lacking else None
