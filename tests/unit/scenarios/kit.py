"""Test kit for the scenario engine without clusters: a fake command runner, and small scenarios."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lab import config
from lab.artifacts.store import ArtifactStore
from lab.base import names, process
from lab.base.paths import PROJECT, Paths
from lab.base.process import Completed
from lab.config import LabSpec
from lab.lab import Lab
from lab.scenario.actions import Action, Command
from lab.scenario.context import Context
from lab.scenario.events import Sink
from lab.scenario.evidence import Evidence, EvidenceKind
from lab.scenario.executor import Executor
from lab.scenario.manifests import Manifests
from lab.scenario.model import Check, Sabotage, Scenario, ScenarioStep, Topology, TopologyNode
from lab.scenario.observation import Observation
from lab.scenario.rendering import Target
from lab.scenario.runner import ScenarioRunner
from lab.scenario.steps import StepRunner
from lab.scenario.terminal import DirectTerminal

SEEN = Evidence(kind=EvidenceKind.COMMAND, title="an observation", text="something")
PICTURE = Topology(nodes=(TopologyNode(cluster="west", role="primary", services=("frontend",)),))
SCENARIOS = PROJECT / "scenarios"
STACKS = names.STACKS
RENAMED = config.parse(
    """
    name = "demo"
    [roles]
    east = "gke"
    west = "laptop"
    [clusters.gke]
    ingress_port = 9001
    trust_domain = "gke.test"
    [clusters.laptop]
    ingress_port = 9002
    trust_domain = "laptop.test"
    """
)
"""A lab with other clusters, ports and trust domains in the roles."""

Reply = str | BaseException | Callable[[], str]


class FakeRunner:
    """Answer commands by their first words; fail on an unexpected command. An error as answer is raised."""

    def __init__(self, answers: Mapping[str, Reply]) -> None:
        self.answers = dict(answers)
        self.ran: list[tuple[str, ...]] = []
        self.fed: list[str | None] = []
        self.envs: list[Mapping[str, str]] = []

    @property
    def lines(self) -> list[str]:
        """The commands that ran, with their words joined by spaces."""
        return [" ".join(words) for words in self.ran]

    def __call__(self, argv: Any, **options: Any) -> Completed:
        words = tuple(map(str, argv))
        self.ran.append(words)
        self.fed.append(options.get("input"))
        self.envs.append(options.get("env") or {})
        stdout = self._answer(" ".join(words))
        if (tell := options.get("on_line")) is not None:
            for line in stdout.splitlines():
                tell(line)
        return Completed(argv=words, returncode=0, stdout=stdout, stderr="", duration_s=0.0)

    def _answer(self, line: str) -> str:
        for beginning, reply in self.answers.items():
            if line.startswith(beginning):
                if isinstance(reply, BaseException):
                    raise reply
                return reply if isinstance(reply, str) else reply()
        raise AssertionError(f"unexpected command: {line}")


def no_manifests(scenario: str) -> Manifests:
    raise AssertionError(f"{scenario} has no manifests")


def lab_of(spec: LabSpec | None = None) -> Lab:
    """Return a lab that is only described: it has no folders and no artifacts."""
    nowhere = Path("/nowhere")
    paths = Paths(cache=nowhere, state=nowhere)
    return Lab(spec=spec or config.parse(""), paths=paths, artifacts=ArtifactStore(paths=paths))


def steps_of(context: Context, runner: FakeRunner, *, sink: Sink = lambda _: None) -> StepRunner:
    return StepRunner(executor=executor_of(context, runner), sink=sink)


def executor_of(context: Context, runner: Any, *, starter: Any = process.start, **options: Any) -> Executor:
    terminal = DirectTerminal(env=context.env, runner=runner, starter=starter)
    return Executor(**{"context": context, "manifests": no_manifests, "terminal": terminal, **options})


def run_by(executor: Executor, runner: Any, *, starter: Any = process.start) -> None:
    """Let other functions run the programs of an executor."""
    executor.terminal = DirectTerminal(env=executor.context.env, runner=runner, starter=starter)


def runner_of(context: Context, runner: FakeRunner, **options: Any) -> ScenarioRunner:
    sink: Sink = options.pop("sink", lambda _: None)
    return ScenarioRunner(steps=steps_of(context, runner, sink=sink), **options)


def target(
    stack: str, state: Path, *, spec: LabSpec | None = None, scenarios: Path = SCENARIOS, here: Path = PROJECT
) -> Target:
    paths = Paths(cache=state / "cache", state=state / "state")
    return Target(
        spec=spec or config.parse(""),
        stack=stack,
        paths=paths,
        scenarios=scenarios,
        lab_id="id",
        image=lambda: "registry.test/frontend:1",
        here=here,
    )


def look(holds: bool = True, seen: str = "as it should be") -> Callable[[Context], Observation]:
    return lambda _: Observation(holds=holds, seen=seen, evidence=(SEEN,))


def looks(*holds: bool) -> Callable[[Context], Observation]:
    """Return a look that gives one result after the other."""
    left = iter(holds)
    return lambda _: Observation(holds=next(left), seen="seen", evidence=(SEEN,))


def check(name: str = "works", **changes: Any) -> Check:
    return Check(**{"name": name, "claim": f"{name}, it does", "expected": "yes", "look": look(), **changes})


def typed(*lines: str) -> tuple[Action, ...]:
    return tuple(Command(line) for line in lines)


def step(name: str = "one", **changes: Any) -> ScenarioStep:
    return ScenarioStep(**{"name": name, "title": name.title(), "narration": f"Now {name}.", **changes})


def scenario(*steps: ScenarioStep, **changes: Any) -> Scenario:
    if not any(s.sabotage for s in steps):
        steps = (*steps, sabotaged("last"))
    fields = {
        "name": "demo",
        "title": "A demo",
        "act": "Profit",
        "claim": "It works",
        "topology": PICTURE,
        "steps": steps,
        "saw": "It worked.",
        "try_next": ("Do it again.",),
    }
    return Scenario(**{**fields, **changes})


def sabotaged(name: str, **changes: Any) -> ScenarioStep:
    off, on_again = changes.pop("off", ()), changes.pop("on_again", ())
    return step(
        name,
        checks=changes.pop("checks", (check(f"{name}_works"),)),
        sabotage=Sabotage(
            title=f"{name} off",
            do=off,
            undo=on_again,
            fails=changes.pop("fails", f"{name}_works"),
        ),
        **changes,
    )
