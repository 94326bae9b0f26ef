"""Present scenarios step by step: a state machine that takes requests and tells its views what happens.

Each step is idle, running, done or failed, and its claims are unknown, green or red. A terminal and a browser are two
views of one presenter; a view can attach at any time and gets the current state first. The state is kept in a file, so
that a presenter can quit and continue later. Quitting undoes nothing, because the audience may want to look around.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Protocol

from lab.base import cancel
from lab.base.names import Json
from lab.scenario.events import Event, StepOutput
from lab.scenario.executor import Output
from lab.scenario.model import Scenario, ScenarioStep, missing
from lab.scenario.observation import Outcome
from lab.scenario.position import Position
from lab.scenario.results import StepRun
from lab.scenario.runner import UNDO_S
from lab.scenario.steps import StepRunner


@dataclass(frozen=True, kw_only=True)
class StepView:
    """One step of one scenario; `number` of `count` counts within the scenario, from 1."""

    scenario: Scenario
    step: ScenarioStep
    number: int
    count: int

    @property
    def id(self) -> str:
        """Its name in the file with the position."""
        return f"{self.scenario.name}/{self.step.name}"


class StepState(Enum):
    """The state of a step's actions."""

    IDLE = "idle"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    """An action failed or was interrupted; the undo has to run."""


class Checks(Enum):
    """The last result of a step's checks."""

    UNKNOWN = "unknown"
    GREEN = "green"
    RED = "red"


@dataclass(frozen=True, kw_only=True)
class PresentedStep:
    """The state of one step; `at` is Unix time of the last change, `seconds` the duration of the last run."""

    id: str
    state: StepState = StepState.IDLE
    checks: Checks = Checks.UNKNOWN
    at: float = 0.0
    seconds: float = 0.0

    def as_json(self) -> Json:
        """Return it as plain JSON."""
        return {**vars(self), "state": self.state.value, "checks": self.checks.value}

    @classmethod
    def of_json(cls, data: Json) -> PresentedStep:
        """Return the status of `as_json`."""
        return cls(**{**data, "state": StepState(data["state"]), "checks": Checks(data["checks"])})


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """The state of a presentation at one moment: the current step, None at the end, and every step's status."""

    current: StepView | None
    steps: tuple[PresentedStep, ...]


class Wish(Enum):
    """A request of a presenter."""

    GO = "go"
    """Run the step, or go to the next one when it was run."""
    REPEAT = "repeat"
    CHECK = "check"
    SKIP = "skip"
    BACK = "back"
    """Undo this step, or the one before if this one has not run."""
    UNDO = "undo"
    """Undo this step and stay at it."""


class View(Protocol):
    """Something that shows a presentation. Its methods are called from the thread that made the request."""

    def state(self, snapshot: Snapshot) -> None:
        """Show the state; called when the view is attached and after each change."""

    def output(self, view: StepView, output: Output) -> None:
        """Show a command that is typed now, or a line of its output."""

    def result(self, view: StepView, run: StepRun) -> None:
        """Show the result of a step or of its checks."""

    def closing(self, scenario: Scenario) -> None:
        """Show the summary of a scenario and suggestions to try, at its end."""

    def note(self, text: str) -> None:
        """Show one line."""


@dataclass(kw_only=True)
class Presenter:
    """One presentation.

    Args:
        scenarios: the scenarios in order.
        steps: runs their steps; the presenter becomes the receiver of its events.
        position: where to begin, and the file for the state.
    """

    scenarios: Sequence[Scenario]
    steps: StepRunner
    position: Position = field(default_factory=Position)
    runs: list[StepRun] = field(default_factory=list)
    closed: bool = False
    """The scenario's steps are over, and its summary is shown: `GO` and `SKIP` undo them and continue."""
    _views: list[View] = field(default_factory=list)
    _token: cancel.Token | None = None

    def __post_init__(self) -> None:
        self.steps.context.memo = self.position.memo
        self.steps.sink = self._event
        self.all = tuple(self._step_views())
        ids = [view.id for view in self.all]
        self.index = ids.index(self.position.at) if self.position.at in ids else 0
        self._statuses = {view.id: self._remembered(view.id) for view in self.all}

    # For views

    def attach(self, view: View) -> Callable[[], None]:
        """Add a view, show it the current state, and return a function that removes it."""
        self._views.append(view)
        view.state(self.snapshot)
        return lambda: self._views.remove(view)

    @property
    def snapshot(self) -> Snapshot:
        """The state now."""
        return Snapshot(current=self.current, steps=tuple(self._statuses.values()))

    @property
    def current(self) -> StepView | None:
        """The current step; None at the end."""
        return self.all[self.index] if self.index < len(self.all) else None

    @property
    def outcomes(self) -> set[Outcome]:
        """The outcomes of everything that ran."""
        return {run.outcome for run in self.runs}

    # Requests

    def request(self, wish: Wish) -> None:
        """Do what a presenter wishes, at the current step.

        Raises:
            KeyboardInterrupt: on Ctrl-C, or after `interrupt`; the state says what has to be undone.
        """
        view = self.current
        if view is None:
            return
        with self._interruptible():
            self._do(wish, view)

    def jump(self, step_id: str) -> None:
        """Go to a step: first undo what was begun from there on, and what other scenarios have begun.

        Raises:
            ValueError: this presentation has no such step.
            KeyboardInterrupt: as for `request`.
        """
        index = [view.id for view in self.all].index(step_id)
        target = self.all[index].scenario
        with self._interruptible():
            self.closed = False
            for number, view in reversed(list(enumerate(self.all))):
                if number >= index or view.scenario is not target:
                    self._undo(view)
            if self.current is None or self.current.scenario is not target:
                self.steps.executor.close()
            self._move(index)

    def interrupt(self) -> None:
        """Stop the step that runs now, from another thread: its commands end, and it is failed."""
        if (token := self._token) is not None:
            token.cancel()

    def restart(self) -> None:
        """Undo the steps that an earlier walk left, and go to the first step."""
        self.undo_all()
        self.position.memo.clear()
        self._move(0)

    def undo_all(self) -> None:
        """Undo every step that may have changed something, the last one first."""
        try:
            for view in reversed(self.all):
                self._undo(view)
        finally:
            self.steps.executor.close()

    def undo_in_time(self) -> None:
        """Undo every step after an interruption, in a limited time; a note names the steps that are left.

        Raises:
            KeyboardInterrupt: the time is over.
        """
        with cancel.undoing(UNDO_S):
            try:
                self.undo_all()
            except KeyboardInterrupt:
                left = ", ".join(reversed(self.position.begun))
                self._tell(lambda shown: shown.note(f"timed out after {UNDO_S:g} s undoing {left}; run `lab reset`"))
                raise

    # How

    @contextmanager
    def _interruptible(self) -> Iterator[None]:
        """Let `interrupt` stop the work in the block."""
        with cancel.part() as token:
            self._token = token
            try:
                yield
            finally:
                self._token = None

    def _do(self, wish: Wish, view: StepView) -> None:
        if self.closed and wish in {Wish.GO, Wish.SKIP}:
            self._end_scenario(view.scenario)
            self._move(self.index + 1)
            return
        if self.closed:  # the last step again
            self.closed = False
            self._tell(lambda shown: shown.state(self.snapshot))
        why = missing(view.scenario.requires, self.steps.context.capabilities)
        if view.number == 1 and view.id not in self.position.begun:
            why = why or view.scenario.obstacle(self.steps.context)
        if why is not None and wish is not Wish.BACK:
            self._tell(lambda shown: shown.note(f"{view.scenario.title} is left out: {why}"))
            self._move(self.index + view.count - view.number + 1)
            return
        match wish:
            case Wish.GO if view.id in self.position.done:
                self._next(view)
            case Wish.GO | Wish.REPEAT:
                self._run(view)
            case Wish.CHECK:
                self._show(view, self.steps.check(view.scenario, view.step))
            case Wish.SKIP:
                self._next(view)
            case Wish.UNDO:
                self._undo(view)
            case Wish.BACK:
                self._back(view)

    def _run(self, view: StepView) -> None:
        self._undo(view)  # run before, or interrupted
        self.position.begun.append(view.id)  # before the step: one that is interrupted has to be undone too
        began = time.time()
        self._status(view, state=StepState.RUNNING, checks=Checks.UNKNOWN)
        try:
            run = self.steps.run(view.scenario, view.step)
        except BaseException:
            self._status(view, state=StepState.FAILED, seconds=time.time() - began)
            raise
        self.runs.append(run)
        self.position.done.append(view.id)
        failed = run.outcome is Outcome.ERRORED
        self._status(view, state=StepState.FAILED if failed else StepState.DONE, seconds=time.time() - began)
        self._show(view, run)

    def _show(self, view: StepView, run: StepRun) -> None:
        outcomes = {check.outcome for check in run.checks}
        if outcomes & {Outcome.FAILED, Outcome.ERRORED}:
            self._status(view, checks=Checks.RED)
        elif Outcome.PASSED in outcomes:
            self._status(view, checks=Checks.GREEN)
        self._tell(lambda shown: shown.result(view, run))

    def _next(self, view: StepView) -> None:
        if view.number == view.count:
            self.closed = True
            self._tell(lambda shown: shown.closing(view.scenario))
        else:
            self._move(self.index + 1)

    def _end_scenario(self, scenario: Scenario) -> None:
        self.closed = False
        for view in reversed(self.all):
            if view.scenario is scenario:
                self._undo(view)
        self.steps.executor.close()

    def _back(self, view: StepView) -> None:
        if view.id not in self.position.begun and self.index > 0:
            earlier = self.all[self.index - 1]
            self._move(self.index - 1)
            if earlier.scenario is not view.scenario:
                return
            view = earlier
        self._undo(view)

    def _undo(self, view: StepView) -> None:
        if view.id not in self.position.begun:
            return
        for problem in self.steps.undo(view.scenario, view.step):
            self._tell(lambda shown, problem=problem: shown.note(problem))  # type: ignore[misc]
        self.position.begun.remove(view.id)
        if view.id in self.position.done:
            self.position.done.remove(view.id)
        self._status(view, state=StepState.IDLE, checks=Checks.UNKNOWN)

    def _move(self, index: int) -> None:
        self.index = index
        self._save()
        self._tell(lambda shown: shown.state(self.snapshot))

    def _save(self) -> None:
        current = self.current
        if current is None and not self.position.begun:
            self.position.forget()
        else:  # at the end, `begun` has steps of scenarios that an earlier walk left, and this one does not present
            self.position.at = current.id if current else None
            self.position.write()

    def _status(self, view: StepView, **changes: object) -> None:
        status = replace(self._statuses[view.id], at=time.time(), **changes)  # type: ignore[arg-type]
        self._statuses[view.id] = status
        self.position.statuses[view.id] = status.as_json()
        self._save()
        self._tell(lambda shown: shown.state(self.snapshot))

    def _remembered(self, step_id: str) -> PresentedStep:
        try:
            status = PresentedStep.of_json(self.position.statuses[step_id])
        except (KeyError, ValueError, TypeError):  # not presented yet, or by another version of the lab
            return PresentedStep(id=step_id)
        return replace(status, state=StepState.FAILED) if status.state is StepState.RUNNING else status

    def _event(self, event: Event) -> None:
        if isinstance(event, StepOutput):
            view = next(v for v in self.all if v.scenario is event.scenario and v.step is event.step)
            self._tell(lambda shown: shown.output(view, event.output))

    def _tell(self, show: Callable[[View], None]) -> None:
        for view in list(self._views):
            show(view)

    def _step_views(self) -> Iterator[StepView]:
        for scenario in self.scenarios:
            steps = [step for step in scenario.steps if self.steps.context.full or not step.full_only]
            for number, step in enumerate(steps, start=1):
                yield StepView(scenario=scenario, step=step, number=number, count=len(steps))
