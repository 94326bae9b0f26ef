"""Exported services: `podinfo-east` in every other cluster is podinfo as it runs in East, and only there.

The name is a Service without endpoints of its own, so that it resolves; the mesh sends what goes there to podinfo's
subset in East, whose endpoints follow East by themselves. The subsets stand on every cluster: a gateway has no way
for an SNI whose subset its own cluster does not know.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lab.components.inventory import labels as component_labels
from lab.context import Lab
from lab.errors import ClusterError
from lab.kube import Kube, connect
from lab.model import LABEL_PREFIX, NAMESPACE, Cluster
from lab.objects import Obj, Ref, labelled, labels_of, ref

EXPORTED_LABEL = f"{LABEL_PREFIX}/exported-service"
SOURCE_LABEL = f"{LABEL_PREFIX}/exported-from"
_COMPONENT = "export"
_NETWORKING = "networking.istio.io/v1"
# Protocols that Istio routes by VirtualService http rules (Istio documentation, "Protocol Selection").
_HTTP = frozenset({"http", "http2", "grpc", "grpc-web", "kubernetes.io/h2c"})


@dataclass(frozen=True, kw_only=True)
class Port:
    """A Service's port."""

    name: str
    number: int
    protocol: str

    @property
    def is_http(self) -> bool:
        """Whether the mesh sees requests on it, rather than bytes."""
        return self.protocol in _HTTP


def exported_name(service: str, source: str) -> str:
    """Return the name of an exported service in the other clusters."""
    return f"{service}-{source}"


def host(service: str) -> str:
    """Return a service's full name, the same in every cluster."""
    return f"{service}.{NAMESPACE}.svc.cluster.local"


def ports_of(service: Obj) -> tuple[Port, ...]:
    """Return a Service's TCP ports; a protocol that is not given is told by the port's name, as Istio does."""
    found = [p for p in service["spec"].get("ports", ()) if p.get("protocol", "TCP") == "TCP"]
    return tuple(
        Port(
            name=p.get("name") or f"port-{p['port']}",
            number=p["port"],
            protocol=p.get("appProtocol") or _by_name(p.get("name") or ""),
        )
        for p in found
    )


def _by_name(name: str) -> str:
    return "grpc-web" if name.startswith("grpc-web") else name.partition("-")[0]


def source_objects(service: str, clusters: Sequence[str]) -> list[Obj]:
    """Return what every cluster needs: the service's subsets, one for each cluster it may run in."""
    subsets = [{"name": name, "labels": {"topology.istio.io/cluster": name}} for name in clusters]
    return [
        {
            "apiVersion": _NETWORKING,
            "kind": "DestinationRule",
            "metadata": {"name": service, "namespace": NAMESPACE, "labels": {EXPORTED_LABEL: service}},
            "spec": {"host": host(service), "subsets": subsets},
        }
    ]


def mirror_objects(service: str, source: str, ports: Sequence[Port]) -> list[Obj]:
    """Return what the other clusters need: the name, and where what goes there is sent."""
    name = exported_name(service, source)
    metadata = {
        "name": name,
        "namespace": NAMESPACE,
        "labels": {EXPORTED_LABEL: service, SOURCE_LABEL: source},
    }
    spec: dict[str, Any] = {
        "ports": [
            {"name": p.name, "port": p.number, "targetPort": p.number, "protocol": "TCP", **_app_protocol(p)}
            for p in ports
        ]
    }
    routes: dict[str, list[Obj]] = {"http": [], "tcp": []}
    for port in ports:
        routes["http" if port.is_http else "tcp"].append(
            {
                "match": [{"port": port.number}],
                "route": [{"destination": destination(service, source, port.number)}],
            }
        )
    return [
        {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec},
        {
            "apiVersion": _NETWORKING,
            "kind": "VirtualService",
            "metadata": metadata,
            "spec": {"hosts": [host(name)], **{kind: rules for kind, rules in routes.items() if rules}},
        },
    ]


def destination(service: str, cluster: str, port: int) -> Obj:
    """Return a route's destination: a service as it runs in one cluster."""
    return {"host": host(service), "subset": cluster, "port": {"number": port}}


def _app_protocol(port: Port) -> Mapping[str, str]:
    return {"appProtocol": port.protocol} if port.protocol else {}


def service_ref(name: str) -> Ref:
    """Return the reference of a Service in the applications' namespace."""
    return Ref(api_version="v1", kind="Service", name=name, namespace=NAMESPACE)


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


def apply(lab: Lab, service: str, source: str) -> bool:
    """Export a service, or renew its export after its ports have changed; False when nothing had to be changed.

    Raises:
        ClusterError: as `source_ports`; nothing was changed.
    """
    ports = source_ports(lab.clusters[source], service)
    changed = False
    # The source first: before its gateway knows the subset, nobody must send anything there.
    for cluster in sorted(lab.clusters.values(), key=lambda c: c.name != source):
        wanted = source_objects(service, list(lab.clusters))
        if cluster.name != source:
            wanted += mirror_objects(service, source, ports)
        changed |= connect(cluster).ensure_all(_owned(lab, wanted))
    return changed


def remove(lab: Lab, service: str, source: str) -> bool:
    """Take an export back; False when there was none. The subsets go with the service's last export."""
    kubes = [connect(cluster) for cluster in lab.clusters.values()]
    gone = [
        kube.delete(ref(obj))
        for kube in kubes
        for obj in reversed(_mirrors(kube, {EXPORTED_LABEL: service, SOURCE_LABEL: source}))
    ]
    if not any(_mirrors(kube, {EXPORTED_LABEL: service}) for kube in kubes):
        for kube in kubes:
            kube.delete(ref(source_objects(service, ())[0]))
    return any(gone)


def listed(kube: Kube) -> Iterator[tuple[str, str]]:
    """Yield the exported services that a cluster sees, each as its name and the cluster it runs in."""
    for obj in kube.find("v1", "Service", namespace=NAMESPACE):
        found = labels_of(obj)
        if SOURCE_LABEL in found:
            yield found[EXPORTED_LABEL], found[SOURCE_LABEL]


def _mirrors(kube: Kube, labels: Mapping[str, str]) -> list[Obj]:
    kinds = (("v1", "Service"), (_NETWORKING, "VirtualService"))
    found = [obj for version, kind in kinds for obj in kube.find(version, kind, namespace=NAMESPACE, labels=labels)]
    return [obj for obj in found if SOURCE_LABEL in labels_of(obj)]


def _owned(lab: Lab, objects: Sequence[Obj]) -> list[Obj]:
    return [labelled(obj, component_labels(lab.spec.name, _COMPONENT)) for obj in objects]
