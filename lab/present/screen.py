"""What an audience sees of a walk: one step a screen, few words, strong contrast."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.align import Align
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.text import Text

from lab.base import wait
from lab.present.marks import MARKS
from lab.scenario.executor import Output, Printed
from lab.scenario.model import Scenario
from lab.scenario.observation import Outcome
from lab.scenario.presenter import Snapshot, StepState, StepView
from lab.scenario.results import StepRun

ACTS = ("Service Discovery", "Cross-cluster Access", "Request Routing", "Profit")
"""The talk's progress bar."""
_KEY_PAUSE_S = 0.025
_TYPING_MOST_S = 2.5
_HELP = "enter run/next   r repeat   c check   s skip   u undo   b back   q quit, continue later"


class Screen:
    """A `View` on a terminal. `typed` False shows commands at once (rehearsals, CI)."""

    def __init__(self, console: Console, *, typed: bool = True, pause: Callable[[float], None] = wait.pause) -> None:
        self._console = console
        self._typed = typed
        self._pause = pause
        self._shown = ""
        self._notes: list[str] = []

    def state(self, snapshot: Snapshot) -> None:
        """Show the current step if it has not run."""
        view = snapshot.current
        if view is None:
            return
        status = next(step for step in snapshot.steps if step.id == view.id)
        if status.state is StepState.RUNNING:
            self._head(view)
        elif status.state is StepState.IDLE and self._shown != view.id:
            self._head(view)
            self._show(Text(view.step.narration, style="bold"))
            if script := view.step.script:
                self._show(Panel(_command(script), border_style="white", padding=(1, 2)))
            if view.step.verb:
                self._show(Text(f"with the lab: {view.step.verb}"))
            self._keys()
        self._shown = view.id if status.state is StepState.IDLE else ""

    def output(self, view: StepView, output: Output) -> None:  # noqa: ARG002 - as the View says
        """Show a command being typed, or a line of its output."""
        if isinstance(output, Printed):
            self._console.print(Text(f"  {output.line}"), soft_wrap=True, highlight=False)
            return
        self._console.print(Text("  $ ", style="bold green"), end="")
        if not (self._typed and self._console.is_terminal):
            self._console.print(Text(output.text, style="bold bright_white"), soft_wrap=True)
            return
        pause_s = min(_KEY_PAUSE_S, _TYPING_MOST_S / max(1, len(output.text)))
        for letter in output.text:
            self._console.print(Text(letter, style="bold bright_white"), end="", soft_wrap=True)
            self._pause(pause_s)
        self._console.print()

    def result(self, view: StepView, run: StepRun) -> None:  # noqa: ARG002 - as the View says
        """Show what the checks of a step saw."""
        if run.outcome is Outcome.ERRORED and run.reason:
            self._show(Text(f"! {run.reason}", style="bold yellow"))
        for check in run.checks:
            mark, style = MARKS[check.outcome]
            observation = check.observed or check.reason
            self._show(
                Text.assemble(
                    (f"{mark} {check.claim}\n", f"bold {style.removeprefix('bold ')}"), (f"  {observation}", "bold")
                )
            )
        self._keys()

    def closing(self, scenario: Scenario) -> None:
        """Show the summary of a scenario and suggestions to try, at its end."""
        self._clear()
        self._bar(scenario.act)
        tries = "\n".join(f"• {line}" for line in scenario.try_next)
        body = Group(Text(scenario.saw, style="bold"), Text(f"\nTo try:\n{tries}"))
        self._show(Panel(body, title=scenario.title, border_style="green", padding=(1, 2)))
        self._keys("enter: undo and continue")

    def note(self, text: str) -> None:
        """Show one line; on a terminal again under the next step's title, because that step clears the screen."""
        self._notes.append(text)
        self._print_note(text)

    def _print_note(self, text: str) -> None:
        self._console.print(Text(text, style="bold yellow"), soft_wrap=True)

    def _head(self, view: StepView) -> None:
        self._clear()
        self._bar(view.scenario.act)
        title = f"{view.scenario.title}, {view.number} of {view.count}: {view.step.title}"
        self._show(Text(title, style="bold bright_white on blue"))
        if self._console.is_terminal:
            for note in self._notes:
                self._print_note(note)
        self._notes.clear()

    def _bar(self, act: str) -> None:
        self._console.print(Align.center(_acts(ACTS, act)))

    def _keys(self, text: str = _HELP) -> None:
        if self._console.is_terminal:
            self._console.print(Text(text, style="reverse"))

    def _clear(self) -> None:
        if self._console.is_terminal:
            self._console.clear()

    def _show(self, what: RenderableType) -> None:
        self._console.print(Padding(what, (1, 2, 0, 2)), highlight=False)


def _acts(acts: Sequence[str], now: str) -> Text:
    bar = Text()
    reached = False
    for number, act in enumerate(acts):
        reached = reached or act == now
        bar.append("  →  " if number else "", "white")
        bar.append(f" {act} ", "bold black on bright_green" if act == now else "white" if reached else "green")
    return bar


def _command(command: str) -> Text:
    lines = [Text.assemble(("$ ", "bold green"), (line, "bold bright_white")) for line in command.splitlines()]
    return Text("\n").join(lines)
