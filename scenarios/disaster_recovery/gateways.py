"""The steps with two pods of East's east-west gateway, and commands that scale, drain or kill its pods."""

from __future__ import annotations

from dataclasses import replace

from lab.mesh.capabilities import Capability
from lab.scenario.actions import Command, NewPhase
from lab.scenario.context import Context
from lab.scenario.model import Check, Sabotage, ScenarioStep
from lab.scenario.observation import Observation

from ..gateway import GONE, IS_READY, commands, scaled, scaling
from ..podinfo import NO_FAILOVER, PODS_BACK, only_by
from ..recorded import GAP_S, MOST_LOST, loses_little, loses_nothing, recordings
from .common import BACKUP_ALONE, NODES, QUIET, answers_again, load

_MARK = "eastwest.lab/drain=next"

ONE_POD = commands(scaling(0), GONE, scaling(1), IS_READY)
"""One new pod, and none that is still ending: a drain or a kill of that one would prove nothing."""
KILLED = commands("KUBECTL delete pods --selector=LABEL --grace-period=0 --force --wait=false")
"""All pods, with a grace period of 0."""
OLDEST_KILLED = commands("OLDEST | xargs -I POD KUBECTL delete POD --grace-period=0 --force --wait=false")
"""With a grace period of 0. The oldest pod has the callers' connections, if the gateway was scaled up just before."""
OLDEST_DRAINED = commands(
    f"OLDEST | xargs -I POD KUBECTL label POD {_MARK}",
    f"kubectl --context={{east}} drain {{east_node}} --pod-selector={_MARK} --delete-emptydir-data --timeout=90s",
)
"""Evicted, as the disruption budget allows; the node then accepts no new pods."""
UNCORDONED = Command("kubectl --context={east} uncordon {east_node}")
READY = commands(IS_READY)
_DRAIN_LOAD = load("drain", "west", inside=True)
_TWO_LOAD = load("two gateways", "west", inside=True)
_NOT_SENT = "HTTP 500: unexpected error"
"""Linkerd: the caller's own proxy had accepted the request when its connection to the gateway ended.

It does not send such a request again (linkerd2-proxy, linkerd/app/outbound/src/http/logical/policy/route/retry.rs, the
last comment), and no setting changes that.
"""


def _drained(context: Context) -> Observation:
    """Look whether the drain lost nothing; where the mesh cannot resend, it may lose a few that were not sent."""
    if Capability.RESEND in context.mesh.capabilities:
        return loses_nothing(_DRAIN_LOAD)(context)
    lost = [request.error for recording, _ in recordings(context, _DRAIN_LOAD) for request in recording.lost]
    others = [error for error in lost if not error.endswith(_NOT_SENT)]
    seen = loses_little(_DRAIN_LOAD)(context)
    words = f"; the first: {(others or lost)[0]}" if lost else ""
    return replace(seen, holds=seen.holds and not others, seen=seen.seen + words)


STEPS = (
    ScenarioStep(
        name="gateway_is_drained",
        title="One of two gateways is drained",
        narration="The gateway gets a second pod. Then its node is drained of the first one, as for maintenance: "
        "the disruption budget allows one eviction at a time, and the evicted pod serves until nobody calls it.",
        requires=NODES,
        before=(*BACKUP_ALONE, ONE_POD, only_by("east"), scaled(2)),
        load=_DRAIN_LOAD,
        do=(
            QUIET,
            NewPhase("gateway is drained"),
            OLDEST_DRAINED,
            UNCORDONED,
            READY,
            answers_again("east"),
        ),
        undo=(UNCORDONED, scaled("{gateways}"), *PODS_BACK, *NO_FAILOVER),
        checks=(
            Check(
                name="drain_loses_nothing",
                claim="The drain of one of two gateways loses no request that was sent",
                expected=f"0 lost; on Linkerd at most {MOST_LOST:.0%}, which the caller's proxy had not sent when its "
                "connection ended",
                look=_drained,
            ),
        ),
        alone=True,
        sabotage=Sabotage(
            title="the gateway has one pod only",
            do=(ONE_POD, only_by("east")),
            undo=(UNCORDONED, scaled(2)),
            fails="drain_loses_nothing",
            before_do=True,
        ),
    ),
    ScenarioStep(
        name="one_gateway_of_two_dies",
        title="One of two gateways dies",
        narration="Again the gateway has two pods, and the one with all connections is killed, with a grace period "
        "of 0. Callers connect to the other one.",
        before=(*BACKUP_ALONE, ONE_POD, only_by("east"), scaled(2)),
        load=_TWO_LOAD,
        do=(
            QUIET,
            NewPhase("one gateway dies"),
            OLDEST_KILLED,
            answers_again("east"),
            READY,
            QUIET,
        ),
        undo=(scaled("{gateways}"), *PODS_BACK, *NO_FAILOVER),
        checks=(
            Check(
                name="one_gateway_is_missed_briefly",
                claim="The death of one of two gateways loses next to nothing",
                expected=f"at most {MOST_LOST:.0%} lost, and no gap longer than {GAP_S:.0f} s",
                look=loses_little(_TWO_LOAD),
            ),
        ),
        alone=True,
        sabotage=Sabotage(
            title="the gateway has one pod only",
            do=(ONE_POD, only_by("east")),
            undo=(scaled(2),),
            fails="one_gateway_is_missed_briefly",
            before_do=True,
        ),
    ),
)
