"""The verbs that change where requests go, and the one that shows it. `lab.cli.app` takes them in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from lab import stacks
from lab.base.errors import UsageError
from lab.base.names import Cluster
from lab.cli.scenarios import ConfigFile, cluster_names, lab_of
from lab.lab import Lab
from lab.lifecycle import lock
from lab.mesh.model import Failover, Mesh
from lab.stacks.linkerd.traffic_split import CALLERS_REST_S

_out = Console(soft_wrap=True, highlight=False)

Service = Annotated[str, typer.Argument(help="The Service's name, in namespace test.")]
From = Annotated[str, typer.Option("--from", autocompletion=cluster_names, help="The cluster it runs in.")]
ByIngress = Annotated[
    bool, typer.Option("--by-ingress", help="Through that cluster's ingress, as SERVICE-by-ingress-CLUSTER.")
]
In = Annotated[str, typer.Option("--in", autocompletion=cluster_names, help="The cluster whose requests it is about.")]


def register(app: typer.Typer) -> None:
    """Add the verbs to the command line."""
    for verb in (export, unexport, federate, unfederate, split, unsplit, failover, unfailover, dashboard):
        app.command()(verb)


def export(service: Service, source: From = "east", by_ingress: ByIngress = False, file: ConfigFile = None) -> None:
    """Make a cluster's Service known in the other clusters, as SERVICE-CLUSTER."""
    with lock.held(lab_of(file).paths, "lab export"):
        mesh = _mesh(file, source)
        if by_ingress:
            _out.print(f"✓ {mesh.carry(service, source).name}, carried by {source}'s ingress")
            return
        for name, where in mesh.export(service, source):
            _out.print(f"✓ {name} in {where}")


def unexport(service: Service, source: From = "east", by_ingress: ByIngress = False, file: ConfigFile = None) -> None:
    """Take SERVICE-CLUSTER out of the other clusters again."""
    with lock.held(lab_of(file).paths, "lab unexport"):
        mesh = _mesh(file, source)
        (mesh.uncarry if by_ingress else mesh.unexport)(service, source)
    _out.print(f"✓ {service}{'-by-ingress' if by_ingress else ''}-{source} is gone")


def federate(service: Service, file: ConfigFile = None) -> None:
    """Make a Service one with its namesakes in other clusters, as SERVICE-federated; pods must reach pods."""
    with lock.held(lab_of(file).paths, "lab federate"):
        members = _mesh(file).federate(service)
    _out.print(f"✓ {service}-federated, answered by {', '.join(members)}")


def unfederate(service: Service, file: ConfigFile = None) -> None:
    """Take SERVICE-federated apart again."""
    with lock.held(lab_of(file).paths, "lab unfederate"):
        gone = _mesh(file).unfederate(service)
    _out.print(f"✓ {service}-federated is gone" if gone else "= there was no federated service")


def split(
    weights: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME=WEIGHT",
            help="Such as podinfo=50 podinfo-east=50. Who is called is the name that the others are exports of, or "
            "is named before them.",
        ),
    ],
    cluster: In = "west",
    smi: Annotated[
        bool, typer.Option("--smi", help="By an SMI TrafficSplit, as in the talk; upstream has deprecated it.")
    ] = False,
    file: ConfigFile = None,
) -> None:
    """Divide a cluster's requests to a service by weight."""
    service, parts = _split(weights)
    with lock.held(lab_of(file).paths, "lab split"):
        made = _mesh(file, cluster).split(cluster, service, parts, smi=smi)
    _out.print(f"✓ {cluster}: {service} → " + ", ".join(f"{n} {w}" for n, w in made.weights.items()))
    if made.smi:
        _out.print("  by an SMI TrafficSplit, which upstream has deprecated; without --smi it is an HTTPRoute")
        _out.print(f"  callers take it up once they have not called {service} for {CALLERS_REST_S:.0f} s")


def unsplit(service: Service, cluster: In = "west", file: ConfigFile = None) -> None:
    """Take a split away."""
    with lock.held(lab_of(file).paths, "lab unsplit"):
        gone = _mesh(file, cluster).unsplit(cluster, service)
    _out.print("✓ the split is gone" if gone else "= there was no split")


def failover(
    service: Service,
    primary: Annotated[str, typer.Option(help="The cluster that answers while it works.")] = "west",
    backup: Annotated[str, typer.Option(help="The cluster that answers when the primary does not.")] = "east",
    cluster: In = "west",
    file: ConfigFile = None,
) -> None:
    """Let one cluster answer while it works, and another one when it does not."""
    wanted = Failover(cluster=cluster, service=service, primary=primary, backup=backup)
    with lock.held(lab_of(file).paths, "lab failover"):
        _mesh(file, cluster, primary, backup).fail_over(wanted)
    _out.print(f"✓ {cluster}: {service} is answered by {primary}, else by {backup}")


def unfailover(service: Service, cluster: In = "west", file: ConfigFile = None) -> None:
    """Spread requests over all clusters again."""
    with lock.held(lab_of(file).paths, "lab unfailover"):
        gone = _mesh(file, cluster).unfail_over(cluster, service)
    _out.print("✓ the failover is gone" if gone else "= there was no failover")


def dashboard(
    cluster: Annotated[
        str, typer.Option("--in", autocompletion=cluster_names, help="The cluster to look at.")
    ] = "west",
    port: Annotated[int, typer.Option(help="On 127.0.0.1; 0 takes any that is free.")] = 50750,
    file: ConfigFile = None,
) -> None:
    """Serve a cluster's Linkerd dashboard until Ctrl-C; `lab up --viz` installs it."""
    lab = lab_of(file)
    known = _known(lab, cluster)

    def say(url: str) -> None:
        _out.print(f"{cluster}'s dashboard: {url} (Ctrl-C ends it)")

    stacks.current(lab).dashboard(lab, known, port=port, on_url=say)


def _known(lab: Lab, name: str) -> Cluster:
    if name not in lab.clusters:
        raise UsageError(f"there is no cluster {name!r}; there are: {', '.join(lab.clusters)}")
    return lab.clusters[name]


def _mesh(file: Path | None, *clusters: str) -> Mesh:
    lab = lab_of(file)
    for name in clusters:
        _known(lab, name)
    return stacks.mesh(lab)


def _split(words: Sequence[str]) -> tuple[str, Mapping[str, int]]:
    """Read who is called and the weights; without the first, it is the name that all others begin with."""
    service, parts = ("", words) if "=" in words[0] else (words[0], words[1:])
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
    parts: dict[str, int] = {}
    for word in words:
        name, equals, number = word.partition("=")
        if not (name and equals and number.isdigit()) or name in parts:
            raise UsageError(f"{word!r} is no part of a split", next="name each once, as in podinfo=50 podinfo-east=50")
        parts[name] = int(number)
    return parts
