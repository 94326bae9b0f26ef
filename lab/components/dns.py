"""CoreDNS with a TTL of 5 s instead of 30 s.

kubeadm's Corefile sets a TTL of 30 s, also for negative answers. A Linkerd proxy that starts before its control plane
has an endpoint does not resolve the name again before the TTL is over (linkerd2-proxy,
linkerd/app/core/src/control.rs), and after a restart of a node all pods start at once. CoreDNS' own default is 5 s
(CoreDNS documentation, plugin "kubernetes", ttl).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from lab.base.errors import ClusterError
from lab.base.names import Cluster
from lab.base.step import CHANGED, UNCHANGED, StepResult
from lab.components.base import State
from lab.components.rendering import Rendering, kubectl
from lab.kube import connect, owned
from lab.kube.objects import Ref, ref
from lab.kube.owned import Grounds
from lab.lab import Lab

DEPLOYMENT = Ref(api_version="apps/v1", kind="Deployment", name="coredns", namespace="kube-system")
_CONFIG = Ref(api_version="v1", kind="ConfigMap", name="coredns", namespace="kube-system")
_FILE = "Corefile"
_TTL_S = 5
_TTL = re.compile(r"^(\s*ttl\s+)\d+\s*$", re.MULTILINE)
_PODS = {"k8s-app": "kube-dns"}


@dataclass(frozen=True, kw_only=True)
class ClusterDns:
    """CoreDNS of a kubeadm cluster, changed to a TTL of 5 s."""

    name: str = "dns"

    def observe(self, lab: Lab, cluster: Cluster) -> State:
        """Return whether the Corefile has the wanted TTL."""
        del lab
        text = _corefile(cluster)
        return State.CURRENT if text == with_ttl(text, _TTL_S) else State.STALE

    def apply(self, lab: Lab, cluster: Cluster) -> StepResult:
        """Change the TTL, and delete CoreDNS pods that may have read the old Corefile; on a new cluster none has.

        Raises:
            ClusterError: the cluster's Corefile is not the one that kubeadm writes.
        """
        if self.observe(lab, cluster) is State.CURRENT:
            return UNCHANGED
        kube = connect(cluster)
        owned.change(
            kube, _CONFIG, {"data": {_FILE: with_ttl(_corefile(cluster), _TTL_S)}}, grounds=Grounds.CLUSTER_DNS
        )
        for pod in kube.find("v1", "Pod", namespace=DEPLOYMENT.namespace, labels=_PODS):
            if pod.get("status", {}).get("startTime"):  # a kubelet has started it
                owned.discard(kube, ref(pod), grounds=Grounds.CLUSTER_DNS_POD)
        return CHANGED

    def remove(self, lab: Lab, cluster: Cluster) -> None:
        """Do nothing: CoreDNS is deleted with its cluster."""
        del lab, cluster

    def rendering(self, lab: Lab, cluster: Cluster) -> Rendering:
        """Return the commands that change the TTL: the rest of the Corefile is the cluster's own."""
        del lab
        place = kubectl(cluster, DEPLOYMENT.namespace)
        edit = f"sed -E 's/^( *ttl) [0-9]+$/\\1 {_TTL_S}/'"
        return Rendering(
            before=[
                f"{place} get configmap {_CONFIG.name} --output=yaml | {edit} | {place} apply --filename=-",
                f"{place} rollout restart deployment/{DEPLOYMENT.name}",
            ],
            left_out=[f"CoreDNS's TTL of {_TTL_S} s: its ConfigMap belongs to the cluster, so a command edits it."],
            waits_for=[DEPLOYMENT],
        )


def with_ttl(corefile: str, seconds: int) -> str:
    """Return a Corefile with another TTL in its cluster zone."""
    return _TTL.sub(rf"\g<1>{seconds}", corefile)


def _corefile(cluster: Cluster) -> str:
    config = connect(cluster).get(_CONFIG)
    text = str(((config or {}).get("data") or {}).get(_FILE, ""))
    if not _TTL.search(text):
        raise ClusterError(
            f"{_CONFIG} is not the one that kubeadm writes: its {_FILE} sets no ttl",
            where=cluster.name,
            next="lab down, then lab up",
        )
    return text
