"""Direct exports on Linkerd: callers of `podinfo-direct-east` reach East's podinfo without East's gateway.

The lab creates a Service `podinfo-direct` beside podinfo, with the same pods, and exports it with remote discovery: the
callers' control plane reads the addresses of the pods from East's API server. A caller's proxy that is in use keeps to
the way in which it once found a name, so each way has a name of its own, and a split moves requests between them.
"""

from __future__ import annotations

from typing import Any

from lab.base.errors import UsageError
from lab.base.names import LABEL_PREFIX, NAMESPACE
from lab.kube import connect
from lab.kube.objects import Obj, labels_of, ref
from lab.kube.owned import Owned
from lab.lab import Lab
from lab.mesh.exports import exportable
from lab.mesh.names import direct_name, exported_name, service_ref
from lab.stacks.linkerd import export, federation, multicluster

_DIRECT_LABEL = f"{LABEL_PREFIX}/direct"
"""Label of the Service that the lab creates; its value is the name of the Service with the same pods."""


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
    found = objects.kube.get(service_ref(service)) or {}
    if not found["spec"].get("selector"):
        raise UsageError(
            f"the Service {service} selects no pods, so that its callers cannot reach them",
            where=source,
            next=f"lab export {service} --from {source}, through the gateway",
        )
    export.check_mirrors(lab, service_ref(name), source)
    objects.apply(build(found))
    export.mirror(lab, service_ref(name), source, by=export.Way.DIRECT)


def delete_service(lab: Lab, name: str, source: str) -> bool:
    """Delete the Service of a direct export; return False if the lab has created none of this name."""
    objects = _owned(lab, source)
    found = objects.kube.get(service_ref(name))
    return found is not None and _DIRECT_LABEL in labels_of(found) and objects.delete(ref(found))


def build(service: Obj) -> Obj:
    """Return the Service beside another one, with the same pods and ports."""
    name, spec = service["metadata"]["name"], service["spec"]
    kept = ("name", "port", "protocol", "targetPort", "appProtocol")
    ports: list[dict[str, Any]] = [{key: port[key] for key in kept if key in port} for port in spec["ports"]]
    labels = {_DIRECT_LABEL: name, multicluster.EXPORTED_LABEL: export.Way.DIRECT.value}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": direct_name(name), "namespace": NAMESPACE, "labels": labels},
        "spec": {"selector": dict(spec["selector"]), "ports": ports},
    }


def _owned(lab: Lab, source: str) -> Owned:
    return lab.owned(connect(lab.clusters[source]), "direct")
