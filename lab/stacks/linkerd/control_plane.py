"""Linkerd: its CRDs and its control plane, under the lab's trust anchor, with mutual TLS required for all workloads.

The linkerd CLI renders all objects, with new keys for the webhooks each time. The result is cached: otherwise each
`lab up` would replace the keys.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.base import pki
from lab.base.names import MANAGED_BY, MANAGED_LABEL, Cluster
from lab.base.step import StepResult
from lab.components import dns
from lab.components.base import ManifestComponent
from lab.components.cache import cached_objects
from lab.components.helm import from_chart
from lab.components.rendering import Rendering, kubectl
from lab.kube import connect, manifests, owned
from lab.kube.objects import Obj, Ref, ref
from lab.kube.owned import Grounds
from lab.lab import Lab
from lab.mesh.issuers import issuer_command, issuer_of
from lab.stacks.linkerd import certificates
from lab.tools.linkerd import LinkerdCli as Cli

NAMESPACE = "linkerd"
INJECT = "linkerd.io/inject"
"""Annotation of a namespace or pod whose pods get a proxy."""
INBOUND_POLICY = "config.linkerd.io/default-inbound-policy"
_FAST_RECOVERY = {
    "LINKERD2_PROXY_OUTBOUND_CONNECT_USER_TIMEOUT": "3s",
    "LINKERD2_PROXY_OUTBOUND_CONNECT_EXP_BACKOFF_MIN": "100ms",
    "LINKERD2_PROXY_OUTBOUND_CONNECT_EXP_BACKOFF_MAX": "1s",
    "LINKERD2_PROXY_OUTBOUND_CONNECT_EXP_BACKOFF_JITTER": "0.1",
    "LINKERD2_PROXY_OUTBOUND_HTTP_FAILFAST_TIMEOUT": "1s",
}
"""Proxies close a broken connection after 3 s without an acknowledgement instead of 10 to 30 s, retry a connection
every second instead of up to every minute, and use another backend after 1 s without a usable endpoint instead of 3 s
(linkerd2-proxy, linkerd/app/src/env.rs)."""
_ISSUER = Ref(api_version="v1", kind="Secret", name="linkerd-identity-issuer", namespace=NAMESPACE)
_OVERRIDES = Ref(api_version="v1", kind="Secret", name="linkerd-config-overrides", namespace=NAMESPACE)
_INJECTOR_PODS = {"linkerd.io/control-plane-component": "proxy-injector"}
_TRUST_ROOTS = Ref(api_version="v1", kind="ConfigMap", name="linkerd-identity-trust-roots", namespace=NAMESPACE)
REQUESTS = {"cpu": {"request": "10m"}, "memory": {"request": "20Mi", "limit": "250Mi"}}
"""Resource requests and limits of a small Linkerd container, in the form of its charts."""


@dataclass(frozen=True, kw_only=True)
class LinkerdCrds(ManifestComponent):
    """Linkerd's own CRDs; the Gateway API's are another component."""

    name: str = "linkerd-crds"

    def objects(self, lab: Lab, cluster: Cluster) -> Sequence[Obj]:
        """Return the CRDs."""
        del cluster
        cli = cli_of(lab)
        return cached_objects(
            lab, self.name, str(cli.binary), lambda: manifests.parse(cli.crds(), source="linkerd install")
        )


@dataclass(frozen=True, kw_only=True)
class LinkerdIdentity(ManifestComponent):
    """linkerd-identity, and the objects that all Deployments of the control plane need.

    Proxies resolve its name at their start. A proxy that starts before linkerd-identity has an endpoint gets a negative
    answer, and does not resolve the name again before the TTL is over (`lab.components.dns`).
    """

    name: str = "linkerd-identity"

    def objects(self, lab: Lab, cluster: Cluster) -> Sequence[Obj]:
        """Return the rendered objects, without the Deployments that need an identity."""
        return [obj for obj in rendered(lab, cluster) if not _needs_identity(obj)]

    def apply(self, lab: Lab, cluster: Cluster) -> StepResult:
        """Apply the objects, then wait for CoreDNS; an injector that has read other trust anchors starts again.

        linkerd-identity itself starts without CoreDNS; the proxies that start after it do not.

        The kubelet tells the injector of changed trust anchors up to 90 s later (Kubernetes documentation, "mounted
        ConfigMaps are updated automatically"). Until then, new pods would get the old ones, and never become ready.
        """
        kube = connect(cluster)
        before = kube.get(_TRUST_ROOTS)
        result = super().apply(lab, cluster)
        if not cluster.existing:  # another cluster's DNS has been ready for long, and may not be CoreDNS
            dns.wait_until_answers(kube)
        if before is not None and before.get("data") != (kube.get(_TRUST_ROOTS) or {}).get("data"):
            for pod in kube.find("v1", "Pod", namespace=NAMESPACE, labels=_INJECTOR_PODS):
                owned.discard(kube, ref(pod), grounds=Grounds.INJECTOR_POD)
        return result

    def waits_for(self, objects: Sequence[Obj]) -> list[Ref]:
        """Wait for the Deployment only."""
        return [wanted for wanted in super().waits_for(objects) if wanted.kind == "Deployment"]

    def rendering(self, lab: Lab, cluster: Cluster) -> Rendering:
        """Return the objects without certificates, and commands that create the keys and insert their certificates."""
        objects = [obj for obj in self.objects(lab, cluster) if ref(obj) != _OVERRIDES]
        place, issuer = kubectl(cluster, NAMESPACE), f"issuer-{cluster.name}"
        keys = f"--from-file=crt.pem={issuer}.crt --from-file=key.pem={issuer}.key"
        return Rendering(
            objects=[certificates.without(obj) for obj in objects],
            before=[
                issuer_command(lab, cluster),
                f"{place} create secret generic {_ISSUER.name} {keys}",
                f"{place} create configmap {_TRUST_ROOTS.name} --from-file=ca-bundle.crt=anchor.crt",
                *certificates.create_commands(objects, cluster),
            ],
            after=certificates.insert_commands(objects, cluster),
            created=[_TRUST_ROOTS],
            left_out=[
                f"The Secret {_OVERRIDES.name}: it contains the issuer's key, and only `linkerd upgrade` reads it."
            ],
            waits_for=self.waits_for(objects),
        )


@dataclass(frozen=True, kw_only=True)
class LinkerdControlPlane(ManifestComponent):
    """The rest of the control plane: the destination and policy controllers, and the proxy injector."""

    name: str = "linkerd"

    def objects(self, lab: Lab, cluster: Cluster) -> Sequence[Obj]:
        """Return the Deployments that need an identity."""
        return [obj for obj in rendered(lab, cluster) if _needs_identity(obj)]

    def rendering(self, lab: Lab, cluster: Cluster) -> Rendering:
        """Return the Deployments without digests of certificates."""
        objects = [certificates.without(obj) for obj in self.objects(lab, cluster)]
        return Rendering(objects=objects, waits_for=self.waits_for(objects))


def _needs_identity(obj: Obj) -> bool:
    return bool(obj["kind"] == "Deployment" and obj["metadata"]["name"] != "linkerd-identity")


def cli_of(lab: Lab) -> Cli:
    """Return the lab's linkerd CLI."""
    return Cli(lab.artifacts.binary("linkerd"))


def rendered(lab: Lab, cluster: Cluster) -> list[Obj]:
    """Render the control plane for a cluster; the result is cached by the CLI, the values and the certificates."""
    controller, proxy = (lab.image(name, cluster.name) for name in ("linkerd-controller", "linkerd-proxy"))
    trust_domain = lab.spec.clusters[cluster.name].trust_domain
    cli, values = cli_of(lab), control_plane_values(trust_domain, controller=controller, proxy=proxy)
    if cluster.existing:
        values = {**values, "proxyInjector": {"namespaceSelector": OWN_NAMESPACES}}
    anchor, issuer = pki.anchor(lab.paths.pki, lab_name=lab.spec.name), issuer_of(lab, cluster)
    # Without keys, an issuer is of no use later: the objects are taken without certificates.
    signed_by = hashlib.sha256(anchor.certificate + issuer.certificate).hexdigest() if lab.keeps_keys else ""

    def render(file: Path) -> str:
        folder = lab.paths.pki
        return cli.control_plane(
            anchor=folder / "anchor.crt",
            issuer=folder / f"issuer-{cluster.name}.crt",
            issuer_key=folder / f"issuer-{cluster.name}.key",
            values=file,
        )

    return from_chart(lab, f"linkerd-{cluster.name}", values, render, made_from=f"{cli.binary}\n{signed_by}")


OWN_NAMESPACES = {
    "matchExpressions": [
        {"key": MANAGED_LABEL, "operator": "In", "values": [MANAGED_BY]},
        {"key": "config.linkerd.io/admission-webhooks", "operator": "NotIn", "values": ["disabled"]},
    ]
}
"""Where others use the cluster, too, the injector sees pods of the lab's namespaces only: without it, no pod of a
namespace that it sees starts (`webhookFailurePolicy`)."""


def control_plane_values(trust_domain: str, *, controller: str, proxy: str) -> dict[str, Any]:
    """Return the values of the control plane's chart."""
    controller_name, _, controller_tag = controller.rpartition(":")
    proxy_name, _, proxy_tag = proxy.rpartition(":")
    return {
        "identityTrustDomain": trust_domain,
        "disableHeartBeat": True,
        # By default, a pod that is created while the injector is unreachable never gets a proxy.
        "webhookFailurePolicy": "Fail",
        "controllerImage": controller_name,
        "controllerImageVersion": controller_tag,
        "proxy": {
            "image": {"name": proxy_name, "version": proxy_tag},
            # Refuse plain text, except for the kubelet's probes, which the proxies recognise.
            "defaultInboundPolicy": "all-authenticated",
            # The kubelet looks whether a pod is ready when its proxy has started, and then every 10 s. By default it
            # waits for 2 s first: a proxy that starts faster misses the first look, and its pod is ready 10 s late.
            "readinessProbe": {"initialDelaySeconds": 0},
            "resources": REQUESTS,
            "additionalEnv": [{"name": name, "value": value} for name, value in _FAST_RECOVERY.items()],
        },
    }
