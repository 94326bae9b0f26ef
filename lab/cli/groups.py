"""Group the commands under titles in `lab --help`."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup

LIFECYCLE = "Lifecycle"
SCENARIOS = "Scenarios"
TRAFFIC = "Traffic"
DEVELOPMENT = "Development"
ARTIFACTS = "Artifacts"
_ORDER = (LIFECYCLE, SCENARIOS, TRAFFIC, DEVELOPMENT, ARTIFACTS)


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
