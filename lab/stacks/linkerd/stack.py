"""The `linkerd` stack, as in the talk: Linkerd with its multi-cluster extension, and Emissary-ingress."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from lab.base.errors import UsageError
from lab.base.names import NAMESPACE, Cluster
from lab.clusters.existing.checks import Footprint
from lab.components import inventory
from lab.components.dns import ClusterDns
from lab.components.frontend import Frontend
from lab.components.gateway_api import GatewayApi
from lab.components.namespaces import Namespaces
from lab.components.podinfo import Podinfo
from lab.kube import connect
from lab.kube.objects import Obj, Ref, labelled
from lab.lab import Lab
from lab.mesh import Mesh
from lab.stacks import needs
from lab.stacks.linkerd import control_plane, emissary, export, multicluster, policy, smi
from lab.stacks.linkerd import viz as linkerd_viz
from lab.stacks.linkerd.mesh import LinkerdMesh
from lab.stacks.linkerd.panel import PANEL
from lab.stacks.linkerd.route import SMI_API
from lab.stacks.model import CheckVerdict, ClusterComponent, LinkComponent, UpstreamCheck
from lab.stacks.panel import PanelKinds
from lab.tools.linkerd import CheckLine

# A failover may take a try of 1 s, a wait of 1 s for the primary and a try at the backup (`split.py`). A busy machine
# takes longer.
FRONTEND = Frontend(request_timeout_s=6)

_FOOTPRINT = Footprint(
    namespaces=(
        control_plane.NAMESPACE,
        multicluster.NAMESPACE,
        linkerd_viz.NAMESPACE,
        smi.NAMESPACE,
        emissary.NAMESPACE,
        NAMESPACE,
    ),
    groups=(
        "linkerd.io",
        "policy.linkerd.io",
        "multicluster.linkerd.io",
        "workload.linkerd.io",
        "split.smi-spec.io",
        "getambassador.io",
    ),
)


@dataclass(frozen=True)
class LinkerdStack:
    """Implements `lab.stacks.model.Stack`, which documents the members."""

    name: str = "linkerd"
    title: str = "Linkerd on both sides, Emissary-ingress in front"
    node_image: str = "node-image-linkerd"
    programs: Sequence[str] = ("linkerd",)
    kinds: Sequence[tuple[str, str]] = (
        *policy.KINDS,
        (multicluster.LINK_API, "Link"),
        ("linkerd.io/v1alpha2", "ServiceProfile"),
        (SMI_API, "TrafficSplit"),
        *((emissary.API, kind) for kind in ("Host", "Listener", "Mapping")),
    )
    panel: PanelKinds = PANEL
    viz: bool = True
    footprint: Footprint = _FOOTPRINT
    control_plane: str = "linkerd"
    prepares: str = "render Linkerd's and Emissary's charts"

    def artifacts(self, lab: Lab) -> tuple[str, ...]:
        """Return programs, CRDs, charts, what the clusters need, and the images of optional components."""
        programs = ("kubectl", "linkerd", "helm")
        files = ("gateway-api", "emissary-crds", "emissary-chart")
        needed = needs.of_clusters(lab, self.node_image, self.images(lab))
        on_request = _on_request(lab) if lab.created.clusters else ()
        return tuple(dict.fromkeys((*programs, *files, *needed, *on_request)))

    def images(self, lab: Lab) -> tuple[str, ...]:
        """Return Linkerd's, Emissary's and the applications' images."""
        mesh = ("linkerd-controller", "linkerd-proxy", "linkerd-gateway")
        return (*mesh, "emissary", "podinfo", "frontend", *_on_request(lab))

    def prepare(self, lab: Lab, cluster: Cluster) -> None:
        """Render the charts."""
        for component in (control_plane.LinkerdCrds(), control_plane.LinkerdIdentity(), multicluster.Multicluster()):
            component.objects(lab, cluster)
        for part in (emissary.EmissaryCrds(), emissary.Emissary()):
            part.objects(lab, cluster)
        if lab.spec.viz:
            linkerd_viz.LinkerdViz().objects(lab, cluster)

    def components(self, lab: Lab) -> Mapping[str, ClusterComponent]:
        """Return Linkerd, its gateway and service mirrors, Emissary and the applications; the dashboard on request."""
        meshed = {control_plane.INJECT: "enabled"}
        namespaces = Namespaces(labels={NAMESPACE: {}, emissary.NAMESPACE: {}}, annotations={NAMESPACE: meshed})
        linkerd = ClusterComponent(
            component=control_plane.LinkerdControlPlane(),
            title="install the rest of Linkerd",
            after=("linkerd-identity", "linkerd-crds", "gateway-api"),
            estimate_s=15,
        )
        identity = ClusterComponent(
            component=control_plane.LinkerdIdentity(),
            title="install Linkerd's identity service",
            after=("dns",),
            estimate_s=12,
            prepared=True,
        )
        # An API server that gets many CRDs is slow. Only the ingress needs these: the start of the mesh goes first.
        ingress_crds = ClusterComponent(
            component=emissary.EmissaryCrds(), title="install Emissary's CRDs", after=("linkerd-identity",)
        )
        extension = ClusterComponent(
            component=multicluster.Multicluster(),
            title="install the gateway and the service mirrors",
            after=("linkerd",),
            estimate_s=10,
        )
        ingress = ClusterComponent(
            component=emissary.Emissary(),
            title="install the ingress",
            after=("linkerd", "emissary-crds", "namespaces"),
            estimate_s=30,
        )
        viz = ClusterComponent(
            component=linkerd_viz.LinkerdViz(),
            title="install the dashboard and its metrics",
            after=("linkerd",),
            estimate_s=20,
            prepared=True,
        )
        apps = ("linkerd", "namespaces")
        return {
            part.component.name: part
            for part in (
                ClusterComponent(component=ClusterDns(), title="configure the DNS"),
                ClusterComponent(component=namespaces, title="create the namespaces"),
                ClusterComponent(component=GatewayApi(), title="install the Gateway API's CRDs"),
                # Not `prepared`: CRDs need no images in the nodes.
                ClusterComponent(component=control_plane.LinkerdCrds(), title="install Linkerd's CRDs"),
                identity,
                ingress_crds,
                linkerd,
                extension,
                ingress,
                ClusterComponent(component=Podinfo(), title="deploy podinfo", after=apps, estimate_s=10),
                ClusterComponent(component=FRONTEND, title="deploy the frontend", after=apps, estimate_s=10),
                *([viz] if lab.spec.viz else []),
            )
        }

    def link_components(self, lab: Lab, source: str, target: str) -> Sequence[LinkComponent]:
        """Return the Link, if the target exports something."""
        if target not in multicluster.linked(lab, source):
            return []
        link = LinkComponent(
            cluster=source,
            component=multicluster.LinkTo(target=target),
            title=f"link to {target}",
            after=(f"{source}/multicluster", f"{target}/multicluster"),
        )
        return [link]

    def export(self, lab: Lab, service: str, source: str) -> bool:
        """Export a service, and return when its mirrors exist."""
        return export.apply(lab, service, source)

    def exported(self, lab: Lab, service: Obj, source: str, cluster: str) -> Sequence[Obj]:
        """Return the Service with the label of an export in its own cluster; Linkerd creates the mirrors."""
        del lab
        return [labelled(service, {multicluster.EXPORTED_LABEL: "true"})] if cluster == source else []

    def answers(self, lab: Lab, cluster: str) -> Mapping[str, frozenset[str]]:
        """Return podinfo with the cluster itself, and each export of it with its source."""
        own = {"podinfo": frozenset({cluster})} if lab.spec.clusters[cluster].podinfo.replicas else {}
        # West's frontend cannot call a cluster that has joined by its name (frontend.upstream_names).
        sources = (s for s in multicluster.linked(lab, cluster) if s not in lab.spec.joined)
        exporting = (s for s in sources if s in lab.spec.exports.get("podinfo", ()))
        running = (s for s in exporting if lab.spec.clusters[s].podinfo.replicas)
        return {**own, **{export.exported_name("podinfo", source): frozenset({source}) for source in running}}

    def scaled(self, lab: Lab) -> frozenset[Ref]:
        """Return none: `lab up` sets the replicas of all workloads."""
        del lab
        return frozenset()

    def checks(self, lab: Lab, cluster: Cluster) -> list[UpstreamCheck]:
        """Run `linkerd check`, which runs `linkerd multicluster check` as well."""
        cli = control_plane.cli_of(lab)
        return [
            UpstreamCheck(
                cluster=cluster.name,
                command=_COMMANDS.get(line.category, "linkerd check"),
                what=f"{line.category}: {' '.join(line.description.split())}",
                verdict=verdict(line),
                words=line.said,
            )
            for line in cli.check(kubeconfig=cluster.kubeconfig, context=cluster.context)
        ]

    def dashboard(self, lab: Lab, cluster: Cluster, *, port: int, on_url: Callable[[str], None]) -> None:
        """Run `linkerd viz dashboard`."""
        if inventory.read(connect(cluster), linkerd_viz.LinkerdViz().name) is None:
            raise UsageError("the dashboard is not installed", where=cluster.name, next="lab up --viz")
        cli = control_plane.cli_of(lab)
        cli.dashboard(kubeconfig=cluster.kubeconfig, context=cluster.context, port=port, on_url=on_url)

    def mesh(self, lab: Lab) -> Mesh:
        """Return Linkerd's mesh."""
        return LinkerdMesh(lab)


def _on_request(lab: Lab) -> tuple[str, ...]:
    return linkerd_viz.IMAGES if lab.spec.viz else ()


_COMMANDS = {"linkerd-multicluster": "linkerd multicluster check", "linkerd-viz": "linkerd viz check"}
_OFFLINE = ("versioncheck.linkerd.io", "unable to determine version channel")
"""Messages of `linkerd check` if it cannot read the newest version from the Internet; not a fault of the lab."""
_RESULTS = {"success": CheckVerdict.OK, "warning": CheckVerdict.WARNING}


def verdict(line: CheckLine) -> CheckVerdict:
    """Return a line's verdict; OFFLINE if the check only lacks the Internet."""
    if line.result != "success" and any(words in line.said for words in _OFFLINE):
        return CheckVerdict.OFFLINE
    return _RESULTS.get(line.result, CheckVerdict.FAILED)


STACK = LinkerdStack()
