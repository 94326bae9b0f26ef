"""Linkerd's multi-cluster extension: a gateway in exporting clusters, and a service mirror for each link.

The gateway is a Service of type LoadBalancer whose address the lab writes (load_balancer.py), so that all clusters use
the gateway's own ports. With a NodePort, the gateway's probe would have another port, which the extension does not pass
to the Link (linkerd2 #15670).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lab.base import wait
from lab.base.errors import CommandError
from lab.base.names import LABEL_PREFIX, Cluster
from lab.base.step import StepResult
from lab.base.wait import NotYet
from lab.clusters.addresses import api_server
from lab.components import gateways, load_balancer
from lab.components.base import ManifestComponent
from lab.components.helm import from_chart
from lab.components.rendering import Rendering, kubectl
from lab.components.rendering import api_server as server_of
from lab.components.rendering import load_balancer as addressed
from lab.kube import connect, manifests
from lab.kube.objects import Obj, Ref, ref
from lab.lab import Lab
from lab.stacks.linkerd.control_plane import NAMESPACE as CONTROL_PLANE
from lab.stacks.linkerd.control_plane import cli_of

NAMESPACE = "linkerd-multicluster"
PORT = 4143
"""Port of the gateway: the default of the chart's value `gateway.port`, which `extension_values` does not set."""
EXPORTED_LABEL = "mirror.linkerd.io/exported"
"""Label of an exported Service: "true" through the gateway, "remote-discovery" without a gateway."""
FEDERATED_LABEL = "mirror.linkerd.io/federated"
DIRECT_LABEL = f"{LABEL_PREFIX}/direct"
"""Label of a Service that the lab creates for a direct export; its value is the name of the exported one."""
"""Label of a Service that joins a federated service: "member"."""
MIRRORED_LABEL = "mirror.linkerd.io/mirrored-service"
TARGET_LABEL = "mirror.linkerd.io/cluster-name"
"""Label of a mirror: the exporting cluster."""
GATEWAY_ACCOUNT = "linkerd-gateway"
GATEWAY = Ref(api_version="v1", kind="Service", name="linkerd-gateway", namespace=NAMESPACE)
DEPLOYMENT = Ref(api_version="apps/v1", kind="Deployment", name="linkerd-gateway", namespace=NAMESPACE)
_PODS = {"app": DEPLOYMENT.name}
GATEWAY_CALLERS = Ref(
    api_version="policy.linkerd.io/v1alpha1", kind="MeshTLSAuthentication", name="any-meshed", namespace=NAMESPACE
)
"""The identities that the gateway accepts. Permissions change it, so the component only creates it if it is missing."""
_CALLERS = "gateway-callers"
_ASK_S = 3.0
LINK_API = "multicluster.linkerd.io/v1alpha3"


def targets(lab: Lab) -> frozenset[str]:
    """Return the clusters that others are linked to: those from which lab.toml exports something."""
    return frozenset(source for sources in lab.spec.exports.values() for source in sources)


def linked(lab: Lab, source: str) -> tuple[str, ...]:
    """Return the targets of a cluster's links."""
    known = targets(lab)
    return tuple(n for n in lab.clusters if n != source and n in known and lab.spec.reaches(source, n))


@dataclass(frozen=True, kw_only=True)
class Multicluster(ManifestComponent):
    """The extension, with the parts that a cluster needs."""

    name: str = "multicluster"

    def objects(self, lab: Lab, cluster: Cluster) -> Sequence[Obj]:
        """Return the objects that the CLI renders, without the identities that the gateway accepts.

        The gateway's Deployment has the pods of lab.toml, and a disruption budget.
        """
        cli, values = cli_of(lab), extension_values(lab, cluster.name)
        made_from = str(cli.binary)
        objects = from_chart(lab, f"multicluster-{cluster.name}", values, cli.multicluster, made_from=made_from)
        wanted = [obj for obj in objects if ref(obj) != GATEWAY_CALLERS]
        return [part for obj in wanted for part in _available(obj, lab.spec.ha.gateways)]

    def after_apply(self, lab: Lab, cluster: Cluster) -> None:
        """Give the gateway's Service its address, and accept all identities unless permissions exist."""
        if cluster.name in targets(lab):
            kube = connect(cluster)
            load_balancer.ensure(kube, GATEWAY)
            if kube.get(GATEWAY_CALLERS) is None:
                lab.owned(kube, _CALLERS).apply(everybody())

    def settled(self, lab: Lab, cluster: Cluster) -> bool:
        """Return whether the Service still has its address, and the gateway's identities exist."""
        kube = connect(cluster)
        if cluster.name not in targets(lab):
            return True
        return not load_balancer.problem(kube, GATEWAY) and kube.get(GATEWAY_CALLERS) is not None

    def rendering(self, lab: Lab, cluster: Cluster) -> Rendering:
        """Return the objects; with a gateway, also the identities that it accepts and commands for its address."""
        without_gateway = super().rendering(lab, cluster)
        if cluster.name not in targets(lab):
            return without_gateway
        objects = [*without_gateway.objects, everybody()]
        return replace(without_gateway, objects=objects, after=addressed(cluster, GATEWAY))


@dataclass(frozen=True, kw_only=True)
class LinkTo(ManifestComponent):
    """On the source: the Link to `target` and its credentials, generated by the target."""

    target: str

    @property
    def name(self) -> str:
        """Name of the component."""
        return f"link-to-{self.target}"

    def objects(self, lab: Lab, cluster: Cluster) -> Sequence[Obj]:
        """Return the Link and the Secrets with the target's token."""
        del cluster
        target = lab.clusters[self.target]
        text = cli_of(lab).link(
            kubeconfig=target.kubeconfig,
            context=target.context,
            name=self.target,
            server=api_server(connect(target)),
            # These labels mark the lab's own objects; mirrors belong to Linkerd.
            without_labels=sorted(lab.owner(self.name).labels),
        )
        return [_wanted(obj) for obj in manifests.parse(text, source="linkerd multicluster link-gen")]

    def apply(self, lab: Lab, cluster: Cluster) -> StepResult:
        """Apply the objects, and return when the service mirror reaches the target's gateway.

        Raises:
            WaitTimeout: the service mirror does not reach it, and requests to the target would fail.
        """
        result = super().apply(lab, cluster)
        what = f"{cluster.name}'s service mirror to reach {self.target}'s gateway"
        wait.until(what, lambda: self._reached(lab, cluster), timeout_s=self.ready_timeout_s, next="lab status")
        return result

    def rendering(self, lab: Lab, cluster: Cluster) -> Rendering:
        """Return the command that creates the Link and its credentials; only a running target can generate them."""
        target, credentials = lab.clusters[self.target], f"cluster-credentials-{self.target}"
        obtain, server = server_of(target)
        generate = (
            f"linkerd multicluster link-gen --context={target.context} --cluster-name={self.target}"
            f' --api-server-address="{server}"'
        )
        secrets: list[Obj] = [
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "type": "mirror.linkerd.io/remote-kubeconfig",
                "metadata": {"name": credentials, "namespace": namespace},
                "data": {"kubeconfig": "PLACEHOLDER"},
            }
            for namespace in (NAMESPACE, CONTROL_PLANE)
        ]
        link = f"the Link {self.target} and the Secrets {credentials}"
        return Rendering(
            objects=secrets,
            before=[obtain, f"{generate} | {kubectl(cluster)} apply --filename=-"],
            left_out=[f"{cluster.name}: {link}: `linkerd multicluster link-gen` generates them from {self.target}."],
        )

    def _reached(self, lab: Lab, cluster: Cluster) -> bool | NotYet:
        try:
            gateways = cli_of(lab).gateways(kubeconfig=cluster.kubeconfig, context=cluster.context, timeout_s=_ASK_S)
        except CommandError:
            return NotYet("it does not answer")
        alive = any(gateway["alive"] for gateway in gateways if gateway["clusterName"] == self.target)
        return alive or NotYet("it reports that the gateway is not alive")


def everybody() -> Obj:
    """Return the MeshTLSAuthentication with which the gateway accepts all identities, as in upstream's chart."""
    metadata = {"name": GATEWAY_CALLERS.name, "namespace": NAMESPACE}
    spec = {"identities": ["*"]}
    return {"apiVersion": GATEWAY_CALLERS.api_version, "kind": GATEWAY_CALLERS.kind, "metadata": metadata, "spec": spec}


def extension_values(lab: Lab, cluster: str) -> dict[str, Any]:
    """Return the values of the extension's chart for a cluster."""
    name, _, tag = lab.image("linkerd-controller", cluster).rpartition(":")
    image = {"name": name, "version": tag}
    controllers: list[Mapping[str, Any]] = [{"link": {"ref": {"name": target}}} for target in linked(lab, cluster)]
    return {
        "identityTrustDomain": lab.spec.clusters[cluster].trust_domain,
        "gateway": {"enabled": cluster in targets(lab), "pauseImage": lab.image("linkerd-gateway", cluster)},
        "remoteMirrorServiceAccount": cluster in targets(lab),
        "controllers": controllers,
        "controllerDefaults": {"image": image},
        # It adds services of this cluster to federated services, which need a flat network.
        "localServiceMirror": {"replicas": int(lab.spec.network.flat and bool(controllers)), "image": image},
    }


def _available(obj: Obj, pods: int) -> Iterator[Obj]:
    """Yield an object; the gateway's Deployment with its number of pods, spread, and with a budget.

    The chart has a budget too, but only with a rule that forbids two of the pods on one node (`enablePodAntiAffinity`).
    The proxy ends after the pod's only container: while that sleeps, the proxy serves.
    """
    if ref(obj) != DEPLOYMENT:
        yield obj
        return
    template = obj["spec"]["template"]
    rest = {"preStop": {"sleep": {"seconds": gateways.DRAIN_S}}}
    spec = {
        **template["spec"],
        "containers": [{**container, "lifecycle": rest} for container in template["spec"]["containers"]],
        "topologySpreadConstraints": gateways.spread(_PODS),
    }
    yield {**obj, "spec": {**obj["spec"], "replicas": pods, "template": {**template, "spec": spec}}}
    yield gateways.budget(DEPLOYMENT.name, NAMESPACE, _PODS)


def _wanted(obj: Obj) -> Obj:
    """Return an object without the fields that only the API server writes."""
    metadata = {
        key: value for key, value in obj["metadata"].items() if value is not None and key != "creationTimestamp"
    }
    return {key: value for key, value in {**obj, "metadata": metadata}.items() if key != "status"}
