"""A stage without clusters: the real server, presenter, consoles and scenarios; recorded programs and observations."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from lab import config
from lab.base.names import Json
from lab.config import LabSpec
from lab.mesh.capabilities import Capability
from lab.scenario.context import Context
from lab.scenario.executor import Executor, Output, Printed
from lab.scenario.model import Scenario
from lab.scenario.presenter import Checks, Presenter, Snapshot, StepView, Wish
from lab.scenario.results import StepRun
from lab.scenario.steps import StepRunner
from lab.shells import start_files
from lab.shells.start_files import Settings
from lab.stage import state
from lab.stage.broker import Broker
from lab.stage.console import PreparedShell
from lab.stage.consoles import Consoles
from lab.stage.parts import Declined, Fault
from lab.stage.security import Door
from lab.stage.serve import listening, serving
from lab.stage.server import create_app
from lab.stage.typist import Typist
from tests.browser.stage.recorded import Recorded
from tests.unit.scenarios.kit import lab_of, target

TITLES = {"linkerd": "Linkerd + Emissary", "istio": "Istio"}
FAULTS = (
    Fault(
        id="kill-podinfo-east",
        title="Kill podinfo in East",
        effect="East answers nothing until its pod is ready again.",
        undo_title="Start podinfo again",
    ),
    Fault(
        id="stop-east",
        title="Stop East",
        effect="All of East is gone, as after a power cut.",
        undo_title="Start East again",
        disabled="only with `--full`",
    ),
)


def shell_of(folder: Path, cluster: str, color: str, programs: Path) -> PreparedShell:
    """Return how to start bash with the lab's start files and the recorded programs."""
    home = folder / "home"
    home.mkdir(exist_ok=True)
    environ = {
        "HOME": str(home),
        "PATH": f"{programs}:/usr/bin:/bin",
        "TERM": "xterm-256color",
        "LC_ALL": "C.UTF-8",
        "SHELL": "/bin/bash",
    }

    @contextmanager
    def prepare(marks: str) -> Iterator[tuple[Sequence[str], dict[str, str]]]:
        files = folder / f"{cluster}-{marks}"
        files.mkdir()
        settings = Settings(cluster=cluster, color=color, variables={}, tools=str(programs), marks=marks)
        started = start_files.write(files, settings, environ=environ)
        yield started.argv, {**environ, **started.env}

    return prepare


class PlayedStage:
    """A `Stage`."""

    def __init__(self, folder: Path, *, stack: str, spec: LabSpec, page_url: str, mode: str) -> None:
        self.broker = Broker()
        self.recorded = Recorded(target=target(stack, folder, spec=spec), folder=folder)
        self.page_url, self.page_problem = page_url, None
        self.extra: dict[str, Json] = {}
        lab = lab_of(spec)
        mesh = SimpleNamespace(capabilities=frozenset(Capability))
        colors = {name: cluster.podinfo.color for name, cluster in spec.clusters.items()}
        self.consoles = Consoles(
            shells={name: shell_of(folder, name, color, self.recorded.programs) for name, color in colors.items()},
            cwd=folder,
            changed=lambda console: self.broker.publish("console", console),
            note=self.note,
        )
        roles = {"east": spec.roles.east, "west": spec.roles.west}
        typist = Typist(
            consoles=self.consoles,
            names={**{name: name for name in colors}, **roles},
            default=spec.roles.west,
            note=self.note,
            key_s=0,
        )
        executor = Executor(
            context=Context(lab=lab, mesh=cast("Any", mesh)),
            manifests=self.recorded.target.manifests,
            terminal=typist,
        )
        self.happened = state.Happened()
        self.facts = state.StageFacts.of(lab, stack=stack, stack_title=TITLES[stack], mode=mode)
        self.presenter = Presenter(scenarios=self.recorded.scenarios, steps=StepRunner(executor=executor))
        self._faults = list(FAULTS)
        self._panels: dict[str, Json] = {}
        self._work: queue.Queue[Callable[[], None] | None] = queue.Queue()
        self._thread = threading.Thread(target=self._conduct, daemon=True)
        self._view = _View(self)
        self.presenter.attach(self._view)

    def start(self) -> None:
        self.consoles.open_all()
        self._thread.start()

    def close(self) -> None:
        self.presenter.interrupt()
        self._work.put(None)
        self._thread.join(10)
        self.consoles.close_all()

    # As the server sees it

    def state(self) -> Json:
        shown = state.of(
            self.facts,
            self.presenter,
            self.happened,
            consoles=self.consoles.as_json(),
            faults=[fault.as_json() for fault in self._faults],
        )
        shown["page"] = {"url": self.page_url, "problem": self.page_problem}
        return {**shown, **self.extra}

    def publish(self) -> None:
        self.broker.publish("state", self.state())

    def panels(self) -> Sequence[Json]:
        return list(self._panels.values())

    def panel(self, panel: Json) -> None:
        self._panels[panel["cluster"]] = panel
        self.broker.publish("panel", panel)

    def wish(self, wish: Wish, *, at: str | None, turn: int | None = None) -> None:
        self._accept(wish.value, lambda: self.presenter.request(wish), at=at, turn=turn)

    def check_until_green(self, *, at: str | None) -> None:
        self._accept("check-until-green", self._check_until_green, at=at)

    def _check_until_green(self) -> None:
        while self.presenter.snapshot.steps[self.presenter.index].checks is not Checks.GREEN:
            self.presenter.request(Wish.CHECK)

    def interrupt(self) -> None:
        if self.happened.work is None:
            raise Declined("nothing runs")
        self.presenter.interrupt()

    def jump(self, to: str | int) -> None:
        acts = state.acts(self.presenter.scenarios)
        first = {act["number"]: act["scenarios"][0] for act in acts}
        step = next(one.id for one in self.presenter.all if one.scenario.name == first[to]) if to in first else str(to)
        self._accept("jump", lambda: self.presenter.jump(step), at=self._current)

    def fault(self, name: str, *, undo: bool) -> None:
        number = [fault.id for fault in self._faults].index(name)
        fault = self._faults[number] = replace(self._faults[number], active=not undo)
        self._mark(fault.undo_title if undo else fault.title, kind="fault")

    def mark(self, text: str) -> None:
        self._mark(text, kind="note")

    def console(self, name: str) -> Any:
        return self.consoles.get(name)

    def note(self, text: str) -> None:
        self.happened.notes.append({"at": time.time(), "text": text})
        self.publish()

    def _mark(self, text: str, *, kind: str) -> None:
        self.happened.marks.append({"at": time.time(), "text": text, "kind": kind, "intended": kind == "fault"})
        self.publish()

    @property
    def _current(self) -> str | None:
        return self.presenter.current.id if self.presenter.current else None

    def _accept(self, name: str, work: Callable[[], None], *, at: str | None, turn: int | None = None) -> None:
        if self.happened.work is not None:
            raise Declined("a step runs; interrupt it first")
        if at != self._current or turn not in {None, self.happened.turn}:
            raise Declined("the presentation has moved on")
        self.happened.turn += 1
        self.happened.started = self.happened.started or time.time()
        self.happened.work = state.Work(wish=name, step=self._current)
        self.publish()
        self._work.put(work)

    def _conduct(self) -> None:
        while (work := self._work.get()) is not None:
            try:
                work()
            except KeyboardInterrupt:
                self.note("interrupted; undo the step, or run it again")
            finally:
                self.happened.work = None
                self.publish()


class _View:
    """Turns the presenter's calls into events."""

    def __init__(self, stage: PlayedStage) -> None:
        self._stage = stage

    def state(self, _: Snapshot) -> None:
        if not self._stage.presenter.closed:
            self._stage.happened.closing = None
        self._stage.publish()

    def output(self, view: StepView, output: Output) -> None:
        self._stage.recorded.before(view.scenario.name, view.step.name, output)
        kind, text = ("printed", output.line) if isinstance(output, Printed) else ("typed", output.text)
        line = {"step": view.id, "kind": kind, "text": text, "console": output.console}
        self._stage.broker.publish("output", line)

    def result(self, view: StepView, run: StepRun) -> None:
        self._stage.happened.results[view.id] = run
        self._stage.publish()

    def closing(self, scenario: Scenario) -> None:
        self._stage.happened.closing = scenario.name
        self._stage.publish()

    def note(self, text: str) -> None:
        self._stage.note(text)


class Theatre:
    """A served stage that can be stopped and started again, with a new token, at the same port."""

    def __init__(self, stage: PlayedStage, port: int = 0) -> None:
        self.stage = stage
        self._port = port
        self._open = ExitStack()

    def open(self) -> None:
        self._open = ExitStack()
        listener = self._open.enter_context(listening(self._port))
        self._port = listener.getsockname()[1]
        self.door = Door(port=self._port)
        self.stage.broker = Broker()
        app = create_app(self.stage, self.door)
        self._open.enter_context(serving(app, listener, before_end=self.stage.broker.close))

    def close(self) -> None:
        self._open.close()

    @property
    def url(self) -> str:
        return self.door.url

    def link(self, path: str = "") -> str:
        """Return the address of a screen with the token."""
        return f"{self.door.url}{path}#token={self.door.token}"


@contextmanager
def played(
    folder: Path,
    *,
    stack: str = "linkerd",
    spec: LabSpec | None = None,
    page_url: str = "",
    mode: str = "live",
) -> Iterator[Theatre]:
    """Serve a stage while the block runs."""
    stage = PlayedStage(folder, stack=stack, spec=spec or config.parse(""), page_url=page_url, mode=mode)
    theatre = Theatre(stage)
    theatre.open()
    stage.start()
    try:
        yield theatre
    finally:
        theatre.close()
        stage.close()
