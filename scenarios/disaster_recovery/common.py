"""What the steps share: loads on podinfo, a second release of it, and waits."""

from __future__ import annotations

from lab.scenario.actions import Apply, Delete, Pause, Until
from lab.scenario.context import Role
from lab.scenario.loads import StepLoad

from ..podinfo import FAILOVER, NO_PODS, SERVICE
from ..seeing import only

_GIVE_UP_S = 30.0
QUIET = Pause(2, "the load before the change, and after it")
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
