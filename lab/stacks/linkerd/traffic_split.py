"""SMI TrafficSplits on Linkerd, as in the talk.

The extension's adaptor writes the weights into a ServiceProfile of the service, which the proxies use instead of
HTTPRoutes. When the TrafficSplit is deleted, the adaptor empties the profile but does not delete it (linkerd-smi,
pkg/adaptor/controller.go); the lab deletes it.

A proxy chooses between a ServiceProfile and HTTPRoutes at its first request to a service, and again only after
CALLERS_REST_S without a request (linkerd2-proxy, linkerd/app/outbound/src/sidecar.rs): callers without such a pause
keep the old routing.
"""

from __future__ import annotations

from collections.abc import Mapping

from lab.base.errors import UsageError
from lab.base.names import NAMESPACE, Cluster
from lab.base.wait import NotYet
from lab.kube import Kube, connect, owned
from lab.kube.objects import Obj, Ref, labels_of
from lab.kube.owned import Grounds
from lab.lab import Lab
from lab.mesh import names
from lab.mesh.model import Split
from lab.mesh.weights import SPLIT_LABEL, check_weights
from lab.stacks.linkerd import route, smi, split
from lab.stacks.linkerd.route import SMI_API

CALLERS_REST_S = 5.0
"""linkerd2, charts/linkerd-control-plane/values.yaml, outboundDiscoveryCacheUnusedTimeout."""
_PROFILE_S = 60.0
_PART = "split"


def apply(lab: Lab, cluster: Cluster, service: str, weights: Mapping[str, int]) -> Split:
    """Apply a TrafficSplit, and return when the adaptor has written its ServiceProfile."""
    kube = connect(cluster)
    check_weights(cluster.name, weights)
    route.http_ports(kube, service, weights)
    split.check_backends(kube, service, weights, known=split.exports_of(kube, service))
    route.refuse_other(kube, service, smi=True)
    if problem := smi.unobtainable(lab.artifacts):
        raise UsageError(
            f"a TrafficSplit needs Linkerd's SMI extension, which is unavailable here: {problem}",
            where=cluster.name,
            next="the same split without --smi, which needs no extension",
        )
    objects, wanted = lab.owned(kube, _PART), build(service, weights)
    objects.check([wanted])
    smi.install(lab, cluster)
    objects.apply_all([wanted])

    def written() -> bool | NotYet:
        return _profile(kube, service) == dict(weights) or NotYet("it does not have the weights")

    what = f"the ServiceProfile of {service} in {cluster.name}"
    kube.wait_until(what, written, timeout_s=_PROFILE_S, next="lab logs")
    return Split(cluster=cluster.name, service=service, weights=dict(weights), smi=True)


def remove(lab: Lab, cluster: Cluster, service: str) -> bool:
    """Delete a TrafficSplit and its ServiceProfile; return False if there was none."""
    kube = connect(cluster)
    if not lab.owned(kube, _PART).delete(_ref(service)):
        return False

    def emptied() -> bool | NotYet:
        return not _profile(kube, service) or NotYet("it still has weights")

    what = f"the adaptor in {cluster.name} to empty the ServiceProfile of {service}"
    kube.wait_until(what, emptied, timeout_s=_PROFILE_S, next="lab logs")
    profile = kube.get(_profile_ref(service))
    if profile is not None and not profile["spec"].get("routes"):
        owned.discard(kube, _profile_ref(service), grounds=Grounds.PROFILE)
    return True


def listed(kube: Kube) -> list[Split]:
    """Return the TrafficSplits of a cluster."""
    return [
        Split(
            cluster=kube.cluster.name,
            service=obj["spec"]["service"],
            weights={part["service"]: int(part["weight"]) for part in obj["spec"]["backends"]},
            smi=True,
        )
        for obj in kube.find(SMI_API, "TrafficSplit", namespace=NAMESPACE)
        if SPLIT_LABEL in labels_of(obj)
    ]


def build(service: str, weights: Mapping[str, int]) -> Obj:
    """Return the TrafficSplit (SMI, Traffic Split v1alpha2)."""
    backends = [{"service": name, "weight": weight} for name, weight in weights.items()]
    return {
        "apiVersion": SMI_API,
        "kind": "TrafficSplit",
        "metadata": {"name": _ref(service).name, "namespace": NAMESPACE, "labels": {SPLIT_LABEL: service}},
        "spec": {"service": service, "backends": backends},
    }


def _profile(kube: Kube, service: str) -> dict[str, int]:
    """Return the weights in the ServiceProfile, by service name."""
    spec = (kube.get(_profile_ref(service)) or {}).get("spec", {})
    return {part["authority"].partition(".")[0]: int(part["weight"]) for part in spec.get("dstOverrides") or ()}


def _ref(service: str) -> Ref:
    return Ref(api_version=SMI_API, kind="TrafficSplit", name=f"{service}-split", namespace=NAMESPACE)


def _profile_ref(service: str) -> Ref:
    return Ref(api_version="linkerd.io/v1alpha2", kind="ServiceProfile", name=names.host(service), namespace=NAMESPACE)
