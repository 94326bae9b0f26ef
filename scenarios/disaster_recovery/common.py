"""What the steps share: loads on podinfo, a second release of it, and waits."""

from __future__ import annotations

from lab.base.names import NAMESPACE, SCENARIO_LABEL, Cluster
from lab.clusters.kind import link
from lab.kube import connect
from lab.mesh.capabilities import Capability
from lab.scenario.actions import Apply, Command, Delete, Pause, Until, on
from lab.scenario.context import Role
from lab.scenario.loads import StepLoad

from ..podinfo import COUNTS_FAILURES, COUNTS_NONE, FAILOVER, NO_PODS, SERVICE
from ..seeing import only

_GIVE_UP_S = 30.0
_LINES = 100_000
QUIET = Pause(2, "the load before the change, and after it")
NODES = frozenset({Capability.NODES})
"""What the steps need that stop a node, drain it or cut its network."""
FAR_FIRST = (Apply("failover-to-west.yaml", to="west"), on(linkerd=COUNTS_FAILURES, istio=()))
"""East is the primary, and West the backup."""
NO_FAR_FIRST = (Delete("failover-to-west.yaml", of="west"), on(linkerd=COUNTS_NONE, istio=()))
NEXT, NO_NEXT = Apply("podinfo-next.yaml", to="west"), Delete("podinfo-next.yaml", of="west")
BACKUP_ALONE = (*FAILOVER, NO_NEXT, NO_PODS)
"""The primary has no pods, so that the backup answers all requests."""


def load(name: str, *entrances: Role, inside: bool = False) -> StepLoad:
    """Return a load of this name on the service; the first of the entrances is preferred."""
    return StepLoad(name=name, service=SERVICE, inside=inside, entrances=entrances)


def answers_again(role: Role) -> Until:
    """Return a wait until a cluster answers every request for 3 s; after the time limit the load shows the loss.

    A killed pod can answer for a moment, so a shorter success proves nothing.
    """
    look = only(SERVICE, by=role, count=10)
    return Until(f"answers by {{{role}}} again", look, timeout_s=_GIVE_UP_S, successes=7, required=False)


def cut(source: Role, target: Role) -> Command:
    """Return the command with which the node of one cluster drops every packet to the node of another one."""
    return Command(f"docker exec {{{source}_node}} sh -c '{link.dropping(f'{{{target}_node}}')}'")


def restored(source: Role, target: Role) -> Command:
    """Return the command that undoes `cut`."""
    return Command(f"docker exec {{{source}_node}} sh -c '{link.passing(f'{{{target}_node}}')}'")


def log_of_next(cluster: Cluster) -> list[str]:
    """Return what the pods of the second release have written in a cluster."""
    kube = connect(cluster)
    pods = kube.find("v1", "Pod", namespace=NAMESPACE, labels={SCENARIO_LABEL: "disaster_recovery"})
    logs = (kube.logs(p["metadata"]["name"], namespace=NAMESPACE, container="podinfo-next", lines=_LINES) for p in pods)
    return [line for log in logs for line in log.splitlines()]
