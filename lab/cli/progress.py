"""Events → what a person sees: a live view on a terminal, plain timestamped lines elsewhere."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

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
            yield view.take
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
    """One line when a step begins or ends, and one now and then while it waits."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._said: dict[str, tuple[float, str]] = {}

    def take(self, event: Event) -> None:
        """Print what is worth a line."""
        name = event.step.name
        match event:
            case StepStarted():
                self._line(event, "·", event.step.title)
                self._said[name] = (event.at_s, "")
            case StepProgress(text=text):
                last_s, last = self._said.get(name, (0.0, ""))
                if text != last and event.at_s - last_s >= _PROGRESS_EVERY_S:
                    self._said[name] = (event.at_s, text)
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


class _LiveView:
    """Each cluster with what it has done, what it does now, and since when."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self._steps = tuple(steps)
        self._began = time.monotonic()
        self._running: dict[str, tuple[Step, float, str, float | None]] = {}
        self._ended: dict[str, StepEnded] = {}
        self._spinner = Spinner("dots", style="cyan")
        self._closed = False

    def take(self, event: Event) -> None:
        """Remember what the next frame shows."""
        name = event.step.name
        match event:
            case StepStarted():
                self._running[name] = (event.step, event.at_s, event.step.title, None)
            case StepProgress(text=text, fraction=fraction):
                if name in self._running:
                    step, since, _, _ = self._running[name]
                    self._running[name] = (step, since, text, fraction)
            case StepEnded():
                self._running.pop(name, None)
                self._ended[name] = event

    def close(self) -> None:
        """Make the last frame the one that stays: all that ended, nothing that spins."""
        self._closed = True

    def __rich_console__(self, console: Console, options: object) -> Iterator[RenderableType]:
        """Draw one frame that fits the terminal's height."""
        now = time.monotonic() - self._began
        done = len(self._ended)
        yield Text.assemble(
            (f"{clock(now)} ", "bold"),
            (f"{done} of {len(self._steps)} steps", "bold cyan" if not self._closed else ""),
        )
        groups = dict.fromkeys(step.cluster or _ALL_CLUSTERS for step in self._steps)
        room = max(1, (console.height - 3 - len(groups) - len(self._running)) // max(1, len(groups)))
        for group in groups:
            yield self._group(group, now, room if not self._closed else len(self._steps))

    def _group(self, group: str, now: float, room: int) -> RenderableType:
        table = Table.grid(padding=(0, 1), expand=True)
        table.add_column(width=1)
        table.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
        table.add_column(justify="right", no_wrap=True)
        mine = [step for step in self._steps if (step.cluster or _ALL_CLUSTERS) == group]
        ended = [self._ended[step.name] for step in mine if step.name in self._ended]
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
        for step, since, text_now, fraction in self._running.values():
            if (step.cluster or _ALL_CLUSTERS) == group and not self._closed:
                table.add_row(
                    self._spinner, _doing(step, text_now, fraction), Text(_elapsed(step, now - since), "cyan")
                )
        left = len(mine) - len(ended)
        head = Text.assemble((group, "bold magenta"), (f"  {left} to go" if left and not self._closed else "", "dim"))
        return Group(head, table)


def _doing(step: Step, text: str, fraction: float | None) -> Text:
    shown = Text(step.title)
    if text != step.title:
        shown.append(f"  {text}", "cyan")
    if fraction is not None:
        shown.append(f"  {fraction:.0%}", "bold cyan")
    return shown


def _elapsed(step: Step, seconds: float) -> str:
    return f"{clock(seconds)} of about {clock(step.estimate_s)}" if step.estimate_s else clock(seconds)
