"""Read the identities of mutual TLS peers from the metrics of the proxies on the way to another cluster.

Linkerd terminates TLS at the gateway, so a request to another cluster has two hops, which three proxies count:

| proxy of | metric |
| --- | --- |
| the caller | `request_total` with `direction="outbound"` |
| the gateway | connections that began with a transport header |
| the service | `request_total` with `direction="inbound"` |

Sources: Linkerd documentation, "Proxy Metrics"; linkerd2-proxy, linkerd/app/inbound/src/direct/metrics.rs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from lab.base.errors import LabError
from lab.base.names import NAMESPACE
from lab.lab import Lab
from lab.mesh.model import Hop
from lab.mesh.names import host
from lab.stacks.linkerd import control_plane, multicluster

_CONNECTIONS = "inbound_tcp_transport_header_connections_total"
_REQUESTS = "request_total"


def listed(lab: Lab, source: str, target: str, service: str, caller: str) -> list[Hop]:
    """Return the peers that the three proxies have counted, the caller's proxy first.

    Args:
        lab: the lab with the clusters.
        source: the caller's cluster.
        target: the service's cluster.
        service: its name there.
        caller: name of the caller's Deployment.

    Raises:
        CommandError: a proxy does not answer.
        LabError: a proxy's metrics are not in Prometheus' text format.
    """
    at_caller = _metrics(lab, source, NAMESPACE, caller)
    at_gateway = _metrics(lab, target, multicluster.NAMESPACE, multicluster.DEPLOYMENT.name)
    at_service = _metrics(lab, target, NAMESPACE, service)
    return [
        *outbound(f"{source}/{caller}", at_caller, target),
        *through_gateway(f"{target}/{multicluster.DEPLOYMENT.name}", at_gateway, service),
        *inbound(f"{target}/{service}", at_service),
    ]


def outbound(at: str, metrics: str, target: str) -> Iterator[Hop]:
    """Yield the servers of another cluster to which a caller's proxy sent requests."""
    wanted = {"direction": "outbound", "dst_target_cluster": target}
    for sample in _samples(at, metrics, _REQUESTS, wanted):
        yield _hop(at, sample, server=sample.labels.get("server_id", ""))


def through_gateway(at: str, metrics: str, service: str) -> Iterator[Hop]:
    """Yield the clients whose connections to a service a gateway's proxy accepted."""
    for sample in _samples(at, metrics, _CONNECTIONS, {}):
        if sample.labels.get("target_name", "").rstrip(".").startswith(host(service)):
            yield _hop(at, sample, client=sample.labels.get("client_id", ""))


def inbound(at: str, metrics: str) -> Iterator[Hop]:
    """Yield the clients whose requests a service's proxy accepted."""
    for sample in _samples(at, metrics, _REQUESTS, {"direction": "inbound", "tls": "true"}):
        yield _hop(at, sample, client=sample.labels.get("client_id", ""))


def _hop(at: str, sample: Sample, *, client: str = "", server: str = "") -> Hop:
    kept = {"direction", "tls", "client_id", "server_id", "dst_target_cluster", "target_name", "session_protocol"}
    labels = ", ".join(f'{name}="{value}"' for name, value in sample.labels.items() if name in kept)
    line = f"{sample.name}{{{labels}}} {sample.value:g}"
    return Hop(at=at, client=client, server=server, count=int(sample.value), said=line)


def _samples(at: str, metrics: str, name: str, labels: Mapping[str, str]) -> Iterator[Sample]:
    try:
        families = list(text_string_to_metric_families(metrics))
    except ValueError as error:
        raise LabError(
            f"the proxy's metrics are not in Prometheus' text format: {error}", where=at, next="lab status"
        ) from error
    for family in families:
        for sample in family.samples:
            if sample.name == name and labels.items() <= sample.labels.items() and sample.value > 0:
                yield sample


def _metrics(lab: Lab, cluster: str, namespace: str, deployment: str) -> str:
    target = lab.clusters[cluster]
    cli = control_plane.cli_of(lab)
    return cli.proxy_metrics(
        f"deploy/{deployment}", namespace=namespace, kubeconfig=target.kubeconfig, context=target.context
    )
