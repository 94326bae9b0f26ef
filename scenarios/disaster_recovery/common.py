"""What the steps share: the service, its failover, its pods in West, and loads."""

from __future__ import annotations

from lab.scenario.actions import Apply, Command, Delete, Pause, Until, on
from lab.scenario.context import Role
from lab.scenario.loads import StepLoad

from ..seeing import only

SERVICE = "podinfo"
WEST = "kubectl --context={west} --namespace={namespace}"
_GIVE_UP_S = 30.0
QUIET = Pause(2, "the load before the change, and after it")
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
_COUNTS_FAILURES = Command(f"{WEST} annotate service {SERVICE} --overwrite {' '.join(_ACCRUAL)}")
COUNTS_NONE = Command(f"{WEST} annotate service {SERVICE} " + " ".join(f"{one.partition('=')[0]}-" for one in _ACCRUAL))
FAILOVER = (Apply("failover.yaml", to="west"), on(linkerd=_COUNTS_FAILURES, istio=()))
NEXT, NO_NEXT = Apply("podinfo-next.yaml", to="west"), Delete("podinfo-next.yaml", of="west")
BACKUP_ALONE = (*FAILOVER, NO_NEXT, NO_PODS)
"""The primary has no pods, so that the backup answers all requests."""
NO_FAILOVER = (Delete("failover.yaml", of="west"), on(linkerd=COUNTS_NONE, istio=()))


def load(name: str, *entrances: Role, inside: bool = False) -> StepLoad:
    """Return a load of this name on the service; the first of the entrances is preferred."""
    return StepLoad(name=name, service=SERVICE, inside=inside, entrances=entrances)


def only_by(role: Role) -> Until:
    """Return a wait until one cluster answers every request of West's frontend."""
    return Until(f"answers by {{{role}}} only", only(SERVICE, by=role), timeout_s=20)


def answers_again(role: Role) -> Until:
    """Return a wait until a cluster answers every request for 3 s; after the time limit the load shows the loss.

    A killed pod can answer for a moment, so a shorter success proves nothing.
    """
    look = only(SERVICE, by=role, count=10)
    return Until(f"answers by {{{role}}} again", look, timeout_s=_GIVE_UP_S, successes=7, required=False)
