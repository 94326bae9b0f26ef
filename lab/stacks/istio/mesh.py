"""The mesh of the `istio` stack."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from prometheus_client.parser import text_string_to_metric_families

from lab.base import pki
from lab.base.concurrency import Threads, at_once
from lab.base.errors import ClusterError
from lab.base.names import NAMESPACE
from lab.clusters import addresses
from lab.components import inventory, load_balancer
from lab.components.base import State
from lab.kube import Kube, KubeError, connect, manifests
from lab.kube.objects import Ref, ref
from lab.lab import Lab
from lab.mesh import by_ingress, gateways, names
from lab.mesh.ask import ASK_S, each, east_west_address, exports, flat
from lab.mesh.capabilities import Capability
from lab.mesh.model import (
    Caller,
    Export,
    Failover,
    Gateway,
    GatewayWorkload,
    Identity,
    IngressRoute,
    Intercept,
    Link,
    Permission,
    Refusals,
    Split,
    TlsEntrance,
)
from lab.mesh.protocols import offered
from lab.stacks.istio import (
    control_plane,
    east_west_gateway,
    export,
    failover,
    ingress,
    ingress_route,
    intercept,
    policy,
    remote_access,
    split,
)
from lab.stacks.istio.gateway import GatewayComponent
from lab.stacks.istio.refusals import REFUSALS

T = TypeVar("T")

_SYNC_STATUS = "istiod_remote_cluster_sync_status"


def _workload(role: str, component: GatewayComponent, port: int) -> GatewayWorkload:
    return GatewayWorkload(
        role=role,
        name=component.gateway.name,
        service=component.service,
        deployment=component.deployment,
        port=port,
        pods=f"gateway.networking.k8s.io/gateway-name={component.gateway.name}",
    )


_INGRESS = _workload("ingress", ingress.Ingress(), 80)
_EAST_WEST = _workload("east-west", east_west_gateway.EastWestGateway(), east_west_gateway.PORT)


@dataclass(frozen=True)
class IstioMesh:
    """Implements `lab.mesh.protocols.Mesh`, which documents the methods."""

    lab: Lab
    name: str = "istio"

    @property
    def capabilities(self) -> frozenset[Capability]:
        """Capabilities of Istio in this lab."""
        return offered(self) | {Capability.MERGED_SERVICE, Capability.RESEND}

    @property
    def refusals(self) -> Refusals:
        """The answers with which Istio's proxies refuse requests."""
        return REFUSALS

    def gateways(self, clusters: Iterable[str] | None = None) -> list[Gateway]:
        """Return the gateways; one is alive when a proxy is Available and its Service has its address."""
        return flat(
            self._each(
                clusters,
                lambda kube: gateways.read(kube, self.gateway_workloads(kube.cluster.name)),
                lambda name, error: gateways.unanswered(name, self.gateway_workloads(name), error.what),
            )
        )

    def gateway_workloads(self, cluster: str) -> tuple[GatewayWorkload, ...]:
        """Return the objects that Istio creates for the two Gateways, which every cluster has."""
        del cluster
        return _INGRESS, replace(_EAST_WEST, replicas=self.lab.spec.ha.gateways)

    def links(self, sources: Iterable[str] | None = None) -> list[Link]:
        """Return the links; one is alive when the source's istiod has synced with the target and the target answers."""

        def error_of(_: str, error: KubeError) -> ClusterError:
            return error

        with Threads(1, thread_name_prefix="links") as threads:  # one question for each cluster, not for each link
            servers = threads.submit(self._each, None, _server, error_of)
            synced = self._each(sources, lambda kube: _synced(kube, _linked(self.lab, kube.cluster.name)), error_of)
            known = servers.result()
        return [
            _link(source, target, status, known[target])
            for source, status in synced.items()
            for target in _linked(self.lab, source)
        ]

    def link(self, source: str, target: str) -> None:
        """Create the target's credentials for `source`, and the remote secret in `source`."""
        remote_access.RemoteAccess(source=source).apply(self.lab, self.lab.clusters[target])
        remote_access.RemoteSecret(target=target).apply(self.lab, self.lab.clusters[source])

    def unlink(self, source: str, target: str) -> bool:
        """Delete the remote secret, and the target's credentials."""
        secret, cluster = remote_access.RemoteSecret(target=target), self.lab.clusters[source]
        existed = secret.observe(self.lab, cluster) is not State.ABSENT
        secret.remove(self.lab, cluster)
        remote_access.RemoteAccess(source=source).remove(self.lab, self.lab.clusters[target])
        return existed

    def forget(self, cluster: str) -> None:
        """Delete the remote secrets for the cluster, its account in the others, and its exports there."""

        def one(name: str) -> None:
            other = self.lab.clusters[name]
            export.forget(self.lab, other, cluster)
            remote_access.RemoteSecret(target=cluster).remove(self.lab, other)
            remote_access.RemoteAccess(source=cluster).remove(self.lab, other)

        at_once(one, [name for name in self.lab.clusters if name != cluster])

    def identities(self, clusters: Iterable[str] | None = None) -> list[Identity]:
        """Return the identities of clusters, read from istiod's Secret and the workloads' trust anchor."""
        return flat(self._each(clusters, lambda kube: [_identity(kube)], lambda *_: []))

    def identity_of(self, caller: Caller) -> str:
        """Return the SPIFFE ID of a workload, as Istio writes it into certificates."""
        domain = self.lab.spec.clusters[caller.cluster].trust_domain
        return f"spiffe://{domain}/ns/{caller.namespace}/sa/{caller.service_account}"

    def tls_entrance(self, cluster: str, service: str, port: int) -> TlsEntrance:
        """Return the parameters of Istio's proxies.

        The server name selects the service (Istio, pilot/pkg/model, BuildSubsetKey), the ALPN protocol marks
        a client of the mesh (Istio, pilot/pkg/networking/util: in-mesh HTTP/1.1).
        """
        address, gateway_port = east_west_address(self, cluster)
        name = f"outbound_.{port}_._.{names.host(service)}"
        kube = connect(self.lab.clusters[cluster])
        return TlsEntrance(
            address=address,
            port=gateway_port,
            server_name=name,
            alpn="istio-http/1.1",
            # The gateway forwards TLS; the service's own proxy terminates it.
            identity=self.identity_of(_workload_of(kube, service)),
        )

    def export(self, service: str, source: str) -> list[tuple[str, str]]:
        """Export a service to all other clusters."""
        export.apply(self.lab, service, source)
        return [(names.exported_name(service, source), other) for other in export.importers(self.lab, source)]

    def unexport(self, service: str, source: str) -> bool:
        """Delete an export."""
        return export.remove(self.lab, service, source)

    def exports(self, clusters: Iterable[str] | None = None) -> list[Export]:
        """Return the exported services."""
        return exports(self.lab, clusters, export.listed)

    def split(self, cluster: str, service: str, weights: Mapping[str, int]) -> Split:
        """Divide requests by weight."""
        return split.apply(self.lab, self.lab.clusters[cluster], service, weights)

    def unsplit(self, cluster: str, service: str) -> bool:
        """Delete a split."""
        return split.remove(self.lab, self.lab.clusters[cluster], service)

    def splits(self, clusters: Iterable[str] | None = None) -> list[Split]:
        """Return the splits."""
        return flat(self._each(clusters, split.listed, lambda *_: []))

    def fail_over(self, wanted: Failover) -> None:
        """Prefer the primary's endpoints, and retry failed requests at the backup's."""
        failover.apply(self.lab, wanted)

    def unfail_over(self, cluster: str, service: str) -> bool:
        """Delete a failover."""
        return failover.remove(self.lab, self.lab.clusters[cluster], service)

    def failovers(self, clusters: Iterable[str] | None = None) -> list[Failover]:
        """Return the failovers."""
        return flat(self._each(clusters, failover.listed, lambda *_: []))

    def require_mtls(self, cluster: str, *, required: bool = True) -> None:
        """Set the mesh-wide PeerAuthentication of a cluster to STRICT or PERMISSIVE."""
        mode = "STRICT" if required else "PERMISSIVE"
        kube = connect(self.lab.clusters[cluster])
        change = {"spec": {"mtls": {"mode": mode}}}
        inventory.owned(self.lab, kube, control_plane.Istio().name).patch(ref(control_plane.STRICT), change)

    def authorize(self, permission: Permission) -> None:
        """Allow the permission's callers only."""
        policy.apply(self.lab, permission, [self.identity_of(caller) for caller in permission.callers])

    def unauthorize(self, cluster: str, service: str) -> bool:
        """Delete a permission."""
        return policy.remove(self.lab, self.lab.clusters[cluster], service)

    def permissions(self, clusters: Iterable[str] | None = None) -> list[Permission]:
        """Return the permissions."""
        return flat(self._each(clusters, policy.listed, lambda *_: []))

    def intercept(self, wanted: Intercept) -> None:
        """Send requests with a header, or all, to another service."""
        intercept.apply(self.lab, wanted)

    def remove_intercept(self, cluster: str, service: str) -> bool:
        """Delete an intercept."""
        return intercept.remove(self.lab, self.lab.clusters[cluster], service)

    def intercepts(self, clusters: Iterable[str] | None = None) -> list[Intercept]:
        """Return the intercepts."""
        return flat(self._each(clusters, intercept.listed, lambda *_: []))

    def add_ingress_route(self, service: str, source: str) -> IngressRoute:
        """Route other clusters' requests to a service through the source's ingress."""
        ingress_route.apply(self.lab, service, source, identity=self.identity_of(_ingress_of(source)))
        return next(route for route in self.ingress_routes([source]) if route.service == service)

    def remove_ingress_route(self, service: str, source: str) -> bool:
        """Delete an ingress route."""
        return ingress_route.remove(self.lab, service, source)

    def ingress_routes(self, clusters: Iterable[str] | None = None) -> list[IngressRoute]:
        """Return the ingress routes."""

        def of(kube: Kube) -> list[IngressRoute]:
            entrance = ingress_route.entrance(load_balancer.assigned(kube, ingress.Ingress().service))
            return [
                IngressRoute(
                    service=service,
                    source=source,
                    name=by_ingress.name_of(service, source),
                    carrier=_ingress_of(source),
                    entrance=entrance,
                )
                for service, source in ingress_route.listed(kube)
            ]

        return flat(self._each(clusters, of, lambda *_: []))

    def _each(
        self, clusters: Iterable[str] | None, ask: Callable[[Kube], T], otherwise: Callable[[str, KubeError], T]
    ) -> dict[str, T]:
        return each(self.lab, clusters, ask, otherwise)


def _link(source: str, target: str, synced: Mapping[str, str] | ClusterError, server: str | ClusterError) -> Link:
    """Return a link, from what the source's istiod says and the URL of the target's API server."""
    if isinstance(synced, ClusterError):
        return Link(source=source, target=target, server=None, alive=False, detail=synced.what)
    status, detail = synced.get(target), ""
    if status is None:
        detail = f"istiod has no remote secret for {target}"
    elif status != "synced":
        detail = f"istiod reports {target} as {status}"
    if isinstance(server, ClusterError):
        return Link(source=source, target=target, server=None, alive=False, detail=detail or f"{target}: {server.what}")
    return Link(source=source, target=target, server=server, alive=not detail, detail=detail)


def _ingress_of(cluster: str) -> Caller:
    return Caller(cluster=cluster, namespace=ingress.GATEWAY.namespace, service_account=ingress.ACCOUNT)


def _workload_of(kube: Kube, service: str) -> Caller:
    """Return a service's pods as a caller: their service account."""
    selector = ((kube.get(names.service_ref(service)) or {}).get("spec") or {}).get("selector") or {}
    pods = kube.find("v1", "Pod", namespace=NAMESPACE, labels=selector) if selector else []
    if not pods:
        raise ClusterError(f"the Service {service} has no pods", where=kube.cluster.name)
    return Caller(
        cluster=kube.cluster.name,
        namespace=NAMESPACE,
        service_account=pods[0]["spec"].get("serviceAccountName", "default"),
    )


def _server(kube: Kube) -> str | ClusterError:
    try:
        return addresses.api_server(kube)
    except ClusterError as error:
        return error


def _linked(lab: Lab, source: str) -> list[str]:
    """Return the clusters that a cluster's istiod watches: all others that it reaches."""
    return [name for name in lab.clusters if name != source and lab.spec.reaches(source, name)]


def _synced(kube: Kube, targets: Iterable[str]) -> Mapping[str, str] | ClusterError:
    """Return istiod's sync status of each cluster that it watches, by the cluster's name.

    Its metrics are read without a process in its pod. When a remote secret changes, they end with "closed" for the old
    connection (Istio 1.31, pkg/kube/multicluster/cluster.go, swap), so if one is not synced, ask istiod itself.
    """
    pods = kube.find("v1", "Pod", namespace=control_plane.NAMESPACE, labels={"app": "istiod"})
    running = [pod["metadata"]["name"] for pod in pods if pod.get("status", {}).get("phase") == "Running"]
    if not running:
        return {}
    port = f"{running[0]}:{control_plane.METRICS_PORT}"
    metrics = kube.read(f"/api/v1/namespaces/{control_plane.NAMESPACE}/pods/{port}/proxy/metrics", timeout_s=ASK_S)
    known = sync_states(metrics)
    if all(known.get(name) == "synced" for name in targets):
        return known
    argv = ["pilot-discovery", "request", "GET", "/debug/clusterz"]
    answer = kube.execute(running[0], argv, namespace=control_plane.NAMESPACE, timeout_s=ASK_S)
    return {entry["id"]: str(entry.get("syncStatus", "unknown")) for entry in json.loads(answer)}


def sync_states(metrics: str) -> dict[str, str]:
    """Return the state of each remote cluster, such as "synced", in istiod's metrics.

    The metric has a sample for each state that a cluster can have, and 1 for that which it has (Istio,
    pkg/kube/multicluster/secretcontroller.go).
    """
    lines = "".join(line for line in metrics.splitlines(keepends=True) if line.startswith(_SYNC_STATUS))
    samples = [sample for family in text_string_to_metric_families(lines) for sample in family.samples]
    return {sample.labels["cluster"]: sample.labels["status"] for sample in samples if sample.value == 1}


def _identity(kube: Kube) -> Identity:
    secret = kube.get(Ref(api_version="v1", kind="Secret", name="cacerts", namespace=control_plane.NAMESPACE)) or {}
    config = kube.get(Ref(api_version="v1", kind="ConfigMap", name="istio", namespace=control_plane.NAMESPACE)) or {}
    trusted = kube.get(Ref(api_version="v1", kind="ConfigMap", name="istio-ca-root-cert", namespace=NAMESPACE)) or {}
    try:
        issuer = pki.describe(b64decode(secret["data"]["ca-cert.pem"]))
        anchor = pki.describe(trusted["data"]["root-cert.pem"].encode())
        mesh = manifests.load_document(config["data"]["mesh"])
    except KeyError as error:
        raise KubeError(f"Istio has not published {error} yet", where=kube.cluster.name) from error
    return Identity(
        cluster=kube.cluster.name,
        trust_domain=mesh["trustDomain"],
        names=f"spiffe://{mesh['trustDomain']}/…",
        anchor_fingerprint=anchor.fingerprint,
        anchor_ends=anchor.ends,
        issuer_ends=issuer.ends,
    )
