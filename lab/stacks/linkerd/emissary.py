"""Emissary-ingress (formerly Ambassador) as the ingress, inside the mesh: it forwards requests with mutual TLS.

Its objects are rendered from upstream's charts. Browsers have no identity, so Emissary's pods accept plain text; the
services behind them do not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from lab.base import wait
from lab.base.names import LABEL_PREFIX, Cluster
from lab.base.names import NAMESPACE as APPS
from lab.base.step import StepResult
from lab.base.wait import NotYet
from lab.components import load_balancer
from lab.components.base import ManifestComponent
from lab.components.helm import chart_objects
from lab.components.rendering import Rendering
from lab.components.rendering import load_balancer as addressed
from lab.kube.objects import Obj, Ref
from lab.lab import Lab
from lab.measure import http
from lab.stacks.linkerd.control_plane import INBOUND_POLICY, INJECT

NAMESPACE = "emissary"
API = "getambassador.io/v3alpha1"
ACCOUNT = "emissary-ingress"
_RELEASE = "emissary-ingress"
SERVICE = Ref(api_version="v1", kind="Service", name=_RELEASE, namespace=NAMESPACE)
FROM_MESH = Ref(api_version="v1", kind="Service", name="emissary-from-mesh", namespace=NAMESPACE)
"""Emissary's listener for other clusters, which refuses callers without an identity."""
CARRIED_LABEL = f"{LABEL_PREFIX}/carried"
_OPEN, _MESH = "open", "mesh"
_LISTENER_LABEL = f"{LABEL_PREFIX}/listener"
_OPEN_PORT, _MESH_PORT = 8080, 8082
DEPLOYMENT = Ref(api_version="apps/v1", kind="Deployment", name=_RELEASE, namespace=NAMESPACE)


@dataclass(frozen=True, kw_only=True)
class EmissaryCrds(ManifestComponent):
    """Emissary's CRDs, in the one version that needs no conversion webhook."""

    name: str = "emissary-crds"

    def objects(self, lab: Lab, cluster: Cluster) -> Sequence[Obj]:
        """Return the CRDs."""
        del cluster
        objects = chart_objects(lab, "emissary-crds", release="emissary-crds", namespace=NAMESPACE)
        return [obj for obj in objects if obj["kind"] == "CustomResourceDefinition"]


@dataclass(frozen=True, kw_only=True)
class Emissary(ManifestComponent):
    """Emissary, its listeners, and its routes: `/` to the frontend, `/podinfo/` to podinfo."""

    name: str = "ingress"

    def objects(self, lab: Lab, cluster: Cluster) -> Sequence[Obj]:
        """Return the chart's objects, and the lab's own Listeners, Hosts and Mappings."""
        return [*rendered(lab, cluster), *routes(), *from_mesh()]

    def after_apply(self, lab: Lab, cluster: Cluster) -> None:
        """Give Emissary's Service its address, and remember that."""
        load_balancer.ensure_entrance(lab, cluster, SERVICE)

    def apply(self, lab: Lab, cluster: Cluster) -> StepResult:
        """Apply the objects, and return when Emissary routes a request from this machine.

        The pod is Ready before Envoy has its routes. The services may be installed later, so 503 counts as routed.
        """
        result = super().apply(lab, cluster)

        def routed() -> bool | NotYet:
            status = http.status(lab.ingress_url(cluster.name))
            return NotYet("no answer" if status is None else f"HTTP {status}") if status in {None, 404} else True

        # Three times in a row: Envoy does not answer while it loads a new configuration.
        what = f"{cluster.name}'s ingress to route a request"
        wait.until(what, routed, timeout_s=self.ready_timeout_s, interval_s=0.2, successes=3, next="lab status")
        return result

    def rendering(self, lab: Lab, cluster: Cluster) -> Rendering:
        """Return the objects, and commands that give Emissary's Service an address."""
        return replace(super().rendering(lab, cluster), after=addressed(cluster, SERVICE))

    def settled(self, lab: Lab, cluster: Cluster) -> bool:
        """Return whether the Service still has its address, and Emissary's Envoy answers a request."""
        known = load_balancer.is_known_entrance(lab, cluster, SERVICE)
        return known and http.status(lab.ingress_url(cluster.name)) is not None


def rendered(lab: Lab, cluster: Cluster) -> list[Obj]:
    """Render Emissary's chart for a cluster."""
    repository, _, tag = lab.image("emissary", cluster.name).rpartition(":")
    values = chart_values(repository, tag)
    return chart_objects(lab, "emissary-chart", release=_RELEASE, namespace=NAMESPACE, values=values)


def chart_values(repository: str, tag: str) -> dict[str, Any]:
    """Return the values of Emissary's chart."""
    probe = {"initialDelaySeconds": 2, "periodSeconds": 1, "failureThreshold": 90}
    return {
        "replicaCount": 1,
        "image": {"repository": repository, "tag": tag},
        "createDefaultListeners": False,
        "module": {"enabled": False},
        "ingressClassResource": {"enabled": False},
        "service": {"type": "LoadBalancer", "ports": [{"name": "http", "port": 80, "targetPort": 8080}]},
        "podAnnotations": {INJECT: "enabled", INBOUND_POLICY: "all-unauthenticated"},
        "readinessProbe": probe,
        "resources": {"requests": {"cpu": "20m", "memory": "200Mi"}, "limits": {"memory": "600Mi"}},
        # No telemetry to upstream, and no developer portal.
        "env": {"SCOUT_DISABLE": "1", "POLL_EVERY_SECS": "0", "AMBASSADOR_FAST_RECONFIGURE": "true"},
    }


def routes() -> list[Obj]:
    """Return the Listener, Host and Mappings for clients outside of the mesh."""
    return [
        *_entrance("everything", _OPEN, _OPEN_PORT, {"app.kubernetes.io/part-of": "eastwest-lab"}),
        _mapping("frontend", "/", f"frontend.{APPS}:80"),
        _mapping("podinfo", "/podinfo/", f"podinfo.{APPS}:9898"),
    ]


def from_mesh() -> list[Obj]:
    """Return the Listener, Host, Service and Server for meshed callers, which use the Mappings with CARRIED_LABEL."""
    port = {"name": "http", "port": 80, "targetPort": _MESH_PORT, "appProtocol": "http"}
    pods = {"app.kubernetes.io/name": _RELEASE, "app.kubernetes.io/instance": _RELEASE}
    return [
        *_entrance("from-mesh", _MESH, _MESH_PORT, {CARRIED_LABEL: "true"}),
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": FROM_MESH.name, "namespace": NAMESPACE},
            "spec": {"selector": pods, "ports": [port]},
        },
        {
            "apiVersion": "policy.linkerd.io/v1beta3",
            "kind": "Server",
            "metadata": {"name": FROM_MESH.name, "namespace": NAMESPACE},
            # Without a Server, the pods accept plain text on this port, too (INBOUND_POLICY).
            "spec": {
                "podSelector": {"matchLabels": pods},
                "port": _MESH_PORT,
                "proxyProtocol": "HTTP/1",
                "accessPolicy": "all-authenticated",
            },
        },
    ]


def carried(name: str, *, header: tuple[str, str], service: str) -> Obj:
    """Return the Mapping that routes other clusters' requests with a header to a service."""
    mapping = _mapping(name, "/", service)
    mapping["metadata"]["labels"] = {CARRIED_LABEL: "true"}
    mapping["spec"]["headers"] = dict([header])
    return mapping


def _entrance(name: str, listener: str, port: int, serves: dict[str, str]) -> list[Obj]:
    """Return a Listener, and its Host that serves the Mappings with these labels."""
    selected = {_LISTENER_LABEL: listener}
    binding = {"namespace": {"from": "SELF"}, "selector": {"matchLabels": selected}}
    listener_spec = {"port": port, "protocol": "HTTP", "securityModel": "XFP", "hostBinding": binding}
    host = {
        "hostname": "*",
        "requestPolicy": {"insecure": {"action": "Route"}},
        "mappingSelector": {"matchLabels": serves},
    }
    return [_own("Listener", listener, listener_spec), _own("Host", name, host, labels=selected)]


def _own(kind: str, name: str, spec: Obj, *, labels: dict[str, str] | None = None) -> Obj:
    metadata = {"name": name, "namespace": NAMESPACE, **({"labels": labels} if labels else {})}
    return {"apiVersion": API, "kind": kind, "metadata": metadata, "spec": spec}


def _mapping(name: str, prefix: str, service: str) -> Obj:
    # The frontend streams its answers while a browser shows them: 0 lets a request last as long as that.
    spec = {"hostname": "*", "prefix": prefix, "service": service, "timeout_ms": 0, "idle_timeout_ms": 600_000}
    return _own("Mapping", name, spec, labels={"app.kubernetes.io/part-of": "eastwest-lab"})
