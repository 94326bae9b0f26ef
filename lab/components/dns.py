"""CoreDNS with a TTL of 5 s instead of 30 s, which asks this machine's servers for other hosts' names only.

- **TTL.** kubeadm's Corefile sets 30 s, also for negative answers. A Linkerd proxy that starts before its control plane
  has an endpoint does not resolve the name again before the TTL is over (linkerd2-proxy,
  linkerd/app/core/src/control.rs), and after a restart of a node all pods start at once. CoreDNS' own default is 5 s
  (CoreDNS documentation, plugin "kubernetes", ttl).
- **Names that stay here.** The last form of a Service's name that a resolver tries is `podinfo.test`: `test` is a
  reserved top-level domain (RFC 6761), so CoreDNS itself answers that it does not exist. Without `loop` and without
  health checks (`max_fails 0`), CoreDNS sends no query of its own; without a network, it would repeat them forever.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from lab.base.errors import ClusterError
from lab.base.names import Cluster
from lab.base.step import CHANGED, UNCHANGED, StepResult
from lab.base.wait import NotYet
from lab.components.base import State
from lab.components.rendering import Rendering, kubectl
from lab.kube import Kube, connect, owned
from lab.kube.objects import Ref, ref
from lab.kube.owned import Grounds
from lab.lab import Lab

DEPLOYMENT = Ref(api_version="apps/v1", kind="Deployment", name="coredns", namespace="kube-system")
_CONFIG = Ref(api_version="v1", kind="ConfigMap", name="coredns", namespace="kube-system")
_FILE = "Corefile"
_TTL_S = 5
_NOWHERE = "test"
_TTL = re.compile(r"^([ \t]*ttl[ \t]+)\d+[ \t]*$", re.MULTILINE)
_UNKNOWN = (f"template ANY ANY {_NOWHERE} {{", "    rcode NXDOMAIN", "}")
_EDITS = (
    (_TTL, rf"\g<1>{_TTL_S}"),
    (re.compile(r"^([ \t]*)max_concurrent [0-9]+$", re.MULTILINE), r"\1max_fails 0"),
    (re.compile(r"^([ \t]*)loop$", re.MULTILINE), "\n".join(rf"\1{line}" for line in _UNKNOWN)),
)
_PODS = {"k8s-app": "kube-dns"}
_FIRST_ANSWER_S = 120


@dataclass(frozen=True, kw_only=True)
class ClusterDns:
    """CoreDNS of a kubeadm cluster, with the changes that this module names; that of an existing cluster stays."""

    name: str = "dns"

    def observe(self, lab: Lab, cluster: Cluster) -> State:
        """Return whether the Corefile has all changes."""
        del lab
        if cluster.existing:
            return State.CURRENT
        text = _corefile(cluster)
        return State.CURRENT if text == changed(text) else State.STALE

    def apply(self, lab: Lab, cluster: Cluster) -> StepResult:
        """Change the Corefile, and delete CoreDNS pods that may have read the old Corefile; on a new cluster none has.

        Raises:
            ClusterError: the cluster's Corefile is not the one that kubeadm writes.
        """
        if self.observe(lab, cluster) is State.CURRENT:
            return UNCHANGED
        kube = connect(cluster)
        owned.change(kube, _CONFIG, {"data": {_FILE: changed(_corefile(cluster))}}, grounds=Grounds.CLUSTER_DNS)
        for pod in kube.find("v1", "Pod", namespace=DEPLOYMENT.namespace, labels=_PODS):
            if pod.get("status", {}).get("startTime"):  # a kubelet has started it
                owned.discard(kube, ref(pod), grounds=Grounds.CLUSTER_DNS_POD)
        return CHANGED

    def remove(self, lab: Lab, cluster: Cluster) -> None:
        """Do nothing: CoreDNS is deleted with its cluster."""
        del lab, cluster

    def rendering(self, lab: Lab, cluster: Cluster) -> Rendering:
        """Return the commands that change the Corefile: the rest of it is the cluster's own."""
        del lab
        if cluster.existing:
            return Rendering()
        place = kubectl(cluster, DEPLOYMENT.namespace)
        unknown = "\\\n".join(rf"\1{line}" for line in _UNKNOWN)  # sed needs a backslash before a new line
        edits = (
            rf"s/^( *ttl) [0-9]+$/\1 {_TTL_S}/",
            r"s/^( *)max_concurrent [0-9]+$/\1max_fails 0/",
            f"s/^( *)loop$/{unknown}/",
        )
        edit = " ".join(["sed -E", *(f"-e '{one}'" for one in edits)])
        return Rendering(
            before=[
                f"{place} get configmap {_CONFIG.name} --output=yaml | {edit} | {place} apply --filename=-",
                f"{place} rollout restart deployment/{DEPLOYMENT.name}",
            ],
            left_out=[f"Changes of CoreDNS's {_FILE}: its ConfigMap belongs to the cluster, so a command edits it."],
            waits_for=[DEPLOYMENT],
        )


def wait_until_answers(kube: Kube) -> None:
    """Wait until a pod of CoreDNS is ready, so that its Service has an endpoint.

    Another pod may be ready 10 s later: so often the kubelet repeats a probe that came too early (Kubernetes API,
    Probe, periodSeconds).

    Raises:
        WaitTimeout: no pod became ready.
    """

    def answers() -> bool | NotYet:
        deployment = kube.get(DEPLOYMENT) or {}
        return bool(deployment.get("status", {}).get("availableReplicas")) or NotYet("no pod is ready")

    name = kube.cluster.name
    kube.wait_until(f"{DEPLOYMENT} in {name}", answers, timeout_s=_FIRST_ANSWER_S, next=f"lab logs --cluster {name}")


def changed(corefile: str) -> str:
    """Return a Corefile with the changes that this module names."""
    for pattern, replacement in _EDITS:
        corefile = pattern.sub(replacement, corefile)
    return corefile


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
