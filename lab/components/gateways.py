"""What the pods of an east-west gateway have on every stack: places, and a limit on how many are stopped at once.

| event | what keeps requests |
| --- | --- |
| a drain (`kubectl drain`, an eviction) | the disruption budget: never more than one pod at a time |
| the end of a pod, in a drain or a rollout | it serves for DRAIN_S more, while nodes forget its address |
| the failure of a node or zone | the pods are spread, where the cluster has more than one |

The lab's clusters have one node, so the spread is a preference: a rule would leave the second pod Pending. Istio's
agent keeps a gateway serving for as long by itself (Istio, ProxyConfig: `terminationDrainDuration`); Linkerd's does not
(lab/stacks/linkerd/multicluster.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lab.kube.objects import Obj

DRAIN_S = 5
"""Istio's own default, and more than the second that kube-proxy takes to forget a pod (its `minSyncPeriod`)."""
_PLACES = ("kubernetes.io/hostname", "topology.kubernetes.io/zone")


def spread(pods: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return a pod template's topologySpreadConstraints for pods with these labels: nodes first, then zones."""
    return [
        {
            "maxSkew": 1,
            "topologyKey": place,
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": dict(pods)},
        }
        for place in _PLACES
    ]


def budget(name: str, namespace: str, pods: Mapping[str, str]) -> Obj:
    """Return the PodDisruptionBudget with which a drain evicts one of these pods at a time.

    A gateway of one pod can be drained as well: `minAvailable: 1` would block the drain of its node for ever.
    """
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": dict(pods)}},
    }
