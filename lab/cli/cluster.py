"""`lab cluster`: let a cluster join a lab that is up, and leave it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from lab.base.errors import LabError
from lab.cli.groups import LIFECYCLE
from lab.cli.named import lab_of, locked, need_nodes
from lab.cli.options import AsJson, ConfigFile, NoInstall, PlanOnly, Yes
from lab.cli.output import done, out, print_json, waiting

cluster_app = typer.Typer(no_args_is_help=True, help="Let a cluster join a lab that is up, and leave it.")


@dataclass(frozen=True, kw_only=True)
class Joined:
    """A cluster that joined; `changed` is False if it had done so before."""

    cluster: str
    url: str
    region: str
    changed: bool
    duration_s: float


@dataclass(frozen=True, kw_only=True)
class Left:
    """A cluster that left, and what was done for it; nothing if it had not joined."""

    cluster: str
    changes: tuple[str, ...]


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.add_typer(cluster_app, name="cluster", rich_help_panel=LIFECYCLE)


def _joined_names(incomplete: str) -> list[str]:
    try:
        return [name for name in lab_of(None).spec.joined if name.startswith(incomplete)]
    except LabError:
        return []


@cluster_app.command()
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The cluster's name, such as north.")],
    region: Annotated[
        str | None, typer.Option(help="topology.kubernetes.io/region of its node. Default: its name.")
    ] = None,
    ingress_port: Annotated[
        int | None, typer.Option(help="Port of its ingress on this machine. Default: the first free one.")
    ] = None,
    plan_only: PlanOnly = False,
    no_install: NoInstall = False,
    yes: Yes = False,
    as_json: AsJson = False,
    file: ConfigFile = None,
) -> None:
    """Create a further cluster, and let it join the lab.

    Takes the steps of `lab up`, while the other clusters continue to serve. They send it requests when it answers:
    Istio spreads those to podinfo by itself; on Linkerd name podinfo-NAME in a split or a failover. It exports podinfo.

    The lab must be up. The cluster stays until `lab cluster remove NAME`, `lab reset` or `lab down`; for a lasting one,
    add [clusters.NAME] to lab.toml. Changes nothing if it has joined.

    Example: `lab cluster add north`
    """
    from lab.cli import machine, running, tables
    from lab.lifecycle import joining

    lab = joining.prepared(lab_of(file), name, region=region, ingress_port=ingress_port)
    steps = joining.steps(lab, name)
    if plan_only:
        tables.plan(out(), steps, as_json=as_json)
        return
    need_nodes(lab.without(name))
    with locked(lab, "lab cluster add"), joining.in_background(lab, name):
        lab = machine.make_ready(lab, install=not no_install, yes=yes)
        joining.record(lab)
        report = running.run(lab, joining.steps(lab, name), verb="cluster-add", quiet=as_json)
        with waiting("lab cluster add"):
            joining.wait_linked(lab, name)
    table = lab.spec.clusters[name]
    url = lab.page_url(name)
    found = Joined(
        cluster=name,
        url=url,
        region=table.region,
        changed=bool(report.changed),
        duration_s=round(report.duration_s, 1),
    )
    if as_json:
        print_json(out(), found)
        return
    done(f"{name} joined after {found.duration_s} s") if found.changed else typer.echo(f"= {name} has joined already")
    typer.echo(f"  {url}")
    typer.echo(f"  `lab cluster remove {name}` undoes it")


@cluster_app.command()
def remove(
    name: Annotated[str, typer.Argument(metavar="NAME", autocompletion=_joined_names, help="A cluster that joined.")],
    as_json: AsJson = False,
    file: ConfigFile = None,
) -> None:
    """Send requests elsewhere, then delete a cluster that joined.

    Takes it out of splits and failovers, and removes its links and exports; waits until no request reaches it, and for
    those under way; then deletes it. Requests by its exported name (podinfo-NAME) and through its own ingress fail
    from then on.

    Refuses a cluster of lab.toml.

    Example: `lab cluster remove north`
    """
    from lab.lifecycle import joining

    lab = lab_of(file)
    if name not in lab.clusters:
        if as_json:
            print_json(out(), Left(cluster=name, changes=()))
        else:
            typer.echo(f"= nothing to remove: no cluster {name} has joined")
        return
    joining.refuse_of_file(lab, name)
    need_nodes(lab.without(name))
    lines = []
    with locked(lab, "lab cluster remove"), joining.in_background(lab, name), waiting("lab cluster remove"):
        for line in joining.leave(lab, name):
            lines.append(line)
            if not as_json:
                done(line)
    if as_json:
        print_json(out(), Left(cluster=name, changes=tuple(lines)))
