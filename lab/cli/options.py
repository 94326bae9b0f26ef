"""Options and arguments that several commands share, and their shell completion."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from lab.base.errors import UsageError
from lab.base.names import STACKS


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
    """Return the lab's clusters whose names begin with `incomplete`."""
    from lab import config
    from lab.base.errors import LabError
    from lab.lab import Lab

    try:
        return [name for name in Lab.of(config.load(config.find())).clusters if name.startswith(incomplete)]
    except LabError:
        return []


def stack_names(incomplete: str) -> list[str]:
    """Return the values of `--stack` that begin with `incomplete`."""
    return [name for name in (*STACKS, "auto") if name.startswith(incomplete)]


def service_names(incomplete: str) -> list[str]:
    """Return the Services of the applications' namespace whose names begin with `incomplete`."""
    return sorted({name for _, name in _named_objects("Service") if name.startswith(incomplete)})


def caller_names(incomplete: str) -> list[str]:
    """Return the service accounts that begin with `incomplete`, as CLUSTER/ACCOUNT."""
    names = (f"{cluster}/{name}" for cluster, name in _named_objects("ServiceAccount"))
    return sorted(name for name in names if name.startswith(incomplete))


def upstream_names(incomplete: str) -> list[str]:
    """Return the services that West's frontend calls and whose names begin with `incomplete`."""
    from lab.base.errors import LabError
    from lab.cli.named import lab_of
    from lab.components import frontend

    try:
        lab = lab_of(None)
    except LabError:
        return []
    known = (*frontend.upstream_names(lab, lab.west), frontend.IN_DEVELOPMENT)
    return [name for name in known if name.startswith(incomplete)]


def _named_objects(kind: str) -> Iterator[tuple[str, str]]:
    """Yield (cluster, name) of the objects in the applications' namespace, without clusters that do not answer."""
    from lab import config
    from lab.base.errors import LabError
    from lab.base.names import NAMESPACE
    from lab.kube import connect
    from lab.lab import Lab

    with suppress(LabError):
        lab = Lab.of(config.load(config.find()))
        for cluster in lab.clusters.values() if lab.paths.kubeconfig.exists() else ():
            with suppress(LabError):
                kube = connect(cluster, timeout_s=_COMPLETES_S)
                for obj in kube.find("v1", kind, namespace=NAMESPACE, metadata_only=True):
                    yield cluster.name, obj["metadata"]["name"]


def scenario_names(incomplete: str) -> list[str]:
    """Return the scenarios whose names begin with `incomplete`."""
    from lab.scenario import registry

    return [name for name in registry.names() if name.startswith(incomplete)]


def step_names(incomplete: str) -> list[str]:
    """Return the steps, as SCENARIO/STEP, whose names begin with `incomplete`."""
    from lab.scenario import registry
    from lab.scenario.rendering import documented

    known = registry.registry(documented(STACKS[0], registry.folder()))
    names = (f"{whole.name}/{step.name}" for whole in known.scenarios.values() for step in whole.steps)
    return [name for name in names if name.startswith(incomplete)]


def report_ids(incomplete: str) -> list[str]:
    """Return the ids of reports that begin with `incomplete`."""
    from lab import report
    from lab.report.session import runs_folder

    return [kept.id for kept in report.listing(runs_folder()) if kept.id.startswith(incomplete)]


def run_ids(incomplete: str) -> list[str]:
    """Return the ids of runs' reports that begin with `incomplete`."""
    from lab import report
    from lab.report.session import runs_folder

    runs = (kept for kept in report.listing(runs_folder()) if kept.kind is report.Kind.RUN)
    return [kept.id for kept in runs if kept.id.startswith(incomplete)]


def stage_ids(incomplete: str) -> list[str]:
    """Return the ids of recordings of stages that begin with `incomplete`."""
    from lab import report
    from lab.report.session import runs_folder

    kept = (one for one in report.listing(runs_folder()) if one.kind is report.Kind.STAGE)
    return [one.id for one in kept if one.id.startswith(incomplete)]


ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config", "-c", envvar="LAB_CONFIG", help="The lab.toml to use. Default: in this folder or the nearest above."
    ),
]
ShowCommands = Annotated[bool, typer.Option("--show", help="Print the commands instead of running them.")]
AsJson = Annotated[bool, typer.Option("--json", callback=_note_json, help="Print JSON instead of text.")]


def _stack_name(name: str | None) -> str | None:
    if name is not None and name not in {*STACKS, "auto"}:
        raise UsageError(f"{name!r} is not a stack", next=f"name one of: {', '.join(STACKS)}, auto")
    return name


StackName = Annotated[
    str | None,
    typer.Option(
        "--stack",
        callback=_stack_name,
        autocompletion=stack_names,
        help=f"{', '.join(STACKS)} or auto; overrides `stack` in lab.toml.",
    ),
]
PlanOnly = Annotated[bool, typer.Option("--plan", help="Print what would be done, and change nothing.")]
NoInstall = Annotated[
    bool,
    typer.Option(
        "--no-install", help="Never install or configure anything on this machine; if the lab needs it, stop."
    ),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before changes to this machine.")]
OneCluster = Annotated[
    str | None, typer.Option("--cluster", autocompletion=cluster_names, help="Only this cluster. Default: all.")
]
_COMPLETES_S = 1.0
"""Seconds that completion waits for one cluster."""
_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")  # RFC 1123


def is_dns_label(name: str) -> bool:
    """Return whether a text can be the name of a Service or a namespace."""
    return bool(_DNS_LABEL.fullmatch(name))


def service_name(name: str) -> str:
    """Return the name of a Service after a check.

    Raises:
        UsageError: it is not a valid name of a Service.
    """
    if not is_dns_label(name):
        raise UsageError(f"{name!r} is not a Service's name", next="use a-z, 0-9 and -, as in podinfo")
    return name


ServiceName = Annotated[
    str,
    typer.Argument(
        metavar="SERVICE",
        callback=service_name,
        autocompletion=service_names,
        help="Name of a Service in namespace test.",
    ),
]
ServiceCluster = Annotated[
    str, typer.Option("--in", autocompletion=cluster_names, help="The cluster where the Service's pods run.")
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
Rate = Annotated[
    float | None,
    typer.Option(
        "--rate",
        min=1,
        max=200,
        help="Requests per second of the load generator. Default: 50; with fewer than 4 processors 25.",
    ),
]
Full = Annotated[bool, typer.Option("--full", help="Also run the steps that stop whole clusters and start them again.")]
