"""Options and arguments that several commands share, and their shell completion."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from lab.base.errors import UsageError


@dataclass
class Invocation:
    """Options of the whole command line, which also decide how an error is printed."""

    as_json: bool = False


def _note_json(context: typer.Context, value: bool) -> bool:  # noqa: FBT001 - Typer's form of a callback
    # An error is printed after the command has ended, so its form is noted where the option is parsed.
    if value:
        context.ensure_object(Invocation).as_json = True
    return value


def cluster_names(incomplete: str) -> list[str]:
    """Return the clusters of the nearest lab.toml whose names begin with `incomplete`."""
    from lab import config

    try:
        return [name for name in config.load(config.find()).clusters if name.startswith(incomplete)]
    except UsageError:
        return []


def scenario_names(incomplete: str) -> list[str]:
    """Return the scenarios whose names begin with `incomplete`."""
    from lab.scenario import registry

    return [name for name in registry.names() if name.startswith(incomplete)]


ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config", "-c", envvar="LAB_CONFIG", help="The lab.toml to use. Default: in this folder or the nearest above."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", callback=_note_json, help="Print JSON instead of text.")]
PlanOnly = Annotated[bool, typer.Option("--plan", help="Print what would be done, and change nothing.")]
NoInstall = Annotated[bool, typer.Option("--no-install", help="Never install or configure anything on this machine.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]
OneCluster = Annotated[
    str | None, typer.Option("--cluster", autocompletion=cluster_names, help="Only this cluster. Default: all.")
]
_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")  # RFC 1123


def service_name(name: str) -> str:
    """Return the name of a Service after a check.

    Raises:
        UsageError: it is not a valid name of a Service.
    """
    if not _DNS_LABEL.fullmatch(name):
        raise UsageError(f"{name!r} is not a Service's name", next="use a-z, 0-9 and -, as in podinfo")
    return name


ServiceName = Annotated[
    str, typer.Argument(metavar="SERVICE", callback=service_name, help="Name of a Service in namespace test.")
]
SourceCluster = Annotated[
    str, typer.Option("--from", autocompletion=cluster_names, help="The cluster where the Service runs.")
]
CallingCluster = Annotated[
    str, typer.Option("--in", autocompletion=cluster_names, help="The cluster whose clients send the requests.")
]
ScenarioNames = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="SCENARIO", autocompletion=scenario_names, help="Names of scenarios, see --list. Default: all."
    ),
]
Full = Annotated[bool, typer.Option("--full", help="Also run the steps that stop whole clusters.")]
