"""Exported services: what marks one, and what of a service can be exported."""

from __future__ import annotations

from lab.base.errors import ClusterError
from lab.base.names import LABEL_PREFIX, NAMESPACE, Cluster
from lab.kube import connect
from lab.kube.objects import labels_of
from lab.mesh.names import Port, ports_of, service_ref

EXPORTED_LABEL = f"{LABEL_PREFIX}/exported-service"


SOURCE_LABEL = f"{LABEL_PREFIX}/exported-from"


def source_ports(source: Cluster, service: str) -> tuple[Port, ...]:
    """Return the ports of a service where it runs.

    Raises:
        ClusterError: it is not there, is itself an exported one, or has no TCP port.
    """
    found = connect(source).get(service_ref(service))
    if found is None:
        raise ClusterError(
            f"there is no Service {service!r} in namespace {NAMESPACE}",
            where=source.name,
            next=f"kubectl --context={source.context} --namespace={NAMESPACE} get services",
        )
    if SOURCE_LABEL in labels_of(found):
        raise ClusterError(
            f"{service} is itself exported from {labels_of(found)[SOURCE_LABEL]}",
            where=source.name,
            next=f"export {labels_of(found)[EXPORTED_LABEL]} from the cluster that it runs in",
        )
    ports = ports_of(found)
    if not ports:
        raise ClusterError(f"the Service {service} has no TCP port", where=source.name, next="give it one")
    return ports
