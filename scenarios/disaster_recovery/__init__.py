"""Act 4, disaster recovery: very-important runs in a primary and a backup cluster, and every request is counted."""

from __future__ import annotations

from collections.abc import Iterator

from lab.mesh.capabilities import Capability
from lab.scenario.actions import Action, Apply, Command, Delete, NewPhase, Pause, Until, on
from lab.scenario.context import Context, Role
from lab.scenario.model import Arrow, Check, Sabotage, Scenario, ScenarioStep, Topology, TopologyNode
from lab.scenario.observation import Look, Observation

from .. import gateway
from ..podinfo import (
    FAILOVER,
    KILL_PODS,
    MIRROR,
    NO_FAILOVER,
    NO_PODS,
    PODS_BACK,
    SERVICE,
    no_split,
    only_by,
    split,
)
from ..recorded import RTO_S, answered, nothing_lost, recovers, takes_over
from ..seeing import frontend, only
from . import failing, gateways, writes
from .common import BACKUP_ALONE, FAR_FIRST, NO_FAR_FIRST, NODES, QUIET, answers_again, cut, load, restored

_TAKES_OVER_S = 5.0
"""Linkerd's proxy waits for an endpoint before it treats a backend as unavailable (docs/decisions/0012)."""
_BACK_S = 180.0
_SHIFT = Pause(1.5, "the load runs with these weights")

_SHIFT_LOAD = load("shift", "west", inside=True)
_PODS_LOAD = load("pods", "west", inside=True)
_GATEWAY_LOAD = load("gateway", "west", inside=True)
_LINK_LOAD = load("link", "west", inside=True)
_BACKUP_LOAD = load("backup", "west")
_PRIMARY_LOAD = load("primary", "west", "east")


def _through_ingress(role: Role) -> Look:
    """Return a look that holds if requests through a cluster's ingress are answered.

    Pods become Ready about 20 s earlier: until the gateways' proxies have their configuration, nothing listens behind
    the node's port.
    """

    def look(context: Context) -> Observation:
        totals = frontend(context, context.cluster(role), f"/api/answers?upstream={SERVICE}&count=10")["totals"]
        return Observation(
            holds=totals["failed"] == 0, seen=f"{totals['failed']} of {totals['requests']} failed", evidence=()
        )

    return look


def _both_ingresses() -> Iterator[Action]:
    """Yield waits for both ingresses, twice in a row: the proxies learn their endpoints one after the other."""
    for role in ("east", "west"):
        yield Until(f"answers through {{{role}}}'s ingress", _through_ingress(role), timeout_s=_BACK_S, successes=2)


def _cluster_dies(role: Role) -> tuple[Action, ...]:
    """Return the actions that kill a cluster's node under load and start it again."""
    node = f"{{{role}_node}}"
    return (
        QUIET,
        NewPhase("cluster dies"),
        Command(f"docker stop --time 0 {node}"),
        Pause(RTO_S + 3, "the cluster is down"),
        NewPhase("cluster starts"),
        *_revived(role),
        NewPhase("cluster is back"),
        QUIET,
    )


def _revived(role: Role) -> tuple[Action, ...]:
    return (Command(f"docker start {{{role}_node}}"), *_both_ingresses())


def _shift() -> Iterator[Action]:
    """Yield the actions that shift all requests to the backup in steps, and back at once."""
    yield _SHIFT
    for west in (75, 50, 25, 0):
        yield split(west)
        yield NewPhase(f"{west}:{100 - west}")  # when the API server has the new weights
        yield _SHIFT
    yield split(100)
    yield NewPhase("back to 100:0")
    yield _SHIFT


SCENARIO = Scenario(
    name="disaster_recovery",
    title="Disaster recovery",
    act="Profit",
    claim="When the primary fails, the backup answers for very-important, and every request is counted",
    requires=frozenset({Capability.FAILOVER, Capability.SPLIT}),
    topology=Topology(
        nodes=(
            TopologyNode(cluster="west", role="primary", services=("frontend", "very-important (podinfo)")),
            TopologyNode(cluster="east", role="backup", services=("very-important (podinfo)", "east-west gateway")),
        ),
        arrows=(
            Arrow(source="west/frontend", target="west/very-important (podinfo)"),
            Arrow(source="west/frontend", target="east/very-important (podinfo)", label="if the primary fails"),
        ),
    ),
    steps=(
        ScenarioStep(
            name="planned_shift",
            title="Move without an outage",
            narration="The primary needs maintenance. Its requests move to the backup in steps, and back, while two "
            "steady loads count every request.",
            before=(split(100), only_by("west")),
            load=_SHIFT_LOAD,
            do=tuple(_shift()),
            undo=(no_split(),),
            verb=f"lab split {SERVICE} --in {{west}} {SERVICE}=75 {MIRROR}=25",
            checks=(
                nothing_lost(
                    _SHIFT_LOAD, name="planned_shift_loses_nothing", claim="The planned shift loses no request"
                ),
                Check(
                    name="planned_shift_arrives",
                    claim="After the last step the backup answers",
                    expected="East answers at least 80 of 100 requests of the step 0:100",
                    look=answered(_SHIFT_LOAD, during="0:100", by="east", mostly=0.8),
                ),
            ),
        ),
        ScenarioStep(
            name="failover",
            title="Prefer the primary, fail over to the backup",
            narration="From now on, requests stay in the primary while it works.",
            before=(no_split(),),
            do=FAILOVER,
            undo=NO_FAILOVER,
            verb=f"lab failover {SERVICE} --in {{west}} --primary {{west}} --backup {{east}}",
            checks=(
                Check(
                    name="primary_answers",
                    claim="While the primary works, it answers all requests",
                    expected="100 of 100 by West",
                    command=f"curl --silent '{{west_url}}/api/answers?upstream={SERVICE}&count=100'",
                    look=only(SERVICE, by="west", count=100),
                    within_s=20,
                ),
            ),
        ),
        ScenarioStep(
            name="pods_die",
            title="The pods of very-important die",
            narration="All pods of very-important in the primary are killed under load, with a grace period of 0. New "
            "pods start only after the backup has answered.",
            before=(only_by("west"),),
            load=_PODS_LOAD,
            do=(
                QUIET,
                NewPhase("pods die"),
                KILL_PODS,
                NO_PODS,  # prevents new pods, so that a fast machine needs the backup, too
                Until("answers by the backup only", only(SERVICE, by="east"), timeout_s=RTO_S, required=False),
                QUIET,
                NewPhase("pods start"),
                *PODS_BACK,
                NewPhase("pods are back"),
                answers_again("west"),
            ),
            undo=PODS_BACK,
            checks=(
                nothing_lost(
                    _PODS_LOAD, name="pod_death_loses_nothing", claim="The death of the pods loses no request"
                ),
                Check(
                    name="backup_takes_over",
                    claim="The backup answers while the primary's pods are gone",
                    expected="East answers at least half of the requests until new pods start",
                    look=answered(_PODS_LOAD, during="pods die", by="east"),
                ),
                Check(
                    name="backup_answers_soon",
                    claim="The backup soon answers the requests that wait for the primary",
                    expected=f"East's first answer within {_TAKES_OVER_S:.0f} s",
                    look=takes_over(_PODS_LOAD, during="pods die", by="east", within_s=_TAKES_OVER_S),
                ),
                Check(
                    name="primary_comes_back",
                    claim="When the pods are back, the primary answers again",
                    expected="West answers again after the pods are back",
                    look=answered(_PODS_LOAD, during="pods are back", by="west", mostly=0.1),
                ),
            ),
            sabotage=Sabotage(
                title="the failover route is removed, requests are pinned to the primary",
                do=(*NO_FAILOVER, split(100), only_by("west")),
                undo=(no_split(),),
                fails="pod_death_loses_nothing",
                before_do=True,
            ),
        ),
        failing.STEP,
        ScenarioStep(
            name="gateway_dies",
            title="The backup's only gateway dies",
            narration="The primary has no pods, and the backup answers all requests. Then its only gateway is killed.",
            before=(*BACKUP_ALONE, gateway.scaled(1), only_by("east")),
            load=_GATEWAY_LOAD,
            do=(
                QUIET,
                NewPhase("gateway dies"),
                gateways.KILLED,
                answers_again("east"),
            ),
            undo=(gateway.scaled("{gateways}"), *PODS_BACK),
            checks=(
                Check(
                    name="gateway_death_recovers",
                    claim="Requests are answered again soon after the gateway died",
                    expected=f"recovered in {RTO_S:.0f} s or less",
                    look=recovers(_GATEWAY_LOAD, during="gateway dies"),
                ),
            ),
        ),
        *gateways.STEPS,
        ScenarioStep(
            name="link_is_cut",
            title="The link is cut",
            narration="Now East is the primary and West the backup. Then West's node drops every packet to East's "
            "node: no connection is closed, and nothing answers.",
            requires=NODES,
            before=(*PODS_BACK, *FAR_FIRST, only_by("east")),
            load=_LINK_LOAD,
            do=(
                QUIET,
                NewPhase("link is cut"),
                cut("west", "east"),
                answers_again("west"),
                Pause(3, "the link stays cut"),
                NewPhase("link is back"),
                restored("west", "east"),
                answers_again("east"),
            ),
            undo=(restored("west", "east"), *NO_FAR_FIRST),
            verb="lab cut {west} {east}",
            checks=(
                Check(
                    name="cut_link_recovers",
                    claim="Requests are answered again soon after the link was cut",
                    expected=f"recovered in {RTO_S:.0f} s or less",
                    look=recovers(_LINK_LOAD, during="link is cut"),
                ),
                Check(
                    name="near_cluster_takes_over",
                    claim="West's own pods answer while East is unreachable",
                    expected="West answers at least half of the requests until the link is back",
                    look=answered(_LINK_LOAD, during="link is cut", by="west"),
                ),
                Check(
                    name="far_cluster_comes_back",
                    claim="When the link is back, East answers again",
                    expected="East answers again after the link is back",
                    look=answered(_LINK_LOAD, during="link is back", by="east", mostly=0.1),
                ),
            ),
        ),
        writes.STEP,
        ScenarioStep(
            name="backup_cluster_dies",
            title="The backup cluster dies",
            narration="The backup's node is killed while the primary works. Callers should not notice.",
            requires=NODES,
            before=(*FAILOVER, only_by("west"), *_both_ingresses()),
            load=_BACKUP_LOAD,
            do=_cluster_dies("east"),
            undo=_revived("east"),
            full_only=True,
            checks=(
                Check(
                    name="backup_cluster_recovers",
                    claim="Requests are answered again soon after the backup cluster died, if any failed",
                    expected=f"recovered in {RTO_S:.0f} s or less",
                    look=recovers(_BACKUP_LOAD, during="cluster dies"),
                ),
            ),
        ),
        ScenarioStep(
            name="primary_cluster_dies",
            title="The primary cluster dies",
            narration="The primary's node is killed. Clients know both ingress addresses and switch to the backup's.",
            requires=NODES,
            before=(
                *FAILOVER,
                # Where the mesh merges the Services, East would call pods of both clusters without its own failover.
                on(linkerd=(), istio=Apply("failover-of-backup.yaml", to="east")),
                only_by("west"),
                *_both_ingresses(),
            ),
            load=_PRIMARY_LOAD,
            do=_cluster_dies("west"),
            undo=(*_revived("west"), on(linkerd=(), istio=Delete("failover-of-backup.yaml", of="east"))),
            full_only=True,
            checks=(
                Check(
                    name="primary_cluster_recovers",
                    claim="The backup answers clients soon after the primary cluster died",
                    expected=f"recovered in {RTO_S:.0f} s or less",
                    look=recovers(_PRIMARY_LOAD, during="cluster dies"),
                ),
                Check(
                    name="backup_answers_for_primary",
                    claim="The backup answers while the primary cluster is down",
                    expected="East answers at least half of the requests until the cluster starts",
                    look=answered(_PRIMARY_LOAD, during="cluster dies", by="east"),
                ),
            ),
        ),
    ),
    saw="A planned shift and the death of pods lose nothing, because the proxies retry requests at healthy pods. When "
    "the only gateway dies, requests fail until its successor is ready; the report says for how many seconds. With two "
    "gateways, a drain loses nothing, and a death next to nothing.",
    try_next=(
        "Raise the rate: `lab run disaster_recovery --rate 100`, then compare with `lab report diff`.",
        "Also stop whole clusters: `lab run disaster_recovery --full`.",
    ),
)
