"""Direct exports on Linkerd: callers of `podinfo-direct-east` reach East's podinfo without East's gateway.

The lab creates a Service `podinfo-direct` beside podinfo, with the same pods, and exports it with remote discovery: the
callers' control plane reads the addresses of the pods from East's API server. It is a Service of its own, because a
proxy in use does not notice that an export has changed its mode (linkerd2, controller/api/destination/server.go, Get).
A split moves requests between the two names.
"""

from __future__ import annotations

from typing import Any

from lab.base.errors import UsageError
from lab.base.names import NAMESPACE
from lab.kube import Kube, connect
from lab.kube.objects import Obj, labels_of, ref
from lab.kube.owned import Owned
from lab.lab import Lab
from lab.mesh.exports import exportable
from lab.mesh.names import direct_name, exported_name, service_ref
from lab.stacks.linkerd import export, federation, multicluster

_REMOTE_DISCOVERY = "remote-discovery"
"""Value of the exported label, without the gateway (linkerd2, multicluster/cmd/link.go, remote-discovery-selector)."""


def apply(lab: Lab, service: str, source: str) -> None:
    """Export a service without the gateway, and return when every linked cluster has its mirror.

    Raises:
        UsageError: the network is not flat, the service cannot be exported or selects no pods, or no cluster is linked
            to `source`; nothing was changed.
        NotOwnedError: another Service has one of the names; nothing was changed.
        WaitTimeout: a cluster has no mirror of it.
    """
    federation.need_flat(lab, "a direct export")
    name = direct_name(service)
    exportable(lab.clusters[source], service, name=exported_name(name, source), origin=export.mirrored)
    export.need_gateway(lab, source)
    objects = _owned(lab, source)
    exported = objects.kube.get(service_ref(service))
    if exported is None or not exported["spec"].get("selector"):
        raise UsageError(
            f"the Service {service} selects no pods, so that its callers cannot reach them",
            where=source,
            next=f"lab export {service} --from {source}, through the gateway",
        )
    export.check_mirrors(lab, service_ref(name), source)
    objects.apply(build(exported))
    export.wait_mirrored(lab, service_ref(name), source)


def remove(lab: Lab, name: str, source: str) -> bool:
    """Delete the Service of a direct export, and return when its mirrors are gone; return False if there was none."""
    objects = _owned(lab, source)
    if name not in listed(objects.kube):
        return False
    deleted = objects.delete(service_ref(name))
    export.wait_unmirrored(lab, service_ref(name), source)
    return deleted


def listed(kube: Kube) -> list[str]:
    """Return the names of the Services that the lab has created in a cluster for direct exports."""
    services = kube.find("v1", "Service", namespace=NAMESPACE)
    # A mirror has the labels of its Service.
    return [ref(s).name for s in services if multicluster.DIRECT_LABEL in labels_of(s) and not export.mirrored(s)]


def build(service: Obj) -> Obj:
    """Return the Service beside another one, with the same pods and ports."""
    name, spec = service["metadata"]["name"], service["spec"]
    kept = ("name", "port", "protocol", "targetPort", "appProtocol")
    ports: list[dict[str, Any]] = [{key: port[key] for key in kept if key in port} for port in spec["ports"]]
    labels = {multicluster.DIRECT_LABEL: name, multicluster.EXPORTED_LABEL: _REMOTE_DISCOVERY}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": direct_name(name), "namespace": NAMESPACE, "labels": labels},
        "spec": {"selector": dict(spec["selector"]), "ports": ports},
    }


def _owned(lab: Lab, source: str) -> Owned:
    return lab.owned(connect(lab.clusters[source]), "direct")
