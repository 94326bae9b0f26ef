"""What `lab render` writes for a component: its objects without keys, and commands for what a file cannot contain."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from lab.base.names import Cluster
from lab.clusters.kind.network import API_PORT
from lab.kube.objects import Obj, Ref, ref


@dataclass(frozen=True, kw_only=True)
class Rendering:
    """A component's objects, and the shell commands that a person runs before and after `kubectl apply`.

    Args:
        objects: all objects of the component. A Secret with content is written as a placeholder.
        before: commands that create keys, tokens and what else the objects need.
        after: commands that complete the installation once the objects exist.
        created: objects that contain no key, but belong to one: `before` creates them.
        left_out: sentences for the README: what is not in the files, and why.
        waits_for: objects that must be ready before the next component is installed.
    """

    objects: Sequence[Obj] = ()
    before: Sequence[str] = ()
    after: Sequence[str] = ()
    created: Sequence[Ref] = ()
    left_out: Sequence[str] = ()
    waits_for: Sequence[Ref] = ()

    @property
    def placeholders(self) -> list[Obj]:
        """Objects that commands create, with the names of their entries and without the content."""
        return [_without_content(obj) for obj in self.objects if self._is_created(obj)]

    @property
    def public(self) -> list[Obj]:
        """All other objects."""
        return [obj for obj in self.objects if not self._is_created(obj)]

    def _is_created(self, obj: Obj) -> bool:
        # A Secret without content is a request for a token, which Kubernetes itself fills.
        has_content = bool(obj.get("data") or obj.get("stringData"))
        return (obj["kind"] == "Secret" and has_content) or ref(obj) in self.created


def _without_content(obj: Obj) -> Obj:
    names = [*(obj.get("data") or {}), *(obj.get("stringData") or {})]
    key = "stringData" if obj["kind"] == "Secret" else "data"
    rest = {name: value for name, value in obj.items() if name not in {"data", "stringData"}}
    return {**rest, key: dict.fromkeys(names, "PLACEHOLDER")}


def kubectl(cluster: Cluster, namespace: str = "") -> str:
    """Return the beginning of a kubectl command for a cluster."""
    return f"kubectl --context={cluster.context}" + (f" --namespace={namespace}" if namespace else "")


def node_address(cluster: Cluster) -> str:
    """Return a command that sets ADDRESS to the address of a cluster's node for other clusters."""
    path = '{.items[0].status.addresses[?(@.type=="InternalIP")].address}'
    return f"ADDRESS=$({kubectl(cluster)} get nodes --output=jsonpath='{path}')"


def api_server(cluster: Cluster) -> tuple[str, str]:
    """Return a command, and the URL of a cluster's API server for other clusters with what the command has set."""
    if not cluster.existing:
        return node_address(cluster), f"https://$ADDRESS:{API_PORT}"
    path = "{.clusters[0].cluster.server}"
    found = cluster.server or f"$({kubectl(cluster)} config view --minify --output=jsonpath='{path}')"
    return f"SERVER={found}", "$SERVER"


def load_balancer(cluster: Cluster, service: Ref) -> list[str]:
    """Return commands that give a Service of type LoadBalancer its node's address, as `lab up` does.

    In an existing cluster, they wait until the platform has given it one.
    """
    place = kubectl(cluster, service.namespace)
    if cluster.existing:
        path = "jsonpath='{.status.loadBalancer.ingress}'"
        return [
            f"{place} wait --for=create --timeout=60s service/{service.name}",
            f"{place} wait --for={path} --timeout=300s service/{service.name}",
        ]
    status = json.dumps({"status": {"loadBalancer": {"ingress": [{"ip": "ADDRESS", "ipMode": "VIP"}]}}})
    shell = status.replace('"', '\\"').replace("ADDRESS", "$ADDRESS")
    return [
        f"{place} wait --for=create --timeout=60s service/{service.name}",
        node_address(cluster),
        f'{place} patch service {service.name} --subresource=status --type=merge --patch="{shell}"',
    ]
