"""Test kit for the scenario engine without clusters: a fake command runner, and small scenarios."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lab.base.process import Completed
from lab.scenario.context import Context
from lab.scenario.evidence import Evidence, EvidenceKind
from lab.scenario.model import Act, Check, Observation, Sabotage, Scenario, ScenarioStep, Topology, TopologyNode

SEEN = Evidence(kind=EvidenceKind.COMMAND, title="an observation", text="something")
PICTURE = Topology(nodes=(TopologyNode(cluster="west", role="primary", services=("frontend",)),))


class FakeRunner:
    """Answer commands by their first words; fail on an unexpected command."""

    def __init__(self, answers: dict[str, str]) -> None:
        self.answers = answers
        self.ran: list[tuple[str, ...]] = []
        self.fed: list[str | None] = []

    def __call__(self, argv: Any, **options: Any) -> Completed:
        words = tuple(map(str, argv))
        self.ran.append(words)
        self.fed.append(options.get("input"))
        for beginning, stdout in self.answers.items():
            if " ".join(words).startswith(beginning):
                return Completed(argv=words, returncode=0, stdout=stdout, stderr="", duration_s=0.0)
        raise AssertionError(f"unexpected command: {words}")


def look(holds: bool = True, seen: str = "as it should be") -> Callable[[Context], Observation]:
    return lambda _: Observation(holds=holds, seen=seen, evidence=(SEEN,))


def check(name: str = "works", **changes: Any) -> Check:
    return Check(**{"name": name, "claim": f"{name}, it does", "expected": "yes", "look": look(), **changes})


def step(name: str = "one", **changes: Any) -> ScenarioStep:
    return ScenarioStep(**{"name": name, "title": name.title(), "narration": f"Now {name}.", **changes})


def scenario(*steps: ScenarioStep, **changes: Any) -> Scenario:
    if not any(s.sabotage for s in steps):
        last = sabotaged("last", act=lambda _: None)
        steps = (*steps, last)
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


def sabotaged(name: str, *, act: Act, undo: Act = lambda _: None, **changes: Any) -> ScenarioStep:
    return step(
        name,
        checks=changes.pop("checks", (check(f"{name}_works"),)),
        sabotage=Sabotage(title=f"{name} off", act=act, undo=undo, fails=changes.pop("fails", f"{name}_works")),
        **changes,
    )
