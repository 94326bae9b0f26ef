"""Presenter mode: the steps one by one, with the real command, a key to run it, and its checks.

A walk keeps its position in a file, so that a presenter can quit and continue later. It changes the lab only by steps
and their undo; quitting undoes nothing, because the audience may want to look around.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Protocol

from lab.base import cancel
from lab.base.errors import UsageError
from lab.base.files import write_atomic
from lab.base.names import Json
from lab.present.keyboard import ReadKey
from lab.scenario.model import Outcome, Scenario, ScenarioStep, missing
from lab.scenario.results import StepRun
from lab.scenario.runner import UNDO_S, ScenarioRunner


@dataclass(frozen=True, kw_only=True)
class StepView:
    """One step of one scenario; `number` of `count` counts within the scenario, from 1."""

    scenario: Scenario
    step: ScenarioStep
    number: int
    count: int

    @property
    def id(self) -> str:
        """Its name in the walk's file."""
        return f"{self.scenario.name}/{self.step.name}"


class Wish(Enum):
    """What a presenter can want."""

    GO = "go"
    """Run the step, or go to the next one when it was run."""
    REPEAT = "repeat"
    CHECK = "check"
    SKIP = "skip"
    REWIND = "rewind"
    """Undo this step, or the one before if this one has not run."""
    QUIT = "quit"


KEYS = {
    "enter": Wish.GO,
    "space": Wish.GO,
    "right": Wish.GO,
    "n": Wish.GO,
    "r": Wish.REPEAT,
    "c": Wish.CHECK,
    "s": Wish.SKIP,
    "b": Wish.REWIND,
    "left": Wish.REWIND,
    "q": Wish.QUIT,
}


class View(Protocol):
    """What an audience sees."""

    def before(self, scene: StepView) -> None:
        """Show a step that was not run yet."""

    def typing(self, scene: StepView) -> None:
        """Show the step's command being typed, and that it runs."""

    def after(self, scene: StepView, run: StepRun) -> None:
        """Show what the step printed and what its checks saw."""

    def closing(self, scenario: Scenario) -> None:
        """Show the summary of a scenario and suggestions to try, at its end."""

    def note(self, text: str) -> None:
        """Show one line."""


@dataclass
class Position:
    """Where a walk is, on disk: the next scene, which scenes were run, and what their steps remember.

    `begun` are the scenes whose step may have changed something and has to be undone, `done` those of them whose step
    ran to its end.
    """

    file: Path | None = None
    at: str | None = None
    begun: list[str] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    memo: dict[str, Json] = field(default_factory=dict)

    @classmethod
    def read(cls, file: Path) -> Position:
        """Read a place; one at the beginning where there is no file, or none that can be read."""
        try:
            known = json.loads(file.read_text(encoding="utf-8"))
            begun, done = list(known["begun"]), list(known["done"])
            return cls(file=file, at=known["at"], begun=begun, done=done, memo=dict(known["memo"]))
        except (OSError, ValueError, KeyError, TypeError):
            return cls(file=file)

    def write(self) -> None:
        """Keep the place for the next time."""
        if self.file is not None:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            text = json.dumps({"at": self.at, "begun": self.begun, "done": self.done, "memo": self.memo}, indent=1)
            write_atomic(self.file, text)

    def forget(self) -> None:
        """Go back to the beginning."""
        self.at, self.begun, self.done = None, [], []
        self.memo.clear()
        if self.file is not None:
            self.file.unlink(missing_ok=True)


@dataclass(kw_only=True)
class Walk:
    """One presentation.

    Args:
        scenarios: in the order in which they are presented.
        runner: runs steps.
        view: shows them.
        keys: where wishes come from; None runs everything by itself, as in a rehearsal.
        place: where to begin; kept up to date.
    """

    scenarios: Sequence[Scenario]
    runner: ScenarioRunner
    view: View
    keys: ReadKey | None
    place: Position = field(default_factory=Position)
    runs: list[StepRun] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.runner.context.memo = self.place.memo
        self.scenes = tuple(self._scenes())
        ids = [scene.id for scene in self.scenes]
        self.index = ids.index(self.place.at) if self.place.at in ids else 0

    @property
    def outcomes(self) -> frozenset[Outcome]:
        """How the steps ended that were run in this walk."""
        return frozenset(run.outcome for run in self.runs)

    def to_end(self) -> bool:
        """Present until the last scene or until the presenter quits; returns whether the end was reached.

        An automatic walk undoes what it changed when it is interrupted or done.
        """
        try:
            reached = self._present_all()
        except KeyboardInterrupt:
            self._interrupted()
            raise
        if reached:
            self.place.forget()
        return reached

    def _present_all(self) -> bool:
        try:
            while self.index < len(self.scenes):
                if not self._present(self.scenes[self.index]):
                    return False
        except Exception:
            if self.keys is None:
                self._restore_all()
            raise
        if self.keys is None:
            self._restore_all()
        return True

    def _scenes(self) -> Iterator[StepView]:
        for scenario in self.scenarios:
            steps = [step for step in scenario.steps if self.runner.context.full or not step.full_only]
            for number, step in enumerate(steps, start=1):
                yield StepView(scenario=scenario, step=step, number=number, count=len(steps))

    def _present(self, scene: StepView) -> bool:
        self.place.at = scene.id
        self.place.write()
        if why := missing(scene.scenario.requires, self.runner.context.mesh.capabilities):
            self.view.note(f"{scene.scenario.title} is left out: {why}")
            self.index += scene.count - scene.number + 1
            return True
        if scene.id not in self.place.done:
            self.view.before(scene)
        match self._wish():
            case Wish.GO if scene.id in self.place.done:
                self._next(scene)
            case Wish.GO:
                self._run(scene)
            case Wish.REPEAT:
                self._run(scene)
            case Wish.CHECK:
                self.view.after(scene, self.runner.run_step(scene.scenario, scene.step, act=False))
            case Wish.SKIP:
                self._next(scene)
            case Wish.REWIND:
                self._rewind(scene)
            case Wish.QUIT:
                self.view.note("`lab walk` continues here; `lab reset` undoes the changes")
                return False
        return True

    def _wish(self) -> Wish:
        if self.keys is None:
            return Wish.GO
        while (wish := KEYS.get(self.keys())) is None:
            continue
        return wish

    def _run(self, scene: StepView) -> None:
        self._undo(scene)  # run before, or interrupted
        self.view.typing(scene)
        self.place.begun.append(scene.id)  # before the step: one that is interrupted has to be undone too
        self.place.write()
        run = self.runner.run_step(scene.scenario, scene.step)
        self.runs.append(run)
        self.place.done.append(scene.id)
        self.place.write()
        self.view.after(scene, run)

    def _next(self, scene: StepView) -> None:
        self.index += 1
        if scene.number == scene.count:
            self.view.closing(scene.scenario)
            if self.keys is not None:
                self._wish()
            for earlier in reversed(self.scenes):
                if earlier.scenario is scene.scenario:
                    self._undo(earlier)

    def _undo(self, scene: StepView) -> None:
        if scene.id not in self.place.begun:
            return
        for problem in self.runner.undo_step(scene.scenario, scene.step):
            self.view.note(problem)
        self.place.begun.remove(scene.id)
        if scene.id in self.place.done:
            self.place.done.remove(scene.id)
        self.place.write()

    def _rewind(self, scene: StepView) -> None:
        if scene.id not in self.place.begun and self.index > 0:
            before = self.scenes[self.index - 1]
            if before.scenario is not scene.scenario:
                self.index -= 1
                return
            self.index -= 1
            scene = before
        self._undo(scene)

    def _interrupted(self) -> None:
        """Say where the walk was left; an automatic walk undoes its steps, in a limited time."""
        done, begun = (", ".join(ids) or "none" for ids in (self.place.done, self.place.begun))
        self.view.note(f"interrupted at {self.place.at}; steps done: {done}; steps to undo: {begun}")
        if self.keys is None:
            self.view.note("undoing them; press Ctrl-C again to stop at once")
            with cancel.undoing(UNDO_S):
                self._restore_all()
        else:
            self.view.note("`lab walk` continues here; `lab reset` undoes the changes")

    def _restore_all(self) -> None:
        for scene in reversed(self.scenes):
            self._undo(scene)


def check_one(runner: ScenarioRunner, scenarios: Sequence[Scenario], which: str) -> StepRun:
    """Look whether a step's claims hold now, without doing anything: a learner's check.

    Args:
        runner: runs the checks.
        scenarios: to choose from.
        which: `scenario/step`.

    Raises:
        UsageError: there is no such step.
    """
    for scenario in scenarios:
        for step in scenario.steps:
            if f"{scenario.name}/{step.name}" == which:
                return runner.run_step(scenario, step, act=False)
    known = ", ".join(f"{s.name}/{step.name}" for s in scenarios for step in s.steps)
    raise UsageError(f"there is no step {which!r}; there are: {known}", next="lab run --list")
