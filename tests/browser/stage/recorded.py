"""The lab's scenarios without clusters: the real steps, the programs and the observations of recorded runs.

The steps' own lines are typed into real shells. On their PATH, each program is a stand-in that prints what the step
printed in the run from which the walkthrough pages were written; a check sees what it saw in that run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from lab.base.paths import PROJECT
from lab.report.walkthrough.outputs import Outputs, of_page
from lab.report.walkthrough.pages import file_name
from lab.scenario import commands, registry
from lab.scenario.actions import Action, Command, Observe, Pause, Start, Until
from lab.scenario.context import Context
from lab.scenario.evidence import Evidence, EvidenceKind
from lab.scenario.executor import Output, Typed
from lab.scenario.model import Check, Scenario, ScenarioStep
from lab.scenario.observation import Observation
from lab.scenario.rendering import Target

_SEEN = Evidence(kind=EvidenceKind.COMMAND, title="recorded", text="of a real run")
_STAND_IN = """#!/bin/sh
# Only the last program of a line prints; one that runs until Ctrl-C stays.
[ -t 1 ] || exit 0
while [ -e {folder}/held ]; do /bin/sleep 0.05; done
read -r status < {folder}/status
/bin/cat {folder}/output
: > {folder}/output
[ "$status" = stay ] && exec /bin/sleep 1000000
exit "$status"
"""


def _holds(_: Context) -> Observation:
    return Observation(holds=True, seen="as recorded", evidence=(_SEEN,))


@dataclass(kw_only=True)
class Recorded:
    """The scenarios of one lab and stack, ready to be played.

    Args:
        target: the lab.
        folder: for the programs.
        red: names of checks that fail; change it at any time.
    """

    target: Target
    folder: Path
    red: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.real = registry.registry(self.target).pick([])
        self._steps = {(scenario.name, step.name): step for scenario in self.real for step in scenario.steps}
        pages = {one.name: PROJECT / "docs" / "walkthrough" / file_name(one) for one in self.real}
        self._outputs: Mapping[str, Outputs] = {
            name: of_page(page.read_text(encoding="utf-8")) for name, page in pages.items()
        }
        self.scenarios = tuple(self._scenario(one) for one in self.real)
        self.programs = self.folder / "programs"
        self.programs.mkdir(parents=True)
        self._say("", "0")
        actions = [action for step in self._steps.values() for action in (*step.before, *step.do, *step.undo)]
        lines = [line for action in actions if isinstance(action, Command | Start) for line in _lines(action)]
        for name in {program[0] for line in lines for program in line.programs}:
            file = self.programs / Path(name).name
            file.write_text(_STAND_IN.format(folder=self.folder))
            file.chmod(0o755)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let programs wait while the block runs."""
        held = self.folder / "held"
        held.touch()
        try:
            yield
        finally:
            held.unlink(missing_ok=True)

    def before(self, scenario: str, step: str, output: Output) -> None:
        """Prepare the programs for a line that is typed next; an executor tells its lines before it types them."""
        if not isinstance(output, Typed):
            return
        known = self._steps[scenario, step]
        actions = [action for action in (*known.before, *known.do) if isinstance(action, Command | Start)]
        last = bool(actions) and output.text == _lines(actions[-1])[-1].text
        printed = self._outputs[scenario].get(f"{self.target.stack}.{step}", "") if last else ""
        action = next((one for one in actions if output.text in {line.text for line in _lines(one)}), None)
        status = "stay" if isinstance(action, Start) else "1" if action is not None and action.refused else "0"
        self._say(f"{printed}\n" if printed else "", status)

    def seen(self, scenario: str, step: str, check: str) -> str:
        """Return what a check saw in the recorded run."""
        return self._outputs[scenario].get(f"{self.target.stack}.{step}.{check}", "as expected")

    def _say(self, printed: str, status: str) -> None:
        (self.folder / "output").write_text(printed)
        (self.folder / "status").write_text(f"{status}\n")

    def _scenario(self, scenario: Scenario) -> Scenario:
        return replace(scenario, steps=tuple(self._step(scenario, step) for step in scenario.steps))

    def _step(self, scenario: Scenario, step: ScenarioStep) -> ScenarioStep:
        changed = {name: self._actions(getattr(step, name)) for name in ("before", "do", "undo")}
        checks = tuple(self._check(scenario, step, check) for check in step.checks)
        return replace(step, **changed, load=None, checks=checks, full_only=False)

    @staticmethod
    def _actions(actions: tuple[Action, ...]) -> tuple[Action, ...]:
        played: list[Action] = []
        for action in actions:
            match action:
                case Pause():
                    continue
                case Until():
                    played.append(replace(action, look=_holds, successes=1, interval_s=0.01))
                case Start():
                    played.append(replace(action, ready=_holds, says=""))
                case Observe():
                    played.append(replace(action, look=lambda _: {}))
                case _:
                    played.append(action)
        return tuple(played)

    def _check(self, scenario: Scenario, step: ScenarioStep, check: Check) -> Check:
        seen = self.seen(scenario.name, step.name, check.name)

        def look(_: Context) -> Observation:
            return Observation(holds=check.name not in self.red, seen=seen, evidence=(_SEEN,))

        return replace(check, look=look, within_s=0)


def _lines(action: Command | Start) -> list[commands.Line]:
    return list(commands.parse(action.text))
