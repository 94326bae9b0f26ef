"""`lab authorize` and `lab unauthorize`: who may call a service."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from lab.base.errors import UsageError
from lab.base.names import NAMESPACE
from lab.cli.changing import Show, changing
from lab.cli.groups import TRAFFIC
from lab.cli.named import cluster_of, lab_of
from lab.cli.options import AsJson, ConfigFile, ServiceCluster, ServiceName, caller_names, is_dns_label
from lab.cli.output import done, out, print_json, warn

if TYPE_CHECKING:
    from lab.lab import Lab
    from lab.mesh.model import Caller, Permission
    from lab.mesh.protocols import Mesh

# RFC 9110 and 5789, as in Linkerd's HTTPRoute.
_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH")
_ACCOUNT = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_METHOD_NEXT = f"one of: {', '.join(_METHODS)}"

Callers = Annotated[
    list[str] | None,
    typer.Option(
        "--from",
        metavar="CLUSTER/ACCOUNT",
        autocompletion=caller_names,
        help="A caller's cluster and service account, such as west/frontend; outside of namespace test "
        "CLUSTER/NAMESPACE/ACCOUNT. Repeat it for more callers.",
    ),
]
Methods = Annotated[
    list[str] | None, typer.Option("--method", metavar="METHOD", help="Allow only this method. Repeatable.")
]
RequestPaths = Annotated[
    list[str] | None, typer.Option("--path", metavar="PATH", help="Allow only exactly this path. Repeatable.")
]


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    for command in (authorize, unauthorize):
        app.command(rich_help_panel=TRAFFIC)(command)


def authorize(
    service: ServiceName,
    cluster: ServiceCluster = "east",
    callers: Callers = None,
    nobody: Annotated[bool, typer.Option("--nobody", help="Refuse every caller.")] = False,
    methods: Methods = None,
    paths: RequestPaths = None,
    as_json: AsJson = False,
    show: Show = False,
    file: ConfigFile = None,
) -> None:
    """Allow only some callers of a Service, by identity.

    Replaces an earlier permission of the Service. `lab unauthorize SERVICE` undoes it.

    Example: `lab authorize podinfo --in east --from west/frontend --method GET`
    """
    from lab import stacks
    from lab.mesh.model import Permission

    lab = lab_of(file)
    if nobody and (callers or methods or paths):
        raise UsageError("--nobody refuses every request", next="omit --from, --method and --path, or --nobody")
    if not nobody and not callers:
        raise UsageError(
            f"it is not clear who may call {service}",
            next=f"lab authorize {service} --from CLUSTER/ACCOUNT, or --nobody",
        )
    wanted = Permission(
        cluster=cluster_of(lab, cluster).name,
        service=service,
        callers=tuple(dict.fromkeys(_caller(lab, text) for text in callers or ())),
        methods=tuple(dict.fromkeys(_method(text) for text in methods or ())),
        paths=tuple(dict.fromkeys(_path(text) for text in paths or ())),
    )
    _need_capabilities(stacks.mesh(lab), wanted)
    with changing(lab, "lab authorize", show=show, as_json=as_json, json_of_result=True) as mesh:
        for caller in _absent(lab, wanted.callers):
            account = f"{caller.namespace}/{caller.service_account}"
            warn(f"{caller.cluster} has no service account {account}: no workload can have this identity yet")
        mesh.authorize(wanted)
        now = _now(mesh, wanted.cluster)
    _print(now, done_=f"changed the permission of {service} in {wanted.cluster}", as_json=as_json)


def unauthorize(
    service: ServiceName,
    cluster: ServiceCluster = "east",
    as_json: AsJson = False,
    show: Show = False,
    file: ConfigFile = None,
) -> None:
    """Delete the permission of a Service: any caller may call.

    Any workload of the mesh is such a caller.

    Example: `lab unauthorize podinfo --in east`
    """
    lab = lab_of(file)
    name = cluster_of(lab, cluster).name
    with changing(lab, "lab unauthorize", show=show, as_json=as_json, json_of_result=True) as mesh:
        gone = mesh.unauthorize(name, service)
        now = _now(mesh, name)
    words = f"deleted the permission of {service} in {name}" if gone else ""
    _print(now, done_=words, undone=f"nothing to delete: {service} has no permission in {name}", as_json=as_json)


def _need_capabilities(mesh: Mesh, wanted: Permission) -> None:
    from lab.mesh.capabilities import Capability
    from lab.mesh.protocols import lacking

    if Capability.AUTHORIZE_IDENTITY not in mesh.capabilities:
        raise lacking(mesh, Capability.AUTHORIZE_IDENTITY, next="lab down, then lab up with another --stack")
    if (wanted.methods or wanted.paths) and Capability.AUTHORIZE_REQUEST not in mesh.capabilities:
        raise lacking(mesh, Capability.AUTHORIZE_REQUEST, next="the same command without --method and --path")


def _absent(lab: Lab, callers: Sequence[Caller]) -> list[Caller]:
    """Return the callers whose service accounts do not exist."""
    from lab.kube import connect
    from lab.kube.objects import Ref

    def exists(caller: Caller) -> bool:
        account = Ref(api_version="v1", kind="ServiceAccount", name=caller.service_account, namespace=caller.namespace)
        return connect(lab.clusters[caller.cluster]).get(account) is not None

    return [caller for caller in callers if not exists(caller)]


def _now(mesh: Mesh, cluster: str) -> list[Permission]:
    return sorted(mesh.permissions([cluster]), key=lambda permission: permission.service)


def _print(now: Sequence[Permission], *, done_: str, undone: str = "", as_json: bool) -> None:
    """Print what a command did, and the permissions of the cluster after it."""
    from lab.lifecycle import changes

    if as_json:
        print_json(out(), {"changed": bool(done_), "permissions": now})
        return
    if done_:
        done(done_)
    else:
        typer.echo(f"= {undone}")
    for permission in now:
        typer.echo(f"  {changes.allowed(permission)}")
    typer.echo("  any workload of the mesh may call every other Service" if now else "  no Service has a permission")


def _caller(lab: Lab, text: str) -> Caller:
    from lab.mesh.model import Caller

    cluster, *names = text.split("/")
    namespace = names[0] if len(names) > 1 else NAMESPACE
    if not (len(names) in {1, 2} and is_dns_label(namespace) and _ACCOUNT.fullmatch(names[-1])):
        raise UsageError(f"{text!r} is not a caller", next="--from CLUSTER/ACCOUNT or --from CLUSTER/NAMESPACE/ACCOUNT")
    return Caller(cluster=cluster_of(lab, cluster).name, namespace=namespace, service_account=names[-1])


def _method(text: str) -> str:
    if text not in _METHODS:
        upper = text.upper()
        raise UsageError(
            f"{text!r} is not an HTTP method", next=f"--method {upper}" if upper in _METHODS else _METHOD_NEXT
        )
    return text


def _path(text: str) -> str:
    if not text.startswith("/") or re.search(r"[\s*?#]", text):
        raise UsageError(
            f"{text!r} is not a path: it begins with / and has no wildcard, query or space",
            next="--path /api/info",
        )
    return text
