"""`lab stage`, from the start of the server to its end."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from starlette.routing import BaseRoute

from lab.base.names import node_name
from lab.lab import Lab
from lab.mesh import Mesh
from lab.report import environment
from lab.scenario.model import Scenario
from lab.scenario.observation import Outcome
from lab.scenario.page_marks import PageMarks
from lab.scenario.position import Position
from lab.scenario.presenter import Presenter, StepState, Wish
from lab.stacks import Stack, current
from lab.stage import consoles as consoles_of
from lab.stage.app import create_app
from lab.stage.audience import Audience, AudienceAddress
from lab.stage.conductor import Work
from lab.stage.consoles import Consoles
from lab.stage.faults import FaultMenu
from lab.stage.live import LiveStage
from lab.stage.opener import open_browser, start_file
from lab.stage.page_watch import PageWatch
from lab.stage.panel import LivePanels
from lab.stage.parts import Fault, Stage
from lab.stage.recording import rehearsal
from lab.stage.security import Door
from lab.stage.server import listening, serving
from lab.stage.state import StageFacts
from lab.stage.typist import Typist

_LOOK_S = 0.2


@dataclass(frozen=True, kw_only=True)
class OnScreen:
    """A stage that is served."""

    door: Door
    file: Path

    @property
    def url(self) -> str:
        """The URL to open, with the token."""
        return self.door.start_url

    def open(self) -> bool:
        """Open the user's browser; return False if there is none."""
        return open_browser(self.file)


@contextmanager
def on_screen(
    stage: Stage, *, port: int, folder: Path, more: Sequence[BaseRoute] = (), frame: str = ""
) -> Iterator[OnScreen]:
    """Serve a stage while the block runs.

    Args:
        stage: the live stage, or a replay; it is not started or ended here.
        port: the port on 127.0.0.1; 0 for any free one.
        folder: the lab's state folder, for the file that opens a browser.
        more: further routes, such as those of a replay.
        frame: the origin of the page of an existing cluster, which the screens frame.

    Raises:
        UsageError: another program uses the port.
    """
    with listening(port) as listener:
        door = Door(port=listener.getsockname()[1], frame=frame)
        file = folder / "stage.html"
        with start_file(file, door.start_url) as delete:
            app = create_app(stage, door, admitted=delete, more=more)
            with serving(app, listener, before_end=stage.broker.close):
                yield OnScreen(door=door, file=file)


@contextmanager
def opened(stage: LiveStage) -> Iterator[None]:
    """Run the parts of a stage while the block runs."""
    try:
        stage.open()
        yield
    finally:
        stage.close()


def live_stage(
    lab: Lab,
    mesh: Mesh,
    scenarios: Sequence[Scenario],
    *,
    full: bool = False,
    auto: bool = False,
    config: Path | None = None,
    audience: str | None = None,
    environ: Mapping[str, str] = os.environ,
) -> LiveStage:
    """Return the stage of a lab that is up; nothing runs before its `open`.

    Args:
        lab: the lab.
        mesh: its mesh.
        scenarios: what is presented.
        full: also present steps that stop whole clusters.
        auto: a rehearsal, which begins at the first step and keeps no position.
        config: the lab.toml that was named, if one was.
        audience: the address, with or without a port, at which phones take part; None for no phones.
        environ: the user's environment, for the consoles.

    Raises:
        UsageError: `audience` is not an address.
    """
    shells = consoles_of.shells(lab, environment.tools(lab), environ=environ, config=config)
    consoles = Consoles(shells=shells, cwd=consoles_of.here())
    typist = Typist(consoles=consoles, names=names_of(lab), default=lab.west.name)
    steps = environment.steps_of(lab, mesh, full=full, terminal=typist)
    position = Position() if auto else Position.read(lab.paths.walk)
    stack = current(lab)
    stage = LiveStage(
        facts=StageFacts.of(lab, stack=mesh.name, stack_title=stack.title, mode="auto" if auto else "live"),
        presenter=Presenter(scenarios=scenarios, steps=steps, position=position),
        consoles=consoles,
        page=PageMarks(lab.ingress_url(lab.west.name)),
        page_watch=PageWatch(f"{lab.ingress_url(lab.west.name)}/"),
        rehearsed=rehearsal.times(rehearsal.file_of(lab.paths), mesh.name),
    )
    typist.note = stage.note
    _add_parts(stage, lab, mesh, stack)
    stage.audience = Audience.of(lab, AudienceAddress.parse(audience)) if audience is not None else None
    return stage


def _add_parts(stage: LiveStage, lab: Lab, mesh: Mesh, stack: Stack) -> None:
    """Add what reads the clusters."""
    stage.faults = FaultMenu(lab, mesh, do=stage.act, shown=environment.target_of(lab, mesh.name).shown)
    stage.panels_of = LivePanels(lab, stack)


def names_of(lab: Lab) -> Mapping[str, str]:
    """Return the cluster of each name that a command line can have: its own, its role's, and its node's."""
    roles = {"east": lab.east.name, "west": lab.west.name}
    nodes = {node_name(lab.spec.name, name): name for name in lab.clusters}
    return {**roles, **nodes, **{name: name for name in lab.clusters}}


def left_to_undo(presenter: Presenter, faults: Sequence[Fault] = ()) -> str:
    """Return what a stage that ends leaves, and what to do about it: steps, and faults that are in place."""
    lines: list[str] = []
    if begun := presenter.position.begun:
        left = ", ".join(begun)
        lines.append(f"steps to undo: {left}; `lab stage` or `lab walk` continues there, `lab reset` undoes them")
    if broken := [fault.title for fault in faults if fault.active]:
        lines.append(f"faults in place: {', '.join(broken)}; the menu of `lab stage` or `lab reset` undoes them")
    return "\n".join(lines) or "nothing is left to undo"


def rehearse(stage: LiveStage, lab: Lab, *, say: Callable[[str], None]) -> set[Outcome]:
    """Play everything on the stage, undo it, keep the seconds of each step, and return the outcomes.

    Args:
        stage: the open stage.
        lab: its lab.
        say: prints a line.

    Raises:
        KeyboardInterrupt: after Ctrl-C, when what had begun is undone or the time for that is over.
    """
    over = threading.Event()
    failed: list[BaseException] = []
    seconds: dict[str, float] = {}

    def play() -> None:
        try:
            _play(stage.presenter, seconds)
        except BaseException as error:
            failed.append(error)
            stage.presenter.undo_in_time()
            raise
        finally:
            over.set()

    stage.conductor.begin(Work(wish="rehearsal"), play)
    try:
        _wait_for(over)
    except KeyboardInterrupt:
        say("undoing the steps that ran; press Ctrl-C again to stop at once")
        _wait_for(over)
        raise
    rehearsal.keep(rehearsal.file_of(lab.paths), stage.facts.stack, seconds)
    if failed:
        raise failed[0]
    return stage.presenter.outcomes


def rehearsed(presenter: Presenter) -> str:
    """Return the end of a rehearsal as text: time and outcomes, then a line for each step that was not as expected."""
    runs = presenter.runs
    counts = Counter(run.outcome for run in runs)
    outcomes = ", ".join(f"{counts[one]} {one.value}" for one in Outcome if counts[one])
    wrong = [run for run in runs if run.outcome in {Outcome.FAILED, Outcome.ERRORED}]
    lines = [
        f"rehearsed: {len(runs)} steps in {sum(run.duration_s for run in runs):.0f} s: {outcomes or 'nothing ran'}"
    ]
    for run in wrong:
        checks = [check for check in run.checks if check.outcome in {Outcome.FAILED, Outcome.ERRORED}]
        why = run.reason or "; ".join(check.reason or check.observed for check in checks)
        lines.append(f"{run.outcome.value}: {run.title}: {why}")
    return "\n".join(lines)


def _play(presenter: Presenter, seconds: dict[str, float]) -> None:
    """Run every step, and note how long it took."""
    while (view := presenter.current) is not None:
        presenter.request(Wish.GO)
        status = next(step for step in presenter.snapshot.steps if step.id == view.id)
        if status.state is StepState.DONE:
            seconds[view.id] = status.seconds


def until_interrupted() -> None:
    """Wait for Ctrl-C or another signal that ends the lab.

    Raises:
        KeyboardInterrupt: always.
    """
    _wait_for(threading.Event())


def _wait_for(event: threading.Event) -> None:
    while not event.wait(_LOOK_S):  # a wait without end would not notice a signal that came just before
        pass
