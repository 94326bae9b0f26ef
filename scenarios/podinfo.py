"""podinfo, the service that scenarios call: kubectl, its pods in West, its splits and its failover, and waits.

Each scenario has its own manifest files with these names.
"""

from __future__ import annotations

from lab.mesh.names import exported_name
from lab.scenario.actions import Apply, Command, Delete, Until, on
from lab.scenario.context import Context, Role
from lab.scenario.observation import Observation

from .seeing import answers, only

SERVICE = "podinfo"
MIRROR = exported_name(SERVICE, "{east}")
EAST = "kubectl --context={east} --namespace={namespace}"
WEST = "kubectl --context={west} --namespace={namespace}"
_GIVE_UP_S = 30.0

KILL_PODS = Command(
    f"{WEST} delete pods --selector=app.kubernetes.io/name={SERVICE} --grace-period=0 --force --wait=false"
)
NO_PODS = Command(f"{WEST} scale deployment {SERVICE} --replicas=0")
PODS_BACK = (
    Command(f"{WEST} scale deployment {SERVICE} --replicas={{west_replicas}}"),
    Command(f"{WEST} rollout status deployment {SERVICE} --timeout=90s", timeout_s=100),
)

_ACCRUAL = (
    "balancer.linkerd.io/failure-accrual=consecutive",
    "balancer.linkerd.io/failure-accrual-consecutive-max-failures=5",
    "balancer.linkerd.io/failure-accrual-consecutive-max-penalty=2s",
)
COUNTS_FAILURES = Command(f"{WEST} annotate service {SERVICE} --overwrite {' '.join(_ACCRUAL)}")
COUNTS_NONE = Command(f"{WEST} annotate service {SERVICE} " + " ".join(f"{one.partition('=')[0]}-" for one in _ACCRUAL))
FAILOVER = (Apply("failover.yaml", to="west"), on(linkerd=COUNTS_FAILURES, istio=()))
NO_FAILOVER = (Delete("failover.yaml", of="west"), on(linkerd=COUNTS_NONE, istio=()))


def split(west: int) -> Apply:
    """Return the action that sends this percentage of West's requests to West, and the others to East."""
    return Apply(f"split-{west}-{100 - west}.yaml", to="west")


def no_split(west: int = 100) -> Delete:
    """Return the action that deletes the split, whatever its weights are: all of them have one name."""
    return Delete(f"split-{west}-{100 - west}.yaml", of="west")


def only_by(role: Role) -> Until:
    """Return a wait until one cluster answers every request of West's frontend."""
    return Until(f"answers by {{{role}}} only", only(SERVICE, by=role), timeout_s=_GIVE_UP_S, successes=2)


def by_both(context: Context) -> Observation:
    """Look whether each cluster answers a quarter of the requests or more."""
    counts = answers(context, context.west, SERVICE, count=50)
    least = min(counts.by_cluster.get(cluster.name, 0) for cluster in (context.east, context.west))
    return Observation(holds=not counts.failed and least >= 12, seen=counts.words, evidence=(counts.evidence,))
