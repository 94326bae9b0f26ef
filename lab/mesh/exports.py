"""Which services can be exported. Both stacks ask here before they write anything."""

from __future__ import annotations

from collections.abc import Callable

from lab.base.errors import ClusterError
from lab.base.names import LABEL_PREFIX, NAMESPACE, Cluster
from lab.kube import connect
from lab.kube.objects import Obj
from lab.mesh.names import ServicePort, ports_of, service_ref

EXPORTED_LABEL = f"{LABEL_PREFIX}/exported-service"
SOURCE_LABEL = f"{LABEL_PREFIX}/exported-from"
_NAME_LIMIT = 63  # a Service's name is a DNS label (RFC 1035)

Origin = Callable[[Obj], tuple[str, str] | None]
"""Returns which service of which cluster a Service stands for, None where it is not an exported one."""


def exportable(
    source: Cluster, service: str, *, name: str, origin: Origin, headless: bool = False
) -> tuple[ServicePort, ...]:
    """Return the TCP ports of a service that can be exported.

    Args:
        source: the cluster that the service runs in.
        service: its name there.
        name: its name in the other clusters.
        origin: how the mesh marks exported services.
        headless: whether a gateway can forward to a Service without a cluster IP.

    Raises:
        ClusterError: the service is missing, is itself an exported one, is of type ExternalName, is headless where
            that is not possible, has no TCP port, or `name` is too long.
    """
    found = connect(source).get(service_ref(service))
    if found is None:
        raise ClusterError(
            f"there is no Service {service!r} in namespace {NAMESPACE}",
            where=source.name,
            next=f"kubectl --context={source.context} --namespace={NAMESPACE} get services",
        )
    if original := origin(found):
        raise ClusterError(
            f"{service} is itself exported from {original[1]}",
            where=source.name,
            next=f"lab export {original[0]} --from {original[1]}",
        )
    check_addressable(source, found, headless=headless)
    check_length(source, name)
    ports = ports_of(found)
    if not ports:
        raise ClusterError(
            f"the Service {service} has no TCP port, and gateways forward TCP only",
            where=source.name,
            next=f"add a TCP port to {service}, or export another Service",
        )
    return ports


def check_addressable(cluster: Cluster, found: Obj, *, headless: bool = False) -> None:
    """Return if a Service has pods, and a cluster IP unless `headless`.

    Raises:
        ClusterError: it is of type ExternalName, or headless.
    """
    name, spec = found["metadata"]["name"], found["spec"]
    if spec.get("type") == "ExternalName":
        target = spec.get("externalName", "another DNS name")
        raise ClusterError(
            f"the Service {name} is of type ExternalName: it is another name for {target} and has no pods",
            where=cluster.name,
            next=f"call {target} itself, or export the Service that selects the pods",
        )
    if spec.get("clusterIP") == "None" and not headless:
        raise ClusterError(
            f"the Service {name} is headless: its callers choose pods by address, and a gateway cannot forward that",
            where=cluster.name,
            next=f"export a Service with a cluster IP, such as a copy of {name} without `clusterIP: None`",
        )


def check_length(cluster: Cluster, name: str) -> None:
    """Return if a Service can have this name.

    Raises:
        ClusterError: it is too long.
    """
    if len(name) > _NAME_LIMIT:
        raise ClusterError(
            f"the name in the other clusters would be {name}: {len(name)} characters, and a Service's name has "
            f"{_NAME_LIMIT} at most",
            where=cluster.name,
            next="export a Service with a shorter name",
        )
