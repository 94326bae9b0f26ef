"""The mesh of the `linkerd` stack."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from lab.base import pki
from lab.base.concurrency import at_once
from lab.components import load_balancer
from lab.components.base import State
from lab.kube import Kube, KubeError, connect, manifests
from lab.kube.objects import Ref
from lab.lab import Lab
from lab.mesh import by_ingress, gateways
from lab.mesh.ask import each, east_west_address, exports, flat
from lab.mesh.capabilities import Capability
from lab.mesh.model import (
    Caller,
    Export,
    Failover,
    Gateway,
    GatewayWorkload,
    Hop,
    Identity,
    IngressRoute,
    Intercept,
    Link,
    Permission,
    Refusals,
    Split,
    TlsEntrance,
)
from lab.mesh.names import direct_name, host
from lab.mesh.protocols import offered
from lab.stacks.linkerd import (
    control_plane,
    direct,
    emissary,
    export,
    federation,
    hops,
    ingress_route,
    intercept,
    link,
    multicluster,
    policy,
    split,
    traffic_split,
    transport_header,
)
from lab.stacks.linkerd import smi as linkerd_smi_extension
from lab.stacks.linkerd.refusals import REFUSALS

T = TypeVar("T")

_INGRESS = GatewayWorkload(
    role="ingress",
    name=emissary.SERVICE.name,
    service=emissary.SERVICE,
    deployment=emissary.DEPLOYMENT,
    port=80,
    pods="app.kubernetes.io/name=emissary-ingress",
)
_EAST_WEST = GatewayWorkload(
    role="east-west",
    name=multicluster.GATEWAY.name,
    service=multicluster.GATEWAY,
    deployment=multicluster.DEPLOYMENT,
    port=multicluster.PORT,
    pods="app=linkerd-gateway",
)


@dataclass(frozen=True)
class LinkerdMesh:
    """Implements `lab.mesh.protocols.Mesh`, which documents the methods."""

    lab: Lab
    name: str = "linkerd"

    @property
    def capabilities(self) -> frozenset[Capability]:
        """Capabilities of Linkerd in this lab; some need an artifact or a flat network."""
        missing = {Capability.SPLIT_SMI} if linkerd_smi_extension.unobtainable(self.lab.artifacts) else set()
        missing |= set() if self.lab.spec.network.flat else {Capability.DIRECT, Capability.FEDERATE}
        return offered(self) - missing

    @property
    def refusals(self) -> Refusals:
        """The answers with which Linkerd's proxies refuse requests."""
        return REFUSALS

    def gateways(self, clusters: Iterable[str] | None = None) -> list[Gateway]:
        """Return the gateways; one is alive when a pod is Available and its Service has the node's address."""
        found = flat(
            self._each(
                clusters,
                lambda kube: gateways.read(kube, self.gateway_workloads(kube.cluster.name)),
                lambda name, error: gateways.unanswered(name, self.gateway_workloads(name), error.what),
            )
        )
        return [replace(one, identity=self.identity_of(_account(one.cluster, one.role))) for one in found]

    def gateway_workloads(self, cluster: str) -> list[GatewayWorkload]:
        """Return Emissary's objects, and those of Linkerd's gateway if others are linked to the cluster."""
        east_west = replace(_EAST_WEST, replicas=self.lab.spec.ha.gateways)
        return [_INGRESS, *([east_west] if cluster in multicluster.targets(self.lab) else [])]

    def links(self, sources: Iterable[str] | None = None) -> list[Link]:
        """Return the links; one is alive when the source's service mirror reaches the target's gateway."""
        return link.listed(self.lab, list(sources) if sources is not None else list(self.lab.clusters))

    def link(self, source: str, target: str) -> None:
        """Create the Link to the target, and its credentials."""
        multicluster.LinkTo(target=target).apply(self.lab, self.lab.clusters[source])

    def unlink(self, source: str, target: str) -> bool:
        """Delete the Link, its credentials, and the mirrors, which Linkerd would keep."""
        link, cluster = multicluster.LinkTo(target=target), self.lab.clusters[source]
        existed = link.observe(self.lab, cluster) is not State.ABSENT
        link.remove(self.lab, cluster)
        export.forget(connect(cluster), target)
        return existed

    def forget(self, cluster: str) -> None:
        """Delete the other clusters' Links to the cluster, with their credentials and mirrors."""

        def one(name: str) -> None:
            other = self.lab.clusters[name]
            multicluster.LinkTo(target=cluster).remove(self.lab, other)
            export.forget(connect(other), cluster)

        at_once(one, [name for name in self.lab.clusters if name != cluster])

    def identities(self, clusters: Iterable[str] | None = None) -> list[Identity]:
        """Return the identities of clusters, read from the control plane's Secret and ConfigMaps."""
        return flat(self._each(clusters, lambda kube: [_identity(kube)], lambda *_: []))

    def identity_of(self, caller: Caller) -> str:
        """Return a workload's identity, as Linkerd writes it into certificates: a DNS name instead of a SPIFFE URI."""
        return policy.identity(self.lab, caller)

    def hops(self, source: str, target: str, service: str, *, caller: str) -> list[Hop]:
        """Return the peers of both hops from `linkerd diagnostics proxy-metrics`."""
        return hops.listed(self.lab, source, target, service, caller)

    def tls_entrance(self, cluster: str, service: str, port: int) -> TlsEntrance:
        """Return the gateway's identity as server name, and a transport header that names the service."""
        address, gateway_port = east_west_address(self, cluster)
        gateway = policy.identity(self.lab, policy.gateway_of(cluster))
        return TlsEntrance(
            address=address,
            port=gateway_port,
            server_name=gateway,
            identity=gateway,
            alpn=transport_header.ALPN,
            preface=transport_header.header(host(service), port),
        )

    def export(self, service: str, source: str) -> list[tuple[str, str]]:
        """Export a service to the linked clusters."""
        export.apply(self.lab, service, source)
        name = export.exported_name(service, source)
        return [(name, other) for other in export.seen_by(self.lab, source)]

    def unexport(self, service: str, source: str) -> bool:
        """Delete an export, also a direct one, whose Service the lab has created."""
        return direct.remove(self.lab, service, source) or export.remove(self.lab, service, source)

    def export_direct(self, service: str, source: str) -> list[tuple[str, str]]:
        """Export a service to the linked clusters without the gateway."""
        direct.apply(self.lab, service, source)
        name = export.exported_name(direct_name(service), source)
        return [(name, other) for other in export.seen_by(self.lab, source)]

    def direct_exports(self, clusters: Iterable[str] | None = None) -> list[tuple[str, str]]:
        """Return the direct exports."""
        found = self._each(clusters, direct.listed, lambda *_: [])
        return [(name, source) for source, names in found.items() for name in names]

    def exports(self, clusters: Iterable[str] | None = None) -> list[Export]:
        """Return the exported services."""
        return exports(self.lab, clusters, export.listed)

    def split(self, cluster: str, service: str, weights: Mapping[str, int]) -> Split:
        """Divide requests by weight, with an HTTPRoute."""
        return split.apply(self.lab, self.lab.clusters[cluster], service, weights)

    def split_smi(self, cluster: str, service: str, weights: Mapping[str, int]) -> Split:
        """Divide requests by weight, with a TrafficSplit."""
        return traffic_split.apply(self.lab, self.lab.clusters[cluster], service, weights)

    def unsplit(self, cluster: str, service: str) -> bool:
        """Delete a split of either kind."""
        gone = [kind.remove(self.lab, self.lab.clusters[cluster], service) for kind in (split, traffic_split)]
        return any(gone)

    def splits(self, clusters: Iterable[str] | None = None) -> list[Split]:
        """Return the splits of both kinds."""
        return flat(self._each(clusters, lambda k: [*split.listed(k), *traffic_split.listed(k)], lambda *_: []))

    def fail_over(self, wanted: Failover) -> None:
        """Prefer the primary's endpoints, and retry failed requests at the backup's."""
        split.fail_over(self.lab, wanted)

    def unfail_over(self, cluster: str, service: str) -> bool:
        """Delete a failover."""
        return split.unfail_over(self.lab, self.lab.clusters[cluster], service)

    def failovers(self, clusters: Iterable[str] | None = None) -> list[Failover]:
        """Return the failovers."""
        return flat(self._each(clusters, split.failovers, lambda *_: []))

    def require_mtls(self, cluster: str, *, required: bool = True) -> None:
        """Refuse plain text, which is the control plane's default, or accept it for the applications."""
        if required:
            policy.refuse_plain_text(self.lab, cluster)
        else:
            policy.let_plain_text_in(self.lab, cluster)

    def authorize(self, permission: Permission) -> None:
        """Allow the permission's callers only."""
        policy.apply(self.lab, permission)

    def unauthorize(self, cluster: str, service: str) -> bool:
        """Delete a permission."""
        return policy.remove(self.lab, cluster, service)

    def permissions(self, clusters: Iterable[str] | None = None) -> list[Permission]:
        """Return the permissions."""
        return flat(self._each(clusters, policy.listed, lambda *_: []))

    def intercept(self, wanted: Intercept) -> None:
        """Send requests with a header, or all, to another service, with an HTTPRoute."""
        intercept.apply(self.lab, wanted)

    def remove_intercept(self, cluster: str, service: str) -> bool:
        """Delete an intercept."""
        return intercept.remove(self.lab, self.lab.clusters[cluster], service)

    def intercepts(self, clusters: Iterable[str] | None = None) -> list[Intercept]:
        """Return the intercepts."""
        return flat(self._each(clusters, intercept.listed, lambda *_: []))

    def add_ingress_route(self, service: str, source: str) -> IngressRoute:
        """Route other clusters' requests to a service through the source's Emissary, behind Linkerd's gateway."""
        ingress_route.apply(self.lab, service, source)
        return next(route for route in self.ingress_routes([source]) if route.service == service)

    def remove_ingress_route(self, service: str, source: str) -> bool:
        """Delete an ingress route."""
        return ingress_route.remove(self.lab, service, source)

    def ingress_routes(self, clusters: Iterable[str] | None = None) -> list[IngressRoute]:
        """Return the ingress routes."""

        def of(kube: Kube) -> list[IngressRoute]:
            return [
                IngressRoute(
                    service=service,
                    source=source,
                    name=by_ingress.name_of(service, source),
                    carrier=_account(source, _INGRESS.role),
                    entrance=ingress_route.entrance(load_balancer.assigned(kube, multicluster.GATEWAY)),
                )
                for service, source in ingress_route.listed(kube)
            ]

        return flat(self._each(clusters, of, lambda *_: []))

    def federate(self, service: str) -> tuple[str, ...]:
        """Join the Services of this name into a federated service."""
        return federation.apply(self.lab, service)

    def unfederate(self, service: str) -> bool:
        """Delete a federated service."""
        return federation.remove(self.lab, service)

    def federated(self, clusters: Iterable[str] | None = None) -> list[str]:
        """Return the services that are members of federated services."""
        return sorted(set(flat(self._each(clusters, federation.listed, lambda *_: []))))

    def _each(
        self, clusters: Iterable[str] | None, ask: Callable[[Kube], T], otherwise: Callable[[str, KubeError], T]
    ) -> dict[str, T]:
        return each(self.lab, clusters, ask, otherwise)


def _account(cluster: str, role: str) -> Caller:
    """Return a gateway's service account as a caller."""
    if role == _INGRESS.role:
        return Caller(cluster=cluster, namespace=emissary.NAMESPACE, service_account=emissary.ACCOUNT)
    return policy.gateway_of(cluster)


def _identity(kube: Kube) -> Identity:
    def read(kind: str, name: str) -> Mapping[str, str]:
        wanted = Ref(api_version="v1", kind=kind, name=name, namespace=control_plane.NAMESPACE)
        return (kube.get(wanted) or {}).get("data") or {}

    try:
        issuer = pki.describe(b64decode(read("Secret", "linkerd-identity-issuer")["crt.pem"]))
        anchor = pki.describe(read("ConfigMap", "linkerd-identity-trust-roots")["ca-bundle.crt"].encode())
        values = manifests.load_document(read("ConfigMap", "linkerd-config")["values"])
    except KeyError as error:
        raise KubeError(f"Linkerd has not published {error} yet", where=kube.cluster.name) from error
    return Identity(
        cluster=kube.cluster.name,
        trust_domain=values["identityTrustDomain"],
        names=f"….identity.linkerd.{values['identityTrustDomain']}",
        anchor_fingerprint=anchor.fingerprint,
        anchor_ends=anchor.ends,
        issuer_ends=issuer.ends,
    )
