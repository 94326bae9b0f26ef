"""Check whether a service can be exported. Both stacks do so before they change anything."""

from __future__ import annotations

from collections.abc import Callable

from lab.base.errors import UsageError
from lab.base.names import LABEL_PREFIX, NAMESPACE, Cluster
from lab.kube import connect
from lab.kube.objects import Obj
from lab.mesh.names import ServicePort, ports_of, service_ref

EXPORTED_LABEL = f"{LABEL_PREFIX}/exported-service"
SOURCE_LABEL = f"{LABEL_PREFIX}/exported-from"
_NAME_LIMIT = 63  # a Service's name is a DNS label (RFC 1035)

Origin = Callable[[Obj], tuple[str, str] | None]
"""Return the (service, cluster) that a Service is the export of, None for any other Service."""


def exportable(
    source: Cluster, service: str, *, name: str, origin: Origin, headless: bool = False
) -> tuple[ServicePort, ...]:
    """Return the TCP ports of a service that can be exported.

    Args:
        source: the cluster that the service runs in.
        service: its name there.
        name: its name in the other clusters.
        origin: reads the mesh's mark of an exported service.
        headless: whether a gateway can forward to a Service without a cluster IP.

    Raises:
        UsageError: the service is missing, is itself the export of another one, is of type ExternalName, is
            headless where the gateway cannot forward to that, has no TCP port, or `name` is too long.
    """
    exported = connect(source).get(service_ref(service))
    if exported is None:
        raise UsageError(
            f"Service {service!r} does not exist in namespace {NAMESPACE}",
            where=source.name,
            next=f"kubectl --context={source.context} --namespace={NAMESPACE} get services",
        )
    if original := origin(exported):
        raise UsageError(
            f"{service} is itself exported from {original[1]}",
            where=source.name,
            next=f"lab export {original[0]} --from {original[1]}",
        )
    check_addressable(source, exported, headless=headless)
    check_length(source, name)
    ports = ports_of(exported)
    if not ports:
        raise UsageError(
            f"the Service {service} has no TCP port, and gateways forward TCP only",
            where=source.name,
            next=f"add a TCP port to {service}, or export another Service",
        )
    return ports


def check_addressable(cluster: Cluster, service: Obj, *, headless: bool = False) -> None:
    """Check that a Service can have pods, and has a cluster IP unless `headless`.

    Raises:
        UsageError: the Service is of type ExternalName, or headless.
    """
    name, spec = service["metadata"]["name"], service["spec"]
    if spec.get("type") == "ExternalName":
        target = spec.get("externalName", "another DNS name")
        raise UsageError(
            f"the Service {name} is of type ExternalName: it is another name for {target} and has no pods",
            where=cluster.name,
            next=f"call {target} itself, or export the Service that selects the pods",
        )
    if spec.get("clusterIP") == "None" and not headless:
        raise UsageError(
            f"the Service {name} is headless: its callers choose pods by address, which a gateway cannot forward",
            where=cluster.name,
            next=f"export a Service with a cluster IP, such as a copy of {name} without `clusterIP: None`",
        )


def check_length(cluster: Cluster, name: str) -> None:
    """Check the length of a Service's name.

    Raises:
        UsageError: the name is too long.
    """
    if len(name) > _NAME_LIMIT:
        raise UsageError(
            f"the name in the other clusters would be {name}: {len(name)} characters, and a Service's name has "
            f"{_NAME_LIMIT} at most",
            where=cluster.name,
            next="export a Service with a shorter name",
        )
