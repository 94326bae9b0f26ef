"""Permissions on Istio: an AuthorizationPolicy that allows some identities, and so refuses all others.

`principals` alone cannot distinguish the clusters: a mesh with trust domain aliases treats
`east.example/ns/test/sa/frontend` and `west.example/ns/test/sa/frontend` as the same identity (Istio documentation,
"Trust Domain Migration"). So the last entry of X-Forwarded-Client-Cert is compared with the full SPIFFE ID as well. The
sidecar itself appends that entry, from the certificate that it has just verified; a client can only write entries
before it.
"""

from __future__ import annotations

from collections.abc import Sequence

from lab.base.names import NAMESPACE, Cluster
from lab.kube import Kube, connect
from lab.kube.objects import Obj, Ref
from lab.lab import Lab
from lab.mesh import names
from lab.mesh.model import Permission
from lab.mesh.permissions import as_annotation, no_pods, read

_API = "security.istio.io/v1"
_PART = "permission"


def apply(lab: Lab, permission: Permission, spiffe_ids: Sequence[str]) -> None:
    """Apply a permission."""
    kube = connect(lab.clusters[permission.cluster])
    service = kube.get(names.service_ref(permission.service))
    selector = (service or {}).get("spec", {}).get("selector")
    if not selector:
        raise no_pods(permission)
    wanted = build(permission, spiffe_ids, selector)
    lab.owned(kube, _PART).apply(wanted)


def build(permission: Permission, spiffe_ids: Sequence[str], selector: dict[str, str]) -> Obj:
    """Return the AuthorizationPolicy."""
    operation = {
        key: list(values) for key, values in (("methods", permission.methods), ("paths", permission.paths)) if values
    }
    rules: list[Obj] = [
        {
            "from": [{"source": {"principals": [spiffe_id.removeprefix("spiffe://")]}}],
            **({"to": [{"operation": operation}]} if operation else {}),
            "when": [{"key": "request.headers[x-forwarded-client-cert]", "values": [f"*;URI={spiffe_id}"]}],
        }
        for spiffe_id in spiffe_ids
    ]
    return {
        "apiVersion": _API,
        "kind": "AuthorizationPolicy",
        "metadata": {
            "name": _ref(permission.service).name,
            "namespace": NAMESPACE,
            "annotations": as_annotation(permission),
        },
        # An empty list of callers becomes a policy without rules, which refuses every caller.
        "spec": {"selector": {"matchLabels": selector}, "action": "ALLOW", "rules": rules},
    }


def remove(lab: Lab, cluster: Cluster, service: str) -> bool:
    """Delete a permission; return False if there was none."""
    return lab.owned(connect(cluster), _PART).delete(_ref(service))


def listed(kube: Kube) -> list[Permission]:
    """Return the permissions of a cluster."""
    return read(kube.find(_API, "AuthorizationPolicy", namespace=NAMESPACE))


def _ref(service: str) -> Ref:
    return Ref(api_version=_API, kind="AuthorizationPolicy", name=f"{service}-callers", namespace=NAMESPACE)
