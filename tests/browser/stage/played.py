"""A stage without clusters: the real server, conductor, consoles and scenarios; recorded programs and observations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from starlette.routing import BaseRoute

from lab import config
from lab.base import wait
from lab.base.names import Json
from lab.base.wait import NotYet
from lab.config import LabSpec
from lab.mesh import protocols
from lab.scenario.context import Context
from lab.scenario.executor import Executor, Output
from lab.scenario.model import Scenario
from lab.scenario.page_marks import PageMarks
from lab.scenario.presenter import Presenter, Snapshot, StepView
from lab.scenario.results import StepRun
from lab.scenario.steps import StepRunner
from lab.shells import start_files
from lab.shells.start_files import Settings
from lab.stacks.istio.mesh import IstioMesh
from lab.stacks.linkerd.mesh import LinkerdMesh
from lab.stage.app import create_app
from lab.stage.broker import Broker
from lab.stage.console import PreparedShell
from lab.stage.consoles import Consoles
from lab.stage.live import LiveStage
from lab.stage.page_watch import PageWatch
from lab.stage.parts import Fault
from lab.stage.run import names_of
from lab.stage.security import Door
from lab.stage.server import listening, serving
from lab.stage.state import StageFacts
from lab.stage.typist import Typist
from tests.browser.stage.recorded import Recorded
from tests.unit.scenarios.kit import lab_of, target

MESHES: dict[str, Any] = {"linkerd": LinkerdMesh, "istio": IstioMesh}
TITLES = {"linkerd": "Linkerd + Emissary", "istio": "Istio"}


class PlayedFaults:
    """An inject menu of two: one that only notes what it does, and one that is not possible."""

    def __init__(self) -> None:
        kill = "kubectl --context=east --namespace=test scale deployment podinfo --replicas="
        self._all = {
            "kill-podinfo-east": Fault(
                id="kill-podinfo-east",
                title="Kill podinfo in East",
                effect="All pods of podinfo in East are killed at once, and no new ones start",
                undo_title="Start podinfo in East again",
                commands=(f"{kill}0",),
                undo_commands=(f"{kill}1",),
            ),
            "stop-east": Fault(
                id="stop-east",
                title="Stop East",
                effect="East's node loses its power",
                undo_title="Start East again",
                disabled="run `lab stage --full` for this",
            ),
        }

    def start(self, changed: Callable[[], None]) -> None:
        self._changed = changed

    def nudge(self) -> None:
        pass

    def close(self) -> None:
        pass

    def list(self) -> Sequence[Fault]:
        return list(self._all.values())

    def inject(self, fault_id: str) -> None:
        self._set(fault_id, active=True)

    def undo(self, fault_id: str) -> None:
        self._set(fault_id, active=False)

    def _set(self, fault_id: str, *, active: bool) -> None:
        self._all[fault_id] = replace(self._all[fault_id], active=active)
        self._changed()


class PlayedPanels:
    """Panels that a test publishes."""

    def __init__(self) -> None:
        self._latest: dict[str, Json] = {}
        self._publish: Callable[[Json], None] = lambda _: None

    def start(self, publish: Callable[[Json], None]) -> None:
        self._publish = publish

    def latest(self) -> Sequence[Json]:
        return list(self._latest.values())

    def close(self) -> None:
        pass

    def show(self, panel: Json) -> None:
        self._latest[panel["cluster"]] = panel
        self._publish(panel)


class _Prompter:
    """A view that tells the recorded programs which line comes next."""

    def __init__(self, recorded: Recorded) -> None:
        self._recorded = recorded

    def output(self, view: StepView, output: Output) -> None:
        self._recorded.before(view.scenario.name, view.step.name, output)

    def state(self, snapshot: Snapshot) -> None:
        pass

    def result(self, view: StepView, run: StepRun) -> None:
        pass

    def closing(self, scenario: Scenario) -> None:
        pass

    def note(self, text: str) -> None:
        pass


@dataclass(kw_only=True)
class PlayedStage(LiveStage):
    """The live stage; `recorded` says what fails, and `extra` replaces parts of the state."""

    recorded: Recorded
    extra: dict[str, Json] = field(default_factory=dict)
    panel: Callable[[Json], None]

    def state(self) -> Json:
        """Return the whole state."""
        return {**super().state(), **self.extra}

    def go_to(self, to: str | int) -> None:
        """Jump to a step or an act when nothing runs."""
        wait.until("an idle stage", lambda: self.conductor.work is None or NotYet("it works"), timeout_s=60)
        self.jump(to)

    @property
    def turn(self) -> int:
        """How many requests were accepted."""
        return int(self.state()["turn"])


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


def stage_of(folder: Path, *, stack: str, spec: LabSpec, page_url: str, key_s: float = 0) -> PlayedStage:
    """Return a stage that is not open yet."""
    lab = lab_of(spec)
    recorded = Recorded(target=target(stack, folder, spec=spec), folder=folder)
    shells = {
        name: shell_of(folder, name, cluster.podinfo.color, recorded.programs)
        for name, cluster in spec.clusters.items()
    }
    home = folder / "home"
    consoles = Consoles(shells=shells, cwd=home)
    typist = Typist(consoles=consoles, names=names_of(lab), default=lab.west.name, key_s=key_s)
    mesh = cast("Any", SimpleNamespace(capabilities=protocols.offered(MESHES[stack](lab=lab))))
    executor = Executor(context=Context(lab=lab, mesh=mesh), manifests=recorded.target.manifests, terminal=typist)
    presenter = Presenter(scenarios=recorded.scenarios, steps=StepRunner(executor=executor))
    presenter.attach(_Prompter(recorded))
    panels = PlayedPanels()
    facts = StageFacts.of(lab, stack=stack, stack_title=TITLES[stack], mode="live")
    stage = PlayedStage(
        facts=replace(facts, page_url=page_url),
        presenter=presenter,
        consoles=consoles,
        page=PageMarks(page_url.partition("/?")[0].rstrip("/")),
        page_watch=PageWatch(page_url.partition("?")[0], again_s=0.1),
        faults=PlayedFaults(),
        panels_of=panels,
        check_again_s=0.1,
        recorded=recorded,
        panel=panels.show,
    )
    typist.note = stage.note
    return stage


class Theatre:
    """A served stage that can be stopped and started again, with a new token, at the same port."""

    def __init__(self, stage: PlayedStage) -> None:
        self.stage = stage
        self.more: Sequence[BaseRoute] = ()
        self._port = 0
        self._served = ExitStack()

    def open(self) -> None:
        self.stage.broker = Broker()
        self._served = ExitStack()
        listener = self._served.enter_context(listening(self._port))
        self._port = listener.getsockname()[1]
        self.door = Door(port=self._port)
        app = create_app(self.stage, self.door, more=self.more)
        self._served.enter_context(serving(app, listener, before_end=self.stage.broker.close))

    def close(self) -> None:
        self._served.close()

    @property
    def url(self) -> str:
        return self.door.url

    def link(self, path: str = "") -> str:
        """Return the address of a screen with the token."""
        return f"{self.door.url}{path}#token={self.door.token}"


@contextmanager
def played(
    folder: Path, *, page_url: str, stack: str = "linkerd", spec: LabSpec | None = None, key_s: float = 0
) -> Iterator[Theatre]:
    """Serve a stage while the block runs."""
    stage = stage_of(folder, stack=stack, spec=spec or config.parse(""), page_url=page_url, key_s=key_s)
    theatre = Theatre(stage)
    theatre.open()
    stage.open()
    try:
        yield theatre
    finally:
        theatre.close()
        stage.close()
