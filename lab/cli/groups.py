"""Group the commands under titles in `lab --help`."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand, TyperGroup

LIFECYCLE = "Lifecycle"
SCENARIOS = "Scenarios"
TRAFFIC = "Traffic"
DEVELOPMENT = "Development"
ARTIFACTS = "Artifacts"
_ORDER = (LIFECYCLE, SCENARIOS, TRAFFIC, DEVELOPMENT, ARTIFACTS)


AFTER_DASHES = "after --"
"""Key in a context's `meta`: the words of the command line after `--`."""


class CommandAfterDashes(TyperCommand):
    """A command whose last argument is a command line, which must come after `--`.

    Without the `--`, a forgotten option value or a wrong name would be run as a program.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the words before `--`, and keep those after it in the context."""
        at = args.index("--") if "--" in args else len(args)
        ctx.meta[AFTER_DASHES] = tuple(args[at + 1 :])
        rest: list[str] = super().parse_args(ctx, args[:at])
        return rest


class TitledGroup(TyperGroup):
    """A group that lists each command under its title (Typer's `rich_help_panel`).

    Typer prints such titles only with Rich; this prints plain text, which pipes and screen readers can use.
    """

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write one section for each title."""
        commands: list[tuple[str, Any]] = [
            (name, self.commands[name]) for name in self.list_commands(ctx) if not self.commands[name].hidden
        ]
        longest = max(len(name) for name, _ in commands)
        for title in _ORDER:
            rows = [
                (name.ljust(longest), command.get_short_help_str(formatter.width - longest - 6))
                for name, command in commands
                if command.rich_help_panel == title
            ]
            with formatter.section(title):
                formatter.write_dl(rows)
