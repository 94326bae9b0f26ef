"""Failovers on Istio: a service's endpoints in the primary cluster first, those in the backup when they fail.

A failover has three objects. A DestinationRule has the traffic policy: Istio merges it with the DestinationRule of the
exports, which has the subsets (pilot/pkg/model/destination_rule.go, mergeDestinationRule). A VirtualService retries
failed requests elsewhere. An EnvoyFilter lets ejections take effect at once.

| endpoints | priority | by |
| --- | --- | --- |
| of the primary | 0 | `failoverPriority`, by the label of the cluster |
| of the backup | 1 | `failover`, by region, among the others |
| of any further cluster | 2 | the same |

Istio combines the two in this order (Istio, pilot/pkg/networking/core/loadbalancer, ApplyLocalityLoadBalancer). The
label alone cannot distinguish the backup from a third cluster: all endpoints without the label have the same priority.

An endpoint that is Ready and fails is ejected after three failures in a row: for 5 s, then 10, 15, … while it continues
to fail (Envoy, "Outlier detection": the base time, times the number of ejections). Each time that it comes back, three
requests try it; they are retried at the backup. By default, Envoy takes up to a second to use a change of an endpoint's
health after another one (`update_merge_window`): then all requests of that second would try it.

With more than one backup, an EnvoyFilter adds an aggregate cluster: it has the subsets of the clusters in their order,
and Envoy takes the first that has a healthy endpoint (Envoy, "Aggregate Cluster"). Priorities cannot express such an
order: an endpoint behind a gateway has no labels but those of its cluster and its network.

The last endpoints of all clusters are never left without requests (`minHealthPercent`): a gateway is one endpoint, and
its new pod would wait for the end of an ejection.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lab.base.errors import UsageError
from lab.base.names import LABEL_PREFIX, NAMESPACE, Cluster
from lab.kube import Kube, connect
from lab.kube.objects import Obj, Ref, labels_of
from lab.lab import Lab
from lab.mesh import names
from lab.mesh.model import Failover
from lab.mesh.weights import FAILOVER_LABEL, SPLIT_LABEL, called_ports, further_annotation, further_of
from lab.stacks.istio import export

_PRIMARY_LABEL, _BACKUP_LABEL = f"{LABEL_PREFIX}/primary", f"{LABEL_PREFIX}/backup"
_API = "networking.istio.io/v1"
_PART = "failover"
_FILTER_API = "networking.istio.io/v1alpha3"
_KINDS = (("VirtualService", _API), ("DestinationRule", _API), ("EnvoyFilter", _FILTER_API))


def apply(lab: Lab, wanted: Failover) -> None:
    """Apply a failover.

    Raises:
        UsageError: the service does not exist, has no HTTP port or is split, or the backup would not get the second
            priority; nothing was changed.
    """
    cluster = lab.clusters[wanted.cluster]
    kube = connect(cluster)
    ports = called_ports(kube, wanted.service, ())
    others = kube.find(_API, "VirtualService", namespace=NAMESPACE, labels={SPLIT_LABEL: wanted.service})
    if others:
        raise UsageError(
            f"requests to {wanted.service} are split already; a service has a split or a failover, not both",
            where=wanted.cluster,
            next=f"lab unsplit {wanted.service} --in {wanted.cluster}, then the failover",
        )
    order = regions(lab, wanted) if not wanted.further else []
    subsets, objects = export.owned(lab, cluster), lab.owned(kube, _PART)
    wanted_objects = build(wanted, order, [port.number for port in ports])
    objects.check(wanted_objects)
    subsets.apply_all(export.source_objects(wanted.service, list(lab.clusters)))
    objects.apply_all(wanted_objects)


def remove(lab: Lab, cluster: Cluster, service: str) -> bool:
    """Delete a failover; return False if there was none."""
    objects = lab.owned(connect(cluster), _PART)
    return any([objects.delete(_ref(*kind, service)) for kind in _KINDS])  # noqa: C419 - all of them, not only the first


def listed(kube: Kube) -> list[Failover]:
    """Return the failovers of a cluster."""
    return [
        Failover(
            cluster=kube.cluster.name,
            service=labels[FAILOVER_LABEL],
            primary=labels[_PRIMARY_LABEL],
            backup=labels[_BACKUP_LABEL],
            further=further_of(obj),
        )
        for obj in kube.find(_API, "VirtualService", namespace=NAMESPACE)
        if FAILOVER_LABEL in (labels := labels_of(obj))
    ]


def regions(lab: Lab, wanted: Failover) -> list[Obj]:
    """Return the rule that prefers the backup to any third cluster; empty if the lab has two clusters only.

    Istio puts the caller's own region first among the endpoints that are not the primary's, then the rule's region.

    Raises:
        UsageError: clusters share a region, or the caller's own pods would come before the backup's.
    """
    if len(lab.clusters) == 2:
        return []
    region = {name: spec.region for name, spec in lab.spec.clusters.items()}
    if len(set(region.values())) < len(region):
        raise UsageError(
            "Istio distinguishes a backup from other clusters by region, and clusters of this lab share one: "
            + ", ".join(f"{name} {value}" for name, value in region.items()),
            where=wanted.cluster,
            next="give each cluster a region of its own in lab.toml, then lab down and lab up",
        )
    if wanted.cluster not in {wanted.primary, wanted.backup}:
        raise UsageError(
            f"{wanted.cluster}'s own pods would come before those of the backup {wanted.backup}: Istio prefers the "
            "caller's region",
            where=wanted.cluster,
            next=f"name {wanted.cluster} as the primary or as the backup",
        )
    other = wanted.backup if wanted.primary == wanted.cluster else wanted.primary
    return [{"from": region[wanted.cluster], "to": region[other]}]


def build(wanted: Failover, order: list[Obj], ports: Sequence[int]) -> list[Obj]:
    """Return the objects of a failover.

    Args:
        wanted: the failover.
        order: what `regions` returns.
        ports: the service's HTTP ports.
    """
    return [_policy(wanted, order), _retries(wanted), _filter(wanted, ports)]


def _policy(wanted: Failover, order: list[Obj]) -> Obj:
    """Return the DestinationRule that prefers one cluster's endpoints while they work."""
    return {
        "apiVersion": _API,
        "kind": "DestinationRule",
        "metadata": _metadata(wanted),
        "spec": {
            "host": names.host(wanted.service),
            "trafficPolicy": {
                "connectionPool": {"tcp": {"connectTimeout": "1s"}},
                # Priorities need outlier detection (Istio documentation, "Locality Load Balancing").
                "outlierDetection": {
                    "consecutive5xxErrors": 3,
                    "consecutiveGatewayErrors": 3,
                    "interval": "1s",
                    "baseEjectionTime": "5s",
                    "maxEjectionPercent": 100,
                    "minHealthPercent": 1,
                },
                "loadBalancer": {"localityLbSetting": {"enabled": True, **_priorities(wanted, order)}},
            },
        },
    }


def _priorities(wanted: Failover, order: list[Obj]) -> Obj:
    """Return the priorities of endpoints; none if the aggregate cluster has the order."""
    if wanted.further:
        return {}
    priorities: Obj = {"failoverPriority": [f"topology.istio.io/cluster={wanted.primary}"]}
    return {**priorities, "failover": order} if order else priorities


def _retries(wanted: Failover) -> Obj:
    """Return the VirtualService that retries a failed request, also in the other cluster."""
    rule = {
        "route": [{"destination": {"host": names.host(wanted.service)}}],
        "retries": {
            "attempts": 3,
            "perTryTimeout": "1s",
            "retryOn": "5xx,unavailable",  # 5xx includes no answer at all, such as a reset (Envoy, "x-envoy-retry-on")
            "retryRemoteLocalities": True,
        },
    }
    return {
        "apiVersion": _API,
        "kind": "VirtualService",
        "metadata": _metadata(wanted),
        "spec": {"hosts": [names.host(wanted.service)], "http": [rule]},
    }


def _filter(wanted: Failover, ports: Sequence[int]) -> Obj:
    """Return the EnvoyFilter with which callers use each change of an endpoint's health at once, and their order."""
    at_once: Obj = {
        "applyTo": "CLUSTER",
        "match": {"context": "SIDECAR_OUTBOUND", "cluster": {"service": names.host(wanted.service)}},
        "patch": {"operation": "MERGE", "value": {"common_lb_config": {"update_merge_window": "0s"}}},
    }
    return {
        "apiVersion": _FILTER_API,
        "kind": "EnvoyFilter",
        "metadata": _metadata(wanted),
        "spec": {"configPatches": [at_once, *_aggregates(wanted, ports)]},
    }


def _aggregates(wanted: Failover, ports: Sequence[int]) -> Iterator[Obj]:
    """Yield the patches that send requests to an aggregate of the clusters' subsets; none for one backup."""
    host = names.host(wanted.service)
    for port in ports if wanted.further else ():
        name = f"outbound|{port}|in-order|{host}"
        subsets = [f"outbound|{port}|{cluster}|{host}" for cluster in wanted.order]
        yield {
            "applyTo": "CLUSTER",
            "match": {"context": "SIDECAR_OUTBOUND"},
            "patch": {
                "operation": "ADD",
                "value": {
                    "name": name,
                    "connect_timeout": "1s",
                    "lb_policy": "CLUSTER_PROVIDED",
                    "cluster_type": {
                        "name": "envoy.clusters.aggregate",
                        "typed_config": {
                            "@type": "type.googleapis.com/envoy.extensions.clusters.aggregate.v3.ClusterConfig",
                            "clusters": subsets,
                        },
                    },
                },
            },
        }
        yield {
            "applyTo": "HTTP_ROUTE",
            "match": {
                "context": "SIDECAR_OUTBOUND",
                "routeConfiguration": {"vhost": {"name": f"{host}:{port}", "route": {"action": "ROUTE"}}},
            },
            "patch": {"operation": "MERGE", "value": {"route": {"cluster": name}}},
        }


def _metadata(wanted: Failover) -> Obj:
    labels = {FAILOVER_LABEL: wanted.service, _PRIMARY_LABEL: wanted.primary, _BACKUP_LABEL: wanted.backup}
    annotations = further_annotation(wanted.further)
    further = {"annotations": annotations} if annotations else {}
    return {"name": f"{wanted.service}-failover", "namespace": NAMESPACE, "labels": labels, **further}


def _ref(kind: str, api_version: str, service: str) -> Ref:
    return Ref(api_version=api_version, kind=kind, name=f"{service}-failover", namespace=NAMESPACE)
