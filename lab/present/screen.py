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
from lab.present.walk import StepView
from lab.scenario.model import Outcome, Scenario
from lab.scenario.results import StepRun

ACTS = ("Service Discovery", "Cross-cluster Access", "Request Routing", "Profit")
"""The talk's progress bar."""
_KEY_PAUSE_S = 0.025
_TYPING_MOST_S = 2.5
_HELP = "enter run/next   r repeat   c check   s skip   b back   q quit, continue later"


class Screen:
    """A `View` on a terminal. `typed` False shows commands at once (rehearsals, CI)."""

    def __init__(self, console: Console, *, typed: bool = True, pause: Callable[[float], None] = wait.pause) -> None:
        self._console = console
        self._typed = typed
        self._pause = pause

    def before(self, scene: StepView) -> None:
        """Show a step that was not run yet."""
        self._head(scene)
        self._show(Text(scene.step.narration, style="bold"))
        if scene.step.command:
            self._show(Panel(_command(scene.step.command), border_style="white", padding=(1, 2)))
        self._keys()

    def typing(self, scene: StepView) -> None:
        """Show the step's command being typed, and that it runs."""
        self._head(scene)
        for line in scene.step.command.splitlines():
            self._console.print(Text("  $ ", style="bold green"), end="")
            pause_s = min(_KEY_PAUSE_S, _TYPING_MOST_S / max(1, len(line)))
            if self._typed and self._console.is_terminal:
                for letter in line:
                    self._console.print(Text(letter, style="bold bright_white"), end="", soft_wrap=True)
                    self._pause(pause_s)
                self._console.print()
            else:
                self._console.print(Text(line, style="bold bright_white"), soft_wrap=True)
        self._console.print()

    def after(self, scene: StepView, run: StepRun) -> None:  # noqa: ARG002 - as the View says
        """Show what the step printed and what its checks saw."""
        room = max(6, self._console.height - 16 - 3 * len(run.checks) - len(run.command.splitlines()))
        lines = run.output.splitlines()
        if len(lines) > room:
            lines = [*lines[: room - 1], f"… {len(lines) - room + 1} more lines"]
        if lines:
            self._show(Text("\n".join(lines)))
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
        """Show one line."""
        self._console.print(Text(text, style="bold yellow"), soft_wrap=True)

    def _head(self, scene: StepView) -> None:
        self._clear()
        self._bar(scene.scenario.act)
        title = f"{scene.scenario.title}, {scene.number} of {scene.count}: {scene.step.title}"
        self._show(Text(title, style="bold bright_white on blue"))

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
