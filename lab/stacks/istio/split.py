"""Splits on Istio: a VirtualService that divides requests between a service's subsets, one for each cluster."""

from __future__ import annotations

from collections.abc import Mapping

from lab.base.errors import ClusterError, UsageError
from lab.base.names import NAMESPACE, Cluster
from lab.kube import Kube, connect
from lab.kube.objects import Obj, Ref, labels_of
from lab.lab import Lab
from lab.mesh import exports, names
from lab.mesh.model import Split
from lab.mesh.weights import FAILOVER_LABEL, SPLIT_LABEL, called_ports, check_weights
from lab.stacks.istio import export

_API = "networking.istio.io/v1"
_PART = "split"


def apply(lab: Lab, cluster: Cluster, service: str, weights: Mapping[str, int]) -> Split:
    """Apply a split, and return it as read back from the cluster."""
    kube = connect(cluster)
    check_weights(cluster.name, weights)
    subsets = {name: _subset(kube, service, name) for name in weights}
    ports = called_ports(kube, service, subsets)
    if kube.find(_API, "VirtualService", namespace=NAMESPACE, labels={FAILOVER_LABEL: service}):
        raise UsageError(
            f"requests to {service} fail over already; a service has a split or a failover, not both",
            where=cluster.name,
            next=f"lab unfailover {service} --in {cluster.name}, then the split",
        )
    objects = lab.owned(kube, _PART)
    wanted_split = build(service, {subsets[name]: weight for name, weight in weights.items()}, ports)
    objects.check([wanted_split])
    # Every cluster needs the subsets, also if the service is not exported.
    for other in lab.clusters.values():
        export.owned(lab, other).apply_all(export.source_objects(service, list(lab.clusters)))
    objects.apply(wanted_split)
    applied = next((split for split in listed(kube) if split.service == service), None)
    expected = {name: weight for name, weight in weights.items() if weight > 0}
    if applied is None or {name: w for name, w in applied.weights.items() if w > 0} != expected:
        weights_now = "no split" if applied is None else dict(applied.weights)
        raise ClusterError(
            f"the split of {service} was applied, but the cluster has {weights_now}",
            where=cluster.name,
            next=f"the same `lab split {service}` again",
        )
    return applied


def remove(lab: Lab, cluster: Cluster, service: str) -> bool:
    """Delete a split; return False if there was none."""
    return lab.owned(connect(cluster), _PART).delete(_ref(service))


def listed(kube: Kube) -> list[Split]:
    """Return the splits of a cluster."""
    objects = kube.find(_API, "VirtualService", namespace=NAMESPACE)
    return [_read(kube.cluster.name, obj) for obj in objects if SPLIT_LABEL in labels_of(obj)]


def build(service: str, weights: Mapping[str, int], ports: tuple[names.ServicePort, ...]) -> Obj:
    """Return the VirtualService; `weights` maps target clusters to weights."""
    rules = [
        {
            "match": [{"port": port.number}],
            "route": [
                {"destination": export.destination(service, target, port.number), "weight": weight}
                for target, weight in weights.items()
            ],
        }
        for port in ports
    ]
    return {
        "apiVersion": _API,
        "kind": "VirtualService",
        "metadata": {"name": _ref(service).name, "namespace": NAMESPACE, "labels": {SPLIT_LABEL: service}},
        "spec": {"hosts": [names.host(service)], "http": rules},
    }


def _read(cluster: str, obj: Obj) -> Split:
    service = labels_of(obj)[SPLIT_LABEL]
    weights: dict[str, int] = {}
    for part in obj["spec"]["http"][0]["route"]:
        target = part["destination"]["subset"]
        name = service if target == cluster else names.exported_name(service, target)
        weights[name] = int(part.get("weight", 0))
    return Split(cluster=cluster, service=service, weights=weights)


def _subset(kube: Kube, service: str, name: str) -> str:
    """Return the cluster that a name in a split's weights stands for."""
    if name == service:
        return kube.cluster.name
    exported = kube.get(names.service_ref(name))
    labels = labels_of(exported) if exported else {}
    if labels.get(exports.EXPORTED_LABEL) != service:
        known = [service, *(names.exported_name(s, source) for s, source in export.listed(kube) if s == service)]
        raise UsageError(
            f"{name} is not {service} or an export of it; possible names here: {', '.join(known)}",
            where=kube.cluster.name,
            next=f"lab export {service}",
        )
    return labels[exports.SOURCE_LABEL]


def _ref(service: str) -> Ref:
    return Ref(api_version=_API, kind="VirtualService", name=f"{service}-split", namespace=NAMESPACE)
