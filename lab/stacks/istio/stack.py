"""The `istio` stack: Istio and its Gateways in both clusters; all of it can be built from package registries."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from lab.base.errors import UsageError
from lab.base.names import NAMESPACE, Cluster
from lab.clusters.existing.checks import Footprint
from lab.components.dns import ClusterDns
from lab.components.frontend import Frontend
from lab.components.gateway_api import GatewayApi
from lab.components.namespaces import Namespaces
from lab.components.podinfo import Podinfo
from lab.kube.objects import Obj, Ref
from lab.lab import Lab
from lab.mesh import Mesh
from lab.mesh.names import ports_of
from lab.stacks import needs
from lab.stacks.istio import control_plane, export
from lab.stacks.istio.attempt_count import AttemptCount
from lab.stacks.istio.east_west_gateway import EastWestGateway
from lab.stacks.istio.ingress import GATEWAY as INGRESS
from lab.stacks.istio.ingress import Ingress
from lab.stacks.istio.mesh import IstioMesh
from lab.stacks.istio.panel import PANEL
from lab.stacks.istio.remote_access import RemoteAccess, RemoteSecret
from lab.stacks.istio.trust import IstioTrust
from lab.stacks.model import CheckVerdict, ClusterComponent, LinkComponent, UpstreamCheck
from lab.stacks.panel import PanelKinds
from lab.tools.istioctl import Istioctl

_LEVELS = {"Info": CheckVerdict.OK, "Warning": CheckVerdict.WARNING}

_FOOTPRINT = Footprint(
    namespaces=(control_plane.NAMESPACE, INGRESS.namespace, NAMESPACE),
    groups=(
        "networking.istio.io",
        "security.istio.io",
        "telemetry.istio.io",
        "extensions.istio.io",
    ),
)


@dataclass(frozen=True)
class IstioStack:
    """Implements `lab.stacks.model.Stack`, which documents the members."""

    name: str = "istio"
    title: str = "Istio on both sides"
    node_image: str = "node-image"
    programs: Sequence[str] = ("istioctl",)
    kinds: Sequence[tuple[str, str]] = (
        ("networking.istio.io/v1", "VirtualService"),
        ("networking.istio.io/v1", "DestinationRule"),
        ("networking.istio.io/v1", "ServiceEntry"),
        ("networking.istio.io/v1alpha3", "EnvoyFilter"),
        ("security.istio.io/v1", "AuthorizationPolicy"),
        ("security.istio.io/v1", "PeerAuthentication"),
    )
    panel: PanelKinds = PANEL
    viz: bool = False
    footprint: Footprint = _FOOTPRINT
    control_plane: str = "istio"
    prepares: str = "render Istio's charts"

    def artifacts(self, lab: Lab) -> tuple[str, ...]:
        """Return programs, CRDs, and what the clusters need."""
        return ("kubectl", "istioctl", "gateway-api", *needs.of_clusters(lab, self.node_image, self.images(lab)))

    def images(self, lab: Lab) -> tuple[str, ...]:
        """Return Istio's images and the applications'."""
        del lab
        return ("istio-pilot", "istio-proxy", "podinfo", "frontend")

    def prepare(self, lab: Lab, cluster: Cluster) -> None:
        """Render Istio's charts."""
        control_plane.rendered(lab, cluster)

    def components(self, lab: Lab) -> Mapping[str, ClusterComponent]:
        """Return trust, Istio, the gateways and the applications."""
        del lab
        # The injector needs the label of NAMESPACE; istiod reads its own pods' network from its namespace.
        namespaces = Namespaces(
            labels={
                control_plane.NAMESPACE: {control_plane.NETWORK_LABEL: control_plane.network_of("{cluster}")},
                INGRESS.namespace: {},
                NAMESPACE: {"istio-injection": "enabled"},
            }
        )
        trust = ClusterComponent(
            component=IstioTrust(), title="create an issuer under the trust anchor", after=("namespaces",)
        )
        after = ("gateway-api", "trust")
        mesh = ClusterComponent(
            component=control_plane.Istio(), title="install Istio", after=after, estimate_s=20, prepared=True
        )
        return {
            part.component.name: part
            for part in (
                ClusterComponent(component=ClusterDns(), title="configure the DNS"),
                ClusterComponent(component=namespaces, title="create the namespaces"),
                ClusterComponent(component=GatewayApi(), title="install the Gateway API's CRDs"),
                trust,
                mesh,
                ClusterComponent(
                    component=EastWestGateway(), title="install the east-west gateway", after=("istio",), estimate_s=8
                ),
                ClusterComponent(component=Ingress(), title="install the ingress", after=("istio",), estimate_s=8),
                ClusterComponent(component=AttemptCount(), title="count the attempts of requests", after=("istio",)),
                ClusterComponent(component=Podinfo(), title="deploy podinfo", after=("istio",), estimate_s=10),
                ClusterComponent(component=Frontend(), title="deploy the frontend", after=("istio",), estimate_s=10),
            )
        }

    def link_components(self, lab: Lab, source: str, target: str) -> Sequence[LinkComponent]:
        """Return the account in the target, and the remote secret with its token in the source."""
        if not lab.spec.reaches(source, target):
            return []
        access = LinkComponent(
            cluster=target,
            component=RemoteAccess(source=source),
            title=f"give {source} access to the API server",
            after=(f"{target}/namespaces",),
        )
        secret = LinkComponent(
            cluster=source,
            component=RemoteSecret(target=target),
            title=f"link to {target}",
            after=(f"{source}/istio", f"{target}/istio", access.step),
        )
        return [access, secret]

    def export(self, lab: Lab, service: str, source: str) -> bool:
        """Export a service to all other clusters."""
        return export.apply(lab, service, source)

    def exported(self, lab: Lab, service: Obj, source: str, cluster: str) -> Sequence[Obj]:
        """Return the subsets for every cluster, and the export's Service and route for the importing ones."""
        name = service["metadata"]["name"]
        if cluster != source and not lab.spec.reaches(cluster, source):
            return []
        return export.objects_in(cluster, name, source, ports_of(service), clusters=list(lab.clusters))

    def answers(self, lab: Lab, cluster: str) -> Mapping[str, frozenset[str]]:
        """Return podinfo with all clusters that run it: Istio merges its Services."""
        known = [name for name in lab.clusters if name == cluster or lab.spec.reaches(cluster, name)]
        return {"podinfo": frozenset(name for name in known if lab.spec.clusters[name].podinfo.replicas > 0)}

    def scaled(self, lab: Lab) -> frozenset[Ref]:
        """Return none: `lab up` sets the replicas of all workloads."""
        del lab
        return frozenset()

    def checks(self, lab: Lab, cluster: Cluster) -> list[UpstreamCheck]:
        """Run `istioctl analyze`, and return a summary line and a line for each finding."""
        findings = Istioctl(lab.artifacts.binary("istioctl")).analyze(cluster.kubeconfig, cluster.context)
        checks = [
            UpstreamCheck(
                cluster=cluster.name,
                command="istioctl analyze",
                what=f"{finding.code} {finding.origin}",
                verdict=_LEVELS.get(finding.level, CheckVerdict.FAILED),
                words=finding.message,
            )
            for finding in findings
        ]
        passed = not any(check.verdict is CheckVerdict.FAILED for check in checks)
        return [
            UpstreamCheck(
                cluster=cluster.name,
                command="istioctl analyze",
                what="all analyzers",
                verdict=CheckVerdict.OK if passed else CheckVerdict.FAILED,
            ),
            *checks,
        ]

    def dashboard(self, lab: Lab, cluster: Cluster, *, port: int, on_url: Callable[[str], None]) -> None:
        """Raise UsageError: Istio has no dashboard here."""
        del cluster, port, on_url
        raise UsageError(
            f"the lab {lab.spec.name} is built with Istio, which has no dashboard of its own", next="lab status"
        )

    def mesh(self, lab: Lab) -> Mesh:
        """Return Istio's mesh."""
        return IstioMesh(lab)


STACK = IstioStack()
