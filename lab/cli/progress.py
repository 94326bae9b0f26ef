"""Show the events of a plan: a live view on a terminal, plain lines with timestamps elsewhere."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from lab.base.events import Event, Sink, StepEnded, StepProgress, StepStarted
from lab.base.step import Step, StepStatus

_MARKS = {
    StepStatus.CHANGED: ("✓", "green"),
    StepStatus.UNCHANGED: ("=", "dim"),
    StepStatus.ERRORED: ("✗", "bold red"),
    StepStatus.NOT_RUN: ("-", "dim"),
}
_PROGRESS_EVERY_S = 10.0
_ALL_CLUSTERS = "lab"


def clock(seconds: float) -> str:
    """Return a duration as `m:ss`."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


@contextmanager
def showing(steps: Sequence[Step], console: Console) -> Iterator[Sink]:
    """Show a plan's events while the block runs; yields the sink for `runner.run`."""
    if console.is_terminal:
        view = _LiveView(steps)
        with Live(view, console=console, refresh_per_second=8, transient=False):
            try:
                yield view.take
            finally:
                view.close()
    else:
        yield _PlainLines(console).take


def logging_to(log: logging.Logger) -> Sink:
    """Return a sink that writes every event, progress too, to a log."""

    def take(event: Event) -> None:
        match event:
            case StepStarted(step=step):
                log.info("%s: %s", step.name, step.title)
            case StepProgress(step=step, text=text):
                log.info("%s: %s", step.name, text)
            case StepEnded(step=step, result=result):
                log.info("%s: %s after %.2f s %s", step.name, result.status.value, result.duration_s, result.detail)
                if result.error is not None:
                    log.error("%s", step.name, exc_info=result.error)

    return take


class _PlainLines:
    """Prints a line when a step begins or ends, and one every 10 s while it waits."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._printed: dict[str, tuple[float, str]] = {}

    def take(self, event: Event) -> None:
        """Print a line for an event, if it needs one."""
        name = event.step.name
        match event:
            case StepStarted():
                self._line(event, "·", event.step.title)
                self._printed[name] = (event.at_s, "")
            case StepProgress(text=text):
                last_s, last = self._printed.get(name, (0.0, ""))
                if text != last and event.at_s - last_s >= _PROGRESS_EVERY_S:
                    self._printed[name] = (event.at_s, text)
                    self._line(event, "…", text)
            case StepEnded(result=result):
                mark, _ = _MARKS[result.status]
                detail = f": {result.detail}" if result.detail else ""
                self._line(
                    event,
                    mark,
                    f"{event.step.title}, {result.status.value}, {result.duration_s:.1f} s{detail}",
                )

    def _line(self, event: Event, mark: str, text: str) -> None:
        now = time.strftime("%H:%M:%S")
        line = f"{now} {clock(event.at_s):>5} {mark} {event.step.name}: {text}"
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


@dataclass(frozen=True, kw_only=True)
class _Running:
    step: Step
    since_s: float
    text: str
    fraction: float | None = None


@dataclass(frozen=True, kw_only=True)
class _PlanState:
    """The state after some events. Immutable: another thread draws a frame while events come in."""

    running: Mapping[str, _Running] = field(default_factory=dict)
    ended: Mapping[str, StepEnded] = field(default_factory=dict)

    def after(self, event: Event) -> _PlanState:
        """Return the state after one more event."""
        name = event.step.name
        others = {other: running for other, running in self.running.items() if other != name}
        match event:
            case StepStarted():
                started = _Running(step=event.step, since_s=event.at_s, text=event.step.title)
                return replace(self, running={**others, name: started})
            case StepProgress() if name in self.running:
                now = replace(self.running[name], text=event.text, fraction=event.fraction)
                return replace(self, running={**self.running, name: now})
            case StepEnded():
                return _PlanState(running=others, ended={**self.ended, name: event})
        return self


class _LiveView:
    """Shows, for each cluster, the steps that ended, the steps that run, and for how long."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self._steps = tuple(steps)
        self._began = time.monotonic()
        self._state = _PlanState()
        self._spinner = Spinner("dots", style="cyan")
        self._closed = False

    def take(self, event: Event) -> None:
        """Take an event for the next frame; called for one event at a time."""
        self._state = self._state.after(event)

    def close(self) -> None:
        """Make the next frame the last one: all steps that ended, and no spinner."""
        self._closed = True

    def __rich_console__(self, console: Console, options: object) -> Iterator[RenderableType]:
        """Draw one frame that fits the terminal's height."""
        state, now = self._state, time.monotonic() - self._began
        done = len(state.ended)
        yield Text.assemble(
            (f"{clock(now)} ", "bold"),
            (f"{done} of {len(self._steps)} steps", "bold cyan" if not self._closed else ""),
        )
        groups = dict.fromkeys(step.cluster or _ALL_CLUSTERS for step in self._steps)
        room = max(1, (console.height - 3 - len(groups) - len(state.running)) // max(1, len(groups)))
        for group in groups:
            yield self._group(state, group, now, room if not self._closed else len(self._steps))

    def _group(self, state: _PlanState, group: str, now: float, room: int) -> RenderableType:
        table = Table.grid(padding=(0, 1), expand=True)
        table.add_column(width=1)
        table.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
        table.add_column(justify="right", no_wrap=True)
        mine = [step for step in self._steps if (step.cluster or _ALL_CLUSTERS) == group]
        ended = [state.ended[step.name] for step in mine if step.name in state.ended]
        ended.sort(key=lambda event: event.at_s)
        unchanged = [event for event in ended if event.result.status is StepStatus.UNCHANGED]
        shown = [event for event in ended if event.result.status is not StepStatus.UNCHANGED][-room:]
        if unchanged:
            table.add_row(Text("=", "dim"), Text(f"{len(unchanged)} unchanged", "dim"), "")
        for event in shown:
            mark, style = _MARKS[event.result.status]
            text = Text(event.step.title)
            if event.result.detail and event.result.status is not StepStatus.ERRORED:
                text.append(f"  {event.result.detail}", "dim")
            table.add_row(Text(mark, style), text, Text(f"{event.result.duration_s:.1f} s", "dim"))
        for running in state.running.values():
            if (running.step.cluster or _ALL_CLUSTERS) == group and not self._closed:
                elapsed = Text(_elapsed(running.step, now - running.since_s), "cyan")
                table.add_row(self._spinner, _doing(running), elapsed)
        left = len(mine) - len(ended)
        head = Text.assemble((group, "bold magenta"), (f"  {left} to go" if left and not self._closed else "", "dim"))
        return Group(head, table)


def _doing(running: _Running) -> Text:
    shown = Text(running.step.title)
    if running.text != running.step.title:
        shown.append(f"  {running.text}", "cyan")
    if running.fraction is not None:
        shown.append(f"  {running.fraction:.0%}", "bold cyan")
    return shown


def _elapsed(step: Step, seconds: float) -> str:
    return f"{clock(seconds)} of about {clock(step.estimate_s)}" if step.estimate_s else clock(seconds)
