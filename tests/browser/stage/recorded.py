"""The scenarios of the lab with the outputs of real runs, as the walkthrough pages have them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from lab.base.paths import PROJECT
from lab.report.walkthrough.outputs import Outputs, of_page
from lab.report.walkthrough.pages import file_name
from lab.scenario import registry
from lab.scenario.actions import Observe
from lab.scenario.context import Context
from lab.scenario.evidence import Evidence, EvidenceKind
from lab.scenario.model import Check, Scenario, ScenarioStep
from lab.scenario.observation import Observation
from lab.scenario.rendering import documented

_SEEN = Evidence(kind=EvidenceKind.COMMAND, title="recorded", text="of a real run")


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """The scenarios of one stack, and what their commands printed and their checks observed."""

    scenarios: tuple[Scenario, ...]
    outputs: Mapping[str, Outputs]
    stack: str

    @classmethod
    def of(cls, stack: str) -> Recorded:
        scenarios = registry.registry(documented(stack, registry.folder())).pick([])
        pages = {one.name: PROJECT / "docs" / "walkthrough" / file_name(one) for one in scenarios}
        outputs = {name: of_page(page.read_text(encoding="utf-8")) for name, page in pages.items()}
        return cls(scenarios=scenarios, outputs=outputs, stack=stack)

    def printed(self, scenario: str, step: str) -> str:
        return self.outputs[scenario].get(f"{self.stack}.{step}", "")

    def observed(self, scenario: str, step: str, check: str) -> str:
        return self.outputs[scenario].get(f"{self.stack}.{step}.{check}", "as expected")

    def playable(self, do: Callable[[Scenario, ScenarioStep], None], red: set[str]) -> tuple[Scenario, ...]:
        """Return the scenarios with `do` in place of their commands; the checks named in `red` fail."""

        def step(scenario: Scenario, one: ScenarioStep) -> ScenarioStep:
            def run(_: Context) -> None:
                do(scenario, one)

            checks = tuple(check(scenario, one, each) for each in one.checks)
            return replace(one, before=(), do=(Observe("typed", run),), undo=(), load=None, checks=checks, sabotage=None)

        def check(scenario: Scenario, one: ScenarioStep, each: Check) -> Check:
            seen = self.observed(scenario.name, one.name, each.name)

            def look(_: Context) -> Observation:
                return Observation(holds=each.name not in red, seen=seen, evidence=(_SEEN,))

            return replace(each, look=look, within_s=0, requires=frozenset())

        made = []
        for scenario in self.scenarios:
            steps = tuple(step(scenario, one) for one in scenario.steps)
            steps = tuple(
                replace(new, sabotage=replace(old.sabotage, do=(), undo=()) if old.sabotage else None)
                for new, old in zip(steps, scenario.steps, strict=True)
            )
            made.append(replace(scenario, steps=steps))
        return tuple(made)
