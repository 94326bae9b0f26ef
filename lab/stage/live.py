"""The live stage: a presenter, a conductor, consoles, faults and panels, and what all browsers see of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from lab.base import wait
from lab.base.concurrency import each
from lab.base.names import Json
from lab.base.redaction import redact
from lab.scenario.actions import Action
from lab.scenario.executor import Output, Typed
from lab.scenario.model import Scenario
from lab.scenario.observation import Outcome
from lab.scenario.page_marks import MOST_LETTERS, PageMarks
from lab.scenario.presenter import Checks, Presenter, Snapshot, StepView, Wish
from lab.scenario.results import StepRun
from lab.stage import rules, state
from lab.stage.broker import Broker
from lab.stage.conductor import Conductor, Work
from lab.stage.consoles import Consoles
from lab.stage.page_watch import PageWatch
from lab.stage.parts import AudiencePart, ConsoleFeed, Declined, Faults, NoFaults, NoPanels, Panels
from lab.stage.state import Happened, StageFacts

CHECK_AGAIN_S = 2.0
_MOST_NOTES, _MOST_MARKS = 100, 200
_PROGRESS_S = 0.5
"""Shortest time between two states that only tell what a step waits for."""


@dataclass(kw_only=True)
class LiveStage:
    """A `Stage` on a lab. `open` starts its parts, `close` ends them.

    Args:
        facts: what does not change.
        presenter: the presentation; the stage attaches itself as a view.
        consoles: the consoles.
        page: sends marks to the page.
        page_watch: says whether the page answers; None asks nothing.
        faults: the inject menu.
        panels: the live objects of each cluster.
        rehearsed: seconds of each step in the last rehearsal.
        audience: the phones' server, if the audience takes part.
    """

    facts: StageFacts
    presenter: Presenter
    consoles: Consoles
    page: PageMarks
    page_watch: PageWatch | None = None
    faults: Faults = field(default_factory=NoFaults)
    panels_of: Panels = field(default_factory=NoPanels)
    rehearsed: Mapping[str, float] = field(default_factory=dict)
    broker: Broker = field(default_factory=Broker)
    check_again_s: float = CHECK_AGAIN_S
    audience: AudiencePart | None = None
    _happened: Happened = field(default_factory=Happened)
    _reachable: dict[str, bool] = field(default_factory=dict)
    _told_s: float = 0.0
    _guard: threading.Lock = field(default_factory=threading.Lock)
    _leave: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        self._happened.rehearsed = self.rehearsed
        self.conductor = Conductor(changed=self.publish_state, note=self.note)
        self.consoles.changed = self._console
        self.consoles.note = self.note
        self.presenter.steps.progress, self.presenter.steps.mark = self._progress, self.set_mark

    def open(self) -> None:
        """Start all parts."""
        self._leave = self.presenter.attach(_StageView(self))
        if self.audience is not None:
            self.audience.start(self.publish_state)
        self.page.start()
        if self.page_watch is not None:
            self.page_watch.start(self.publish_state)
        self.consoles.open_all()
        self.conductor.start()
        self.faults.start(self.publish_state)
        self.panels_of.start(self._panel)

    def close(self) -> None:
        """End all parts, within about a second; nothing that a step changed is undone."""
        audience = self.audience.close if self.audience else _nothing
        each(lambda close: close(), (self._end_work, self.faults.close, self.panels_of.close, audience))
        self._leave()
        self.page.close()
        if self.page_watch is not None:
            self.page_watch.close()
        self.broker.close()

    def _end_work(self) -> None:
        self.conductor.close()  # it presses Ctrl-C in the consoles
        self.consoles.close_all()

    # As the server sees it

    def state(self) -> Json:
        """Return the whole state."""
        return state.of(
            self.facts,
            self.presenter,
            self._happened,
            work=self.conductor.work,
            consoles=self.consoles.as_json(),
            faults=[fault.as_json() for fault in self.faults.list()],
            reachable=self._reachable,
            audience=self.audience.as_json() if self.audience else None,
            page_problem=self.page_watch.problem if self.page_watch else None,
        )

    def panels(self) -> Sequence[Json]:
        """Return the last panel of each cluster."""
        return self.panels_of.latest()

    def wish(self, wish: Wish, *, at: str | None, turn: int | None = None) -> None:
        """Do what a presenter wishes."""
        self._begin(wish.value, at, partial(self.presenter.request, wish), turn=turn)

    def check_until_green(self, *, at: str | None) -> None:
        """Repeat the checks of the current step until they are green."""
        self._begin("check-until-green", at, self._until_green)

    def interrupt(self) -> None:
        """Stop what runs."""
        self.conductor.interrupt()

    def jump(self, to: str | int) -> None:
        """Move to a step or to the first step of an act."""
        target = self._target(to)
        self._begin("jump", _ANYWHERE, partial(self.presenter.jump, target.id), step=target.id)

    def restart(self) -> None:
        """Undo what an earlier presentation left, and move to the first step."""
        self._begin("restart", _ANYWHERE, self.presenter.restart)

    def fault(self, name: str, *, undo: bool) -> None:
        """Inject a fault, or undo it."""
        found = {fault.id: fault for fault in self.faults.list()}
        fault = found[name]
        if fault.active is not undo:
            what = "is not in place" if undo else "is in place already"
            raise Declined(f"{fault.title}: it {what}", next="see its entry in the menu")
        if fault.disabled:
            raise Declined(f"{fault.title}: {fault.disabled}", next="wait until it is possible")
        title = fault.undo_title if undo else fault.title

        def do() -> None:
            self.set_mark(title, "fault", intended=True)
            (self.faults.undo if undo else self.faults.inject)(name)
            self.note(f"Done: {title}")

        self._begin("undo fault" if undo else "fault", _ANYWHERE, do)

    def mark(self, text: str) -> None:
        """Set a mark on the page's timeline."""
        self.set_mark(text, "note", intended=False)
        self.publish_state()

    def console(self, name: str) -> ConsoleFeed:
        """Return a console."""
        return self.consoles.get(name)

    # What happens

    def note(self, text: str) -> None:
        """Tell the presenter something."""
        note = {"at": time.time(), "text": redact(text)}
        with self._guard:
            self._happened.notes = [*self._happened.notes, note][-_MOST_NOTES:]
        self.broker.publish("note", note)

    def set_mark(self, text: str, kind: str, *, intended: bool) -> None:
        """Set a mark here and on the page."""
        text = redact(text)[:MOST_LETTERS]
        mark = {"at": time.time(), "text": text, "kind": kind, "intended": intended}
        with self._guard:
            self._happened.marks = [*self._happened.marks, mark][-_MOST_MARKS:]
        self.page.send(text, kind, intended=intended)
        self.broker.publish("mark", mark)

    def publish_state(self) -> None:
        """Tell all browsers the whole state."""
        self._told_s = time.monotonic()
        self.broker.publish("state", self.state())

    def _begin(
        self, name: str, at: str | None, do: Callable[[], object], *, step: str | None = None, turn: int | None = None
    ) -> None:
        """Begin a request if the presentation is still where the presenter saw it."""

        def check() -> None:
            now = self.presenter.current.id if self.presenter.current else None
            if (at is not _ANYWHERE and at != now) or (turn is not None and turn != self._happened.turn):
                raise Declined(f"the presentation has moved to {now or 'its end'}", next="look where it is now")
            if reason := rules.disabled(self.presenter, running=None).get(name):
                raise Declined(reason, next="use another button")
            self._happened.turn += 1
            self._happened.closing = None
            if self._happened.started is None:
                self._happened.started = time.time()

        view = self.presenter.current
        self.conductor.begin(Work(wish=name, step=step or (view.id if view else None)), do, check=check)

    def _target(self, to: str | int) -> StepView:
        if isinstance(to, int):
            of_act = {act["number"]: act["scenarios"] for act in state.acts(self.presenter.scenarios)}
            found = next((view for view in self.presenter.all if view.scenario.name in of_act.get(to, ())), None)
            what = f"this presentation has no act {to}"
        else:
            found = next((view for view in self.presenter.all if view.id == to), None)
            what = f"this presentation has no step {to!r}"
        if found is None:
            raise Declined(what, next="see `acts` and `steps` of the state")
        return found

    def _until_green(self) -> None:
        while (view := self.presenter.current) is not None:
            self.presenter.request(Wish.CHECK)
            status = next(step for step in self.presenter.snapshot.steps if step.id == view.id)
            run = self._happened.results.get(view.id)
            if status.checks is Checks.GREEN:
                return
            if run is not None and run.outcome is Outcome.SKIPPED:
                self.note(f"{view.step.title} cannot be checked: {run.checks[0].reason if run.checks else run.reason}")
                return
            wait.rest(
                f"until {view.step.title} is green; the next check is in {self.check_again_s:g} s", self.check_again_s
            )

    def _progress(self, text: str, _fraction: float | None) -> None:
        """Note what a step waits for."""
        if (work := self.conductor.work) is not None and work.waiting != text:
            work.waiting = redact(text)
            if time.monotonic() - self._told_s >= _PROGRESS_S:
                self.publish_state()

    def _console(self, console: Json) -> None:
        self.broker.publish("console", console)

    def _panel(self, panel: Json) -> None:
        name, reachable = panel["cluster"], bool(panel["reachable"])
        changed = self._reachable.get(name, True) is not reachable
        self._reachable = {**self._reachable, name: reachable}
        self.broker.publish("panel", panel)
        if changed:
            if not reachable:
                self.broker.publish("lost", {"cluster": name, "words": panel.get("problem") or "it does not answer"})
            self.publish_state()

    def act(self, actions: Sequence[Action]) -> None:
        """Execute actions that belong to no step, those of a fault; only in the conductor's thread.

        Raises:
            LabError: one failed.
        """
        executor = self.presenter.steps.executor

        def tell(output: Output) -> None:
            if isinstance(output, Typed):
                self.set_mark(output.text, "command", intended=True)
            self.tell_output(output)

        executor.tell = tell
        executor.do("", actions)

    def tell_output(self, output: Output, step: str | None = None) -> None:
        """Tell what a step or a fault types and prints."""
        typed = isinstance(output, Typed)
        text = output.text if isinstance(output, Typed) else output.line
        data = {"step": step, "kind": "typed" if typed else "printed", "text": redact(text), "console": output.console}
        self.broker.publish("output", data)

    def shown(self, view: StepView, run: StepRun) -> None:
        """Keep the result of a step."""
        self._happened.results[view.id] = run
        self.faults.nudge()
        self.publish_state()

    def closing(self, scenario: Scenario | None) -> None:
        """Note that a scenario's summary is shown now."""
        self._happened.closing = scenario.name if scenario else None
        self.publish_state()


def _nothing() -> None:
    return


_ANYWHERE = ""
"""In place of a step: wherever the presentation is."""


class _StageView:
    """A `View` that tells all browsers."""

    def __init__(self, stage: LiveStage) -> None:
        self._stage = stage

    def state(self, _: Snapshot) -> None:
        """Tell the state."""
        if not self._stage.presenter.closed:
            self._stage.closing(None)
        else:
            self._stage.publish_state()

    def output(self, view: StepView, output: Output) -> None:
        """Tell what is typed or printed."""
        self._stage.tell_output(output, view.id)

    def result(self, view: StepView, run: StepRun) -> None:
        """Keep and tell a result."""
        self._stage.shown(view, run)

    def closing(self, scenario: Scenario) -> None:
        """Tell the end of a scenario."""
        self._stage.closing(scenario)

    def note(self, text: str) -> None:
        """Tell a note."""
        self._stage.note(text)
