"""`lab cut`, `lab partition` and `lab mend`: drop all packets between clusters, and undo that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from lab.base.errors import UsageError
from lab.cli.groups import TRAFFIC
from lab.cli.named import cluster_of, lab_of, locked, need_nodes
from lab.cli.options import AsJson, ConfigFile, ShowCommands, cluster_names
from lab.cli.output import done, out, print_json, waiting

if TYPE_CHECKING:
    from lab.base.names import Cluster
    from lab.lab import Lab


@dataclass(frozen=True, kw_only=True)
class WireChange:
    """A command that cut or restored the network; `changed` is False if nothing was different before."""

    source: str
    target: str
    command: str
    changed: bool


@dataclass(frozen=True, kw_only=True)
class PartitionChange:
    """A partition; `changed` is False if all packets were dropped before."""

    sides: tuple[tuple[str, ...], tuple[str, ...]]
    commands: Sequence[str]
    changed: bool


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command(rich_help_panel=TRAFFIC)(cut)
    app.command("partition", rich_help_panel=TRAFFIC)(separate)
    app.command("mend", rich_help_panel=TRAFFIC)(restore)


def cut(
    source: Annotated[
        str, typer.Argument(metavar="FROM", autocompletion=cluster_names, help="The cluster that sends the packets.")
    ],
    target: Annotated[
        str, typer.Argument(metavar="TO", autocompletion=cluster_names, help="The cluster that no longer gets them.")
    ],
    show: ShowCommands = False,
    as_json: AsJson = False,
    file: ConfigFile = None,
) -> None:
    """Drop all packets from a cluster to another.

    As a cut cable does: nothing is refused, and open connections become silent. A restart of the node also ends it.

    Example: `lab cut west east`; `lab mend west east` undoes it.
    """
    from lab.clusters import provider

    lab = lab_of(file)
    ends = _ends(lab, source, target)
    need_nodes(lab)
    wire = provider().wire
    if show:
        typer.echo(wire.cut_command(*ends))
        return
    with locked(lab, "lab cut"), waiting("lab cut"):
        before = _names(ends) in wire.state(lab, [ends[0].name]).cuts
        command = wire.cut(*ends)
    change = _change(ends, command, changed=not before)
    if as_json:
        print_json(out(), change)
        return
    typer.echo(f"$ {command}")
    words = f"{change.source}'s node drops all packets to {change.target}"
    done(words) if change.changed else typer.echo(f"= nothing to cut: {words} already")
    typer.echo(f"  `lab mend {change.source} {change.target}` undoes it")


def separate(
    side: Annotated[
        list[str],
        typer.Argument(metavar="CLUSTER", autocompletion=cluster_names, help="The clusters on one side."),
    ],
    show: ShowCommands = False,
    as_json: AsJson = False,
    file: ConfigFile = None,
) -> None:
    """Drop all packets between these clusters and all others.

    In both directions, as cut cables do: nothing is refused, and open connections become silent. A restart of a node
    ends its cuts.

    Example: `lab partition west`; `lab mend` undoes it.
    """
    from lab.clusters import provider
    from lab.lifecycle import partition

    lab = lab_of(file)
    names = [cluster_of(lab, name).name for name in side]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise UsageError(f"{twice} is named twice", next=f"lab partition {' '.join(dict.fromkeys(names))}")
    others = tuple(name for name in lab.clusters if name not in names)
    if not others:
        raise UsageError("all clusters are on one side", next=f"leave out one of: {', '.join(lab.clusters)}")
    need_nodes(lab)
    wire = provider().wire
    cuts = partition.cuts_of(list(lab.clusters), names)
    ends = [(lab.clusters[source], lab.clusters[target]) for source, target in cuts]
    if show:
        for one in ends:
            typer.echo(wire.cut_command(*one))
        return
    with locked(lab, "lab partition"), waiting("lab partition"):
        before = wire.state(lab, list(lab.clusters)).cuts
        commands = [wire.cut(*one) for one in ends]
    change = PartitionChange(sides=(tuple(names), others), commands=commands, changed=not set(cuts) <= set(before))
    if as_json:
        print_json(out(), change)
        return
    for command in commands:
        typer.echo(f"$ {command}")
    words = f"no packet passes between {' and '.join(names)} on one side and {' and '.join(others)} on the other"
    done(words) if change.changed else typer.echo(f"= nothing to cut: {words}")
    typer.echo("  `lab mend` undoes it")


def restore(
    source: Annotated[
        str | None,
        typer.Argument(metavar="FROM", autocompletion=cluster_names, help="The first cluster of `lab cut`."),
    ] = None,
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="TO", autocompletion=cluster_names, help="The second cluster of `lab cut`. Default: all cuts."
        ),
    ] = None,
    show: ShowCommands = False,
    as_json: AsJson = False,
    file: ConfigFile = None,
) -> None:
    """Undo `lab cut` and `lab partition`; without clusters, all cuts.

    Example: `lab mend west east`
    """
    from lab.clusters import provider

    lab = lab_of(file)
    if source and not target:
        raise UsageError("name both clusters, or none", next=f"lab mend {source} CLUSTER, or lab mend")
    named = [_ends(lab, source, target)] if source and target else None
    need_nodes(lab)
    wire = provider().wire
    if show:
        for ends in named or _cuts(lab):
            typer.echo(wire.restore_command(*ends))
        return
    with locked(lab, "lab mend"), waiting("lab mend"):
        changes = [
            _change(ends, wire.restore_command(*ends), changed=wire.restore(*ends)) for ends in named or _cuts(lab)
        ]
    if as_json:
        print_json(out(), changes)
        return
    for change in changes:
        typer.echo(f"$ {change.command}")
        if change.changed:
            done(f"{change.source}'s packets reach {change.target}")
        else:
            typer.echo(f"= nothing to undo: {change.source}'s packets to {change.target} were not dropped")
    if not changes:
        typer.echo("= nothing to undo: no network between clusters is cut")


def _ends(lab: Lab, source: str, target: str) -> tuple[Cluster, Cluster]:
    ends = cluster_of(lab, source), cluster_of(lab, target)
    if ends[0] == ends[1]:
        raise UsageError(f"both clusters are {ends[0].name}", next=f"name two of: {', '.join(lab.clusters)}")
    return ends


def _cuts(lab: Lab) -> list[tuple[Cluster, Cluster | str]]:
    """Return the ends of all cuts; a target that the lab does not have any more is an address."""
    from lab.clusters import provider

    cuts = provider().wire.state(lab, list(lab.clusters)).cuts
    return [(lab.clusters[source], lab.clusters.get(target, target)) for source, target in cuts]


def _names(ends: tuple[Cluster, Cluster | str]) -> tuple[str, str]:
    source, target = ends
    return source.name, target if isinstance(target, str) else target.name


def _change(ends: tuple[Cluster, Cluster | str], command: str, *, changed: bool) -> WireChange:
    source, target = _names(ends)
    return WireChange(source=source, target=target, command=command, changed=changed)
