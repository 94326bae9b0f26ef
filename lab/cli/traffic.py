"""Commands that change how requests are routed: exports, splits, failovers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from lab.base.errors import UsageError
from lab.cli.changing import Show, changing
from lab.cli.groups import TRAFFIC
from lab.cli.named import cluster_of, lab_of
from lab.cli.options import AsJson, CallingCluster, ConfigFile, ServiceName, SourceCluster, cluster_names, service_name
from lab.cli.output import done

if TYPE_CHECKING:
    from lab.mesh.protocols import DirectExports, Federation, Mesh, TrafficSplits

_WEIGHT = re.compile(r"[0-9]{1,3}")
ByIngress = Annotated[
    bool, typer.Option("--by-ingress", help="Route through that cluster's ingress, as SERVICE-by-ingress-CLUSTER.")
]

Direct = Annotated[
    bool,
    typer.Option("--direct", help="Without a gateway, as SERVICE-direct-CLUSTER; needs Linkerd and a flat network."),
]


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    for command in (export, unexport, federate, unfederate, split, unsplit, failover, unfailover):
        app.command(rich_help_panel=TRAFFIC)(command)


def export(
    service: ServiceName,
    source: SourceCluster = "east",
    by_ingress: ByIngress = False,
    direct: Direct = False,
    show: Show = False,
    as_json: AsJson = False,
    file: ConfigFile = None,
) -> None:
    """Export a Service to other clusters as SERVICE-CLUSTER.

    `lab unexport SERVICE` undoes it, with the same options.
    """
    _refuse_both(by_ingress=by_ingress, direct=direct)
    lab = lab_of(file)
    source = cluster_of(lab, source).name
    with changing(lab, "lab export", show=show, as_json=as_json) as mesh:
        if direct:
            made = [
                f"{name} in {other}" for name, other in _direct_exports(mesh, service).export_direct(service, source)
            ]
        elif by_ingress:
            made = [f"{mesh.add_ingress_route(service, source).name}, routed through {source}'s ingress"]
        else:
            made = [f"{name} in {other}" for name, other in mesh.export(service, source)]
    for line in made:
        done(line)


def unexport(
    service: ServiceName,
    source: SourceCluster = "east",
    by_ingress: ByIngress = False,
    direct: Direct = False,
    show: Show = False,
    as_json: AsJson = False,
    file: ConfigFile = None,
) -> None:
    """Delete SERVICE-CLUSTER from the other clusters."""
    from lab.mesh.names import direct_name

    _refuse_both(by_ingress=by_ingress, direct=direct)
    lab = lab_of(file)
    source = cluster_of(lab, source).name
    exported = direct_name(service) if direct else service
    with changing(lab, "lab unexport", show=show, as_json=as_json) as mesh:
        gone = (mesh.remove_ingress_route if by_ingress else mesh.unexport)(exported, source)
    name = f"{exported}{'-by-ingress' if by_ingress else ''}-{source}"
    done(f"deleted {name}" if gone else f"nothing to delete: the lab has no export {name}")


def federate(service: ServiceName, show: Show = False, as_json: AsJson = False, file: ConfigFile = None) -> None:
    """Join a Service of all clusters into SERVICE-federated.

    Needs Linkerd, and `flat = true` under [network] in lab.toml: pods must reach pods of other clusters.
    `lab unfederate SERVICE` undoes it.
    """
    with changing(lab_of(file), "lab federate", show=show, as_json=as_json) as mesh:
        members = _federation(mesh, service).federate(service)
    done(f"{service}-federated, answered by {', '.join(members)}")


def unfederate(service: ServiceName, show: Show = False, as_json: AsJson = False, file: ConfigFile = None) -> None:
    """Delete SERVICE-federated."""
    with changing(lab_of(file), "lab unfederate", show=show, as_json=as_json) as mesh:
        gone = _federation(mesh, service).unfederate(service)
    typer.echo(f"✓ deleted {service}-federated" if gone else f"= nothing to delete: {service} is not federated")


def split(
    weights: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME=WEIGHT",
            help="Weights such as podinfo=50 podinfo-east=50. If the called Service is not obvious, name it first: "
            "podinfo podinfo=50 podinfo-east=50.",
        ),
    ],
    cluster: CallingCluster = "west",
    smi: Annotated[
        bool,
        typer.Option("--smi", help="Use an SMI TrafficSplit (Linkerd only, deprecated by upstream), as in the talk."),
    ] = False,
    show: Show = False,
    as_json: AsJson = False,
    file: ConfigFile = None,
) -> None:
    """Divide a cluster's requests to a Service by weight.

    `lab unsplit SERVICE` undoes it.
    """
    service, parts = _split(weights)
    lab = lab_of(file)
    cluster = cluster_of(lab, cluster).name
    with changing(lab, "lab split", show=show, as_json=as_json) as mesh:
        made = (_traffic_splits(mesh).split_smi if smi else mesh.split)(cluster, service, parts)
    done(f"{cluster}: {service} → " + ", ".join(f"{name} {weight}" for name, weight in made.weights.items()))
    if made.smi:
        from lab.stacks.linkerd.traffic_split import CALLERS_REST_S

        typer.echo("  as an SMI TrafficSplit, which upstream has deprecated; without --smi the lab uses an HTTPRoute")
        typer.echo(f"  a caller uses the split after it has not called {service} for {CALLERS_REST_S:.0f} s")


def unsplit(
    service: ServiceName,
    cluster: CallingCluster = "west",
    show: Show = False,
    as_json: AsJson = False,
    file: ConfigFile = None,
) -> None:
    """Remove the split of a Service."""
    lab = lab_of(file)
    cluster = cluster_of(lab, cluster).name
    with changing(lab, "lab unsplit", show=show, as_json=as_json) as mesh:
        gone = mesh.unsplit(cluster, service)
    typer.echo(f"✓ removed the split of {service}" if gone else f"= nothing to remove: {service} is not split")


def failover(
    service: ServiceName,
    primary: Annotated[
        str, typer.Option(autocompletion=cluster_names, help="The cluster that answers while it is available.")
    ] = "west",
    backups: Annotated[
        list[str] | None,
        typer.Option(
            "--backup",
            autocompletion=cluster_names,
            help="The cluster that answers while the primary is not available. Again for the next one, in order. "
            "Default: east.",
            show_default=False,
        ),
    ] = None,
    cluster: CallingCluster = "west",
    show: Show = False,
    as_json: AsJson = False,
    file: ConfigFile = None,
) -> None:
    """Send requests to a backup cluster when the primary fails.

    With several backups, each answers when those before it fail. Linkerd has no order of more than three clusters, and
    with three it sends one request in a thousand to the first backup.

    Example: `lab failover podinfo --primary west --backup east --backup north`. `lab unfailover SERVICE` undoes it.
    """
    from lab.mesh.model import Failover

    lab = lab_of(file)
    cluster, primary = (cluster_of(lab, name).name for name in (cluster, primary))
    backup, *further = (cluster_of(lab, name).name for name in backups or ["east"])
    if primary == backup:
        raise UsageError(f"primary and backup are both {primary}", next="name two clusters with --primary and --backup")
    change = Failover(cluster=cluster, service=service, primary=primary, backup=backup, further=tuple(further))
    if twice := next((name for name in change.order if change.order.count(name) > 1), None):
        raise UsageError(f"{twice} is named twice", next="name each cluster once")
    with changing(lab, "lab failover", show=show, as_json=as_json) as mesh:
        mesh.fail_over(change)
    then = "".join(f", then to {name}" for name in further)
    done(f"{cluster}'s requests to {service} go to {primary}, and to {backup} when {primary} fails{then}")


def unfailover(
    service: ServiceName,
    cluster: CallingCluster = "west",
    show: Show = False,
    as_json: AsJson = False,
    file: ConfigFile = None,
) -> None:
    """Remove the failover of a Service.

    Requests go where they went before `lab failover`.
    """
    lab = lab_of(file)
    cluster = cluster_of(lab, cluster).name
    with changing(lab, "lab unfailover", show=show, as_json=as_json) as mesh:
        gone = mesh.unfail_over(cluster, service)
    typer.echo(f"✓ removed the failover of {service}" if gone else f"= nothing to remove: {service} has no failover")


def _refuse_both(*, by_ingress: bool, direct: bool) -> None:
    if by_ingress and direct:
        raise UsageError("--by-ingress and --direct are two ways; an export takes one", next="leave out one of them")


def _direct_exports(mesh: Mesh, service: str) -> DirectExports:
    from lab.mesh.capabilities import Capability
    from lab.mesh.protocols import DirectExports, lacking

    if not isinstance(mesh, DirectExports):
        raise lacking(mesh, Capability.DIRECT, next=f"lab export {service}, which uses the gateway")
    return mesh


def _federation(mesh: Mesh, service: str) -> Federation:
    from lab.mesh.capabilities import Capability
    from lab.mesh.protocols import Federation, lacking

    if not isinstance(mesh, Federation):
        raise lacking(mesh, Capability.FEDERATE, next=f"call {service}: it is one service in all clusters already")
    return mesh


def _traffic_splits(mesh: Mesh) -> TrafficSplits:
    from lab.mesh.capabilities import Capability
    from lab.mesh.protocols import TrafficSplits, lacking

    if not isinstance(mesh, TrafficSplits):
        raise lacking(mesh, Capability.SPLIT_SMI, next="the same command without --smi")
    return mesh


def _split(words: Sequence[str]) -> tuple[str, Mapping[str, int]]:
    """Read the called Service and the weights; without a Service, it is the name that all others begin with."""
    service, parts = ("", words) if "=" in words[0] else (service_name(words[0]), words[1:])
    weights = _weights(parts)
    if not weights:
        raise UsageError("a split needs weights", next=f"lab split {service} {service}=50 {service}-east=50")
    called = service or next((n for n in weights if all(o == n or o.startswith(f"{n}-") for o in weights)), "")
    if not called:
        raise UsageError(
            f"it is not clear whose requests {' and '.join(weights)} get", next=f"lab split SERVICE {' '.join(words)}"
        )
    return called, weights


def _weights(words: Sequence[str]) -> Mapping[str, int]:
    from lab.mesh.weights import check_weights

    parts: dict[str, int] = {}
    for word in words:
        name, equals, number = word.partition("=")
        if not (equals and _WEIGHT.fullmatch(number)) or name in parts:
            raise UsageError(f"{word!r} is not a weight", next="name each once, as in podinfo=50 podinfo-east=50")
        parts[service_name(name)] = int(number)
    if parts:
        check_weights("", parts)
    return parts
